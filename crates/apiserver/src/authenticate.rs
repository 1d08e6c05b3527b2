//! Who makes a request: by certificate, by token, in somebody else's name.

use std::sync::Arc;

use api::status::ApiError;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, header};
use jiff::Timestamp;
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{Identity, core::Core, identity::AUTHENTICATED, query, rbac::Attributes, tokens::ISSUER};

/// What the protocol of a WebSocket begins with that is a token.
pub(crate) const SOCKET_TOKEN: &str = "base64url.bearer.authorization.k8s.io.";

const EXTRA: &str = "impersonate-extra-";

/// Reads the user from a verified client certificate: the common name and the organisations.
pub(crate) fn from_certificate(der: &[u8]) -> Option<Identity> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let user = subject.iter_common_name().next()?.as_str().ok()?;
    let groups: Vec<&str> = subject.iter_organization().filter_map(|name| name.as_str().ok()).collect();
    Some(Identity::new(user, &groups))
}

/// Decides who makes a request. A token wins over the connection's certificate.
///
/// # Errors
/// 401 for a token that is not good.
pub(crate) fn identify(
    core: &Core,
    headers: &HeaderMap,
    connection: Option<&Arc<Identity>>,
) -> Result<Arc<Identity>, ApiError> {
    if let Some(token) = bearer(headers).map(str::to_owned).or_else(|| socket_token(headers)) {
        let reviewed = review(core, &token, &[ISSUER]).ok_or_else(ApiError::unauthorized)?;
        return Ok(Arc::new(reviewed.identity));
    }
    Ok(connection.cloned().unwrap_or_else(|| Arc::new(Identity::anonymous())))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Browsers can set no headers on a WebSocket: they name the token among the protocols.
fn socket_token(headers: &HeaderMap) -> Option<String> {
    let protocols = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut protocols = protocols.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let encoded = protocols.find_map(|protocol| protocol.trim().strip_prefix(SOCKET_TOKEN))?;
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

/// What a good token says.
pub(crate) struct Reviewed {
    pub(crate) identity: Identity,
    /// Those asked for that the token is meant for.
    pub(crate) audiences: Vec<String>,
}

/// Checks a service-account token: signature, times, audience, and that account and pod still exist.
pub(crate) fn review(core: &Core, token: &str, audiences: &[&str]) -> Option<Reviewed> {
    let claims = core.tokens.verify(token)?;
    let now = Timestamp::now().as_second();
    // a token kept in a secret has no end of its own
    let is_kept = claims["kubernetes.io"]["secret"].is_object();
    let is_alive = claims["exp"].as_i64().map_or(is_kept, |end| end > now);
    let is_current = is_alive && claims["nbf"].as_i64().unwrap_or(0) <= now;
    if claims["iss"] != ISSUER || !is_current {
        return None;
    }
    let meant: Vec<&str> = match &claims["aud"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let audiences: Vec<String> =
        audiences.iter().filter(|wanted| meant.contains(wanted)).map(|text| (*text).to_owned()).collect();
    if audiences.is_empty() {
        return None;
    }
    let private = &claims["kubernetes.io"];
    let namespace = private["namespace"].as_str()?;
    let (name, uid) = named(&private["serviceaccount"])?;
    let exists = |plural: &str, name: &str, uid: &str| {
        core.find_core(plural, Some(namespace), name)
            .is_ok_and(|found| api::meta::uid(&found.object) == Some(uid))
    };
    if !exists("serviceaccounts", name, uid) {
        return None;
    }
    let mut identity = Identity::service_account(namespace, name, uid);
    for (kind, plural) in [("pod", "pods"), ("secret", "secrets")] {
        let Some((name, uid)) = named(&private[kind]) else { continue };
        if !exists(plural, name, uid) {
            return None;
        }
        let mut add = |what: &str, text: &str| {
            identity
                .extra
                .insert(format!("authentication.kubernetes.io/{kind}-{what}"), vec![text.to_owned()]);
        };
        add("name", name);
        add("uid", uid);
    }
    // not checked for being there: a pod's token outlives the node's object
    if let Some((name, uid)) = named(&private["node"]) {
        identity.extra.insert("authentication.kubernetes.io/node-name".to_owned(), vec![name.to_owned()]);
        identity.extra.insert("authentication.kubernetes.io/node-uid".to_owned(), vec![uid.to_owned()]);
    }
    if let Some(id) = claims["jti"].as_str() {
        let key = "authentication.kubernetes.io/credential-id";
        identity.extra.insert(key.to_owned(), vec![format!("JTI={id}")]);
    }
    Some(Reviewed { identity, audiences })
}

fn named(object: &Value) -> Option<(&str, &str)> {
    Some((object["name"].as_str()?, object["uid"].as_str()?))
}

/// Applies the `Impersonate-*` headers (`kubectl --as`).
///
/// # Errors
/// 403 when the user may not act as the one named, 400 when only groups are named.
pub(crate) fn impersonate(
    core: &Core,
    headers: &HeaderMap,
    identity: Arc<Identity>,
) -> Result<Arc<Identity>, ApiError> {
    let all = |name: &str| -> Vec<String> {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
    };
    let Some(user) = all("impersonate-user").into_iter().next().filter(|user| !user.is_empty()) else {
        if headers.contains_key("impersonate-group") || headers.contains_key("impersonate-uid") {
            return Err(ApiError::bad_request("requested impersonation without impersonating a user"));
        }
        return Ok(identity);
    };
    let allowed = |group: &str, resource: &str, namespace: Option<&str>, name: &str| {
        let wanted = Attributes {
            verb: "impersonate".to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            path: None,
        };
        if core.rbac.allows(core, &identity, &wanted) {
            return Ok(());
        }
        Err(crate::authorize::forbidden(&identity, &wanted))
    };
    let mut groups = all("impersonate-group");
    let account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let mut assumed = match account {
        Some((namespace, name)) => {
            allowed("", "serviceaccounts", Some(namespace), name)?;
            Identity::service_account(namespace, name, "")
        }
        None => {
            allowed("", "users", None, &user)?;
            Identity { user: user.clone(), ..Identity::default() }
        }
    };
    for group in &groups {
        allowed("", "groups", None, group)?;
    }
    if !groups.is_empty() || account.is_none() {
        if user != "system:anonymous" && !groups.iter().any(|group| group == AUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        assumed.groups = groups;
    }
    for name in headers.keys().filter(|name| name.as_str().starts_with(EXTRA)) {
        let key = query::decode(&name.as_str()[EXTRA.len()..], false);
        allowed("authentication.k8s.io", &format!("userextras/{key}"), None, "")?;
        assumed.extra.insert(key, all(name.as_str()));
    }
    Ok(Arc::new(assumed))
}

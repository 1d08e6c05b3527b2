//! `token`: a signed token of a service account.

use api::field::{Fault, FieldError};
use api::status::ApiError;
use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    body,
    core::{Call, Core},
    tokens::ISSUER,
};

const DEFAULT_SECONDS: i64 = 3600;
const MIN_SECONDS: i64 = 600;
const MAX_SECONDS: i64 = 1 << 32;
/// Kubelets ask for this much; they renew when it is over though the token lasts a day longer upstream.
const MAX_GRANTED: i64 = 48 * 3600;

/// Serves `create` of a TokenRequest.
pub(crate) async fn create(core: &Core, call: &Call, body: Bytes) -> Result<Answer, ApiError> {
    let json = body::to_json(&call.headers, body)?;
    let mut request: Value = serde_json::from_slice(&json)
        .map_err(|error| ApiError::bad_request(format!("error decoding TokenRequest: {error}")))?;
    if !request.is_object() {
        return Err(ApiError::bad_request("error decoding TokenRequest: it must be a JSON object"));
    }
    let account = core.find(&call.target)?.object;
    let name = call.target.name()?;
    let namespace = call.target.namespace().unwrap_or_default();
    let spec = &request["spec"];
    let seconds = expiration(name, spec)?;
    let given: Vec<String> = spec["audiences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect();
    let audiences = if given.is_empty() { vec![ISSUER.to_owned()] } else { given };
    let expires = call.now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(call.now);
    let mut private = json!({"namespace": namespace,
        "serviceaccount": {"name": name, "uid": api::meta::uid(&account)}});
    if let Some(bound) = bound_object(core, call, &spec["boundObjectRef"])? {
        private[bound.claim] = bound.reference;
        if let Some(node) = bound.node {
            private["node"] = node;
        }
    }
    let token = core.tokens.sign(&json!({
        "iss": ISSUER,
        "sub": format!("system:serviceaccount:{namespace}:{name}"),
        "aud": audiences,
        "iat": call.now.as_second(),
        "nbf": call.now.as_second(),
        "exp": expires.as_second(),
        "jti": uuid::Uuid::new_v4().to_string(),
        "kubernetes.io": private,
    }))?;
    request["apiVersion"] = json!("authentication.k8s.io/v1");
    request["kind"] = json!("TokenRequest");
    request["metadata"] = json!({"name": name, "namespace": namespace,
        "creationTimestamp": api::time::seconds(call.now)});
    request["spec"]["audiences"] = json!(audiences);
    request["spec"]["expirationSeconds"] = json!(seconds);
    request["status"] = json!({"token": token, "expirationTimestamp": api::time::seconds(expires)});
    Ok(Answer::created(request))
}

fn expiration(name: &str, spec: &Value) -> Result<i64, ApiError> {
    let seconds = spec["expirationSeconds"].as_i64().unwrap_or(DEFAULT_SECONDS);
    let fault = |detail: &str| {
        let error = FieldError {
            fault: Fault::Invalid,
            field: "spec.expirationSeconds".to_owned(),
            value: Some(json!(seconds)),
            detail: detail.to_owned(),
        };
        Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", name, &[error]))
    };
    if seconds < MIN_SECONDS {
        return fault("may not specify a duration less than 10 minutes");
    }
    if seconds > MAX_SECONDS {
        return fault("may not specify a duration larger than 2^32 seconds");
    }
    Ok(seconds.min(MAX_GRANTED))
}

/// What a token lives and dies with.
struct Bound {
    claim: &'static str,
    reference: Value,
    /// The node of a pod.
    node: Option<Value>,
}

/// A token may live and die with a pod or a secret.
fn bound_object(core: &Core, call: &Call, reference: &Value) -> Result<Option<Bound>, ApiError> {
    if reference.is_null() {
        return Ok(None);
    }
    let (claim, plural) = match reference["kind"].as_str() {
        Some("Pod") => ("pod", "pods"),
        Some("Secret") => ("secret", "secrets"),
        other => {
            let kind = other.unwrap_or_default();
            return Err(ApiError::bad_request(format!(
                "cannot bind token for serviceaccount to type {kind}"
            )));
        }
    };
    let name = reference["name"].as_str().unwrap_or_default();
    let object = core.find_core(plural, call.target.namespace(), name)?.object;
    let uid = api::meta::uid(&object).unwrap_or_default();
    let conflict = |why: String| ApiError::conflict("", plural, name, &why);
    if let Some(wanted) = reference["uid"].as_str().filter(|wanted| !wanted.is_empty() && *wanted != uid) {
        return Err(conflict(format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. \
             The object might have been deleted and then recreated"
        )));
    }
    let account = object["spec"]["serviceAccountName"].as_str();
    if claim == "pod" && account != call.target.name.as_deref() {
        return Err(ApiError::bad_request(format!(
            "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
            call.target.name.as_deref().unwrap_or_default()
        )));
    }
    let node = object["spec"]["nodeName"].as_str().filter(|node| claim == "pod" && !node.is_empty());
    let node = node.map(|node| {
        let found = core.find_core("nodes", None, node).ok();
        json!({"name": node, "uid": found.as_ref().and_then(|found| api::meta::uid(&found.object))})
    });
    Ok(Some(Bound { claim, reference: json!({"name": name, "uid": uid}), node }))
}

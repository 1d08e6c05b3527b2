//! Whether a request is allowed, and the words of a refusal.

use api::status::ApiError;
use http::Method;

use crate::{Identity, core::Core, query::Query, rbac::Attributes, route::Target};

/// Returns the verb of a request for objects.
pub(crate) fn verb(method: &Method, target: &Target, query: &Query) -> &'static str {
    // whoever takes a connection over creates something, whatever the handshake's method
    if matches!(target.subresource.as_deref(), Some("exec" | "attach" | "portforward")) {
        return "create";
    }
    match (method.as_str(), target.name.is_some()) {
        ("GET" | "HEAD", _) if query.flag("watch") && target.subresource.is_none() => "watch",
        ("GET" | "HEAD", true) => "get",
        ("GET" | "HEAD", false) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ => "",
    }
}

/// Returns what a request for objects wants.
pub(crate) fn of_target(verb: &str, target: &Target) -> Attributes {
    let resource = match &target.subresource {
        Some(part) => format!("{}/{part}", target.row.plural),
        None => target.row.plural.to_owned(),
    };
    // a namespace is judged by the roles bound inside it too
    let own = (target.row.plural == "namespaces" && target.row.group.is_empty()).then(|| target.name.clone());
    Attributes {
        verb: verb.to_owned(),
        group: target.row.group.to_owned(),
        resource,
        namespace: target.namespace.clone().or(own.flatten()),
        name: target.name.clone().unwrap_or_default(),
        path: None,
    }
}

/// Returns what a request for anything else wants.
pub(crate) fn of_path(method: &Method, path: &str) -> Attributes {
    Attributes {
        verb: method.as_str().to_ascii_lowercase(),
        path: Some(path.to_owned()),
        ..Attributes::default()
    }
}

/// Lets a request pass or says why not.
///
/// # Errors
/// 401 for nobody in particular, 403 for everyone else.
pub(crate) fn check(core: &Core, identity: &Identity, wanted: &Attributes) -> Result<(), ApiError> {
    if core.rbac.allows(core, identity, wanted) {
        return Ok(());
    }
    if identity.is_in(crate::identity::UNAUTHENTICATED) {
        return Err(ApiError::unauthorized());
    }
    Err(forbidden(identity, wanted))
}

/// Returns a refusal in Kubernetes' words.
pub(crate) fn forbidden(identity: &Identity, wanted: &Attributes) -> ApiError {
    let user = &identity.user;
    let verb = &wanted.verb;
    if let Some(path) = &wanted.path {
        let mut error = ApiError::forbidden("", "", "", "");
        error.message = format!("forbidden: User \"{user}\" cannot {verb} path \"{path}\"");
        return error;
    }
    let place = match &wanted.namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    let why = format!(
        "User \"{user}\" cannot {verb} resource \"{}\" in API group \"{}\" {place}",
        wanted.resource, wanted.group
    );
    let plural = wanted.resource.split('/').next().unwrap_or_default();
    ApiError::forbidden(&wanted.group, plural, &wanted.name, &why)
}

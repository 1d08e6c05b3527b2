//! What the server adds to objects and refuses by policy, in process.
//!
//! Reading order: `namespace` (where objects may be created), `service_account`, `pod` and `runtime_class` (what every
//! pod gets), `secret` (tokens), `storage` (claims and volumes), `escalation` (of rights), and the small rules here.

mod escalation;
mod namespace;
mod pod;
mod runtime_class;
mod secret;
mod service_account;
mod storage;

use api::field::FieldError;
use api::status::ApiError;
use serde_json::{Value, json};

use crate::{
    core::{Call, Core},
    route::Target,
};

pub(crate) use namespace::{after_create, furnish};

/// Completes and judges a new object whose metadata are filled; returns warnings.
pub(crate) async fn admit_new(core: &Core, call: &Call, object: &mut Value) -> Result<Vec<String>, ApiError> {
    let row = call.target.row;
    namespace::admit_into(core, call, object)?;
    match (row.group, row.plural) {
        ("", "namespaces") => namespace::complete(object),
        ("", "pods") => {
            crate::quota::complete_pod(core, call, object)?;
            service_account::inject(core, call, object).await?;
            pod::complete(core, object)?;
            runtime_class::complete(core, object)?;
        }
        ("", "secrets") => secret::fill_token(core, call, object)?,
        ("", "persistentvolumeclaims") => storage::complete_claim(core, object)?,
        ("", "persistentvolumes") => storage::complete_volume(object),
        ("rbac.authorization.k8s.io", _) => escalation::check(core, call, object)?,
        ("certificates.k8s.io", _) => name_requestor(call, object),
        ("networking.k8s.io", "ingresses") => default_ingress_class(core, object)?,
        ("batch", "cronjobs") => check_time_zone(call, object)?,
        _ => {}
    }
    Ok(Vec::new())
}

/// Completes and judges a change; returns warnings.
pub(crate) fn admit_change(
    core: &Core,
    call: &Call,
    new: &mut Value,
    old: &Value,
) -> Result<Vec<String>, ApiError> {
    let row = call.target.row;
    match (row.group, row.plural) {
        ("", "namespaces") => namespace::label(new),
        ("", "pods") if call.target.subresource.is_none() => pod::complete_change(new, old),
        ("", "persistentvolumeclaims") => storage::check_growth(core, call, new, old)?,
        ("rbac.authorization.k8s.io", _) => escalation::check(core, call, new)?,
        ("batch", "cronjobs") if new["spec"]["timeZone"] != old["spec"]["timeZone"] => {
            check_time_zone(call, new)?;
        }
        _ => {}
    }
    Ok(Vec::new())
}

/// A schedule in a zone that this machine doesn't know would never come due.
fn check_time_zone(call: &Call, object: &Value) -> Result<(), ApiError> {
    let Some(zone) = object["spec"]["timeZone"].as_str().filter(|zone| !zone.is_empty()) else {
        return Ok(());
    };
    if jiff::tz::TimeZone::get(zone).is_ok() {
        return Ok(());
    }
    let row = call.target.row;
    let error = FieldError::invalid("spec.timeZone", zone, format!("unknown time zone {zone}"));
    Err(ApiError::invalid(row.group, row.kind, api::meta::name(object).unwrap_or_default(), &[error]))
}

/// Judges a deletion.
pub(crate) fn admit_delete(target: &Target) -> Result<(), ApiError> {
    let is_protected = matches!(target.name.as_deref(), Some("default" | "kube-system" | "kube-public"));
    if (target.row.group, target.row.plural) == ("", "namespaces") && is_protected {
        return Err(ApiError::forbidden(
            "",
            "namespaces",
            target.name()?,
            "this namespace may not be deleted",
        ));
    }
    Ok(())
}

/// A signing request says who made it, whatever it says itself.
fn name_requestor(call: &Call, object: &mut Value) {
    let identity = &call.identity;
    let Some(spec) = object["spec"].as_object_mut() else { return };
    for field in ["username", "uid", "groups", "extra"] {
        spec.remove(field);
    }
    spec.insert("username".to_owned(), json!(identity.user));
    if !identity.uid.is_empty() {
        spec.insert("uid".to_owned(), json!(identity.uid));
    }
    if !identity.groups.is_empty() {
        spec.insert("groups".to_owned(), json!(identity.groups));
    }
    if !identity.extra.is_empty() {
        spec.insert("extra".to_owned(), json!(identity.extra));
    }
}

/// An Ingress that names no class gets the default one.
fn default_ingress_class(core: &Core, object: &mut Value) -> Result<(), ApiError> {
    let annotations = &object["metadata"]["annotations"];
    let is_named = object["spec"]["ingressClassName"].is_string()
        || annotations.get("kubernetes.io/ingress.class").is_some();
    if is_named {
        return Ok(());
    }
    let classes = core.all(core.row("networking.k8s.io", "v1", "ingressclasses")?, None);
    let default = classes.iter().find(|class| {
        class["metadata"]["annotations"]["ingressclass.kubernetes.io/is-default-class"] == "true"
    });
    if let Some(name) = default.and_then(api::meta::name) {
        object["spec"]["ingressClassName"] = json!(name);
    }
    Ok(())
}

//! What claims and volumes get: protection while in use, the default class; and who may grow.

use api::quantity::Quantity;
use api::status::ApiError;
use api::storage::{BETA_CLASS, CLAIM_PROTECTION, VOLUME_PROTECTION, default_class};
use serde_json::{Value, json};

use crate::core::{Call, Core};

/// Keeps a new claim from being removed while a pod uses it, and gives it the default class.
pub(super) fn complete_claim(core: &Core, claim: &mut Value) -> Result<(), ApiError> {
    protect(claim, CLAIM_PROTECTION);
    let is_named = claim["spec"]["storageClassName"].is_string()
        || claim["metadata"]["annotations"].get(BETA_CLASS).is_some();
    if is_named {
        return Ok(());
    }
    let classes = core.all(core.row("storage.k8s.io", "v1", "storageclasses")?, None);
    let classes: Vec<_> =
        classes.into_iter().filter_map(|class| serde_json::from_value(class).ok()).collect();
    if let Some(name) = default_class(&classes).and_then(|class| class.metadata.name.as_deref()) {
        claim["spec"]["storageClassName"] = json!(name);
    }
    Ok(())
}

/// Keeps a new volume from being removed while it is bound.
pub(super) fn complete_volume(volume: &mut Value) {
    protect(volume, VOLUME_PROTECTION);
}

fn protect(object: &mut Value, finalizer: &str) {
    let finalizers = &mut object["metadata"]["finalizers"];
    match finalizers.as_array_mut() {
        Some(all) if all.iter().any(|known| known == finalizer) => {}
        Some(all) => all.push(json!(finalizer)),
        None => *finalizers = json!([finalizer]),
    }
}

/// A claim grows only where its class says that its volumes can.
pub(super) fn check_growth(core: &Core, call: &Call, new: &Value, old: &Value) -> Result<(), ApiError> {
    let requested = |claim: &Value| {
        let text = claim["spec"]["resources"]["requests"]["storage"].as_str()?;
        text.parse::<Quantity>().ok()
    };
    let (Some(wanted), Some(had)) = (requested(new), requested(old)) else { return Ok(()) };
    if call.target.subresource.is_some() || wanted <= had {
        return Ok(());
    }
    let forbidden = |why: &str| {
        let name = api::meta::name(new).unwrap_or_default();
        Err(ApiError::forbidden("", "persistentvolumeclaims", name, why))
    };
    // one that is not bound can't change at all, which validation says
    if old["status"]["phase"] != "Bound" {
        return Ok(());
    }
    let class = old["spec"]["storageClassName"].as_str().unwrap_or_default();
    let classes = core.all(core.row("storage.k8s.io", "v1", "storageclasses")?, None);
    let class = classes.iter().find(|known| api::meta::name(known) == Some(class));
    if class.is_some_and(|class| class["allowVolumeExpansion"] == true) {
        return Ok(());
    }
    forbidden(
        "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
    )
}

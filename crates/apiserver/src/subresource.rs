//! Parts of objects that have paths of their own.
//!
//! Reading order: [`scale`], [`binding`], [`eviction`], [`token`], [`log`], [`proxy`]; `status` and `finalize` are
//! ordinary changes and stand here.

pub(crate) mod binding;
pub(crate) mod container;
pub(crate) mod eviction;
pub(crate) mod log;
pub(crate) mod pod_parts;
pub(crate) mod proxy;
pub(crate) mod scale;
pub(crate) mod token;

use api::decode::{Decoded, FieldValidation};
use api::resource::Subresource;
use api::status::ApiError;
use bytes::Bytes;
use serde_json::Value;

use crate::{
    answer::Answer,
    body,
    core::{Call, Core},
    modify::{self, Edit, Part},
    route::Target,
};

/// Reads the name of a subresource in a path; the row must have it.
pub(crate) fn parse(target: &Target) -> Result<Option<Subresource>, ApiError> {
    let Some(text) = &target.subresource else { return Ok(None) };
    let part = match text.as_str() {
        "status" => Subresource::Status,
        "scale" => Subresource::Scale,
        "log" => Subresource::Log,
        "exec" => Subresource::Exec,
        "attach" => Subresource::Attach,
        "portforward" => Subresource::PortForward,
        "proxy" => Subresource::Proxy,
        "binding" => Subresource::Binding,
        "eviction" => Subresource::Eviction,
        "ephemeralcontainers" => Subresource::EphemeralContainers,
        "resize" => Subresource::Resize,
        "token" => Subresource::Token,
        "finalize" => Subresource::Finalize,
        "approval" => Subresource::Approval,
        _ => return Err(ApiError::path_not_found()),
    };
    if target.row.has(part) { Ok(Some(part)) } else { Err(ApiError::path_not_found()) }
}

/// Serves `update` of a namespace's `finalize`: only the finalizers of its spec change.
pub(crate) async fn finalize(core: &Core, call: &Call, body: Bytes) -> Result<Answer, ApiError> {
    let json = body::to_json(&call.headers, body)?;
    let given = api::decode::decode(call.target.row, &json, FieldValidation::Ignore)?.object;
    let edit = Edit { part: Part::Internal, ..Edit::of(call)? };
    modify::modify(core, call, &edit, |old| {
        let mut new = old.clone();
        copy_revision(&mut new, &given);
        match given["spec"].get("finalizers") {
            Some(finalizers) => new["spec"]["finalizers"] = finalizers.clone(),
            None => {
                if let Some(spec) = new["spec"].as_object_mut() {
                    spec.remove("finalizers");
                }
            }
        }
        Ok(Decoded { object: new, warnings: Vec::new() })
    })
    .await
}

/// A subresource's resource version and uid are preconditions on the object.
pub(crate) fn copy_revision(object: &mut Value, given: &Value) {
    for field in ["resourceVersion", "uid"] {
        if let Some(text) = given["metadata"][field].as_str().filter(|text| !text.is_empty()) {
            object["metadata"][field] = Value::String(text.to_owned());
        }
    }
}

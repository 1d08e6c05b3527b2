//! The four patch kinds.

use api::apply::{self, Manager};
use api::decode::{self, Decoded, FieldValidation, Patched};
use api::meta;
use api::patch;
use api::status::ApiError;
use bytes::Bytes;
use serde_json::Value;

use crate::{
    answer::Answer,
    body,
    core::{Call, Core},
    create,
    modify::{self, Edit},
};

/// A patch, read once.
enum Patch {
    Json(Bytes),
    Merge(Value),
    Strategic(Value),
}

/// Serves `patch`.
pub(crate) async fn patch(core: &Core, call: &Call, body: Bytes) -> Result<Answer, ApiError> {
    let validation = create::validation(call)?;
    let patch = match body::content_type(&call.headers) {
        "application/json-patch+json" => Patch::Json(body),
        "application/merge-patch+json" => Patch::Merge(parse(&body)?),
        "application/strategic-merge-patch+json" => Patch::Strategic(parse(&body)?),
        _ if is_apply(call) => return apply(core, call, body, validation).await,
        other => {
            return Err(ApiError::unsupported_media_type(format!(
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, \
                 application/strategic-merge-patch+json, application/apply-patch+yaml; it was {other}"
            )));
        }
    };
    modify::modify(core, call, &Edit::of(call)?, |old| change(call, &patch, old, validation)).await
}

/// Applies a patch that is no server-side apply to an object of the target's row.
pub(crate) fn apply_to(call: &Call, body: &Bytes, object: &mut Value) -> Result<(), ApiError> {
    match body::content_type(&call.headers) {
        "application/json-patch+json" => patch::json_patch(object, body),
        "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
            patch::merge_patch(object, parse(body)?);
            Ok(())
        }
        other => {
            Err(ApiError::unsupported_media_type(format!("patches of this subresource cannot be {other}")))
        }
    }
}

fn change(call: &Call, patch: &Patch, old: &Value, validation: FieldValidation) -> Result<Decoded, ApiError> {
    let row = call.target.row;
    let mut new = old.clone();
    match patch {
        Patch::Json(operations) => patch::json_patch(&mut new, operations)?,
        Patch::Merge(patch) => patch::merge_patch(&mut new, patch.clone()),
        Patch::Strategic(patch) => patch::strategic_merge(row, &mut new, patch.clone())?,
    }
    if meta::name(&new) != meta::name(old) || meta::namespace(&new) != meta::namespace(old) {
        return Err(ApiError::bad_request("a patch may not change an object's name or namespace"));
    }
    let how = match patch {
        Patch::Json(_) | Patch::Merge(_) => Patched::AsDocument,
        Patch::Strategic(patch) => Patched::Strategically(patch),
    };
    decode::check_patched(row, new, validation, how)
}

/// Serves server-side apply. What is applied stays as its author wrote it: what he names is his, and no more.
async fn apply(
    core: &Core,
    call: &Call,
    body: Bytes,
    validation: FieldValidation,
) -> Result<Answer, ApiError> {
    let row = call.target.row;
    let decoded = decode::decode_applied(row, &body::yaml_to_json(&body)?, validation)?;
    let applied = with_names(call, decoded.object)?;
    let answer = match apply_to_live(core, call, &applied).await {
        Err(error) if error.code == 404 && call.target.subresource.is_none() => {
            if meta::uid(&applied).is_some_and(|uid| !uid.is_empty()) {
                return Err(ApiError::conflict(
                    row.group,
                    row.plural,
                    call.target.name()?,
                    "uid mismatch: the object does not exist",
                ));
            }
            let object = apply::apply_as_written(row, None, &applied, applier(call)?, false)?;
            let object = decode::check(row, object, FieldValidation::Ignore)?.object;
            create::insert(core, call, object, None).await
        }
        answer => answer,
    };
    Ok(answer?.warning(decoded.warnings))
}

/// Applies an object of the target's row, as its author wrote it, to the one that lives.
pub(crate) async fn apply_to_live(core: &Core, call: &Call, applied: &Value) -> Result<Answer, ApiError> {
    let row = call.target.row;
    let manager = applier(call)?;
    let force = call.query.flag("force");
    let edit = Edit { manager: None, ..Edit::of(call)? };
    modify::modify(core, call, &edit, |old| {
        let object = apply::apply_as_written(row, Some(old), applied, manager, force)?;
        decode::check(row, object, FieldValidation::Ignore)
    })
    .await
}

fn applier(call: &Call) -> Result<Manager<'_>, ApiError> {
    let Some(name) = call.query.get("fieldManager").filter(|name| !name.is_empty()) else {
        return Err(ApiError::bad_request(
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ));
    };
    let subresource = call.target.subresource.as_deref().unwrap_or_default();
    Ok(Manager { name, subresource, now: call.now })
}

/// Tells whether a patch is a server-side apply.
pub(crate) fn is_apply(call: &Call) -> bool {
    matches!(
        body::content_type(&call.headers),
        "application/apply-patch+yaml" | "application/apply-patch+json"
    )
}

/// An applied object may leave its name and namespace to the path.
fn with_names(call: &Call, mut object: Value) -> Result<Value, ApiError> {
    let name = call.target.name()?;
    match meta::name(&object).filter(|name| !name.is_empty()) {
        None => object["metadata"]["name"] = Value::String(name.to_owned()),
        Some(given) if given == name => {}
        Some(given) => {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
    }
    if let Some(namespace) = call.target.namespace() {
        object["metadata"]["namespace"] = Value::String(namespace.to_owned());
    }
    Ok(object)
}

fn parse(body: &[u8]) -> Result<Value, ApiError> {
    let patch: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
    if patch.is_object() {
        Ok(patch)
    } else {
        Err(ApiError::bad_request("error decoding patch: it must be a JSON object"))
    }
}

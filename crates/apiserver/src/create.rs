//! Creating objects.

use api::apply::{self, Manager};
use api::decode::{self, FieldValidation};
use api::meta::{self, Birth};
use api::status::ApiError;
use bytes::Bytes;
use serde_json::Value;
use store::Expect;

use crate::{
    admission,
    answer::Answer,
    body,
    core::{Call, Core, Refused},
    quota,
};

/// Generated names are drawn anew when they are taken; Kubernetes tries as often.
const NAME_ATTEMPTS: usize = 8;

/// How strictly the request wants unknown fields to be treated.
pub(crate) fn validation(call: &Call) -> Result<FieldValidation, ApiError> {
    call.query.get("fieldValidation").map_or(Ok(FieldValidation::default()), FieldValidation::parse)
}

/// Serves `create`.
pub(crate) async fn create(core: &Core, call: &Call, body: Bytes) -> Result<Answer, ApiError> {
    let json = body::to_json(&call.headers, body)?;
    let decoded = decode::decode(call.target.row, &json, validation(call)?)?;
    let manager = call.manager()?;
    let answer = insert(core, call, decoded.object, Some(&manager)).await?;
    Ok(answer.warning(decoded.warnings))
}

/// Admits, checks and stores a new object. Without `manager` its managed fields are set already.
pub(crate) async fn insert(
    core: &Core,
    call: &Call,
    object: Value,
    manager: Option<&str>,
) -> Result<Answer, ApiError> {
    let row = call.target.row;
    if meta::resource_version(&object).is_some_and(|revision| !revision.is_empty()) {
        return Err(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let dry_run = call.query.dry_run()?;
    let managed = object["metadata"].get("managedFields").cloned();
    let is_generated = meta::name(&object).is_none_or(str::is_empty);
    let attempts = if is_generated { NAME_ATTEMPTS } else { 1 };
    for _ in 0..attempts {
        let mut new = object.clone();
        fill(call, &mut new)?;
        row.default(&mut new);
        let owners = manager.map(|name| first_owner(call, &new, name));
        let mut warnings = admission::admit_new(core, call, &mut new).await?;
        row.prepare_create(&mut new);
        warnings.extend(row.warnings(&new));
        if let Some(managed) = owners.as_ref().unwrap_or(&managed) {
            new["metadata"]["managedFields"] = managed.clone();
        }
        let name = meta::name(&new).unwrap_or_default().to_owned();
        let errors = row.validate(&new);
        if !errors.is_empty() {
            return Err(ApiError::invalid(row.group, row.kind, &name, &errors));
        }
        let mut services = core.services.lock_for(row).await;
        if let Some(services) = &mut services {
            services.allocate(core, &mut new, None)?;
        }
        let reserved = quota::admit(core, call, &new, None).await?;
        let key = core.key(row, call.target.namespace(), &name);
        if dry_run {
            return match core.store().get(&key) {
                None => Ok(Answer::created(new).warning(warnings)),
                Some(_) => Err(ApiError::already_exists(row.group, row.plural, &name)),
            };
        }
        match core.put(row, &key, Expect::Absent, &mut new).await {
            Ok(_) => {
                drop((services, reserved));
                admission::after_create(core, call, &new).await;
                return Ok(Answer::created(new).warning(warnings));
            }
            Err(Refused::Raced) if is_generated => {}
            Err(Refused::Raced) => return Err(ApiError::already_exists(row.group, row.plural, &name)),
            Err(Refused::Error(error)) => return Err(error),
        }
    }
    let base = meta::text(&object, &["metadata", "generateName"]).unwrap_or_default();
    Err(ApiError::already_exists(row.group, row.plural, base))
}

/// Who creates an object owns what he named and its defaults, not what admission and allocation add later.
fn first_owner(call: &Call, object: &Value, name: &str) -> Option<Value> {
    let mut named = object.clone();
    let manager = Manager { name, subresource: "", now: call.now };
    apply::track_update(call.target.row, None, &mut named, manager);
    named["metadata"].get_mut("managedFields").map(Value::take)
}

fn fill(call: &Call, object: &mut Value) -> Result<(), ApiError> {
    let uid = uuid::Uuid::new_v4().to_string();
    let birth =
        Birth { namespace: call.target.namespace(), uid: &uid, now: call.now, seed: fastrand::u64(..) };
    meta::fill_new(object, &birth)
}

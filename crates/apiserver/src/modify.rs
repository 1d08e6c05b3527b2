//! Changing objects: the one loop that every update, patch, apply and subresource goes through.

use api::apply::{self, Manager};
use api::certificates;
use api::decode::{self, Decoded};
use api::field::FieldError;
use api::meta;
use api::resource::Subresource;
use api::status::ApiError;
use bytes::Bytes;
use serde_json::Value;
use store::Expect;

use crate::{
    admission,
    answer::Answer,
    body,
    core::{Call, Core, Found, Refused},
    create, quota,
    subresource::pod_parts,
};

/// A change that names no resource version is tried again when somebody else was first.
const ATTEMPTS: usize = 32;

/// Which part of an object a change may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything but the status.
    Object,
    /// The status.
    Status,
    /// The ephemeral containers of a pod.
    Ephemeral,
    /// The resources of a pod's containers.
    Resources,
    /// The judgement on a certificate signing request.
    Approval,
    /// Whatever the server's own code changes.
    Internal,
}

/// How a change is made.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) part: Part,
    /// Who is recorded in the managed fields; nobody when the change did it itself.
    pub(crate) manager: Option<String>,
    pub(crate) dry_run: bool,
}

impl Edit {
    /// Returns the edit of a request's own object or subresource.
    pub(crate) fn of(call: &Call) -> Result<Self, ApiError> {
        let part = match call.target.subresource.as_deref() {
            Some("status") => Part::Status,
            Some("ephemeralcontainers") => Part::Ephemeral,
            Some("resize") => Part::Resources,
            Some("approval") => Part::Approval,
            _ => Part::Object,
        };
        Ok(Self { part, manager: Some(call.manager()?), dry_run: call.query.dry_run()? })
    }
}

/// Serves `update`.
pub(crate) async fn update(core: &Core, call: &Call, body: Bytes) -> Result<Answer, ApiError> {
    let json = body::to_json(&call.headers, body)?;
    if let Some(added) = pod_parts::added_the_old_way(call, &json) {
        let with_added = |old: &Value| {
            let object = pod_parts::with_ephemeral(old, &added);
            Ok(Decoded { object, warnings: Vec::new() })
        };
        return modify(core, call, &Edit::of(call)?, with_added).await;
    }
    let decoded = decode::decode(call.target.row, &json, create::validation(call)?)?;
    let name = meta::name(&decoded.object).unwrap_or_default();
    if name.is_empty() {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            call.target.name()?
        )));
    }
    if name != call.target.name()? {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.target.name()?
        )));
    }
    let namespace = meta::namespace(&decoded.object).unwrap_or_default();
    if !namespace.is_empty() && Some(namespace) != call.target.namespace() {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let row = call.target.row;
    let revision = meta::resource_version(&decoded.object).unwrap_or_default();
    if CONDITIONAL.contains(&row.plural) && revision.is_empty() {
        let error = FieldError::invalid("metadata.resourceVersion", 0, "must be specified for an update");
        return Err(ApiError::invalid(row.group, row.plural, name, &[error]));
    }
    modify(core, call, &Edit::of(call)?, |_| Ok(decoded.clone())).await
}

/// Kinds whose objects are only replaced in the version that was read.
const CONDITIONAL: [&str; 3] = ["leases", "poddisruptionbudgets", "runtimeclasses"];

/// Reads the target, changes it, and writes it if anything changed; again when somebody else was first.
pub(crate) async fn modify<F>(core: &Core, call: &Call, edit: &Edit, change: F) -> Result<Answer, ApiError>
where
    F: Fn(&Value) -> Result<Decoded, ApiError> + Send + Sync,
{
    let row = call.target.row;
    for _ in 0..ATTEMPTS {
        let found = core.find(&call.target)?;
        let Decoded { object: mut new, mut warnings } = change(&found.object)?;
        keep_namespace(&mut new, &found.object);
        check_preconditions(call, &new, &found.object)?;
        // first what the server completes: what it puts back is no change that the generation counts
        warnings.extend(admission::admit_change(core, call, &mut new, &found.object)?);
        prepare(call, edit.part, &mut new, &found.object);
        check_valid(call, edit.part, &new, &found.object)?;
        let mut services = core.services.lock_for(row).await;
        if let Some(services) = &mut services
            && edit.part != Part::Status
        {
            services.allocate(core, &mut new, Some(&found.object))?;
        }
        if edit.part == Part::Object {
            warnings.extend(row.warnings(&new));
        }
        if let Some(name) = &edit.manager {
            let subresource = call.target.subresource.as_deref().unwrap_or_default();
            let manager = Manager { name, subresource, now: call.now };
            apply::track_update(row, Some(&found.object), &mut new, manager);
        }
        if is_same(&new, &found.object) {
            return Ok(Answer::ok(found.object).warning(warnings));
        }
        let _reserved = match edit.part {
            Part::Object | Part::Resources => quota::admit(core, call, &new, Some(&found.object)).await?,
            Part::Status | Part::Ephemeral | Part::Approval | Part::Internal => None,
        };
        if edit.dry_run {
            return Ok(Answer::ok(new).warning(warnings));
        }
        match write(core, call, &found, &mut new).await {
            Ok(()) => return Ok(Answer::ok(new).warning(warnings)),
            Err(Refused::Raced) => {}
            Err(Refused::Error(error)) => return Err(error),
        }
    }
    Err(ApiError::modified(row.group, row.plural, call.target.name()?))
}

/// Writes a changed object, or removes it when it only waited for its last finalizer.
async fn write(core: &Core, call: &Call, found: &Found, new: &mut Value) -> Result<(), Refused> {
    let expect = Expect::At(found.modified);
    if is_finished(new) {
        return core.remove(&found.key, expect).await.map(|_| ());
    }
    core.put(call.target.row, &found.key, expect, new).await.map(|_| ())
}

fn prepare(call: &Call, part: Part, new: &mut Value, old: &Value) {
    match part {
        Part::Object => call.target.row.prepare_update(new, old),
        Part::Status => call.target.row.prepare_status(new, old),
        Part::Ephemeral => {
            pod_parts::keep_all_but_ephemeral(new, old);
            (call.target.row.rules.default)(new);
        }
        Part::Resources => {
            pod_parts::keep_all_but_resources(new, old);
            (call.target.row.rules.default)(new);
        }
        Part::Approval => call.target.row.prepare_part(Subresource::Approval, new, old),
        Part::Internal => {}
    }
    if call.target.row.kind == "CertificateSigningRequest" {
        if part == Part::Status {
            certificates::keep_judgement(new, old);
        }
        certificates::date_conditions(new, &api::time::seconds(call.now));
    }
}

fn check_valid(call: &Call, part: Part, new: &Value, old: &Value) -> Result<(), ApiError> {
    let row = call.target.row;
    let errors = match part {
        Part::Object => row.validate_update(new, old),
        Part::Status | Part::Approval => row.validate_status(new, old),
        Part::Ephemeral => row.validate_part(Subresource::EphemeralContainers, new, old),
        Part::Resources => row.validate(new),
        Part::Internal => Vec::new(),
    };
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(row.group, row.kind, call.target.name()?, &errors))
}

/// Who replaces an object may leave its namespace to the path.
fn keep_namespace(new: &mut Value, old: &Value) {
    if let Some(namespace) = meta::namespace(old)
        && meta::namespace(new).is_none_or(str::is_empty)
    {
        new["metadata"]["namespace"] = Value::from(namespace);
    }
}

/// An object that names a resource version or a uid only changes the object that has them.
fn check_preconditions(call: &Call, new: &Value, old: &Value) -> Result<(), ApiError> {
    let row = call.target.row;
    let name = call.target.name()?;
    let revision = meta::resource_version(new).filter(|text| !text.is_empty() && *text != "0");
    if revision.is_some_and(|revision| Some(revision) != meta::resource_version(old)) {
        return Err(ApiError::modified(row.group, row.plural, name));
    }
    let uid = meta::uid(new).filter(|text| !text.is_empty());
    if let (Some(new), Some(old)) = (uid, meta::uid(old))
        && new != old
    {
        let why = format!("Precondition failed: UID in precondition: {new}, UID in object meta: {old}");
        return Err(ApiError::conflict(row.group, row.plural, name, &why));
    }
    Ok(())
}

/// Tells whether nothing waits any more for an object being deleted.
fn is_finished(object: &Value) -> bool {
    let grace = meta::get(object, &["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64);
    let held = meta::get(object, &["spec", "finalizers"]).and_then(Value::as_array);
    meta::deletion_timestamp(object).is_some()
        && grace == Some(0)
        && meta::finalizers(object).is_empty()
        && held.is_none_or(Vec::is_empty)
}

/// Tells whether a change changes nothing; who would own the fields and the revision don't count.
fn is_same(new: &Value, old: &Value) -> bool {
    let (Some(new_fields), Some(old_fields)) = (new.as_object(), old.as_object()) else { return new == old };
    let without_metadata = |object: &api::Object| object.len() - usize::from(object.contains_key("metadata"));
    without_metadata(new_fields) == without_metadata(old_fields)
        && new_fields.iter().all(|(field, value)| {
            if field == "metadata" {
                is_same_metadata(value, &old["metadata"])
            } else {
                old_fields.get(field) == Some(value)
            }
        })
}

fn is_same_metadata(new: &Value, old: &Value) -> bool {
    let matters = |field: &str| field != "resourceVersion" && field != "managedFields";
    let empty = serde_json::Map::new();
    let new = new.as_object().unwrap_or(&empty);
    let old = old.as_object().unwrap_or(&empty);
    let contained = |a: &api::Object, b: &api::Object| {
        a.iter().filter(|(field, _)| matters(field)).all(|(field, value)| b.get(field) == Some(value))
    };
    contained(new, old)
        && contained(old, new)
        && are_same_owners(new.get("managedFields"), old.get("managedFields"))
}

/// Who owns what is compared, not since when.
fn are_same_owners(new: Option<&Value>, old: Option<&Value>) -> bool {
    let owners = |list: Option<&Value>| -> Vec<api::Object> {
        let mut entries: Vec<api::Object> = list
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .cloned()
            .collect();
        entries.iter_mut().for_each(|entry| drop(entry.remove("time")));
        entries
    };
    new == old || owners(new) == owners(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_revision_may_differ_in_a_change_of_nothing() {
        let old = json!({"metadata": {"name": "a", "resourceVersion": "1"}, "spec": {"x": 1}});
        let check = |new: Value, expected| assert_eq!(is_same(&new, &old), expected, "{new}");
        check(json!({"metadata": {"name": "a"}, "spec": {"x": 1}}), true);
        check(json!({"metadata": {"name": "a", "labels": {"b": "c"}}, "spec": {"x": 1}}), false);
        check(json!({"metadata": {}, "spec": {"x": 1}}), false);
        check(json!({"metadata": {"name": "a"}, "spec": {"x": 2}}), false);
        check(json!({"metadata": {"name": "a"}}), false);
        check(json!({"metadata": {"name": "a"}, "spec": {"x": 1}, "status": {}}), false);
    }

    #[test]
    fn when_a_field_was_owned_first_is_no_change() {
        let owned = |manager: &str, time: &str| json!({"metadata": {"name": "a", "managedFields": [{"manager": manager, "time": time}]}});
        assert!(is_same(&owned("me", "now"), &owned("me", "then")));
        assert!(!is_same(&owned("me", "now"), &owned("you", "now")));
    }

    #[test]
    fn an_object_is_finished_when_nothing_holds_it() {
        let check = |object: Value, expected| assert_eq!(is_finished(&object), expected, "{object}");
        check(json!({"metadata": {"deletionTimestamp": "t", "deletionGracePeriodSeconds": 0}}), true);
        check(json!({"metadata": {"deletionTimestamp": "t", "deletionGracePeriodSeconds": 30}}), false);
        check(
            json!({"metadata": {"deletionTimestamp": "t", "deletionGracePeriodSeconds": 0, "finalizers": ["x"]}}),
            false,
        );
        check(json!({"metadata": {}}), false);
        let namespace = json!({"metadata": {"deletionTimestamp": "t", "deletionGracePeriodSeconds": 0},
            "spec": {"finalizers": ["kubernetes"]}});
        check(namespace, false);
    }
}

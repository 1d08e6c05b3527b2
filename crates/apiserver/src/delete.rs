//! Deleting: at once, gracefully, or when the last finalizer goes.

use api::meta;
use api::resource::Resource;
use api::status::ApiError;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::Expect;

use crate::{
    admission,
    answer::Answer,
    body,
    core::{Call, Core, Refused},
    route::Target,
    select::Selection,
};

const ATTEMPTS: usize = 32;
const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";
/// What a pod gets that names no grace period.
const DEFAULT_GRACE: i64 = 30;

/// What happens to the objects that the deleted one owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Propagation {
    Orphan,
    Background,
    Foreground,
}

/// How to delete.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    grace: Option<i64>,
    propagation: Option<Propagation>,
    uid: Option<String>,
    revision: Option<String>,
    pub(crate) dry_run: bool,
}

impl Options {
    /// Reads `DeleteOptions` from the query and the body.
    pub(crate) fn parse(call: &Call, body: Bytes) -> Result<Self, ApiError> {
        let given: Value = if body.iter().all(u8::is_ascii_whitespace) {
            Value::Null
        } else {
            let json = body::to_json(&call.headers, body)?;
            serde_json::from_slice(&json)
                .map_err(|error| ApiError::bad_request(format!("error decoding DeleteOptions: {error}")))?
        };
        Self::from_object(call, &given)
    }

    /// Reads `DeleteOptions` that came as an object.
    pub(crate) fn from_object(call: &Call, given: &Value) -> Result<Self, ApiError> {
        let policy = given["propagationPolicy"].as_str().or(call.query.get("propagationPolicy"));
        let orphan = given["orphanDependents"]
            .as_bool()
            .or_else(|| call.query.get("orphanDependents").map(|_| call.query.flag("orphanDependents")));
        let propagation = match (policy, orphan) {
            (Some(_), Some(_)) => {
                return Err(ApiError::bad_request(
                    "orphanDependents and propagationPolicy cannot be both set",
                ));
            }
            (Some("Orphan"), None) | (None, Some(true)) => Some(Propagation::Orphan),
            (Some("Background"), None) | (None, Some(false)) => Some(Propagation::Background),
            (Some("Foreground"), None) => Some(Propagation::Foreground),
            (None, None) => None,
            (Some(other), None) => {
                return Err(ApiError::bad_request(format!(
                    "propagationPolicy: Unsupported value: {other:?}: supported values: \"Background\", \"Foreground\", \"Orphan\""
                )));
            }
        };
        let text = |field: &str| given["preconditions"][field].as_str().map(str::to_owned);
        let is_dry = given["dryRun"].as_array().is_some_and(|all| all.iter().any(|word| word == "All"));
        Ok(Self {
            grace: given["gracePeriodSeconds"].as_i64().or(call.query.number("gracePeriodSeconds")?),
            propagation,
            uid: text("uid"),
            revision: text("resourceVersion"),
            dry_run: is_dry || call.query.dry_run()?,
        })
    }
}

/// Serves `delete`.
pub(crate) async fn delete(core: &Core, call: &Call, body: Bytes) -> Result<Answer, ApiError> {
    let options = Options::parse(call, body)?;
    let (object, is_gone) = delete_one(core, call, &call.target, &options).await?;
    let row = call.target.row;
    // the kinds whose strategy upstream returns the deleted object
    let returns_object =
        matches!(row.plural, "pods" | "services" | "serviceaccounts" | "persistentvolumeclaims");
    if is_gone && !returns_object {
        let uid = meta::uid(&object).unwrap_or_default();
        return Ok(Answer::ok(api::status::deleted(row.group, row.plural, call.target.name()?, uid)));
    }
    Ok(Answer::ok(object))
}

/// Serves `deletecollection`.
pub(crate) async fn delete_collection(core: &Core, call: &Call, body: Bytes) -> Result<Answer, ApiError> {
    let options = Options::parse(call, body)?;
    let selection = Selection::parse(core, call)?;
    let row = call.target.row;
    let listing = core.store().list(&selection.prefix, None, usize::MAX);
    let mut deleted = Vec::new();
    for (key, entry) in listing.entries.iter().filter(|(key, _)| selection.has_key(key)) {
        if !selection.selects(core, entry) {
            continue;
        }
        let object = core.object(row, entry);
        let Some(name) = meta::name(&object) else {
            tracing::error!(%key, "a stored object has no name");
            continue;
        };
        let target = Target {
            row,
            namespace: meta::namespace(&object).map(str::to_owned),
            name: Some(name.to_owned()),
            subresource: None,
            tail: String::new(),
        };
        match delete_one(core, call, &target, &options).await {
            Ok((object, _)) => deleted.push(object),
            Err(error) if error.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Answer::ok(json!({"kind": format!("{}List", row.kind), "apiVersion": row.api_version(),
        "metadata": {"resourceVersion": core.store().revision().to_string()}, "items": deleted})))
}

/// Deletes one object; returns it as it is or was last, and whether it is gone.
pub(crate) async fn delete_one(
    core: &Core,
    call: &Call,
    target: &Target,
    options: &Options,
) -> Result<(Value, bool), ApiError> {
    admission::admit_delete(target)?;
    for _ in 0..ATTEMPTS {
        let found = core.find(target)?;
        check_preconditions(target, &found.object, options)?;
        let expect = Expect::At(found.modified);
        let written = match plan(target.row, &found.object, options, call.now) {
            Step::Nothing => return Ok((found.object, false)),
            Step::Remove if options.dry_run => return Ok((found.object, true)),
            Step::Mark(object) if options.dry_run => return Ok((object, false)),
            Step::Remove => core.remove(&found.key, expect).await.map(|revision| {
                let mut object = found.object;
                crate::stored::set_revision(&mut object, revision);
                (object, true)
            }),
            Step::Mark(mut object) => {
                core.put(target.row, &found.key, expect, &mut object).await.map(|_| (object, false))
            }
        };
        match written {
            Ok(done) => return Ok(done),
            Err(Refused::Raced) => {}
            Err(Refused::Error(error)) => return Err(error),
        }
    }
    Err(ApiError::modified(target.row.group, target.row.plural, target.name()?))
}

fn check_preconditions(target: &Target, object: &Value, options: &Options) -> Result<(), ApiError> {
    let checks = [
        ("UID", &options.uid, meta::uid(object)),
        ("ResourceVersion", &options.revision, meta::resource_version(object)),
    ];
    for (what, wanted, current) in checks {
        if let Some(wanted) = wanted
            && Some(wanted.as_str()) != current
        {
            let current = current.unwrap_or_default();
            let why = format!(
                "Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {current}"
            );
            return Err(ApiError::conflict(target.row.group, target.row.plural, target.name()?, &why));
        }
    }
    Ok(())
}

/// What a deletion does now.
#[derive(Debug, PartialEq)]
enum Step {
    /// It is being deleted already.
    Nothing,
    /// The object goes.
    Remove,
    /// The object stays, marked.
    Mark(Value),
}

fn plan(row: &Resource, object: &Value, options: &Options, now: Timestamp) -> Step {
    let mut new = object.clone();
    set_finalizers(&mut new, options.propagation);
    let held_by_spec = meta::get(&new, &["spec", "finalizers"]).and_then(Value::as_array);
    let is_held = !meta::finalizers(&new).is_empty() || held_by_spec.is_some_and(|all| !all.is_empty());
    let current = meta::get(object, &["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64);
    let deleted_at = meta::deletion_timestamp(object).and_then(api::time::parse);
    match deleted_at {
        None => {
            let grace = grace(row, object, options.grace);
            if grace == 0 && !is_held {
                return Step::Remove;
            }
            mark(&mut new, grace, now.saturating_add(SignedDuration::from_secs(grace)).unwrap_or(now));
            count_generation(&mut new);
            if row.plural == "namespaces" && row.group.is_empty() {
                new["status"]["phase"] = json!("Terminating");
            }
        }
        Some(deleted_at) => {
            let current = current.unwrap_or(0);
            let wanted = options.grace.unwrap_or(current).clamp(0, current);
            if wanted == 0 && !is_held && (current == 0 || options.grace.is_some()) {
                return Step::Remove;
            }
            if wanted < current {
                let shorter = SignedDuration::from_secs(current - wanted);
                mark(&mut new, wanted, deleted_at.saturating_sub(shorter).unwrap_or(deleted_at));
            }
        }
    }
    if new == *object { Step::Nothing } else { Step::Mark(new) }
}

/// Only pods end gracefully, and of them only those that run somewhere.
fn grace(row: &Resource, object: &Value, asked: Option<i64>) -> i64 {
    if row.plural != "pods" || !row.group.is_empty() {
        return 0;
    }
    let is_bound = meta::text(object, &["spec", "nodeName"]).is_some_and(|node| !node.is_empty());
    let has_ended = matches!(meta::text(object, &["status", "phase"]), Some("Succeeded" | "Failed"));
    if !is_bound || has_ended {
        return 0;
    }
    let own = meta::get(object, &["spec", "terminationGracePeriodSeconds"]).and_then(Value::as_i64);
    // a negative period means the shortest one
    match asked.or(own).unwrap_or(DEFAULT_GRACE) {
        seconds if seconds < 0 => 1,
        seconds => seconds,
    }
}

fn mark(object: &mut Value, grace: i64, at: Timestamp) {
    object["metadata"]["deletionTimestamp"] = Value::String(api::time::seconds(at));
    object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
}

fn count_generation(object: &mut Value) {
    if let Some(generation) =
        object["metadata"].get("generation").and_then(Value::as_i64).filter(|count| *count > 0)
    {
        object["metadata"]["generation"] = json!(generation + 1);
    }
}

/// The garbage collector acts on these finalizers before it lets the object go.
fn set_finalizers(object: &mut Value, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let mut finalizers: Vec<String> = meta::finalizers(object)
        .into_iter()
        .filter(|finalizer| !matches!(*finalizer, ORPHAN | FOREGROUND))
        .map(str::to_owned)
        .collect();
    match propagation {
        Propagation::Orphan => finalizers.push(ORPHAN.to_owned()),
        Propagation::Foreground => finalizers.push(FOREGROUND.to_owned()),
        Propagation::Background => {}
    }
    if finalizers.is_empty() {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("finalizers");
        }
    } else {
        object["metadata"]["finalizers"] = json!(finalizers);
    }
}

#[cfg(test)]
mod tests;

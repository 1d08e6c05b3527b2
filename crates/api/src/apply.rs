//! Server-side apply: who owns which field, and merging what an applier wants.
//!
//! An applier owns the fields it names. Applying removes the fields it named before and no longer names,
//! unless somebody else owns them, and refuses to change a field that somebody else owns, unless forced.

mod managers;
mod merge;
mod set;
mod structure;
mod walk;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::decode;
use crate::resource::{Resource, Subresource};
use crate::schema::Type;
use crate::status::{ApiError, Cause};
use crate::time;
use managers::{Entry, Operation};
use set::{Set, display};
use structure::{ListFault, Structure};
use walk::{Fault, compare, field_set, with_named_parents};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What owned an object's fields before anybody was recorded.
const BEFORE_FIRST: &str = "before-first-apply";
/// Metadata that nobody owns.
const UNOWNED: [&str; 9] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// Who changes an object, through what, and when.
#[derive(Clone, Copy, Debug)]
pub struct Manager<'a> {
    /// The field manager's name.
    pub name: &'a str,
    /// The subresource written through, empty for the object itself.
    pub subresource: &'a str,
    /// The time of the write.
    pub now: Timestamp,
}

impl Manager<'_> {
    fn entry(&self, operation: Operation, resource: &Resource, fields: Set) -> Entry {
        Entry {
            manager: if self.name.is_empty() { "unknown" } else { self.name }.to_owned(),
            operation,
            api_version: resource.api_version(),
            subresource: self.subresource.to_owned(),
            time: Some(time::seconds(self.now)),
            fields,
        }
    }
}

/// Applies an object as its author wrote it ([`decode::decode_applied`]) on top of `live`.
///
/// The result is neither defaulted nor judged, nor in normal form.
///
/// # Errors
/// 409 naming the other managers when fields conflict and `force` is off; 400/422 for malformed input.
pub fn apply_as_written(
    resource: &Resource,
    live: Option<&Value>,
    applied: &Value,
    manager: Manager<'_>,
    force: bool,
) -> Result<Value, ApiError> {
    let Some(schema) = resource.schema() else {
        return Err(ApiError::internal(format!("no schema of {} is known", resource.kind)));
    };
    if applied.pointer("/metadata/managedFields").is_some_and(|list| !list.is_null()) {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    let application = Application { resource, schema, structure: Structure::of_type(schema), manager };
    let (bare, mut entries) = application.start(live);
    let entry = match application.run(&bare, applied, &mut entries, force) {
        Err(Refusal::Conflicts(conflicts)) => {
            let allowed = application.allowed_by_last_applied(&bare);
            let left: Vec<Conflict> = conflicts.into_iter().filter(|one| !allowed.has(&one.path)).collect();
            if !left.is_empty() || allowed.is_empty() {
                return Err(conflict_error(&left));
            }
            application.run(&bare, applied, &mut entries, true)
        }
        other => other,
    };
    let mut object = entry.map_err(|refusal| application.error(refusal))?;
    application.keep_last_applied(live, applied, &mut object);
    managers::write(&mut object, entries);
    Ok(object)
}

/// Records in `new`'s managedFields what `manager` changed from `old` by a create, update or patch.
pub fn track_update(resource: &Resource, old: Option<&Value>, new: &mut Value, manager: Manager<'_>) {
    let Some(schema) = resource.schema() else { return };
    let application = Application { resource, schema, structure: Structure::of_type(schema), manager };
    let mut entries = Vec::new();
    if !managers::is_reset(new) || !manager.subresource.is_empty() {
        entries = managers::read(new);
        if entries.is_empty() || !manager.subresource.is_empty() {
            entries = old.map(managers::read).unwrap_or_default();
        }
    }
    let bare_new = without_managed_fields(new);
    let bare_old = old.map_or_else(|| decode::unset(schema), without_managed_fields);
    // An object that nobody is recorded for stays so until it is first applied.
    if old.is_some() && entries.is_empty() {
        managers::write(new, entries);
        return;
    }
    application.record(&bare_old, &bare_new, &mut entries);
    managers::cap(&mut entries);
    managers::write(new, entries);
}

/// One application.
struct Application<'a> {
    resource: &'a Resource,
    schema: &'static Type,
    structure: Structure,
    manager: Manager<'a>,
}

/// One field that somebody else owns.
struct Conflict {
    manager: String,
    path: Vec<String>,
}

enum Refusal {
    Conflicts(Vec<Conflict>),
    Malformed(Fault),
}

impl Application<'_> {
    /// Returns the live object without its managed fields, and them; if there are none, what lives belongs to
    /// an unnamed updater.
    fn start(&self, live: Option<&Value>) -> (Value, Vec<Entry>) {
        let Some(live) = live else { return (json!({}), Vec::new()) };
        let bare = without_managed_fields(live);
        let mut entries = managers::read(live);
        if entries.is_empty() {
            let first = Application { manager: Manager { name: BEFORE_FIRST, ..self.manager }, ..*self };
            first.record(&decode::unset(self.schema), &bare, &mut entries);
        }
        (bare, entries)
    }

    /// Records an update: takes what changed from everybody and gives it to the manager.
    fn record(&self, old: &Value, new: &Value, entries: &mut Vec<Entry>) {
        let changes = compare(old, new, self.structure).without(&self.reset_fields());
        let taken = changes.modified.union(&changes.added);
        for entry in entries.iter_mut() {
            entry.fields = entry.fields.difference(&taken).difference(&changes.removed);
        }
        let own = taken.difference(&unowned());
        if !own.is_empty() {
            managers::put(entries, self.manager.entry(Operation::Update, self.resource, own));
        }
        entries.retain(|entry| !entry.fields.is_empty());
    }

    fn run(
        &self,
        live: &Value,
        applied: &Value,
        entries: &mut Vec<Entry>,
        force: bool,
    ) -> Result<Value, Refusal> {
        self.check_lists(applied, self.structure, &mut Vec::new()).map_err(Refusal::Malformed)?;
        let named = field_set(applied, self.structure).map_err(Refusal::Malformed)?;
        let named = named.recursive_difference(&self.reset_fields());
        let mut own = self.manager.entry(Operation::Apply, self.resource, named);
        let before = entries.iter().position(|entry| entry.is_same(&own)).map(|place| entries[place].clone());
        let mut others: Vec<Entry> = entries.iter().filter(|entry| !entry.is_same(&own)).cloned().collect();
        let merged = merge::merge(Some(live), Some(applied), self.structure).unwrap_or_else(|| json!({}));
        let last = before.as_ref().map(|entry| entry.fields.clone()).unwrap_or_default();
        let object = self.prune(merged, &last, &own.fields, &others);
        let changes = compare(live, &object, self.structure).without(&self.reset_fields());
        let taken = changes.modified.clone().union(&changes.added);
        let conflicts = conflicts(&others, &taken);
        if !force && !conflicts.is_empty() {
            return Err(Refusal::Conflicts(conflicts));
        }
        for entry in &mut others {
            entry.fields = entry.fields.difference(&taken).difference(&changes.removed);
        }
        // Applying the same again is no news.
        if object == *live {
            own.time = before.and_then(|entry| entry.time);
        }
        own.fields = own.fields.difference(&unowned());
        others.push(own);
        *entries = others;
        Ok(object)
    }

    /// Takes out what the manager named before, names no longer, and nobody else owns.
    fn prune(&self, merged: Value, last: &Set, named: &Set, others: &[Entry]) -> Value {
        if last.is_empty() {
            return merged;
        }
        let named_parents = |set: &Set| with_named_parents(set, self.structure);
        let fields = |value: &Value| {
            field_set(value, self.structure).map(|set| named_parents(&set)).unwrap_or_default()
        };
        let last = named_parents(last);
        let owned = others.iter().fold(named.clone(), |all, entry| all.union(&entry.fields));
        let all = fields(&merged);
        // 1. Without what was named last; 2. with what anybody owns now put back; 3. of the rest only what was
        //    named last goes: what hangs on nothing stays.
        let without_last = fields(&merge::remove(&merged, &last, self.structure));
        let kept = without_last.union(&named_parents(&owned));
        let pruned = fields(&merge::remove(&merged, &all.difference(&kept), self.structure));
        let gone = all.difference(&pruned).intersection(&last);
        merge::remove(&merged, &gone, self.structure)
    }

    /// Fields that writes through this subresource can't set, and so nobody owns by them.
    fn reset_fields(&self) -> Set {
        let paths: &[&[&str]] = match (self.manager.subresource, self.resource.kind) {
            ("status", "Deployment") => &[&["spec"], &["metadata", "labels"]],
            ("status", "Pod") => {
                &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]]
            }
            ("status", _) => &[&["spec"]],
            ("", _) if self.resource.has(Subresource::Status) => &[&["status"]],
            _ => &[],
        };
        set_of(paths)
    }

    /// Finds a list of what is applied that names an item twice.
    fn check_lists(&self, value: &Value, structure: Structure, path: &mut Vec<String>) -> Result<(), Fault> {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    path.push(structure::field_element(key));
                    self.check_lists(inner, structure.below(key), path)?;
                    path.pop();
                }
            }
            Value::Array(list) if matches!(structure, Structure::ScalarSet | Structure::Keyed(..)) => {
                if let Some(fault) = structure.duplicate(list) {
                    return Err(Fault { path: path.clone(), fault });
                }
                for item in list {
                    self.check_lists(item, structure.item(), path)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
        }
        Ok(())
    }

    /// What kubectl's client-side apply set last, where it still lives unchanged, may be taken over by its
    /// server-side apply.
    fn allowed_by_last_applied(&self, live: &Value) -> Set {
        if self.manager.name != "kubectl" {
            return Set::default();
        }
        let annotations = live.pointer("/metadata/annotations");
        let text = annotations.and_then(|all| all.get(LAST_APPLIED)).and_then(Value::as_str);
        let Some(last) = text.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
            return Set::default();
        };
        let changes = compare(&last, live, self.structure);
        field_set(&last, self.structure)
            .unwrap_or_default()
            .difference(&changes.modified)
            .difference(&changes.added)
            .difference(&changes.removed)
    }

    /// Keeps kubectl's annotation true, so that its client-side apply still works afterwards.
    fn keep_last_applied(&self, live: Option<&Value>, applied: &Value, object: &mut Value) {
        let has_annotation = live
            .and_then(|live| live.pointer("/metadata/annotations"))
            .is_some_and(|annotations| annotations.get(LAST_APPLIED).is_some());
        if self.manager.name != "kubectl" || !has_annotation {
            return;
        }
        let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
        if let Some(annotations) = annotations {
            annotations.insert(LAST_APPLIED.to_owned(), format!("{applied}\n").into());
        }
    }

    fn error(&self, refusal: Refusal) -> ApiError {
        match refusal {
            Refusal::Conflicts(conflicts) => conflict_error(&conflicts),
            Refusal::Malformed(Fault { path, fault }) => {
                let why = match fault {
                    ListFault::KeyAbsent { place, key } => format!(
                        "element {place}: associative list with keys has an element that omits key field {key:?} (and doesn't have default value)"
                    ),
                    ListFault::Duplicate { element } => {
                        format!("duplicate entries for key {}", display(&[element]))
                    }
                };
                ApiError::bad_request(format!(
                    "failed to create typed patch object (; {}, Kind={}): {}: {why}",
                    self.resource.api_version(),
                    self.resource.kind,
                    display(&path)
                ))
            }
        }
    }
}

fn set_of(paths: &[&[&str]]) -> Set {
    let mut set = Set::default();
    for path in paths {
        let path: Vec<String> = path.iter().map(|key| structure::field_element(key)).collect();
        set.insert(&path);
    }
    set
}

fn unowned() -> Set {
    let mut set = set_of(&[&["apiVersion"], &["kind"], &["metadata"]]);
    for key in UNOWNED {
        set = set.union(&set_of(&[&["metadata", key]]));
    }
    set
}

fn conflicts(others: &[Entry], taken: &Set) -> Vec<Conflict> {
    others
        .iter()
        .flat_map(|entry| {
            let paths = entry.fields.intersection(taken).paths();
            paths.into_iter().map(|path| Conflict { manager: entry.words(), path })
        })
        .collect()
}

fn conflict_error(conflicts: &[Conflict]) -> ApiError {
    let causes = conflicts
        .iter()
        .map(|one| Cause {
            reason: "FieldManagerConflict".to_owned(),
            message: format!("conflict with {}", one.manager),
            field: display(&one.path),
        })
        .collect();
    if let [one] = conflicts {
        let message =
            format!("Apply failed with 1 conflict: conflict with {}: {}", one.manager, display(&one.path));
        return ApiError::apply_conflict(message, causes);
    }
    let mut managers: Vec<&String> = conflicts.iter().map(|one| &one.manager).collect();
    managers.sort_unstable();
    managers.dedup();
    let mut lines = Vec::new();
    for manager in managers {
        lines.push(format!("conflicts with {manager}:"));
        let own = conflicts.iter().filter(|one| one.manager == *manager);
        lines.extend(own.map(|one| format!("- {}", display(&one.path))));
    }
    let message = format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"));
    ApiError::apply_conflict(message, causes)
}

fn without_managed_fields(object: &Value) -> Value {
    let mut bare = object.clone();
    if let Some(metadata) = bare.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    bare
}

#[cfg(test)]
mod tests;

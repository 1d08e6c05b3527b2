//! `metadata.managedFields`: who owns what.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::set::Set;
use crate::time;

/// More updaters than this are gathered into one (as upstream).
const UPDATERS_MAX: usize = 10;
const ANCIENT: &str = "ancient-changes";

/// How a manager came to own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) api_version: String,
    pub(super) subresource: String,
    pub(super) time: Option<String>,
    pub(super) fields: Set,
}

impl Entry {
    /// Tells whether two entries are the same manager's: appliers whatever their version.
    pub(super) fn is_same(&self, other: &Entry) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    fn seconds(&self) -> i64 {
        self.time.as_deref().and_then(time::parse).map_or(0, Timestamp::as_second)
    }

    /// Names the manager as conflicts do.
    pub(super) fn words(&self) -> String {
        let mut words = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            words.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            words.push_str(&format!(" using {}", self.api_version));
        }
        words
    }
}

/// Reads the managed fields of an object; entries that are not understood are dropped.
pub(super) fn read(object: &Value) -> Vec<Entry> {
    let list = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let mut entries: Vec<Entry> = Vec::new();
    for one in list.into_iter().flatten() {
        let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let operation = match text("operation").as_str() {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => continue,
        };
        let entry = Entry {
            manager: text("manager"),
            operation,
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: one.get("time").and_then(Value::as_str).map(str::to_owned),
            fields: one.get("fieldsV1").map(Set::from_json).unwrap_or_default(),
        };
        put(&mut entries, entry);
    }
    entries
}

/// Adds an entry, joined with the same manager's.
pub(super) fn put(entries: &mut Vec<Entry>, entry: Entry) {
    match entries.iter_mut().find(|known| known.is_same(&entry)) {
        Some(known) => {
            known.fields = std::mem::take(&mut known.fields).union(&entry.fields);
            known.time = entry.time.or_else(|| known.time.take());
        }
        None => entries.push(entry),
    }
}

/// Tells whether a client resets the list: it is empty, or holds one empty entry.
pub(super) fn is_reset(object: &Value) -> bool {
    match object.pointer("/metadata/managedFields").and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => true,
        Some([one]) => {
            one.as_object().is_some_and(|map| map.values().all(|value| value == "" || value.is_null()))
        }
        Some(_) | None => false,
    }
}

/// Writes the managed fields into an object.
pub(super) fn write(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    entries.sort_by(|a, b| {
        let key = |entry: &Entry| (entry.operation, entry.seconds());
        key(a)
            .cmp(&key(b))
            .then_with(|| a.manager.cmp(&b.manager))
            .then_with(|| a.api_version.cmp(&b.api_version))
            .then_with(|| a.subresource.cmp(&b.subresource))
    });
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if entries.is_empty() {
        metadata.remove("managedFields");
        return;
    }
    metadata.insert("managedFields".to_owned(), entries.iter().map(write_entry).collect());
}

fn write_entry(entry: &Entry) -> Value {
    let operation = match entry.operation {
        Operation::Apply => "Apply",
        Operation::Update => "Update",
    };
    let mut written = json!({"manager": entry.manager, "operation": operation, "apiVersion": entry.api_version,
        "fieldsType": "FieldsV1", "fieldsV1": entry.fields.to_json()});
    if let Some(time) = &entry.time {
        written["time"] = time.as_str().into();
    }
    if !entry.subresource.is_empty() {
        written["subresource"] = entry.subresource.as_str().into();
    }
    written
}

/// Gathers the oldest updaters into one entry while there are too many.
pub(super) fn cap(entries: &mut Vec<Entry>) {
    let is_updater = |entry: &Entry| entry.operation == Operation::Update;
    while entries.iter().filter(|entry| is_updater(entry)).count() > UPDATERS_MAX {
        let mut oldest: Vec<usize> =
            (0..entries.len()).filter(|place| is_updater(&entries[*place])).collect();
        oldest.sort_by_key(|place| (entries[*place].seconds(), entries[*place].manager.clone()));
        let (Some(first), Some(second)) = (oldest.first().copied(), oldest.get(1).copied()) else { return };
        let second_entry = entries[second].clone();
        let joined = Entry {
            manager: ANCIENT.to_owned(),
            subresource: String::new(),
            fields: entries[first].fields.clone().union(&second_entry.fields),
            ..second_entry
        };
        entries.remove(first.max(second));
        entries.remove(first.min(second));
        put(entries, joined);
    }
}

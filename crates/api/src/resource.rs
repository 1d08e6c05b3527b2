//! The resource table: one row per kind, from which routes, discovery, OpenAPI, printing and rules derive.

use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::Value;

use crate::field::FieldError;

/// A part of an object with its own path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subresource {
    /// `status`: what controllers and kubelets report.
    Status,
    /// `scale`: the replica count as `autoscaling/v1 Scale`.
    Scale,
    /// `log`.
    Log,
    /// `exec`.
    Exec,
    /// `attach`.
    Attach,
    /// `portforward`.
    PortForward,
    /// `proxy`.
    Proxy,
    /// `binding`: the scheduler's decision.
    Binding,
    /// `eviction`.
    Eviction,
    /// `ephemeralcontainers`.
    EphemeralContainers,
    /// `resize`.
    Resize,
    /// `token`: requests a service account's token.
    Token,
    /// `finalize`: ends a namespace.
    Finalize,
}

/// A column of the printed table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The heading.
    pub name: &'static str,
    /// The type: `string`, `integer`, `date`.
    pub kind: &'static str,
    /// The format: `name` for the name, else empty.
    pub format: &'static str,
    /// 0 is always shown, 1 with `-o wide`.
    pub priority: u8,
}

/// Where objects of a row live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Kept, under `/<group>/<plural>` of this row.
    Own,
    /// Kept as another row's objects and converted (`events.k8s.io/v1` over core `v1`).
    Shared {
        /// The group of the row that keeps them.
        group: &'static str,
        /// Its version.
        version: &'static str,
    },
    /// Never kept: the answer to a create (reviews, bindings).
    Virtual,
}

/// One kind at one version.
#[derive(Debug)]
pub struct Resource {
    /// The API group, empty for core.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The plural, as in paths.
    pub plural: &'static str,
    /// The singular.
    pub singular: &'static str,
    /// Short names for `kubectl`.
    pub short_names: &'static [&'static str],
    /// Categories, such as `all`.
    pub categories: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Its subresources.
    pub subresources: &'static [Subresource],
    /// Its verbs.
    pub verbs: &'static [&'static str],
    /// Where its objects are kept.
    pub storage: Storage,
    /// The schema's name, `io.k8s.api.apps.v1.Deployment`.
    pub schema: &'static str,
    /// Fields that field selectors may name besides `metadata.name` and `metadata.namespace`.
    pub selectable: &'static [&'static str],
    /// Its rules.
    pub rules: Rules,
    /// Columns of the printed table.
    pub columns: &'static [Column],
    /// The cells of an object, one per column.
    pub row: fn(&Value, Timestamp) -> Vec<Value>,
}

/// The rules of one kind, each over the wire form.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Fills what the client left out.
    pub default: fn(&mut Value),
    /// Judges a whole object.
    pub validate: fn(&Value) -> Vec<FieldError>,
    /// Judges a change: (new, old).
    pub validate_update: fn(&Value, &Value) -> Vec<FieldError>,
    /// Judges a change of status: (new, old).
    pub validate_status: fn(&Value, &Value) -> Vec<FieldError>,
    /// Resets what a create may not set.
    pub prepare_create: fn(&mut Value),
    /// Resets what an update may not set: (new, old).
    pub prepare_update: fn(&mut Value, &Value),
    /// Whether `metadata.generation` counts changes of the spec.
    pub generation: bool,
}

impl Resource {
    /// Returns `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Tells whether it has the subresource.
    pub fn has(&self, subresource: Subresource) -> bool {
        self.subresources.contains(&subresource)
    }

    /// Prepares a decoded object for creation: resets status, sets generation, fills defaults.
    pub fn prepare_create(&self, _object: &mut Value) {
        unimplemented!()
    }

    /// Prepares a changed object: keeps the server's metadata and the status, fills defaults, counts the
    /// generation.
    pub fn prepare_update(&self, _new: &mut Value, _old: &Value) {
        unimplemented!()
    }

    /// Prepares a change of the status subresource: everything but the status is the old object's.
    pub fn prepare_status(&self, _new: &mut Value, _old: &Value) {
        unimplemented!()
    }

    /// Judges a prepared new object, metadata included.
    pub fn validate(&self, _object: &Value) -> Vec<FieldError> {
        unimplemented!()
    }

    /// Judges a prepared change, metadata included: (new, old).
    pub fn validate_update(&self, _new: &Value, _old: &Value) -> Vec<FieldError> {
        unimplemented!()
    }

    /// Judges a prepared change of status: (new, old).
    pub fn validate_status(&self, _new: &Value, _old: &Value) -> Vec<FieldError> {
        unimplemented!()
    }

    /// Turns this version's wire form into the stored one (the same for most rows).
    pub fn to_storage(&self, object: Value) -> Value {
        object
    }

    /// Turns the stored form into this version's wire form (the same for most rows).
    pub fn from_storage(&self, object: Value) -> Value {
        object
    }
}

/// Every resource.
#[derive(Debug, Default)]
pub struct Registry {
    rows: Vec<&'static Resource>,
}

impl Registry {
    /// Returns the built-in table.
    pub fn builtin() -> &'static Registry {
        static BUILTIN: OnceLock<Registry> = OnceLock::new();
        BUILTIN.get_or_init(Registry::default)
    }

    /// Finds a row by the parts of a path.
    pub fn by_path(&self, group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
        self.iter().find(|row| row.group == group && row.version == version && row.plural == plural)
    }

    /// Finds a row by kind.
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<&'static Resource> {
        self.iter().find(|row| row.group == group && row.version == version && row.kind == kind)
    }

    /// Iterates over the rows in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = &'static Resource> + '_ {
        self.rows.iter().copied()
    }

    /// Returns (group, versions), core first, the preferred version first.
    pub fn groups(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        let mut groups: Vec<(&'static str, Vec<&'static str>)> = Vec::new();
        for row in self.iter() {
            match groups.iter_mut().find(|(group, _)| *group == row.group) {
                Some((_, versions)) if versions.contains(&row.version) => {}
                Some((_, versions)) => versions.push(row.version),
                None => groups.push((row.group, vec![row.version])),
            }
        }
        groups
    }
}

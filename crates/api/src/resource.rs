//! The resource table: one row per kind, from which routes, discovery, OpenAPI, printing and rules derive.

mod parts;
mod rows;
mod subresource;

use std::sync::OnceLock;

use serde_json::Value;

use crate::certificates;
use crate::decode;
use crate::field::FieldError;
use crate::meta;
use crate::rules;
use crate::table::Printer;

pub use subresource::Subresource;

/// Where objects of a row live.
#[derive(Clone, Copy, Debug)]
pub enum Storage {
    /// Kept as this row's objects.
    Own,
    /// Kept as another row's objects and converted (`events.k8s.io/v1` over core `v1`).
    Shared {
        /// The group of the row that keeps them.
        group: &'static str,
        /// Its version.
        version: &'static str,
        /// How the forms become each other.
        convert: &'static Conversion,
    },
    /// Never kept: the answer to a create (reviews, bindings), or measured when read (metrics).
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
    /// How its objects are printed.
    pub printer: &'static Printer,
    /// What everybody is told who uses a deprecated kind; empty for all others.
    pub deprecation: &'static str,
}

/// How objects of one version become the stored ones and back.
#[derive(Debug)]
pub struct Conversion {
    /// From this version's form to the stored one.
    pub to_storage: fn(Value) -> Value,
    /// From the stored form to this version's.
    pub from_storage: fn(Value) -> Value,
}

/// What `metadata.generation` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Nothing: it is not set.
    None,
    /// Changes of the spec.
    Spec,
    /// Changes of the spec or the annotations.
    SpecAndAnnotations,
    /// Changes of anything but the metadata (labels included).
    Content,
}

/// The rules of one kind, each over the wire form.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Says why a text can't be a name.
    pub name: fn(&str) -> Vec<String>,
    /// Fills what the client left out.
    pub default: fn(&mut Value),
    /// Judges a whole object, its metadata excepted.
    pub validate: fn(&Value) -> Vec<FieldError>,
    /// Judges a change: (new, old).
    pub validate_update: fn(&Value, &Value) -> Vec<FieldError>,
    /// Judges a change of status: (new, old).
    pub validate_status: fn(&Value, &Value) -> Vec<FieldError>,
    /// Resets what a create may not set, where that is more than the status.
    pub prepare_create: fn(&mut Value),
    /// Resets what an update may not set, where that is more than the status: (new, old).
    pub prepare_update: fn(&mut Value, &Value),
    /// What to warn the author about.
    pub warnings: fn(&Value) -> Vec<String>,
    /// What the generation counts.
    pub generation: Generation,
    /// Whether creates and updates leave the status to the status subresource.
    pub keeps_status: bool,
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

    /// Fills what the client left out. Idempotent.
    pub fn default(&self, object: &mut Value) {
        (self.rules.default)(object);
    }

    /// Prepares a decoded object for creation: fills defaults, resets the status, sets the generation.
    ///
    /// Its metadata must be filled before (see [`crate::meta::fill_new`]): a job's selector holds its uid.
    pub fn prepare_create(&self, object: &mut Value) {
        (self.rules.default)(object);
        if self.rules.keeps_status {
            rules::reset_status(object);
        }
        (self.rules.prepare_create)(object);
        (self.rules.default)(object);
        if self.rules.generation != Generation::None {
            object["metadata"]["generation"] = 1.into();
        }
        self.normalise(object);
    }

    /// Gives an object that rules changed the form Kubernetes would write.
    fn normalise(&self, object: &mut Value) {
        if let Some(schema) = self.schema() {
            *object = decode::normal_form(schema, std::mem::take(object));
        }
    }

    /// Prepares a changed object: keeps the server's metadata and the status, fills defaults, counts the
    /// generation.
    pub fn prepare_update(&self, new: &mut Value, old: &Value) {
        meta::keep_server_fields(new, old);
        (self.rules.default)(new);
        if self.rules.keeps_status {
            rules::keep_status(new, old);
        }
        (self.rules.prepare_update)(new, old);
        self.normalise(new);
        rules::count_generation(self, new, old);
    }

    /// Prepares a change of the status subresource: everything but the status is the old object's, of the
    /// metadata the annotations (and, for most kinds, the labels) may change.
    pub fn prepare_status(&self, new: &mut Value, old: &Value) {
        let status = new.get("status").cloned();
        let mut metadata = old.get("metadata").cloned().unwrap_or_default();
        for key in ["annotations", "labels", "managedFields", "resourceVersion", "finalizers"] {
            if key == "labels" && self.kind == "Deployment" {
                continue;
            }
            let value = new.get("metadata").and_then(|given| given.get(key)).cloned();
            match (value, metadata.as_object_mut()) {
                (Some(value), Some(map)) => drop(map.insert(key.to_owned(), value)),
                (None, Some(map)) => drop(map.remove(key)),
                (_, None) => {}
            }
        }
        *new = old.clone();
        if let Some(map) = new.as_object_mut() {
            map.insert("metadata".to_owned(), metadata);
            match status {
                Some(status) => drop(map.insert("status".to_owned(), status)),
                None => drop(map.remove("status")),
            }
        }
        (self.rules.default)(new);
        self.normalise(new);
    }

    /// Prepares a change through a subresource that takes the whole object: what it does not govern stays.
    pub fn prepare_part(&self, part: Subresource, new: &mut Value, old: &Value) {
        match part {
            Subresource::Status => self.prepare_status(new, old),
            Subresource::EphemeralContainers => {
                let given = new.pointer("/spec/ephemeralContainers").cloned();
                *new = parts::with_metadata(new, old);
                parts::set_ephemeral_containers(new, given);
                self.finish_part(new, old);
            }
            Subresource::Resize => {
                let given = new.clone();
                *new = parts::with_metadata(new, old);
                parts::set_resources(new, &given);
                self.finish_part(new, old);
            }
            Subresource::Finalize => {
                let given = new.pointer("/spec/finalizers").cloned();
                *new = parts::with_metadata(new, old);
                parts::set_finalizers(new, given);
            }
            Subresource::Approval => {
                self.prepare_status(new, old);
                certificates::keep_all_but_conditions(new, old);
            }
            Subresource::Scale
            | Subresource::Log
            | Subresource::Exec
            | Subresource::Attach
            | Subresource::PortForward
            | Subresource::Proxy
            | Subresource::Binding
            | Subresource::Eviction
            | Subresource::Token => self.prepare_update(new, old),
        }
    }

    fn finish_part(&self, new: &mut Value, old: &Value) {
        (self.rules.default)(new);
        rules::count_generation(self, new, old);
    }

    /// Judges a prepared change through a subresource: (new, old).
    pub fn validate_part(&self, part: Subresource, new: &Value, old: &Value) -> Vec<FieldError> {
        match part {
            Subresource::Status | Subresource::Approval => self.validate_status(new, old),
            Subresource::EphemeralContainers => {
                let mut errors = rules::metadata::validate_update(new, old);
                errors.extend((self.rules.validate)(new));
                errors.extend(rules::validate_ephemeral_update(new, old));
                errors
            }
            Subresource::Resize | Subresource::Finalize => {
                let mut errors = rules::metadata::validate_update(new, old);
                errors.extend((self.rules.validate)(new));
                errors
            }
            Subresource::Scale
            | Subresource::Log
            | Subresource::Exec
            | Subresource::Attach
            | Subresource::PortForward
            | Subresource::Proxy
            | Subresource::Binding
            | Subresource::Eviction
            | Subresource::Token => self.validate_update(new, old),
        }
    }

    /// Judges a prepared new object, metadata included.
    pub fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = rules::metadata::validate(object, self.namespaced, self.rules.name);
        errors.extend((self.rules.validate)(object));
        errors
    }

    /// Judges a prepared change, metadata included: (new, old).
    pub fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut errors = rules::metadata::validate_update(new, old);
        errors.extend((self.rules.validate)(new));
        errors.extend((self.rules.validate_update)(new, old));
        errors
    }

    /// Judges a prepared change of status: (new, old).
    pub fn validate_status(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut errors = rules::metadata::validate_update(new, old);
        errors.extend((self.rules.validate_status)(new, old));
        errors
    }

    /// Returns what to warn the author of an object about.
    pub fn warnings(&self, object: &Value) -> Vec<String> {
        (self.rules.warnings)(object)
    }

    /// Turns this version's wire form into the stored one (the same for most rows).
    pub fn to_storage(&self, object: Value) -> Value {
        match self.storage {
            Storage::Shared { convert, .. } => (convert.to_storage)(object),
            Storage::Own | Storage::Virtual => object,
        }
    }

    /// Turns the stored form into this version's wire form (the same for most rows).
    pub fn from_storage(&self, object: Value) -> Value {
        match self.storage {
            Storage::Shared { convert, .. } => (convert.from_storage)(object),
            Storage::Own | Storage::Virtual => object,
        }
    }

    /// Tells whether a field selector may name the field.
    pub fn is_selectable(&self, field: &str) -> bool {
        field == "metadata.name"
            || (field == "metadata.namespace" && self.namespaced)
            || self.selectable.contains(&field)
    }

    /// Returns the schema of its objects.
    pub fn schema(&self) -> Option<&'static crate::schema::Type> {
        crate::schema::named(self.schema)
    }

    /// Returns the kind of its lists.
    pub fn list_kind(&self) -> String {
        format!("{}List", self.kind)
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
        BUILTIN.get_or_init(|| Registry { rows: rows::ROWS.iter().collect() })
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

//! Which objects of a kind a list or a watch is about.

use api::resource::{Resource, Storage};
use api::selector::{FieldSelector, LabelSelector};
use api::status::ApiError;
use serde_json::Value;
use store::Entry;

use crate::{
    core::{Call, Core},
    pick::Picker,
    stored,
};

/// The selection of a list or a watch.
#[derive(Clone)]
pub(crate) struct Selection {
    pub(crate) row: &'static Resource,
    /// What keys begin with.
    pub(crate) prefix: String,
    /// The only key, when the selection is one name.
    pub(crate) exact: Option<String>,
    labels: LabelSelector,
    fields: FieldSelector,
    picker: Picker,
}

impl Selection {
    /// Reads the selectors of a request.
    ///
    /// # Errors
    /// 400 for a malformed selector or a field that cannot be selected by.
    pub(crate) fn parse(core: &Core, call: &Call) -> Result<Self, ApiError> {
        let target = &call.target;
        let labels = LabelSelector::parse(call.query.get("labelSelector").unwrap_or_default())
            .map_err(|error| ApiError::bad_request(error.to_string()))?;
        let fields = FieldSelector::parse(call.query.get("fieldSelector").unwrap_or_default())
            .map_err(|error| ApiError::bad_request(error.to_string()))?;
        check_fields(target.row, &fields)?;
        let wanted = |path: &str| {
            let term = fields.terms().iter().find(|term| term.equal && term.field == path)?;
            Some(term.value.clone()).filter(|value| !value.is_empty())
        };
        let namespace = target
            .namespace
            .clone()
            .or_else(|| if target.row.namespaced { wanted("metadata.namespace") } else { None });
        let prefix = core.prefix(target.row, namespace.as_deref());
        let name = target.name.clone().or_else(|| wanted("metadata.name"));
        let is_one = namespace.is_some() || !target.row.namespaced;
        let exact = name.filter(|_| is_one).map(|name| format!("{prefix}{name}"));
        let wanted = fields.terms().iter().map(|term| term.field.as_str());
        let picker = Picker::new(["metadata.labels"].into_iter().chain(wanted));
        Ok(Self { row: target.row, prefix, exact, labels, fields, picker })
    }

    /// Tells whether objects need no decoding to know that they are selected.
    pub(crate) fn is_by_key(&self) -> bool {
        let is_exact = self.exact.is_some();
        let by_fields =
            self.fields.terms().iter().all(|term| is_exact && term.equal && is_identity(&term.field));
        self.labels.is_empty() && by_fields
    }

    /// Tells whether a key is selected.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.exact.as_deref().is_none_or(|exact| exact == key)
    }

    /// Tells whether a stored object is selected; reads no more of it than that takes.
    pub(crate) fn selects(&self, core: &Core, entry: &Entry) -> bool {
        if self.is_by_key() {
            return true;
        }
        if let Storage::Shared { .. } = self.row.storage {
            return self.matches(&core.object(self.row, entry));
        }
        self.picker.pick(stored::json(&entry.value)).is_ok_and(|picked| self.matches(&picked))
    }

    /// Tells whether an object is selected.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.matches_object(object) && self.fields.matches(object)
    }
}

fn is_identity(field: &str) -> bool {
    matches!(field, "metadata.name" | "metadata.namespace")
}

fn check_fields(row: &Resource, fields: &FieldSelector) -> Result<(), ApiError> {
    let unknown = fields.terms().iter().find(|term| !row.is_selectable(&term.field));
    match unknown {
        None => Ok(()),
        Some(term) => Err(ApiError::bad_request(format!("field label not supported: {}", term.field))),
    }
}

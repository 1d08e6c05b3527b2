//! Label and field selectors.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as metav1;
use serde_json::Value;

/// A parsed label selector; the empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
}

/// Why a selector could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectorError {
    message: String,
}

impl LabelSelector {
    /// Parses the wire form: `a=b,c in (x,y),!d`.
    ///
    /// # Errors
    /// When the text is not a selector.
    pub fn parse(_text: &str) -> Result<Self, SelectorError> {
        unimplemented!()
    }

    /// Reads the object form; an empty one matches everything.
    ///
    /// # Errors
    /// When an operator or its values are not allowed.
    pub fn from_k8s(_selector: &metav1::LabelSelector) -> Result<Self, SelectorError> {
        unimplemented!()
    }

    /// Returns a selector for exactly these labels (Service and ReplicationController use this form).
    pub fn from_labels(_labels: &BTreeMap<String, String>) -> Self {
        unimplemented!()
    }

    /// Tells whether it has no requirement, so matches everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Tells whether these labels satisfy every requirement.
    pub fn matches(&self, _labels: &BTreeMap<String, String>) -> bool {
        unimplemented!()
    }

    /// Tells whether the labels of this object (wire form) satisfy every requirement.
    pub fn matches_object(&self, _object: &Value) -> bool {
        unimplemented!()
    }
}

/// A parsed field selector: `metadata.name=x,status.phase!=Running`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

/// One comparison of a [`FieldSelector`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    /// The field's dotted path.
    pub field: String,
    /// The value compared with.
    pub value: String,
    /// Whether the field must equal (true) or differ.
    pub equal: bool,
}

impl FieldSelector {
    /// Parses the wire form.
    ///
    /// # Errors
    /// When a term has no `=`, `==` or `!=`.
    pub fn parse(_text: &str) -> Result<Self, SelectorError> {
        unimplemented!()
    }

    /// Returns the comparisons.
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// Tells whether it has no term.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Tells whether the object satisfies every term; an absent field equals the empty text.
    pub fn matches(&self, _object: &Value) -> bool {
        unimplemented!()
    }
}

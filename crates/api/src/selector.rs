//! Label and field selectors.

mod parse;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as metav1;
use serde_json::Value;

use crate::names;

/// A parsed label selector; the empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    GreaterThan(i64),
    LessThan(i64),
}

/// Why a selector could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectorError {
    message: String,
}

impl SelectorError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl Test {
    fn accepts(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|text| text.parse::<i64>().ok());
        match self {
            Test::In(values) => value.is_some_and(|value| values.iter().any(|one| one == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|one| one != value)),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
            Test::LessThan(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

impl LabelSelector {
    /// Parses the wire form: `a=b,c in (x,y),!d`.
    ///
    /// # Errors
    /// When the text is not a selector.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let requirements = parse::label_requirements(text)?;
        for requirement in &requirements {
            check(requirement)?;
        }
        Ok(Self { requirements })
    }

    /// Reads the object form; an empty one matches everything.
    ///
    /// # Errors
    /// When an operator or its values are not allowed.
    pub fn from_k8s(selector: &metav1::LabelSelector) -> Result<Self, SelectorError> {
        let mut found = selector.match_labels.as_ref().map(Self::from_labels).unwrap_or_default();
        for expression in selector.match_expressions.iter().flatten() {
            let values = expression.values.clone().unwrap_or_default();
            found.requirements.push(requirement(&expression.key, &expression.operator, values)?);
        }
        Ok(found)
    }

    /// Reads the object form from its JSON; an empty one matches everything.
    ///
    /// # Errors
    /// When it is not a selector.
    pub fn from_json(selector: &Value) -> Result<Self, SelectorError> {
        let typed: metav1::LabelSelector = serde_json::from_value(selector.clone())
            .map_err(|error| SelectorError::new(error.to_string()))?;
        Self::from_k8s(&typed)
    }

    /// Returns a selector for exactly these labels (Service and ReplicationController use this form).
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Self {
        let requirements = labels
            .iter()
            .map(|(key, value)| Requirement { key: key.clone(), test: Test::In(vec![value.clone()]) })
            .collect();
        Self { requirements }
    }

    /// Adds a requirement with an operator of node affinity (`In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`,
    /// `Lt`).
    ///
    /// # Errors
    /// When the operator or its values are not allowed.
    pub fn require(&mut self, key: &str, operator: &str, values: &[String]) -> Result<(), SelectorError> {
        self.requirements.push(requirement(key, operator, values.to_vec())?);
        Ok(())
    }

    /// Tells whether it has no requirement, so matches everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Tells whether these labels satisfy every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|one| one.test.accepts(labels.get(&one.key).map(String::as_str)))
    }

    /// Tells whether the labels of this object (wire form) satisfy every requirement.
    pub fn matches_object(&self, object: &Value) -> bool {
        let labels = object.get("metadata").and_then(|metadata| metadata.get("labels"));
        self.requirements.iter().all(|one| {
            one.test.accepts(labels.and_then(|labels| labels.get(&one.key)).and_then(Value::as_str))
        })
    }
}

/// Returns the terms of a selector in object form, in the order of their keys: `a=b`, `c in (x,y)`, `!d`.
pub fn object_terms(selector: &Value) -> Vec<String> {
    let mut terms: Vec<(String, String)> = Vec::new();
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        terms.push((key.clone(), format!("{key}={}", value.as_str().unwrap_or_default())));
    }
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    for expression in expressions.into_iter().flatten() {
        let text = |key: &str| expression.get(key).and_then(Value::as_str).unwrap_or_default();
        let key = text("key");
        let values = expression.get("values").and_then(Value::as_array);
        let mut values: Vec<&str> = values.into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let term = match text("operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        terms.push((key.to_owned(), term));
    }
    terms.sort_by(|a, b| a.0.cmp(&b.0));
    terms.into_iter().map(|(_, term)| term).collect()
}

fn requirement(key: &str, operator: &str, values: Vec<String>) -> Result<Requirement, SelectorError> {
    let number = |values: &[String]| -> Result<i64, SelectorError> {
        let [one] = values else {
            return Err(SelectorError::new("for 'Gt', 'Lt' operators, exactly one value is required"));
        };
        one.parse().map_err(|_| SelectorError::new("for 'Gt', 'Lt' operators, the value must be an integer"))
    };
    let test = match operator {
        "In" => Test::In(values),
        "NotIn" => Test::NotIn(values),
        "Exists" if values.is_empty() => Test::Exists,
        "DoesNotExist" if values.is_empty() => Test::Absent,
        "Exists" | "DoesNotExist" => {
            return Err(SelectorError::new("values set must be empty for exists and does not exist"));
        }
        "Gt" => Test::GreaterThan(number(&values)?),
        "Lt" => Test::LessThan(number(&values)?),
        _ => return Err(SelectorError::new(format!("{operator:?} is not a valid label selector operator"))),
    };
    let requirement = Requirement { key: key.to_owned(), test };
    check(&requirement)?;
    Ok(requirement)
}

fn check(requirement: &Requirement) -> Result<(), SelectorError> {
    let key = &requirement.key;
    if let Some(error) = names::qualified_name_errors(key).first() {
        return Err(SelectorError::new(format!("key: Invalid value: {key:?}: {error}")));
    }
    let (Test::In(values) | Test::NotIn(values)) = &requirement.test else { return Ok(()) };
    if values.is_empty() {
        return Err(SelectorError::new(
            "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
        ));
    }
    for (place, value) in values.iter().enumerate() {
        if let Some(error) = names::label_value_errors(value).first() {
            return Err(SelectorError::new(format!(
                "values[{place}][{key}]: Invalid value: {value:?}: {error}"
            )));
        }
    }
    Ok(())
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
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        Ok(Self { terms: parse::field_terms(text)? })
    }

    /// Returns the comparisons.
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// Tells whether it has no term.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Returns the value that `field` must equal, if a term says so.
    pub fn equals(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|term| term.equal && term.field == field).map(|term| term.value.as_str())
    }

    /// Tells whether the object satisfies every term; an absent field equals the empty text.
    pub fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|term| (field_text(object, &term.field) == term.value) == term.equal)
    }
}

/// Returns who tells an event: newer events name a controller where older ones name a source.
fn source(event: &Value) -> String {
    let told = |path: &str| event.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    told("/source/component").or_else(|| told("/reportingComponent")).unwrap_or_default().to_owned()
}

/// Returns the field's value as field selectors compare it.
fn field_text(object: &Value, path: &str) -> String {
    let path = match path {
        "name" => "metadata.name",
        "source" => return source(object),
        "status.successful" => "status.succeeded",
        other => other,
    };
    let value = path.split('.').try_fold(object, |value, key| value.get(key));
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(yes)) => yes.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None if is_boolean(path) => {
            "false".to_owned()
        }
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    }
}

/// Fields whose absence reads as false.
fn is_boolean(path: &str) -> bool {
    matches!(path, "spec.unschedulable" | "spec.hostNetwork")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn wire_forms_match_as_kubernetes_does() {
        let check = |selector: &str, pairs: &[(&str, &str)], expected: bool| {
            let parsed = LabelSelector::parse(selector).unwrap();
            assert_eq!(parsed.matches(&labels(pairs)), expected, "{selector}");
        };
        check("", &[], true);
        check("a=b", &[("a", "b")], true);
        check("a==b", &[("a", "b")], true);
        check("a=b,c=d", &[("a", "b")], false);
        check("a!=b", &[], true);
        check("a in (x, y)", &[("a", "y")], true);
        check("a notin (x,y)", &[("a", "y")], false);
        check("a", &[("a", "")], true);
        check("!a", &[("a", "")], false);
        check("a=", &[("a", "")], true);
        check("n>3", &[("n", "4")], true);
        check("n<3", &[("n", "4")], false);
        check("in in (in)", &[("in", "in")], true);
        check("a in (x,),b", &[("a", ""), ("b", "")], true);
    }

    #[test]
    fn malformed_selectors_are_refused() {
        for text in
            ["a=b,", ",", "a in", "a in (", "a in ()x", "=b", "a b", "a~b", "-a=b", "!", "a in (x y)", "n>x"]
        {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
        for text in ["a", "a>b", "=", "x=a\\"] {
            let parsed = FieldSelector::parse(text);
            assert!(parsed.is_err() || text == "=", "{text}");
        }
    }

    #[test]
    fn the_source_of_an_event_is_who_tells_it() {
        let selector = FieldSelector::parse("source=kubelet").unwrap();
        let check = |event: Value, expected| assert_eq!(selector.matches(&event), expected, "{event}");
        check(json!({"source": {"component": "kubelet"}, "reportingComponent": "other"}), true);
        check(json!({"source": {}, "reportingComponent": "kubelet"}), true);
        check(json!({"source": {"component": "other"}, "reportingComponent": "kubelet"}), false);
        check(json!({}), false);
    }

    #[test]
    fn fields_compare_as_text() {
        let pod = json!({"metadata": {"name": "x"}, "status": {"phase": "Running"}, "spec": {"port": 1}});
        let check = |text: &str, expected| {
            assert_eq!(FieldSelector::parse(text).unwrap().matches(&pod), expected, "{text}");
        };
        check("metadata.name=x", true);
        check("metadata.name!=x", false);
        check("status.phase==Running,spec.nodeName=", true);
        check("spec.port=1", true);
        check("spec.unschedulable=false", true);
        check("", true);
    }
}

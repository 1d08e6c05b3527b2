//! Names, labels, annotations, owners: what holds for every object.

use serde_json::{Value, json};

use super::look::{at, entries, integer, is_true, list, text};
use crate::field::FieldError;
use crate::names;
use crate::selector::LabelSelector;

/// All annotations of an object together; the last-applied annotation must fit.
const ANNOTATIONS_MAX: usize = 256 * 1024;

/// Says how the names of a kind may look: returns why one does not.
pub(crate) type NameRule = fn(&str) -> Vec<String>;

/// Names that are DNS subdomains, as most are.
pub(crate) fn subdomain_name(name: &str) -> Vec<String> {
    names::dns_subdomain_errors(name)
}

/// Names that are DNS labels.
pub(crate) fn label_name(name: &str) -> Vec<String> {
    names::dns_label_errors(name)
}

/// Names that need only fit into a path (roles, whose names have colons).
pub(crate) fn path_name(name: &str) -> Vec<String> {
    match name {
        "." | ".." => vec![format!("may not be '{name}'")],
        _ => ["/", "%"]
            .into_iter()
            .filter(|part| name.contains(part))
            .map(|part| format!("may not contain '{part}'"))
            .collect(),
    }
}

/// Judges the metadata of a new object.
pub(crate) fn validate(object: &Value, is_namespaced: bool, name_rule: NameRule) -> Vec<FieldError> {
    let metadata = at(object, "/metadata").unwrap_or(&Value::Null);
    let mut errors = Vec::new();
    let prefix = text(metadata, "/generateName");
    if !prefix.is_empty() {
        // The part before the random letters may end where a name may not.
        let masked = prefix.strip_suffix('-').map_or_else(|| prefix.to_owned(), |rest| format!("{rest}a"));
        let faults = name_rule(&masked);
        errors
            .extend(faults.into_iter().map(|why| FieldError::invalid("metadata.generateName", prefix, why)));
    }
    match text(metadata, "/name") {
        "" => errors.push(FieldError::required("metadata.name", "name or generateName is required")),
        name => {
            let faults = name_rule(name);
            errors.extend(faults.into_iter().map(|why| FieldError::invalid("metadata.name", name, why)));
        }
    }
    match (is_namespaced, text(metadata, "/namespace")) {
        (true, "") => errors.push(FieldError::required("metadata.namespace", "")),
        (true, namespace) => errors.extend(
            names::dns_label_errors(namespace)
                .into_iter()
                .map(|why| FieldError::invalid("metadata.namespace", namespace, why)),
        ),
        (false, "") => {}
        (false, _) => errors.push(FieldError::forbidden("metadata.namespace", "not allowed on this type")),
    }
    if let Some(generation) = integer(metadata, "/generation") {
        errors.extend(not_negative(Some(generation), "metadata.generation"));
    }
    errors.extend(validate_common(metadata));
    errors.extend(finalizer_errors(object));
    errors
}

/// Judges the finalizers of an object: those of Kubernetes itself have no domain, all others have one.
pub(super) fn finalizer_errors(object: &Value) -> Vec<FieldError> {
    const STANDARD: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];
    let path = "metadata.finalizers";
    let mut errors = Vec::new();
    for (place, finalizer) in list(object, "/metadata/finalizers").iter().enumerate() {
        let finalizer = finalizer.as_str().unwrap_or_default();
        let faults = names::qualified_name_errors(finalizer);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(path, finalizer, why)));
        if !finalizer.contains('/') && !STANDARD.contains(&finalizer) {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(format!("{path}[{place}]"), finalizer, why));
        }
    }
    errors
}

/// Judges a change of metadata.
pub(crate) fn validate_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let (new, old) = (&new["metadata"], &old["metadata"]);
    let mut errors = Vec::new();
    if at(old, "/deletionTimestamp").is_some() {
        let added: Vec<&Value> =
            list(new, "/finalizers").iter().filter(|one| !list(old, "/finalizers").contains(one)).collect();
        if !added.is_empty() {
            let names: Vec<String> = added.iter().map(|one| one.to_string()).collect();
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                names.join(", ")
            );
            errors.push(FieldError::forbidden("metadata.finalizers", why));
        }
    }
    for key in ["name", "namespace", "uid"] {
        let (now, before) = (text(new, &format!("/{key}")), text(old, &format!("/{key}")));
        if now != before {
            errors.push(FieldError::invalid(format!("metadata.{key}"), now, "field is immutable"));
        }
    }
    for key in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        errors.extend(immutable(new.get(key), old.get(key), &format!("metadata.{key}")));
    }
    errors.extend(validate_common(new));
    errors
}

fn validate_common(metadata: &Value) -> Vec<FieldError> {
    let mut errors = validate_labels(metadata, "metadata.labels");
    errors.extend(validate_annotations(metadata, "metadata.annotations"));
    errors.extend(validate_owners(metadata));
    errors
}

/// Judges the labels of metadata, told at a path.
pub(super) fn validate_labels(metadata: &Value, path: &str) -> Vec<FieldError> {
    label_map(at(metadata, "/labels"), path)
}

fn label_map(labels: Option<&Value>, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        let faults = names::qualified_name_errors(key);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(path, key.as_str(), why)));
        let faults = names::label_value_errors(value);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(path, value, why)));
    }
    errors
}

/// Judges the annotations of metadata, told at a path.
pub(super) fn validate_annotations(metadata: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut size = 0;
    for (key, value) in entries(metadata, "/annotations") {
        size += key.len() + value.as_str().map_or(0, str::len);
        let faults = names::qualified_name_errors(&key.to_lowercase());
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(path, key.as_str(), why)));
    }
    if size > ANNOTATIONS_MAX {
        errors.push(FieldError::too_long(path, ANNOTATIONS_MAX));
    }
    errors
}

fn validate_owners(metadata: &Value) -> Vec<FieldError> {
    let path = "metadata.ownerReferences";
    let mut errors = Vec::new();
    let mut controller = String::new();
    for owner in list(metadata, "/ownerReferences") {
        let wanted = [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ];
        for (key, why) in wanted {
            if owner.get(key).and_then(Value::as_str).unwrap_or_default().is_empty() {
                errors.push(FieldError::invalid(format!("{path}.{key}"), "", why));
            }
        }
        if is_true(owner, "/controller") {
            let this = format!("{}/{}", text(owner, "/kind"), text(owner, "/name"));
            if controller.is_empty() {
                controller = this;
            } else {
                let all = at(metadata, "/ownerReferences").cloned().unwrap_or_default();
                errors.push(FieldError::invalid(path, all, format!("Only one reference can have Controller set to true. Found \"true\" in references for {controller} and {this}")));
            }
        }
    }
    errors
}

/// Refuses a change of a field.
pub(super) fn immutable(new: Option<&Value>, old: Option<&Value>, path: &str) -> Option<FieldError> {
    let (new, old) = (new.unwrap_or(&Value::Null), old.unwrap_or(&Value::Null));
    (new != old).then(|| FieldError::invalid(path, new.clone(), "field is immutable"))
}

/// Refuses a number below zero.
pub(super) fn not_negative(number: Option<i64>, path: &str) -> Option<FieldError> {
    let number = number.filter(|number| *number < 0)?;
    Some(FieldError::invalid(path, number, "must be greater than or equal to 0"))
}

/// Judges a label selector in object form.
pub(super) fn validate_selector(selector: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = label_map(at(selector, "/matchLabels"), &format!("{path}.matchLabels"));
    for (place, expression) in list(selector, "/matchExpressions").iter().enumerate() {
        let path = format!("{path}.matchExpressions[{place}]");
        let values = list(expression, "/values");
        match text(expression, "/operator") {
            "In" | "NotIn" if values.is_empty() => errors.push(FieldError::required(
                format!("{path}.values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            )),
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(FieldError::forbidden(
                format!("{path}.values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.push(FieldError::invalid(
                format!("{path}.operator"),
                other,
                "not a valid selector operator",
            )),
        }
        let key = text(expression, "/key");
        let faults = names::qualified_name_errors(key);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(format!("{path}.key"), key, why)));
        for (place, value) in values.iter().enumerate() {
            let value = value.as_str().unwrap_or_default();
            let faults = names::label_value_errors(value);
            let path = format!("{path}.values[{place}]");
            errors.extend(faults.into_iter().map(|why| FieldError::invalid(&path, value, why)));
        }
    }
    errors
}

/// Tells whether a selector in object form selects nothing in particular.
pub(super) fn is_empty_selector(selector: &Value) -> bool {
    entries(selector, "/matchLabels").next().is_none() && list(selector, "/matchExpressions").is_empty()
}

/// Tells whether a selector in object form matches a template's labels; a malformed one is told elsewhere.
pub(super) fn selects_template(selector: &Value, template: &Value) -> bool {
    let object = json!({ "metadata": { "labels": at(template, "/metadata/labels") } });
    LabelSelector::from_json(selector).is_ok_and(|selector| selector.matches_object(&object))
}

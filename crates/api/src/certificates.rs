//! Certificate signing requests: what is asked stays as it was asked; approval and certificate are parts of
//! their own.

use serde_json::{Map, Value, json};

use crate::field::FieldError;
use crate::rules::look::{at, list, section, set_or_remove, text};

const JUDGEMENTS: [&str; 2] = ["Approved", "Denied"];

pub(crate) fn validate(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (field, what) in [("request", "/spec/request"), ("signerName", "/spec/signerName")] {
        if text(object, what).is_empty() {
            errors.push(FieldError::required(format!("spec.{field}"), ""));
        }
    }
    if list(object, "/spec/usages").is_empty() {
        errors.push(FieldError::required("spec.usages", ""));
    }
    let seconds = at(object, "/spec/expirationSeconds").and_then(Value::as_i64);
    if seconds.is_some_and(|seconds| seconds < 600) {
        let why = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.push(FieldError::invalid("spec.expirationSeconds", seconds, why));
    }
    let signer = text(object, "/spec/signerName");
    if !signer.is_empty() && !signer.contains('/') {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.push(FieldError::invalid("spec.signerName", signer, why));
    }
    errors
}

/// Whoever changes a request changes its metadata only.
pub(crate) fn prepare_update(new: &mut Value, old: &Value) {
    set_or_remove(new, "spec", old.get("spec").cloned());
}

/// Of the status, an approval changes the conditions only.
pub(crate) fn keep_all_but_conditions(new: &mut Value, old: &Value) {
    let conditions = at(new, "/status/conditions").cloned();
    set_or_remove(new, "status", old.get("status").cloned());
    set_or_remove(section(new, "status"), "conditions", conditions);
}

/// A signer's change of the status leaves the judgement as it is.
pub fn keep_judgement(new: &mut Value, old: &Value) {
    let is_judgement = |condition: &&Value| JUDGEMENTS.contains(&text(condition, "/type"));
    let judgement = |object: &Value| -> Vec<Value> {
        list(object, "/status/conditions").iter().filter(is_judgement).cloned().collect()
    };
    let mut conditions = judgement(old);
    if judgement(new) == conditions {
        return;
    }
    conditions.extend(list(new, "/status/conditions").iter().filter(|one| !is_judgement(one)).cloned());
    let status = section(new, "status");
    set_or_remove(status, "conditions", Some(json!(conditions)).filter(|_| !conditions.is_empty()));
}

/// Fills in when each condition came to be and last changed.
pub fn date_conditions(object: &mut Value, now: &str) {
    let Some(conditions) = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut) else {
        return;
    };
    for condition in conditions.iter_mut().filter_map(Value::as_object_mut) {
        let fill = |condition: &mut Map<String, Value>, key: &str| {
            if condition.get(key).is_none_or(Value::is_null) {
                condition.insert(key.to_owned(), json!(now));
            }
        };
        fill(condition, "lastUpdateTime");
        fill(condition, "lastTransitionTime");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_changes_only_the_conditions() {
        let old = json!({"status": {"certificate": "x"}});
        let mut new = json!({"status": {"certificate": "y", "conditions": [{"type": "Approved"}]}});
        keep_all_but_conditions(&mut new, &old);
        assert_eq!(new, json!({"status": {"certificate": "x", "conditions": [{"type": "Approved"}]}}));
    }

    #[test]
    fn a_status_can_not_approve() {
        let old = json!({"status": {"conditions": [{"type": "Denied"}]}});
        let mut new = json!({"status": {"conditions": [{"type": "Approved"}, {"type": "Failed"}]}});
        keep_judgement(&mut new, &old);
        assert_eq!(new, json!({"status": {"conditions": [{"type": "Denied"}, {"type": "Failed"}]}}));
    }

    #[test]
    fn conditions_are_dated_once() {
        let mut object =
            json!({"status": {"conditions": [{"type": "A", "lastUpdateTime": "then"}, {"type": "B"}]}});
        date_conditions(&mut object, "now");
        assert_eq!(object["status"]["conditions"][0]["lastUpdateTime"], "then");
        assert_eq!(object["status"]["conditions"][1]["lastUpdateTime"], "now");
        assert_eq!(object["status"]["conditions"][0]["lastTransitionTime"], "now");
    }

    #[test]
    fn a_request_says_what_it_wants_of_whom() {
        let fields = |object: Value| -> Vec<String> {
            validate(&object).into_iter().map(|error| error.field).collect()
        };
        assert_eq!(fields(json!({})), ["spec.request", "spec.signerName", "spec.usages"]);
        let good = json!({"spec": {"request": "x", "signerName": "a.com/b", "usages": ["client auth"]}});
        assert_eq!(fields(good), [""; 0]);
    }
}

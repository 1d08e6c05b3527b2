//! Flow schemas and priority levels, which say who may keep the API server how busy. They are kept and
//! described; this server bounds requests by their number only.

use serde_json::{Value, json};

use super::look::{at, fill, section, text};
use crate::field::FieldError;

const PRECEDENCE: i64 = 1000;
const MAX_PRECEDENCE: i64 = 10_000;

pub(super) fn default_schema(object: &mut Value) {
    fill(section(object, "spec"), "matchingPrecedence", PRECEDENCE);
}

pub(super) fn validate_schema(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let precedence = at(object, "/spec/matchingPrecedence").and_then(Value::as_i64).unwrap_or(PRECEDENCE);
    if !(1..=MAX_PRECEDENCE).contains(&precedence) {
        let why = format!("must be a value between 1 and {MAX_PRECEDENCE}");
        errors.push(FieldError::invalid("spec.matchingPrecedence", precedence, why));
    }
    if text(object, "/spec/priorityLevelConfiguration/name").is_empty() {
        let why = "must reference a priority level";
        errors.push(FieldError::required("spec.priorityLevelConfiguration.name", why));
    }
    errors
}

pub(super) fn default_level(object: &mut Value) {
    let spec = section(object, "spec");
    match text(spec, "/type") {
        "Limited" => {
            let limited = section(spec, "limited");
            fill(limited, "nominalConcurrencyShares", 30);
            fill(limited, "lendablePercent", 0);
            fill(limited, "limitResponse", json!({"type": "Reject"}));
            let response = section(limited, "limitResponse");
            if text(response, "/type") == "Queue" {
                let queuing = section(response, "queuing");
                fill(queuing, "queues", 64);
                fill(queuing, "handSize", 8);
                fill(queuing, "queueLengthLimit", 50);
            }
        }
        "Exempt" => {
            let exempt = section(spec, "exempt");
            fill(exempt, "nominalConcurrencyShares", 0);
            fill(exempt, "lendablePercent", 0);
        }
        _ => {}
    }
}

pub(super) fn validate_level(object: &Value) -> Vec<FieldError> {
    let kind = text(object, "/spec/type");
    if ["Exempt", "Limited"].contains(&kind) {
        return Vec::new();
    }
    vec![FieldError::not_supported("spec.type", kind, &["Exempt", "Limited"])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_gets_its_sizes() {
        let mut level = json!({"spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Queue"}}}});
        default_level(&mut level);
        assert_eq!(
            level["spec"]["limited"],
            json!({"nominalConcurrencyShares": 30, "lendablePercent": 0, "limitResponse":
                {"type": "Queue", "queuing": {"queues": 64, "handSize": 8, "queueLengthLimit": 50}}})
        );
        assert_eq!(validate_level(&level), []);
        assert_eq!(validate_level(&json!({"spec": {"type": "Other"}})).len(), 1);
    }

    #[test]
    fn a_schema_has_a_precedence_and_a_level() {
        let mut schema = json!({});
        default_schema(&mut schema);
        assert_eq!(schema["spec"]["matchingPrecedence"], PRECEDENCE);
        let fields: Vec<String> = validate_schema(&schema).into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["spec.priorityLevelConfiguration.name"]);
    }
}

//! What namespaces may hold: resource quotas and limit ranges.

use std::collections::BTreeSet;

use serde_json::Value;

use super::look::{at, entries, fill, items_mut, list, section, text};
use crate::field::FieldError;
use crate::names;
use crate::quantity::Quantity;

const COUNTED: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
const MEASURED: [&str; 10] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];
const POD_COMPUTE: [&str; 6] =
    ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];
const OPPOSITES: [(&str, &str); 2] = [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")];

const NOT_STANDARD: &str = "must be a standard resource type or fully qualified";

pub(super) fn validate_quota(object: &Value) -> Vec<FieldError> {
    let mut errors = check_amounts(object, "/spec/hard", "spec.hard");
    errors.extend(check_amounts(object, "/status/hard", "status.hard"));
    errors.extend(check_amounts(object, "/status/used", "status.used"));
    let hard: Vec<&str> = entries(object, "/spec/hard").map(|(name, _)| name.as_str()).collect();
    let given = at(object, "/spec/scopes").cloned().unwrap_or_default();
    let scopes: Vec<&str> = list(object, "/spec/scopes").iter().filter_map(Value::as_str).collect();
    let mut refuse = |why: &str| errors.push(FieldError::invalid("spec.scopes", given.clone(), why));
    for scope in &scopes {
        if !SCOPES.contains(scope) {
            refuse("unsupported scope");
        }
        hard.iter().filter(|name| !is_measurable(scope, name)).for_each(|_| {
            refuse("unsupported scope applied to resource");
        });
    }
    OPPOSITES.iter().filter(|(a, b)| scopes.contains(a) && scopes.contains(b)).for_each(|_| {
        refuse("conflicting scopes");
    });
    for one in list(object, "/spec/scopeSelector/matchExpressions") {
        errors.extend(check_expression(one));
    }
    errors
}

pub(super) fn validate_quota_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let scopes = |object: &Value| -> BTreeSet<String> {
        list(object, "/spec/scopes").iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    if scopes(new) == scopes(old) {
        return Vec::new();
    }
    let given = at(new, "/spec/scopes").cloned().unwrap_or_default();
    vec![FieldError::invalid("spec.scopes", given, "field is immutable")]
}

pub(super) fn validate_quota_status(new: &Value, _old: &Value) -> Vec<FieldError> {
    let mut errors = check_amounts(new, "/status/hard", "status.hard");
    errors.extend(check_amounts(new, "/status/used", "status.used"));
    errors
}

fn check_amounts(object: &Value, pointer: &str, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (name, value) in entries(object, pointer) {
        let path = format!("{path}[{name}]");
        let faults = names::qualified_name_errors(name);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(&path, name.as_str(), why)));
        if !name.contains('/') && !is_standard(name) {
            if names::qualified_name_errors(name).is_empty() {
                errors.push(FieldError::invalid(&path, name.as_str(), NOT_STANDARD));
            }
            let why = "must be a standard resource for quota";
            errors.push(FieldError::invalid(&path, name.as_str(), why));
        }
        let Some(amount) = quantity(value) else { continue };
        if amount.is_negative() {
            let why = "must be greater than or equal to 0";
            errors.push(FieldError::invalid(&path, value.clone(), why));
        }
        if COUNTED.contains(&name.as_str()) && !amount.is_whole() {
            errors.push(FieldError::invalid(&path, value.clone(), "must be an integer"));
        }
    }
    errors
}

fn is_standard(name: &str) -> bool {
    let huge = name.strip_prefix("requests.").unwrap_or(name).starts_with("hugepages-");
    huge || COUNTED.contains(&name) || MEASURED.contains(&name)
}

/// Tells whether what a scope is about uses a resource at all.
fn is_measurable(scope: &str, name: &str) -> bool {
    if !is_standard(name) {
        return true;
    }
    match scope {
        "BestEffort" => name == "pods",
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => name == "pods" || POD_COMPUTE.contains(&name),
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

fn check_expression(one: &Value) -> Vec<FieldError> {
    const PATH: &str = "spec.scopeSelector.matchExpressions";
    let (scope, operator, values) = (text(one, "/scopeName"), text(one, "/operator"), list(one, "/values"));
    let mut errors = Vec::new();
    if !SCOPES.contains(&scope) {
        errors.push(FieldError::invalid(format!("{PATH}.scopeName"), scope, "unsupported scope"));
    }
    if !matches!(scope, "PriorityClass" | "VolumeAttributesClass")
        && SCOPES.contains(&scope)
        && operator != "Exists"
    {
        let why = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                   ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, \
                   ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
        errors.push(FieldError::invalid(format!("{PATH}.operator"), operator, why));
    }
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
            errors.push(FieldError::required(format!("{PATH}.values"), why));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
            errors.push(FieldError::invalid(format!("{PATH}.values"), Value::from(values.to_vec()), why));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        _ => {
            let why = "not a valid selector operator";
            errors.push(FieldError::invalid(format!("{PATH}.operator"), operator, why));
        }
    }
    errors
}

pub(super) fn default_limit_range(object: &mut Value) {
    for item in items_mut(section(object, "spec"), "limits") {
        if text(item, "/type") != "Container" {
            continue;
        }
        for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
            let given = item.get(from).cloned();
            for (name, quantity) in given.iter().filter_map(Value::as_object).flatten() {
                fill(section(item, to), name, quantity.clone());
            }
        }
    }
}

pub(super) fn validate_limit_range(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (place, item) in list(object, "/spec/limits").iter().enumerate() {
        let kind = text(item, "/type");
        let path = format!("spec.limits[{place}]");
        let faults = names::qualified_name_errors(kind);
        if faults.is_empty()
            && !kind.contains('/')
            && !["Pod", "Container", "PersistentVolumeClaim"].contains(&kind)
        {
            let why = "must be a standard limit type or fully qualified";
            errors.push(FieldError::invalid(format!("{path}.type"), kind, why));
        }
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(format!("{path}.type"), kind, why)));
        if seen.contains(&kind) {
            errors.push(FieldError::duplicate(format!("{path}.type"), kind));
        }
        seen.push(kind);
        check_limits(item, kind, &path, &mut errors);
    }
    errors
}

/// Judges the bounds of one item against each other.
fn check_limits(item: &Value, kind: &str, path: &str, errors: &mut Vec<FieldError>) {
    let mut fields = vec!["min", "max", "maxLimitRequestRatio"];
    if kind == "Pod" {
        for field in ["default", "defaultRequest"] {
            if entries(item, &format!("/{field}")).next().is_some() {
                let why = "may not be specified when `type` is 'Pod'";
                errors.push(FieldError::forbidden(format!("{path}.{field}"), why));
            }
        }
    } else {
        fields.extend(["default", "defaultRequest"]);
    }
    if kind == "PersistentVolumeClaim"
        && ["/min/storage", "/max/storage"].iter().all(|place| at(item, place).is_none())
    {
        let why = "either minimum or maximum storage value is required, but neither was provided";
        errors.push(FieldError::required(format!("{path}.limits"), why));
    }
    let mut resources = BTreeSet::new();
    for field in &fields {
        for (name, _) in entries(item, &format!("/{field}")) {
            resources.insert(name.clone());
            let faults = names::qualified_name_errors(name);
            let place = format!("{path}.{field}[{name}]");
            if faults.is_empty() && !name.contains('/') && !is_standard(name) {
                errors.push(FieldError::invalid(&place, name.as_str(), NOT_STANDARD));
            }
            let is_of_container = ["cpu", "memory", "ephemeral-storage"].contains(&name.as_str())
                || name.starts_with("hugepages-");
            if faults.is_empty() && kind == "Container" && !name.contains('/') && !is_of_container {
                let why = "must be a standard resource for containers";
                errors.push(FieldError::invalid(&place, name.as_str(), why));
            }
            errors.extend(faults.into_iter().map(|why| FieldError::invalid(&place, name.as_str(), why)));
        }
    }
    for name in resources {
        let get =
            |field: &str| fields.contains(&field).then(|| quantity(item.get(field)?.get(&name)?)).flatten();
        check_order(&Given { path, name: &name, get: &get }, errors);
    }
}

/// The bounds of one resource in one item.
struct Given<'a> {
    path: &'a str,
    name: &'a str,
    get: &'a dyn Fn(&str) -> Option<Quantity>,
}

/// One bound that must not be above another, both with their names in words; the field to blame, and the
/// field whose value is shown.
struct Order {
    low: (&'static str, &'static str),
    high: (&'static str, &'static str),
    blamed: &'static str,
    shown: &'static str,
}

const MIN: (&str, &str) = ("min", "min");
const MAX: (&str, &str) = ("max", "max");
const LIMIT: (&str, &str) = ("default", "default");
const REQUEST: (&str, &str) = ("defaultRequest", "default request");
const ORDERS: [Order; 6] = [
    Order { low: MIN, high: MAX, blamed: "min", shown: "min" },
    Order { low: MIN, high: REQUEST, blamed: "defaultRequest", shown: "defaultRequest" },
    Order { low: REQUEST, high: MAX, blamed: "defaultRequest", shown: "defaultRequest" },
    Order {
        low: REQUEST,
        high: ("default", "default limit"),
        blamed: "defaultRequest",
        shown: "defaultRequest",
    },
    Order { low: MIN, high: LIMIT, blamed: "default", shown: "min" },
    Order { low: LIMIT, high: MAX, blamed: "default", shown: "max" },
];

fn check_order(given: &Given<'_>, errors: &mut Vec<FieldError>) {
    let place = |field: &str| format!("{}.{field}[{}]", given.path, given.name);
    for Order { low, high, blamed, shown } in ORDERS {
        if let (Some(lower), Some(upper)) = ((given.get)(low.0), (given.get)(high.0))
            && lower > upper
        {
            let shown = (given.get)(shown).unwrap_or(lower).to_string();
            let why = format!("{} value {lower} is greater than {} value {upper}", low.1, high.1);
            errors.push(FieldError::invalid(place(blamed), shown, why));
        }
    }
    let Some(ratio) = (given.get)("maxLimitRequestRatio") else { return };
    let at = place("maxLimitRequestRatio");
    if ratio < Quantity::from_count(1) {
        errors.push(FieldError::invalid(&at, ratio.to_string(), format!("ratio {ratio} is less than 1")));
    }
    if let (Some(min), Some(max)) = ((given.get)("min"), (given.get)("max")) {
        let most = quotient(max, min);
        if quotient(ratio, Quantity::from_count(1)) > most {
            let why = format!("ratio {ratio} is greater than max/min = {most:.6}");
            errors.push(FieldError::invalid(at, ratio.to_string(), why));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for comparison, as upstream computes it")]
fn quotient(a: Quantity, b: Quantity) -> f64 {
    a.milli() as f64 / b.milli() as f64
}

fn quantity(value: &Value) -> Option<Quantity> {
    value.as_str().and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|error| format!("{}: {}", error.field, error.body())).collect()
    }

    #[test]
    fn quotas_limit_known_resources_in_fitting_scopes() {
        let check = |spec: Value, expected: &[&str]| {
            assert_eq!(told(&validate_quota(&json!({"spec": spec}))), expected, "{spec}");
        };
        check(
            json!({"hard": {"pods": "1", "cpu": "1500m", "count/jobs.batch": "3", "requests.a.io/b": "1"}}),
            &[],
        );
        check(
            json!({"hard": {"widgets": "1"}}),
            &[
                "spec.hard[widgets]: Invalid value: \"widgets\": must be a standard resource type or fully qualified",
                "spec.hard[widgets]: Invalid value: \"widgets\": must be a standard resource for quota",
            ],
        );
        check(
            json!({"hard": {"pods": "500m"}}),
            &["spec.hard[pods]: Invalid value: \"500m\": must be an integer"],
        );
        check(
            json!({"hard": {"cpu": "-1"}}),
            &["spec.hard[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"],
        );
        check(
            json!({"hard": {"cpu": "1"}, "scopes": ["BestEffort"]}),
            &["spec.scopes: Invalid value: [\"BestEffort\"]: unsupported scope applied to resource"],
        );
        check(
            json!({"hard": {"pods": "1"}, "scopes": ["BestEffort", "NotBestEffort"]}),
            &["spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: conflicting scopes"],
        );
        let selector = |operator: &str, values: Value| {
            json!({"hard": {"pods": "1"}, "scopeSelector": {"matchExpressions":
                [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}})
        };
        check(selector("In", json!(["a"])), &[]);
        check(
            selector("In", json!([])),
            &["spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when \
             `operator` is 'In' or 'NotIn' for scope selector"],
        );
    }

    #[test]
    fn the_scopes_of_a_quota_stay() {
        let quota = |scopes: Value| json!({"spec": {"scopes": scopes}});
        let (a, b) =
            (quota(json!(["BestEffort", "Terminating"])), quota(json!(["Terminating", "BestEffort"])));
        assert_eq!(validate_quota_update(&a, &b), []);
        assert_eq!(
            told(&validate_quota_update(&quota(json!(["Terminating"])), &a)),
            ["spec.scopes: Invalid value: [\"Terminating\"]: field is immutable"]
        );
    }

    #[test]
    fn the_bounds_of_a_limit_range_must_agree() {
        let check = |item: Value, expected: &[&str]| {
            assert_eq!(told(&validate_limit_range(&json!({"spec": {"limits": [item]}}))), expected, "{item}");
        };
        check(json!({"type": "Container", "min": {"cpu": "1"}, "max": {"cpu": "2"}}), &[]);
        check(
            json!({"type": "Container", "min": {"cpu": "3"}, "max": {"cpu": "2"}}),
            &["spec.limits[0].min[cpu]: Invalid value: \"3\": min value 3 is greater than max value 2"],
        );
        check(
            json!({"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "2"}}),
            &[
                "spec.limits[0].defaultRequest[cpu]: Invalid value: \"2\": default request value 2 is greater than \
             default limit value 1",
            ],
        );
        check(
            json!({"type": "Container", "default": {"cpu": "3"}, "max": {"cpu": "2"}}),
            &[
                "spec.limits[0].default[cpu]: Invalid value: \"2\": default value 3 is greater than max value 2",
            ],
        );
        check(
            json!({"type": "Pod", "default": {"cpu": "3"}}),
            &["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
        );
        check(
            json!({"type": "PersistentVolumeClaim"}),
            &[
                "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but \
             neither was provided",
            ],
        );
        check(
            json!({"type": "Node"}),
            &[
                "spec.limits[0].type: Invalid value: \"Node\": must be a standard limit type or fully qualified",
            ],
        );
        check(
            json!({"type": "Container", "maxLimitRequestRatio": {"cpu": "500m"}}),
            &["spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"500m\": ratio 500m is less than 1"],
        );
        let ratio = json!({"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}});
        check(
            ratio,
            &[
                "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"3\": ratio 3 is greater than max/min = 2.000000",
            ],
        );
    }
}

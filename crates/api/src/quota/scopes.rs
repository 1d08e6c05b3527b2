//! Which objects a quota is about.

use serde_json::Value;

use crate::rules::look::{at, integer, list, text};

/// What scopes ask about an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    is_pod: bool,
    ends_by_itself: bool,
    is_best_effort: bool,
    crosses_namespaces: bool,
    priority_class: String,
    attributes_classes: Vec<String>,
}

impl Facts {
    pub(super) fn of_pod(pod: &Value) -> Self {
        Self {
            is_pod: true,
            ends_by_itself: integer(pod, "/spec/activeDeadlineSeconds").is_some_and(|seconds| seconds >= 0),
            is_best_effort: crate::rules::quality_of_service(pod) == "BestEffort",
            crosses_namespaces: crosses_namespaces(pod),
            priority_class: text(pod, "/spec/priorityClassName").to_owned(),
            attributes_classes: Vec::new(),
        }
    }

    pub(super) fn of_claim(object: &Value) -> Self {
        let places = [
            "/spec/volumeAttributesClassName",
            "/status/currentVolumeAttributesClassName",
            "/status/modifyVolumeStatus/targetVolumeAttributesClassName",
        ];
        let names = places.iter().map(|place| text(object, place)).filter(|name| !name.is_empty());
        Self { attributes_classes: names.map(str::to_owned).collect(), ..Self::default() }
    }
}

/// Tells whether an object is in all scopes of a quota.
pub(super) fn matches(quota: &Value, object: &super::Measured) -> bool {
    let facts = &object.facts;
    let plain = list(quota, "/spec/scopes").iter().filter_map(Value::as_str);
    plain.into_iter().all(|scope| is_in(facts, scope, "Exists", &[]))
        && list(quota, "/spec/scopeSelector/matchExpressions")
            .iter()
            .all(|one| is_in(facts, text(one, "/scopeName"), text(one, "/operator"), list(one, "/values")))
}

fn is_in(facts: &Facts, scope: &str, operator: &str, values: &[Value]) -> bool {
    if scope == "VolumeAttributesClass" {
        return is_selected(&facts.attributes_classes, operator, values);
    }
    facts.is_pod
        && match scope {
            "Terminating" => facts.ends_by_itself,
            "NotTerminating" => !facts.ends_by_itself,
            "BestEffort" => facts.is_best_effort,
            "NotBestEffort" => !facts.is_best_effort,
            "CrossNamespacePodAffinity" => facts.crosses_namespaces,
            "PriorityClass" => {
                let names: &[String] = match facts.priority_class.as_str() {
                    "" => &[],
                    _ => std::slice::from_ref(&facts.priority_class),
                };
                is_selected(names, operator, values)
            }
            _ => false,
        }
}

fn is_selected(names: &[String], operator: &str, values: &[Value]) -> bool {
    let is_named = || names.iter().any(|name| values.iter().any(|value| value == name.as_str()));
    match operator {
        "Exists" => !names.is_empty(),
        "DoesNotExist" => names.is_empty(),
        "In" => is_named(),
        "NotIn" => !is_named(),
        _ => false,
    }
}

fn crosses_namespaces(pod: &Value) -> bool {
    let crosses =
        |term: &Value| !list(term, "/namespaces").is_empty() || at(term, "/namespaceSelector").is_some();
    ["podAffinity", "podAntiAffinity"].iter().any(|side| {
        let terms = |list_name: &str| list(pod, &format!("/spec/affinity/{side}/{list_name}"));
        terms("requiredDuringSchedulingIgnoredDuringExecution").iter().any(crosses)
            || terms("preferredDuringSchedulingIgnoredDuringExecution")
                .iter()
                .any(|weighted| weighted.get("podAffinityTerm").is_some_and(crosses))
    })
}

//! Aggregated ClusterRoles: a role that names others by their labels allows what they allow together.

use std::sync::Arc;

use api::k8s::api::rbac::v1::{ClusterRole, PolicyRule};
use api::selector::LabelSelector;

use crate::controller::{Controller, Watch};
use crate::owner;
use crate::plan::{Action, Part, Plan, Told};
use crate::view::Key;

/// What the rules are decided on.
pub struct Observed<'a> {
    /// The role.
    pub role: &'a ClusterRole,
    /// Every role of the cluster.
    pub roles: Vec<Arc<ClusterRole>>,
}

/// Decides. A role without selectors keeps its rules.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let role = observed.role;
    let Some(selectors) =
        role.aggregation_rule.as_ref().and_then(|rule| rule.cluster_role_selectors.as_ref())
    else {
        return plan;
    };
    let mut parts = observed.roles.clone();
    parts.sort_by(|a, b| owner::name(&a.metadata).cmp(owner::name(&b.metadata)));
    let mut rules: Vec<PolicyRule> = Vec::new();
    for selector in selectors.iter().filter_map(|selector| LabelSelector::from_k8s(selector).ok()) {
        let chosen = parts.iter().filter(|part| owner::uid(&part.metadata) != owner::uid(&role.metadata));
        for part in chosen.filter(|part| is_selected(&selector, part)) {
            for rule in part.rules.iter().flatten() {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    if role.rules.as_deref().unwrap_or_default() != rules {
        let after = ClusterRole { rules: Some(rules), ..role.clone() };
        plan.actions.extend(Action::update(Part::Object, role, &after, Told::nothing()));
    }
    plan
}

fn is_selected(selector: &LabelSelector, role: &ClusterRole) -> bool {
    let labels = role.metadata.labels.clone().unwrap_or_default();
    let labels = labels.into_iter().map(|(key, value)| (key, value.into())).collect::<api::Object>();
    selector.matches_object(&serde_json::json!({ "metadata": { "labels": labels } }))
}

/// Returns how the aggregated roles of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "clusterrole-aggregation-controller",
        watches: vec![Watch::on::<ClusterRole>(|view, _, _| {
            // any role may be a part of any aggregated one, and was one by the labels it had
            let roles = view.list::<ClusterRole>();
            let aggregated = roles.iter().filter(|role| role.aggregation_rule.is_some());
            aggregated.map(|role| Key::cluster(owner::name(&role.metadata))).collect()
        })],
        reconcile: |view, key, _| {
            let Some(role) = view.at::<ClusterRole>(key) else { return Plan::default() };
            reconcile(&Observed { role: &role, roles: view.list() })
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn role(name: &str, labels: &Value, verb: &str) -> Arc<ClusterRole> {
        let object = json!({"metadata": {"name": name, "uid": name, "labels": labels},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}]});
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn sum(rules: &Value) -> ClusterRole {
        let object = json!({"metadata": {"name": "sum", "uid": "sum", "labels": {"a": "b"}}, "rules": rules,
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_sum_has_the_rules_of_its_parts_once_each() {
        let roles = vec![
            role("z", &json!({"a": "b"}), "watch"),
            role("y", &json!({"a": "b"}), "get"),
            role("x", &json!({"a": "b"}), "get"),
            role("w", &json!({}), "delete"),
        ];
        let expected = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["watch"]}]);
        let plan = reconcile(&Observed { role: &sum(&json!([])), roles: roles.clone() });
        let [Action::Patch(patch)] = plan.actions.as_slice() else { panic!("{plan:?}") };
        assert_eq!(patch.patch["rules"], expected);
        let plan = reconcile(&Observed { role: &sum(&expected), roles });
        assert_eq!(plan, Plan::default());
    }

    #[test]
    fn a_role_that_sums_nothing_up_is_left_alone() {
        let plain = role("plain", &json!({}), "get");
        assert_eq!(reconcile(&Observed { role: &plain, roles: vec![plain.clone()] }), Plan::default());
    }
}

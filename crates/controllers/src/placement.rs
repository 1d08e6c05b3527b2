//! Which nodes a pod that is bound to be everywhere belongs on.

use api::k8s::api::core::v1::{Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration};

use crate::owner;
use crate::taint_eviction::tolerates;

/// Tells whether the node selector and the required node affinity of a pod admit a node.
#[must_use]
pub fn is_selected(spec: &PodSpec, node: &Node) -> bool {
    let label =
        |name: &str| node.metadata.labels.as_ref().and_then(|labels| labels.get(name)).map(String::as_str);
    if !spec.node_selector.iter().flatten().all(|(name, value)| label(name) == Some(value)) {
        return false;
    }
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|it| it.required_during_scheduling_ignored_during_execution.as_ref());
    required.is_none_or(|required| required.node_selector_terms.iter().any(|term| matches(term, node)))
}

fn matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let label =
        |name: &str| node.metadata.labels.as_ref().and_then(|labels| labels.get(name)).map(String::as_str);
    let by_field = |it: &NodeSelectorRequirement| {
        holds(it, (it.key == "metadata.name").then(|| owner::name(&node.metadata)))
    };
    (!expressions.is_empty() || !fields.is_empty())
        && expressions.iter().all(|it| holds(it, label(&it.key)))
        && fields.iter().all(by_field)
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let number = |text: &str| text.parse::<i64>().ok();
    let compare = |value: &str, is: fn(i64, i64) -> bool| {
        let bound = values.first().and_then(|text| number(text));
        matches!((number(value), bound), (Some(value), Some(bound)) if is(value, bound))
    };
    match (requirement.operator.as_str(), value) {
        ("In", Some(value)) => values.iter().any(|wanted| wanted == value),
        ("NotIn", Some(value)) => values.iter().all(|unwanted| unwanted != value),
        ("Gt", Some(value)) => compare(value, |value, bound| value > bound),
        ("Lt", Some(value)) => compare(value, |value, bound| value < bound),
        ("Exists", value) => value.is_some(),
        ("DoesNotExist" | "NotIn", None) => true,
        _ => false,
    }
}

/// Returns the first taint with one of the effects that none of the tolerations covers.
#[must_use]
pub fn untolerated<'a>(node: &'a Node, tolerations: &[Toleration], effects: &[&str]) -> Option<&'a Taint> {
    let mut taints = node.spec.as_ref()?.taints.iter().flatten();
    taints.find(|taint| {
        effects.contains(&taint.effect.as_str())
            && !tolerations.iter().any(|toleration| tolerates(toleration, taint))
    })
}

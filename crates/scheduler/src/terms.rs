//! Selectors of nodes and of pods, taints and tolerations.

use std::collections::BTreeMap;

use api::k8s::api::core::v1::{
    NodeSelectorRequirement, NodeSelectorTerm, Pod, PodAffinityTerm, Taint, Toleration,
};
use api::k8s::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;
use api::selector::LabelSelector;

use crate::snapshot::{NodeState, Snapshot};

/// Tells whether a node satisfies one term; an empty term is satisfied by none.
#[must_use]
pub fn node_matches(term: &NodeSelectorTerm, node: &NodeState) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let label =
        |requirement: &NodeSelectorRequirement| requirement_holds(requirement, node.label(&requirement.key));
    let field = |requirement: &NodeSelectorRequirement| {
        requirement_holds(requirement, (requirement.key == "metadata.name").then(|| node.name()))
    };
    (!expressions.is_empty() || !fields.is_empty())
        && expressions.iter().all(label)
        && fields.iter().all(field)
}

fn requirement_holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let number = |text: &str| text.parse::<i64>().ok();
    let bound = || values.first().and_then(|text| number(text));
    match (requirement.operator.as_str(), value) {
        ("In", Some(value)) => values.iter().any(|wanted| wanted == value),
        ("NotIn", Some(value)) => values.iter().all(|unwanted| unwanted != value),
        ("Gt", Some(value)) => {
            matches!((number(value), bound()), (Some(value), Some(bound)) if value > bound)
        }
        ("Lt", Some(value)) => {
            matches!((number(value), bound()), (Some(value), Some(bound)) if value < bound)
        }
        ("Exists", value) => value.is_some(),
        ("DoesNotExist", value) => value.is_none(),
        ("NotIn", None) => true,
        _ => false,
    }
}

/// Tells whether a pod may run on a node by its node selector and its required node affinity.
#[must_use]
pub fn node_is_selected(pod: &Pod, node: &NodeState) -> bool {
    let Some(spec) = &pod.spec else { return true };
    let mut selector = spec.node_selector.iter().flatten();
    if !selector.all(|(name, value)| node.label(name) == Some(value)) {
        return false;
    }
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|it| it.required_during_scheduling_ignored_during_execution.as_ref());
    required.is_none_or(|required| required.node_selector_terms.iter().any(|term| node_matches(term, node)))
}

/// Tells whether a pod tolerates a taint.
#[must_use]
pub fn tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| {
        let effect = toleration.effect.as_deref().unwrap_or_default();
        let key = toleration.key.as_deref().unwrap_or_default();
        let value =
            || toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default();
        let is_any = toleration.operator.as_deref() == Some("Exists");
        (effect.is_empty() || effect == taint.effect)
            && if key.is_empty() { is_any } else { key == taint.key && (is_any || value()) }
    })
}

/// Returns the tolerations of a pod.
#[must_use]
pub fn tolerations(pod: &Pod) -> &[Toleration] {
    pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default()
}

/// A term of pod (anti-)affinity: which pods, around which nodes.
pub struct PodTerm {
    selector: Option<LabelSelector>,
    namespaces: Vec<String>,
    namespace_selector: Option<LabelSelector>,
    /// The label whose values divide the nodes.
    pub topology_key: String,
}

impl PodTerm {
    /// Returns the term of `owner` in a form that can be asked.
    #[must_use]
    pub fn new(owner: &Pod, term: &PodAffinityTerm) -> Self {
        let mut namespaces = term.namespaces.clone().unwrap_or_default();
        if namespaces.is_empty() && term.namespace_selector.is_none() {
            namespaces.push(owner.metadata.namespace.clone().unwrap_or_default());
        }
        let labels = owner.metadata.labels.clone().unwrap_or_default();
        let mut selector = term.label_selector.clone();
        if let Some(selector) = &mut selector {
            let own = |keys: &Option<Vec<String>>, operator: &str| {
                let requirement = |key: &String| {
                    let values = Some(vec![labels.get(key)?.clone()]);
                    Some(LabelSelectorRequirement { key: key.clone(), operator: operator.to_owned(), values })
                };
                keys.iter().flatten().filter_map(requirement).collect::<Vec<_>>()
            };
            let expressions = selector.match_expressions.get_or_insert_default();
            expressions.extend(own(&term.match_label_keys, "In"));
            expressions.extend(own(&term.mismatch_label_keys, "NotIn"));
        }
        Self {
            selector: selector.and_then(|selector| LabelSelector::from_k8s(&selector).ok()),
            namespaces,
            namespace_selector: term
                .namespace_selector
                .as_ref()
                .and_then(|selector| LabelSelector::from_k8s(selector).ok()),
            topology_key: term.topology_key.clone(),
        }
    }

    /// Tells whether the term is about `pod`.
    #[must_use]
    pub fn matches(&self, pod: &Pod, snapshot: &Snapshot) -> bool {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let no_labels = BTreeMap::new();
        let in_namespace = self.namespaces.iter().any(|known| known == namespace)
            || self.namespace_selector.as_ref().is_some_and(|selector| {
                selector.matches(snapshot.namespace(namespace).unwrap_or(&no_labels))
            });
        let labels = pod.metadata.labels.as_ref().unwrap_or(&no_labels);
        in_namespace && self.selector.as_ref().is_some_and(|selector| selector.matches(labels))
    }
}

//! A namespace that is being deleted is emptied, and goes when nothing is left in it.

use api::k8s::api::core::v1::{Namespace, NamespaceCondition};
use api::k8s::apimachinery::pkg::apis::meta::v1::Time;
use jiff::Timestamp;

use crate::garbage::Item;
use crate::kind::Kind;
use crate::plan::{Action, Delete, Part, Plan, Propagation, Target, Told};

/// What a namespace is decided on.
pub struct Observed<'a> {
    /// The namespace.
    pub namespace: &'a Namespace,
    /// The kinds that live in namespaces, and can be deleted.
    pub kinds: &'a [Kind],
    /// The kinds among them whose objects are not listed in `contents`.
    pub uncounted: &'a [Kind],
    /// What is left in the namespace.
    pub contents: Vec<Item>,
    /// The time.
    pub now: Timestamp,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let namespace = observed.namespace;
    let finalizers = namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_deref()).unwrap_or_default();
    if namespace.metadata.deletion_timestamp.is_none() || !finalizers.iter().any(|name| name == "kubernetes")
    {
        return plan;
    }
    note_what_is_left(&mut plan, observed);
    // Pods first: whatever else is there, a pod may need to its end.
    let is_pod = |item: &Item| item.kind.plural == "pods" && item.kind.api_version == "v1";
    let has_pods = observed.contents.iter().any(is_pod);
    let next = observed.contents.iter().filter(|item| !item.is_leaving && (!has_pods || is_pod(item)));
    for item in next {
        plan.act(Action::Delete(Box::new(Delete {
            target: Target {
                kind: item.kind.clone(),
                namespace: item.namespace.clone(),
                name: item.name.clone(),
                uid: item.uid.clone(),
                version: None,
            },
            propagation: Propagation::Background,
            grace: None,
            told: Told::nothing(),
        })));
    }
    if observed.contents.is_empty() {
        let name = namespace.metadata.name.clone().unwrap_or_default();
        let uncounted = observed.uncounted.iter();
        plan.actions
            .extend(uncounted.map(|kind| Action::DeleteAll { kind: kind.clone(), namespace: name.clone() }));
        let namespace = Box::new(Target::of(namespace));
        plan.act(Action::Finalize { namespace, kinds: observed.kinds.to_vec() });
    } else {
        plan.wait("ContentRemains", format!("waiting for {} objects to go", observed.contents.len()));
    }
    plan
}

/// Tells, in the status, what the namespace still waits for.
fn note_what_is_left(plan: &mut Plan, observed: &Observed<'_>) {
    let leaving: Vec<&Item> = observed.contents.iter().filter(|item| item.is_leaving).collect();
    let held = || leaving.iter().filter(|item| !item.finalizers.is_empty());
    let count = |items: &[&Item], of: &dyn Fn(&Item) -> String| {
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        items.iter().for_each(|item| *counts.entry(of(item)).or_default() += 1);
        counts
    };
    let kinds = count(&leaving, &|item| item.kind.plural.clone());
    let kinds: Vec<String> =
        kinds.iter().map(|(kind, count)| format!("{kind}. has {count} resource instances")).collect();
    let content = format!("Some resources are remaining: {}", kinds.join(", "));
    let mut finalizers = std::collections::BTreeMap::<&String, usize>::new();
    held().flat_map(|item| &item.finalizers).for_each(|name| *finalizers.entry(name).or_default() += 1);
    let finalizers: Vec<String> =
        finalizers.iter().map(|(name, count)| format!("{name} in {count} resource instances")).collect();
    let finalizing =
        format!("Some content in the namespace has finalizers remaining: {}", finalizers.join(", "));
    let is_held = held().next().is_some();
    // People are told of what lasts: pods in their period of grace come and go unmentioned until
    // something is held.
    if !is_held {
        return;
    }
    let mut after = observed.namespace.clone();
    let conditions = after.status.get_or_insert_default().conditions.get_or_insert_default();
    for (kind, reason, message) in FINE {
        set(conditions, (kind, "False"), reason, message, observed.now);
    }
    set(conditions, ("NamespaceContentRemaining", "True"), "SomeResourcesRemain", &content, observed.now);
    let finalizers = ("NamespaceFinalizersRemaining", "True");
    set(conditions, finalizers, "SomeFinalizersRemain", &finalizing, observed.now);
    plan.actions.extend(Action::update(Part::Status, observed.namespace, &after, Told::nothing()));
}

/// What does not go wrong here: a kind that can't be found out about is left out before.
const FINE: [(&str, &str, &str); 3] = [
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
];

fn set(
    conditions: &mut Vec<NamespaceCondition>,
    (kind, status): (&str, &str),
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let before = conditions.iter().find(|condition| condition.type_ == kind && condition.status == status);
    let since = before.and_then(|before| before.last_transition_time.clone()).unwrap_or(Time(now));
    conditions.retain(|condition| condition.type_ != kind);
    conditions.push(NamespaceCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(since),
    });
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item(api_version: &str, plural: &str, name: &str, is_leaving: bool) -> Item {
        let metadata = json!({"name": name, "namespace": "shop", "uid": name,
            "deletionTimestamp": is_leaving.then_some("2026-01-01T00:00:00Z"),
            "finalizers": is_leaving.then_some(["example.com/hold"])});
        let kind = Kind {
            api_version: api_version.to_owned(),
            kind: plural.to_owned(),
            plural: plural.to_owned(),
            namespaced: true,
        };
        Item::new(kind, &serde_json::from_value(metadata).expect("metadata"))
    }

    fn plan(contents: Vec<Item>) -> Plan {
        let namespace = json!({"metadata": {"name": "shop", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"finalizers": ["kubernetes"]}});
        let namespace: Namespace = serde_json::from_value(namespace).expect("a namespace");
        let now = Timestamp::UNIX_EPOCH;
        reconcile(&Observed { namespace: &namespace, kinds: &[], uncounted: &[], contents, now })
    }

    fn deleted(plan: &Plan) -> Vec<&str> {
        plan.actions
            .iter()
            .filter_map(|action| match action {
                Action::Delete(delete) => Some(delete.target.name.as_str()),
                Action::Create(_)
                | Action::Patch(_)
                | Action::Confirm(_)
                | Action::ConfirmGone(_)
                | Action::DeleteAll { .. }
                | Action::Finalize { .. }
                | Action::Event(_) => None,
            })
            .collect()
    }

    #[test]
    fn pods_go_before_what_they_may_need() {
        let config = || item("v1", "configmaps", "config", false);
        assert_eq!(deleted(&plan(vec![config(), item("v1", "pods", "web", false)])), ["web"]);
        assert_eq!(deleted(&plan(vec![config(), item("v1", "pods", "web", true)])), [""; 0]);
        assert_eq!(
            deleted(&plan(vec![config(), item("metrics.k8s.io/v1beta1", "pods", "web", true)])),
            ["config"]
        );
    }

    #[test]
    fn what_is_held_is_told_beside_what_is_fine() {
        let plan = plan(vec![item("v1", "pods", "web", true)]);
        let [Action::Patch(patch)] = plan.actions.as_slice() else { panic!("{plan:?}") };
        let conditions = patch.patch["status"]["conditions"].as_array().expect("conditions");
        let told: Vec<String> = conditions
            .iter()
            .map(|one| {
                format!("{}={}", one["type"].as_str().unwrap_or(""), one["status"].as_str().unwrap_or(""))
            })
            .collect();
        assert_eq!(
            told,
            [
                "NamespaceContentRemaining=True",
                "NamespaceDeletionContentFailure=False",
                "NamespaceDeletionDiscoveryFailure=False",
                "NamespaceDeletionGroupVersionParsingFailure=False",
                "NamespaceFinalizersRemaining=True"
            ]
        );
    }
}

//! Garbage: objects whose owners are all gone go; owners that wait for what they own, and owners
//! that leave it behind, are seen through.

use api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::json;

use crate::kind::Kind;
use crate::plan::{Action, Delete, Part, Patch, Plan, Propagation, Target, Told};

/// An object with it goes after what it owns.
const FOREGROUND: &str = "foregroundDeletion";
/// An object with it leaves behind what it owns.
const ORPHAN: &str = "orphan";

/// An object of any kind, as far as ownership is concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The kind.
    pub kind: Kind,
    /// The namespace, empty for cluster-wide kinds.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The uid.
    pub uid: String,
    /// The version.
    pub version: Option<String>,
    /// Its owners.
    pub owners: Vec<OwnerReference>,
    /// What holds up its end.
    pub finalizers: Vec<String>,
    /// Whether it is being deleted.
    pub is_leaving: bool,
}

/// What is known of one owner.
#[derive(Clone, Debug, PartialEq)]
pub enum Owner {
    /// It is there.
    Present {
        /// Whether it waits for what it owns to go.
        waits: bool,
    },
    /// It is not among the objects seen; the target is where it would be.
    Absent(Target),
    /// Its kind is not known: nothing follows.
    Unknown,
}

/// What an object is decided on.
pub struct Observed<'a> {
    /// The object.
    pub item: &'a Item,
    /// Its owners, in the order of its references.
    pub owners: Vec<Owner>,
    /// The objects that name it as an owner.
    pub dependents: Vec<&'a Item>,
}

impl Item {
    /// Returns an object by its metadata.
    #[must_use]
    pub fn new(kind: Kind, meta: &ObjectMeta) -> Self {
        Self {
            kind,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            version: meta.resource_version.clone(),
            owners: meta.owner_references.clone().unwrap_or_default(),
            finalizers: meta.finalizers.clone().unwrap_or_default(),
            is_leaving: meta.deletion_timestamp.is_some(),
        }
    }

    /// Tells whether it waits for what it owns to go.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.is_leaving && self.has(FOREGROUND)
    }

    fn has(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|known| known == finalizer)
    }

    fn target(&self) -> Target {
        Target {
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            version: None,
        }
    }

    /// Returns the change of the references to owners, valid for this version only.
    fn with_owners(&self, owners: &[OwnerReference]) -> Action {
        let owners = if owners.is_empty() { json!(null) } else { json!(owners) };
        self.patched(json!({ "metadata": { "ownerReferences": owners } }))
    }

    fn without(&self, finalizer: &str) -> Action {
        let left: Vec<&String> = self.finalizers.iter().filter(|known| *known != finalizer).collect();
        let left = if left.is_empty() { json!(null) } else { json!(left) };
        self.patched(json!({ "metadata": { "finalizers": left } }))
    }

    fn patched(&self, patch: serde_json::Value) -> Action {
        let target = Target { version: self.version.clone(), ..self.target() };
        Action::Patch(Box::new(Patch { target, part: Part::Object, patch, told: Told::nothing() }))
    }

    fn deleted(&self, propagation: Propagation) -> Action {
        Action::Delete(Box::new(Delete {
            target: self.target(),
            propagation,
            grace: None,
            told: Told::nothing(),
        }))
    }
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let item = observed.item;
    let mut plan = Plan::default();
    if item.is_leaving && item.has(ORPHAN) {
        orphan(&mut plan, observed);
    } else if item.waits() {
        wait_for_dependents(&mut plan, observed);
    } else if !item.is_leaving && !item.owners.is_empty() {
        collect(&mut plan, observed);
    }
    plan
}

/// Frees what the object owns, then the object.
fn orphan(plan: &mut Plan, observed: &Observed<'_>) {
    let item = observed.item;
    for dependent in &observed.dependents {
        let others: Vec<_> = dependent.owners.iter().filter(|owner| owner.uid != item.uid).cloned().collect();
        plan.act(dependent.with_owners(&others));
    }
    plan.act(item.without(ORPHAN));
}

/// Lets the object go once nothing that blocks it is left. The dependents themselves are decided
/// on one by one, each as an object whose owner waits.
fn wait_for_dependents(plan: &mut Plan, observed: &Observed<'_>) {
    let item = observed.item;
    let blocks = |dependent: &&&Item| {
        dependent.owners.iter().any(|owner| owner.uid == item.uid && owner.block_owner_deletion == Some(true))
    };
    let blocking = observed.dependents.iter().filter(blocks).count();
    if blocking == 0 {
        plan.act(item.without(FOREGROUND));
    } else {
        plan.wait("DependentsRemain", format!("waiting for {blocking} objects it owns to go"));
    }
}

fn collect(plan: &mut Plan, observed: &Observed<'_>) {
    let item = observed.item;
    let pairs = || item.owners.iter().zip(&observed.owners);
    let absent: Vec<&Target> = observed
        .owners
        .iter()
        .filter_map(|owner| match owner {
            Owner::Absent(target) => Some(target),
            Owner::Present { .. } | Owner::Unknown => None,
        })
        .collect();
    let is_solid = |owner: &Owner| matches!(owner, Owner::Present { waits: false } | Owner::Unknown);
    let is_awaited = observed.owners.iter().any(|owner| matches!(owner, Owner::Present { waits: true }));
    if absent.is_empty() && !is_awaited {
        return;
    }
    // What has not been seen may only be late: the API itself is asked before anything is lost.
    plan.actions.extend(absent.into_iter().map(|target| Action::ConfirmGone(Box::new(target.clone()))));
    let solid: Vec<_> =
        pairs().filter(|(_, owner)| is_solid(owner)).map(|(reference, _)| reference.clone()).collect();
    if !solid.is_empty() {
        plan.act(item.with_owners(&solid));
    } else if is_awaited && !observed.dependents.is_empty() {
        // Its owner waits for it, and it for what it owns; a circle of waiting is cut here.
        if observed.dependents.iter().any(|dependent| dependent.waits()) {
            let mut unblocked = item.owners.clone();
            unblocked.iter_mut().for_each(|owner| owner.block_owner_deletion = Some(false));
            if unblocked != item.owners {
                plan.act(item.with_owners(&unblocked));
            }
        }
        plan.act(item.deleted(Propagation::Foreground));
    } else if item.has(ORPHAN) {
        plan.act(item.deleted(Propagation::Orphan));
    } else if item.has(FOREGROUND) {
        plan.act(item.deleted(Propagation::Foreground));
    } else {
        plan.act(item.deleted(Propagation::Background));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind() -> Kind {
        Kind { api_version: "v1".into(), kind: "Pod".into(), plural: "pods".into(), namespaced: true }
    }

    fn item(name: &str, owners: &[(&str, bool)], finalizers: &[&str], is_leaving: bool) -> Item {
        let reference = |(uid, blocks): &(&str, bool)| OwnerReference {
            uid: (*uid).into(),
            name: (*uid).into(),
            block_owner_deletion: Some(*blocks),
            ..OwnerReference::default()
        };
        Item {
            kind: kind(),
            namespace: "default".into(),
            name: name.into(),
            uid: name.into(),
            version: Some("1".into()),
            owners: owners.iter().map(reference).collect(),
            finalizers: finalizers.iter().map(|name| (*name).to_owned()).collect(),
            is_leaving,
        }
    }

    fn absent(name: &str) -> Owner {
        Owner::Absent(item(name, &[], &[], false).target())
    }

    fn check(item: &Item, owners: &[Owner], dependents: &[&Item], expected: &[&str]) {
        let plan = reconcile(&Observed { item, owners: owners.to_vec(), dependents: dependents.to_vec() });
        let word = |action: &Action| match action {
            Action::ConfirmGone(target) => format!("confirm gone {}", target.name),
            Action::Delete(delete) => format!("delete {} {:?}", delete.target.name, delete.propagation),
            Action::Patch(patch) => format!("patch {} {}", patch.target.name, patch.patch["metadata"]),
            other => format!("{other:?}"),
        };
        assert_eq!(plan.actions.iter().map(word).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_object_whose_owner_is_gone_is_deleted_once_that_is_sure() {
        let pod = item("pod", &[("set", true)], &[], false);
        check(&pod, &[absent("set")], &[], &["confirm gone set", "delete pod Background"]);
    }

    #[test]
    fn an_object_with_an_owner_left_only_forgets_the_other() {
        let pod = item("pod", &[("a", true), ("b", false)], &[], false);
        let reference = r#"patch pod {"ownerReferences":[{"apiVersion":"","blockOwnerDeletion":false,"kind":"","name":"b","uid":"b"}]}"#;
        check(&pod, &[absent("a"), Owner::Present { waits: false }], &[], &["confirm gone a", reference]);
    }

    #[test]
    fn an_object_without_owners_is_never_garbage() {
        check(&item("pod", &[], &[], false), &[], &[], &[]);
        check(&item("pod", &[("a", true)], &[], false), &[Owner::Unknown], &[], &[]);
    }

    #[test]
    fn an_owner_in_the_foreground_waits_for_what_blocks_it() {
        let set = item("set", &[], &[FOREGROUND], true);
        let pod = item("pod", &[("set", true)], &[], true);
        check(&set, &[], &[&pod], &[]);
        let loose = item("pod", &[("set", false)], &[], true);
        check(&set, &[], &[&loose], &[r#"patch set {"finalizers":null}"#]);
        check(&pod.clone(), &[Owner::Present { waits: true }], &[], &[]);
        let live = item("pod", &[("set", true)], &[], false);
        check(&live, &[Owner::Present { waits: true }], &[], &["delete pod Background"]);
    }

    #[test]
    fn an_owner_that_leaves_its_dependents_frees_them_first() {
        let set = item("set", &[], &[ORPHAN], true);
        let pod = item("pod", &[("set", true)], &[], false);
        check(
            &set,
            &[],
            &[&pod],
            &[r#"patch pod {"ownerReferences":null}"#, r#"patch set {"finalizers":null}"#],
        );
    }
}

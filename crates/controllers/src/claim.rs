//! Which of the objects at hand an owner owns: adoption of orphans that its selector matches,
//! release of those it no longer matches. The rules are Kubernetes' own.

use std::sync::Arc;

use api::selector::LabelSelector;

use crate::kind::Known;
use crate::owner::{controller_of, controller_reference, uid};
use crate::plan::{Action, Part, Plan, Target, Told};

struct Claimed<K> {
    /// Adopted ones included.
    owned: Vec<Arc<K>>,
    adopted: bool,
}

/// Sorts out what `owner` owns among `candidates`; adoptions and releases go into the plan.
pub fn claim<O: Known, K: Known>(
    plan: &mut Plan,
    owner: &O,
    selector: &LabelSelector,
    candidates: impl IntoIterator<Item = Arc<K>>,
) -> Vec<Arc<K>>
where
    O::Scope: 'static,
    K::Scope: 'static,
{
    let mut claimed = Claimed { owned: Vec::new(), adopted: false };
    for candidate in candidates {
        claimed.consider(plan, owner, selector, candidate);
    }
    claimed.owned
}

impl<K: Known> Claimed<K>
where
    K::Scope: 'static,
{
    fn consider<O: Known>(&mut self, plan: &mut Plan, owner: &O, selector: &LabelSelector, candidate: Arc<K>)
    where
        O::Scope: 'static,
    {
        let (owner_meta, meta) = (owner.metadata(), candidate.metadata());
        let is_leaving = owner_meta.deletion_timestamp.is_some();
        let labels = meta.labels.as_ref();
        let is_match =
            labels.map_or_else(|| selector.matches(&Default::default()), |labels| selector.matches(labels));
        match controller_of(meta) {
            Some(controller) if controller.uid != uid(owner_meta) => {}
            Some(_) if is_match => self.owned.push(candidate),
            Some(_) if is_leaving => {}
            Some(_) => plan.actions.extend(release(owner, candidate.as_ref())),
            None if is_leaving || !is_match || meta.deletion_timestamp.is_some() => {}
            None => {
                if !std::mem::replace(&mut self.adopted, true) {
                    // The view may not know yet that the owner is being deleted, and an orphan
                    // adopted by a dead owner would be collected as garbage.
                    plan.act(Action::Confirm(Box::new(Target::of(owner))));
                }
                plan.actions.extend(adopt(owner, candidate.as_ref()));
                self.owned.push(candidate);
            }
        }
    }
}

fn adopt<O: Known, K: Known>(owner: &O, object: &K) -> Option<Action>
where
    K::Scope: 'static,
{
    let mut adopted = object.clone();
    adopted.metadata_mut().owner_references.get_or_insert_default().push(controller_reference(owner));
    Action::update(Part::Object, object, &adopted, Told::nothing())
}

fn release<O: Known, K: Known>(owner: &O, object: &K) -> Option<Action>
where
    K::Scope: 'static,
{
    let mut released = object.clone();
    let owners = released.metadata_mut().owner_references.get_or_insert_default();
    owners.retain(|reference| reference.uid != uid(owner.metadata()));
    Action::update(Part::Object, object, &released, Told::nothing())
}

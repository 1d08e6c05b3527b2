//! Conditions of a status, and the rule by which they change.

use api::k8s::api::apps::v1::{DeploymentCondition, ReplicaSetCondition};
use api::k8s::api::batch::v1::JobCondition;
use api::k8s::apimachinery::pkg::apis::meta::v1::Time;

/// A condition of some kind of object.
pub trait Condition: Clone {
    /// The type: there is one condition of each.
    fn kind(&self) -> &str;
    /// `True`, `False` or `Unknown`, and the reason.
    fn state(&self) -> (&str, &str);
    /// When the status last changed.
    fn transition(&mut self) -> &mut Option<Time>;
}

macro_rules! condition {
    ($type:ty) => {
        impl Condition for $type {
            fn kind(&self) -> &str {
                &self.type_
            }
            fn state(&self) -> (&str, &str) {
                (&self.status, self.reason.as_deref().unwrap_or_default())
            }
            fn transition(&mut self) -> &mut Option<Time> {
                &mut self.last_transition_time
            }
        }
    };
}

condition!(DeploymentCondition);
condition!(ReplicaSetCondition);
condition!(JobCondition);

/// Returns the condition of one type.
pub fn find<'a, C: Condition>(conditions: Option<&'a Vec<C>>, kind: &str) -> Option<&'a C> {
    conditions?.iter().find(|condition| condition.kind() == kind)
}

/// Sets a condition. One with the same status and reason stays as it is; one with the same
/// status keeps the time of its transition.
pub fn set<C: Condition>(conditions: &mut Option<Vec<C>>, mut condition: C) {
    let before = find(conditions.as_ref(), condition.kind()).cloned();
    if let Some(mut before) = before {
        if before.state() == condition.state() {
            return;
        }
        if before.state().0 == condition.state().0 {
            *condition.transition() = before.transition().clone();
        }
    }
    remove(conditions, condition.kind().to_owned().as_str());
    conditions.get_or_insert_default().push(condition);
}

/// Removes the condition of one type.
pub fn remove<C: Condition>(conditions: &mut Option<Vec<C>>, kind: &str) {
    if let Some(list) = conditions {
        list.retain(|condition| condition.kind() != kind);
        if list.is_empty() {
            *conditions = None;
        }
    }
}

/// Returns a count as the API writes it: zero is left out.
#[must_use]
pub fn nonzero(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

//! ResourceQuota: its status says what is used. That nothing more is used is the API server's to see to.

use std::time::Duration;

use api::k8s::api::core::v1::{ResourceQuota, ResourceQuotaStatus};
use api::k8s::apimachinery::pkg::api::resource::Quantity;
use api::quota::Amounts;

use crate::plan::{Action, Part, Plan, Told};

/// A pod whose node is lost stops counting without a change of anything; Kubernetes looks as often.
const RESYNC: Duration = Duration::from_secs(300);

/// What the status of a quota is decided on.
pub struct Observed<'a> {
    /// The quota.
    pub quota: &'a ResourceQuota,
    /// What the objects in its scopes use.
    pub used: Amounts,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let quota = observed.quota;
    if quota.metadata.deletion_timestamp.is_some() {
        return plan;
    }
    let hard = quota.spec.clone().unwrap_or_default().hard.unwrap_or_default();
    let is_limited = |name: &str| hard.contains_key(name);
    let used = observed.used.iter().filter(|(name, _)| is_limited(name));
    let used = used.map(|(name, amount)| (name.clone(), Quantity(amount.to_string()))).collect();
    let status = ResourceQuotaStatus { hard: Some(hard.clone()), used: Some(used) };
    let after = ResourceQuota { status: Some(status), ..quota.clone() };
    plan.actions.extend(Action::update(Part::Status, quota, &after, Told::nothing()));
    plan.look_again(RESYNC);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn quota(status: &serde_json::Value) -> ResourceQuota {
        let object = json!({"metadata": {"name": "q", "namespace": "n", "uid": "u"},
            "spec": {"hard": {"pods": "5", "foo": "1"}}, "status": status});
        serde_json::from_value(object).expect("a quota")
    }

    fn used(pods: i64) -> Amounts {
        let count = api::quantity::Quantity::from_count;
        Amounts::from([("pods".to_owned(), count(pods)), ("secrets".to_owned(), count(3))])
    }

    #[test]
    fn the_status_says_what_is_used_of_what_is_limited() {
        let quota = quota(&json!({}));
        let plan = reconcile(&Observed { quota: &quota, used: used(2) });
        let [Action::Patch(patch)] = plan.actions.as_slice() else { panic!("{plan:?}") };
        assert_eq!(patch.part, Part::Status);
        let status = json!({"hard": {"pods": "5", "foo": "1"}, "used": {"pods": "2"}});
        assert_eq!(patch.patch, json!({"status": status}));
    }

    #[test]
    fn a_true_status_is_left_alone() {
        let quota = quota(&json!({"hard": {"pods": "5", "foo": "1"}, "used": {"pods": "2"}}));
        assert_eq!(reconcile(&Observed { quota: &quota, used: used(2) }).actions, []);
    }
}

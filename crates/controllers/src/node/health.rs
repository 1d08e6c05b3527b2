//! Whether a node has been heard of lately.

use std::time::Duration;

use api::k8s::api::core::v1::{Node, NodeCondition};
use api::k8s::apimachinery::pkg::apis::meta::v1::Time;
use jiff::Timestamp;

use super::{Observed, condition};
use crate::plan::Plan;

/// The conditions that a kubelet posts.
const POSTED: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];
/// A node that has never posted a status is given a little more time.
const STARTUP_SECONDS: i64 = 60;
/// A date may be ahead of ours by this much on a machine beside ours.
const SKEW_SECONDS: i64 = 2;

/// Returns the node as it is to be judged; the plan looks again when its grace ends.
pub(super) fn judge(observed: &Observed<'_>, plan: &mut Plan) -> Node {
    let mut node = observed.node.clone();
    let ready = condition(observed.node, "Ready");
    let grace = ready.map_or(STARTUP_SECONDS, |_| observed.env.settings.node_grace_seconds);
    let Some(heard) = last_heard(observed, ready) else { return node };
    let now = observed.env.now;
    let silent = now.duration_since(heard).as_millis();
    let left = i128::from(grace) * 1000 - silent;
    match u64::try_from(left) {
        Ok(left) if left > 0 => plan.look_again(Duration::from_millis(left + 1)),
        _ => POSTED.iter().for_each(|kind| set_unknown(&mut node, kind, now)),
    }
    node
}

/// By its lease or by its status, whichever is later. What was written when the machine's date was another one counts
/// as written when it was set.
fn last_heard(observed: &Observed<'_>, ready: Option<&NodeCondition>) -> Option<Timestamp> {
    let env = observed.env;
    let renewed = observed.lease.as_ref().and_then(|lease| lease.spec.as_ref()?.renew_time.as_ref());
    let posted = ready.and_then(|ready| ready.last_heartbeat_time.as_ref());
    let created = observed.node.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let heard = |date: Timestamp| {
        let is_to_come = date.duration_since(env.now).as_secs() > SKEW_SECONDS;
        if is_to_come { env.steady_since } else { date.max(env.steady_since) }
    };
    let posted = posted.map(|time| heard(time.0));
    renewed.map(|time| heard(time.0)).max(posted).or(created.map(heard))
}

fn set_unknown(node: &mut Node, kind: &str, now: Timestamp) {
    let created = node.metadata.creation_timestamp.clone();
    let conditions = node.status.get_or_insert_default().conditions.get_or_insert_default();
    match conditions.iter_mut().find(|condition| condition.type_ == kind) {
        Some(known) if known.status == "Unknown" => {}
        Some(known) => {
            known.status = "Unknown".to_owned();
            known.reason = Some("NodeStatusUnknown".to_owned());
            known.message = Some("Kubelet stopped posting node status.".to_owned());
            known.last_transition_time = Some(Time(now));
        }
        None => conditions.push(NodeCondition {
            type_: kind.to_owned(),
            status: "Unknown".to_owned(),
            reason: Some("NodeStatusNeverUpdated".to_owned()),
            message: Some("Kubelet never posted node status.".to_owned()),
            last_heartbeat_time: created,
            last_transition_time: Some(Time(now)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use api::k8s::api::coordination::v1::Lease;
    use serde_json::json;

    use super::*;
    use crate::controller::{Env, Settings};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    /// Judges a node that was last heard of at a second; returns whether it counts as ready, and in how many seconds
    /// it is looked at again.
    fn judged(renewed: i64, posted: i64, now: i64, steady_since: i64) -> (bool, Option<u64>) {
        let node: Node = serde_json::from_value(json!({
            "metadata": { "name": "n", "creationTimestamp": at(0).to_string() },
            "status": { "conditions": [
                { "type": "Ready", "status": "True", "lastHeartbeatTime": at(posted).to_string() },
            ]},
        }))
        .unwrap();
        let mut lease = Lease::default();
        lease.spec.get_or_insert_default().renew_time =
            Some(api::k8s::apimachinery::pkg::apis::meta::v1::MicroTime(at(renewed)));
        let settings = Settings { node_grace_seconds: 50, ..Settings::default() };
        let env = Env {
            now: at(now),
            steady_since: at(steady_since),
            seed: 0,
            failure: None,
            waiting_since: None,
            settings: &settings,
        };
        let observed = Observed {
            node: &node,
            lease: Some(Arc::new(lease)),
            nodes: Vec::new(),
            pods: Vec::new(),
            env: &env,
        };
        let mut plan = Plan::default();
        let node = judge(&observed, &mut plan);
        let is_ready = condition(&node, "Ready").is_some_and(|ready| ready.status == "True");
        (is_ready, plan.recheck.map(|wait| wait.as_secs()))
    }

    #[test]
    fn a_node_that_is_silent_for_its_grace_is_not_ready() {
        assert_eq!(judged(100, 0, 140, 0), (true, Some(10)));
        assert_eq!(judged(100, 0, 150, 0), (false, None));
        assert_eq!(judged(0, 100, 140, 0), (true, Some(10)), "its status is as good as its lease");
    }

    #[test]
    fn a_date_that_is_set_makes_no_node_silent_and_hides_none_that_is() {
        // An hour forward: nobody has been silent for an hour.
        assert_eq!(judged(100, 0, 3705, 3700), (true, Some(45)));
        assert_eq!(judged(100, 0, 3750, 3700), (false, None), "it has not been heard of since");
        // An hour back: what was posted before says nothing.
        assert_eq!(judged(3600, 3500, 10, 5), (true, Some(45)));
        assert_eq!(judged(3600, 3500, 55, 5), (false, None));
        assert_eq!(judged(20, 3500, 55, 5), (true, Some(15)));
    }
}

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

/// By its lease or by its status, whichever is later.
fn last_heard(observed: &Observed<'_>, ready: Option<&NodeCondition>) -> Option<Timestamp> {
    let renewed =
        observed.lease.as_ref().and_then(|lease| lease.spec.as_ref()?.renew_time.as_ref().map(|time| time.0));
    let posted = ready.and_then(|ready| ready.last_heartbeat_time.as_ref().map(|time| time.0));
    let created = observed.node.metadata.creation_timestamp.as_ref().map(|time| time.0);
    renewed.max(posted).or(created)
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

//! Nodes that run pods, as far as their status tells.

use api::k8s::api::core::v1::Pod;
use controllers::{Part, pods};
use serde_json::{Value, json};

use crate::server::{Place, Server, place};

/// What becomes of the next pod that has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes its way: starts, becomes ready, ends when it is deleted.
    Progress,
    /// A ready one stops being ready.
    Fail,
}

/// Images that never start.
pub const BROKEN: &str = "broken";

/// Returns the pods that have something to do.
#[must_use]
pub fn busy(server: &Server) -> Vec<Pod> {
    let is_busy = |pod: &Pod| {
        pods::node(pod).is_some()
            && !pods::has_ended(pod)
            && (pods::is_leaving(pod) || (!pods::is_ready(pod) && can_progress(pod)))
    };
    server.list::<Pod>().into_iter().filter(is_busy).collect()
}

/// A pod with a broken image has one step: it says so.
fn can_progress(pod: &Pod) -> bool {
    !image(pod).contains(BROKEN)
        || pod.status.as_ref().and_then(|status| status.container_statuses.as_ref()).is_none()
}

/// Returns the image of the first container.
#[must_use]
pub fn image(pod: &Pod) -> String {
    let container = pod.spec.as_ref().and_then(|spec| spec.containers.first());
    container.and_then(|container| container.image.clone()).unwrap_or_default()
}

/// Takes one pod one step on.
pub fn step(server: &mut Server, pod: &Pod, fate: Fate) {
    let at = at(pod);
    if pods::is_leaving(pod) {
        let _ = server.delete(&at, None, Some(0));
        return;
    }
    let status = if fate == Fate::Fail {
        status(server, "Running", false)
    } else if image(pod).contains(BROKEN) {
        broken()
    } else if pods::phase(pod) == "Pending" {
        status(server, "Running", false)
    } else if pod
        .spec
        .as_ref()
        .is_some_and(|spec| spec.restart_policy.as_deref() != Some("Always") && is_task(pod))
    {
        json!({ "status": { "phase": "Succeeded" } })
    } else {
        status(server, "Running", true)
    };
    let _ = server.patch(&at, Part::Status, &status, (None, None));
}

/// Pods of Jobs end by themselves.
fn is_task(pod: &Pod) -> bool {
    controllers::owner::controller_of(&pod.metadata).is_some_and(|owner| owner.kind == "Job")
}

fn status(server: &Server, phase: &str, is_ready: bool) -> Value {
    let now = server.now.to_string();
    let ready = if is_ready { "True" } else { "False" };
    let condition = json!([{ "type": "Ready", "status": ready, "lastTransitionTime": now }]);
    json!({ "status": { "phase": phase, "podIP": "10.244.1.2", "conditions": condition } })
}

fn broken() -> Value {
    let waiting = json!({ "waiting": { "reason": "ImagePullBackOff" } });
    let container = json!([{ "name": "app", "state": waiting, "image": "", "imageID": "", "ready": false, "restartCount": 0 }]);
    json!({ "status": { "phase": "Pending", "containerStatuses": container } })
}

/// Returns the place of a pod.
#[must_use]
pub fn at(pod: &Pod) -> Place {
    let meta = &pod.metadata;
    place("pods", meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
}

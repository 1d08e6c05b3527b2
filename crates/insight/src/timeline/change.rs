//! What a timeline takes in.

use api::k8s::api::apps::v1::{Deployment, ReplicaSet};
use api::k8s::api::core::v1::{Event, Pod};

use super::Phase;

/// One thing that a watch brought.
#[derive(Clone, Debug)]
pub enum Change {
    /// The Deployment, created or changed.
    Deployment(Box<Deployment>),
    /// A ReplicaSet of it, created or changed.
    ReplicaSet(Box<ReplicaSet>),
    /// A pod of it, created or changed.
    Pod(Box<Pod>),
    /// All pods of it there are: those known before that are not among them are gone.
    Pods(Vec<Pod>),
    /// A pod that is gone.
    PodGone(Box<Pod>),
    /// An event in its namespace.
    Event(Box<Event>),
    /// Counters of requests since some start.
    Requests {
        /// Requests that were answered.
        answered: u64,
        /// Requests that failed.
        failed: u64,
    },
}

/// Returns the pod and phase that an event tells of: only what the pod's own status does not.
pub(super) fn phase_of(event: &Event) -> Option<(&str, Phase)> {
    let about = &event.involved_object;
    if about.kind.as_deref() != Some("Pod") {
        return None;
    }
    let phase = match event.reason.as_deref()? {
        "Pulled" => Phase::Image,
        _ => return None,
    };
    about.name.as_deref().map(|name| (name, phase))
}

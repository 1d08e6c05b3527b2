//! A pod, followed through its life up to the first thing that holds it up.

use api::k8s::api::apps::v1::ReplicaSet;
use api::k8s::api::core::v1::{Event, Pod};
use api::pod_template;

use super::observed::{count, last_seen, message_of, owner};
use super::words::{name, plural};
use super::{Answer, Look, container, crash, ending, probe, scheduling};

/// A pod and what is known about it.
pub(super) struct Seen<'a> {
    pub(super) look: &'a Look<'a>,
    pub(super) pod: &'a Pod,
    pub(super) name: &'a str,
    /// The events about it, the latest first.
    pub(super) events: Vec<&'a Event>,
}

/// Answers for the pod of this name.
pub(super) fn answer(look: &Look<'_>, pod_name: &str) -> Answer {
    let found = look.observed.pods.iter().find(|pod| pod.metadata.name.as_deref() == Some(pod_name));
    found.map_or_else(|| missing(look, pod_name), |pod| of(look, pod))
}

/// Answers for a pod.
pub(super) fn of(look: &Look<'_>, pod: &Pod) -> Answer {
    let events = look.observed.events("Pod", &pod.metadata);
    let seen = Seen { look, pod, name: name(&pod.metadata), events };
    let held_up = ending::terminating(&seen)
        .or_else(|| ending::finished(&seen))
        .or_else(|| scheduling::unscheduled(&seen))
        .or_else(|| scheduling::node_lost(&seen))
        .or_else(|| container::held_up(&seen))
        .or_else(|| gated(&seen));
    held_up.unwrap_or_else(|| ready(&seen))
}

fn missing(look: &Look<'_>, pod_name: &str) -> Answer {
    let is_about = |event: &&Event| {
        let about = &event.involved_object;
        about.kind.as_deref() == Some("Pod") && about.name.as_deref() == Some(pod_name)
    };
    let mut events: Vec<&Event> = look.observed.events.iter().filter(is_about).collect();
    events.sort_by_key(|event| std::cmp::Reverse(last_seen(event)));
    let same_start = |pod: &&Pod| {
        let stem = pod_name.rsplit_once('-').map_or(pod_name, |(stem, _)| stem);
        pod.metadata.name.as_deref().is_some_and(|known| known.starts_with(stem))
    };
    let similar: Vec<&str> =
        look.observed.pods.iter().filter(same_start).map(|pod| name(&pod.metadata)).collect();
    let verdict = if events.is_empty() {
        format!("there is no pod `{pod_name}` in namespace `{}`", look.namespace)
    } else {
        format!("pod `{pod_name}` was deleted")
    };
    let next = match similar.first() {
        Some(first) => format!("ask about one that is there: `pinnace why pod/{first}`"),
        None => format!("see what is there: {}", look.kubectl("get pods")),
    };
    Answer::stuck(verdict).because(events.iter().take(3).map(|event| tell(look, event))).next([next])
}

/// An event as a line of evidence.
pub(super) fn tell(look: &Look<'_>, event: &Event) -> String {
    let reason = event.reason.as_deref().unwrap_or("event");
    let message = event.message.as_deref().unwrap_or_default().trim();
    let times = match count(event) {
        ..=1 => String::new(),
        count => format!(", {count} times"),
    };
    let ago = look.since(last_seen(event)).map(|since| format!(" ({since} ago{times})")).unwrap_or_default();
    format!("{reason}: {message}{ago}")
}

impl Seen<'_> {
    /// Starts a sentence about the pod.
    pub(super) fn says(&self, what: &str) -> String {
        format!("pod `{}` {what}", self.name)
    }

    /// Returns the latest event with one of these reasons as a line of evidence.
    pub(super) fn event(&self, reasons: &[&str]) -> Option<String> {
        let has_reason = |event: &&&Event| event.reason.as_deref().is_some_and(|r| reasons.contains(&r));
        self.events.iter().find(has_reason).map(|event| tell(self.look, event))
    }

    /// Returns the message of the latest event with one of these reasons.
    pub(super) fn message(&self, reasons: &[&str]) -> Option<&str> {
        message_of(&self.events, reasons)
    }

    /// Returns the command that shows everything about the pod.
    pub(super) fn describe(&self) -> String {
        format!("see everything about it: {}", self.look.kubectl(&format!("describe pod {}", self.name)))
    }

    /// Returns the step that takes the change back, if the pod is a Deployment's that has a past.
    pub(super) fn undo(&self) -> Option<String> {
        let observed = self.look.observed;
        let deployment = observed.deployment_of(self.pod)?;
        let is_its = |set: &&ReplicaSet| owner(&set.metadata, "Deployment").as_ref() == Some(&deployment);
        if observed.replica_sets.iter().filter(is_its).count() < 2 {
            return None;
        }
        let undo = self.look.kubectl(&format!("rollout undo deployment/{deployment}"));
        Some(format!("or go back to the revision before: {undo}"))
    }

    /// Returns how to change what the pod is made from: its Deployment, or the pod itself.
    pub(super) fn edit(&self) -> String {
        match self.look.observed.deployment_of(self.pod) {
            Some(deployment) => self.look.kubectl(&format!("edit deployment/{deployment}")),
            None => self.look.kubectl(&format!("edit pod/{}", self.name)),
        }
    }
}

/// Every container is ready, the pod is not: a readiness gate.
fn gated(seen: &Seen<'_>) -> Option<Answer> {
    if pod_template::is_pod_ready(seen.pod) {
        return None;
    }
    let gates = seen.pod.spec.iter().flat_map(|spec| spec.readiness_gates.iter().flatten());
    let is_shut = |kind: &str| {
        pod_template::condition(seen.pod, kind).is_none_or(|condition| condition.status != "True")
    };
    let shut: Vec<&str> =
        gates.map(|gate| gate.condition_type.as_str()).filter(|kind| is_shut(kind)).collect();
    if let Some(gate) = shut.first() {
        let verdict = seen.says(&format!("is not ready: its readiness gate `{gate}` is not true"));
        let next = "whatever sets this condition (often a load balancer's controller) has to act".to_owned();
        return Some(Answer::waiting(verdict).next([next, seen.describe()]));
    }
    let condition = pod_template::condition(seen.pod, "Ready");
    let evidence = condition.and_then(|condition| condition.message.clone());
    let verdict = seen.says("is not ready yet: its node has not said so");
    Some(Answer::waiting(verdict).because(evidence).next([seen.describe()]))
}

fn ready(seen: &Seen<'_>) -> Answer {
    let since = pod_template::condition(seen.pod, "Ready")
        .and_then(|condition| condition.last_transition_time.as_ref())
        .and_then(|time| seen.look.since(Some(time.0)));
    let since = since.map(|since| format!(", ready for {since}")).unwrap_or_default();
    let statuses = seen.pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let restarts: i32 = statuses.map(|status| status.restart_count.max(0)).fold(0, i32::saturating_add);
    let answer = Answer::fine(seen.says(&format!("is running{since}: nothing is wrong")));
    if restarts == 0 {
        return answer;
    }
    let often = plural(usize::try_from(restarts).unwrap_or(0), "time");
    let past = crash::last_ends(seen);
    answer
        .because([format!("though its containers were restarted {often}")])
        .because(past)
        .because(probe::liveness_killed(seen))
        .next([format!(
            "read what the last run wrote: {}",
            seen.look.kubectl(&format!("logs {} --previous", seen.name))
        )])
}

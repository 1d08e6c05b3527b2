//! HorizontalPodAutoscaler: as many pods as the load asks for.
//!
//! Metrics of all types are understood: resources (of pods or containers), and what the custom and
//! external metrics APIs tell of pods, objects and the outside. What has been recommended and done before is part of what is observed, since the rules are about rates.

pub mod custom;
pub mod limits;
pub mod measure;
mod status;

use std::sync::Arc;

use api::k8s::api::autoscaling::v2::HorizontalPodAutoscaler;
use api::k8s::api::core::v1::Pod;
use jiff::Timestamp;
use serde_json::json;

use crate::kind::Kind;
use crate::plan::{Action, Event, Part, Patch, Plan, Target, Told};

pub use limits::History;
pub use measure::{PodMetrics, Reading};

/// The object that is scaled.
#[derive(Clone, Debug)]
pub struct Scaled {
    /// Which object.
    pub target: Target,
    /// The pods it is to have.
    pub replicas: i32,
    /// The pods it has.
    pub current: i32,
}

/// What an autoscaler is decided on.
pub struct Observed<'a> {
    /// The autoscaler.
    pub autoscaler: &'a HorizontalPodAutoscaler,
    /// The object it scales; why it cannot be found.
    pub scaled: Result<Scaled, String>,
    /// The pods of that object.
    pub pods: Vec<Arc<Pod>>,
    /// What the pods use; why it is not known.
    pub metrics: Result<Vec<PodMetrics>, String>,
    /// What was read of each of the spec's metrics, in their order; `None` for resources.
    pub custom: Vec<Option<Result<custom::Value, String>>>,
    /// What has been recommended and done before.
    pub history: &'a History,
    /// The time.
    pub now: Timestamp,
}

/// What is decided, and what is to be remembered of it.
#[derive(Debug, Default)]
pub struct Decision {
    /// What is to be done.
    pub plan: Plan,
    /// What the load asks for, before the limits on rates.
    pub recommendation: Option<i32>,
    /// By how many pods the object is changed.
    pub change: i32,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Decision {
    let mut decision = Decision::default();
    let autoscaler = observed.autoscaler;
    let mut after = status::Draft::new(autoscaler, observed.now);
    match &observed.scaled {
        Err(cause) => {
            let message = format!("the HPA controller was unable to get the target's current scale: {cause}");
            after.say("AbleToScale", false, "FailedGetScale", &message);
            decision.plan.act(Action::event(autoscaler, true, "FailedGetScale", cause));
        }
        Ok(scaled) => {
            after.say(
                "AbleToScale",
                true,
                "SucceededGetScale",
                "the HPA controller was able to get the target's current scale",
            );
            scale(&mut decision, observed, scaled, &mut after);
        }
    }
    decision.plan.actions.extend(Action::update(Part::Status, autoscaler, &after.finish(), Told::nothing()));
    decision
}

fn scale(decision: &mut Decision, observed: &Observed<'_>, scaled: &Scaled, after: &mut status::Draft) {
    after.set_current(scaled.current);
    let spec = observed.autoscaler.spec.clone();
    let (least, most) = (spec.min_replicas.unwrap_or(1), spec.max_replicas);
    if scaled.replicas == 0 && least != 0 {
        let message = "scaling is disabled since the replica count of the target is zero";
        after.say("ScalingActive", false, "ScalingDisabled", message);
        after.set_desired(0);
        return;
    }
    let (wanted, reason) = if scaled.replicas > most {
        (most, "Current number of replicas above Spec.MaxReplicas".to_owned())
    } else if scaled.replicas < least {
        (least, "Current number of replicas below Spec.MinReplicas".to_owned())
    } else {
        match propose(decision, observed, scaled, after) {
            Some(found) => found,
            None => {
                after.set_desired(scaled.replicas);
                return;
            }
        }
    };
    after.set_desired(wanted);
    if wanted == scaled.replicas {
        return;
    }
    decision.change = wanted - scaled.replicas;
    after.rescaled(wanted);
    let message = format!("New size: {wanted}; reason: {reason}");
    let done = Event::about(observed.autoscaler, false, "SuccessfulRescale", message);
    let failed = format!("New size: {wanted}; reason: {reason}; error");
    let failed = Event::about(observed.autoscaler, true, "FailedRescale", failed);
    decision.plan.act(Action::Patch(Box::new(Patch {
        target: scaled.target.clone(),
        part: Part::Scale,
        patch: json!({ "spec": { "replicas": wanted } }),
        told: Told { done: Some(done), failed: Some(failed) },
    })));
}

/// Returns the size the load asks for, within all limits, and the reason in words.
fn propose(
    decision: &mut Decision,
    observed: &Observed<'_>,
    scaled: &Scaled,
    after: &mut status::Draft,
) -> Option<(i32, String)> {
    let spec = observed.autoscaler.spec.clone();
    let metrics = spec.metrics.clone().unwrap_or_default();
    let mut highest: Option<Reading> = None;
    let mut failure = None;
    for metric in metrics.iter().enumerate() {
        match measure::measure(metric, observed, scaled) {
            Ok(reading) => {
                after.add_metric(reading.status.clone());
                if highest.as_ref().is_none_or(|known| reading.replicas > known.replicas) {
                    highest = Some(reading);
                }
            }
            Err(cause) => failure = Some(cause),
        }
    }
    // With some metrics missing the others may ask for more pods, but not for fewer.
    let is_blind =
        highest.as_ref().is_none_or(|reading| failure.is_some() && reading.replicas < scaled.replicas);
    if let (true, Some(cause)) = (is_blind, failure) {
        let message = format!("the HPA was unable to compute the replica count: {}", cause.message);
        after.say("ScalingActive", false, cause.reason, &message);
        decision.plan.act(Action::event(observed.autoscaler, true, cause.reason, cause.message));
        return None;
    }
    let reading = highest?;
    let message = format!("the HPA was able to successfully calculate a replica count from {}", reading.name);
    after.say("ScalingActive", true, "ValidMetricFound", &message);
    decision.recommendation = Some(reading.replicas);
    let limited = limits::limit(&spec, observed.history, scaled.replicas, reading.replicas, observed.now);
    after.say_limits(&limited);
    let side = if limited.replicas > scaled.replicas { "above" } else { "below" };
    let reason = match side {
        "above" => format!("{} {side} target", reading.name),
        _ => "All metrics below target".to_owned(),
    };
    Some((limited.replicas, reason))
}

/// Returns the kind an autoscaler names, for its path; the plural is the usual one.
#[must_use]
pub fn kind_of(api_version: &str, kind: &str) -> Kind {
    Kind {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
        namespaced: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const NOW: i64 = 1_800_000_000;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time in range")
    }

    fn pod(name: &str, phase: &str) -> Arc<Pod> {
        let started = time(NOW - 3600).to_string();
        let ready = json!({ "type": "Ready", "status": "True", "lastTransitionTime": started });
        let container = json!({ "name": "app", "resources": { "requests": { "cpu": "100m" } } });
        let pod = json!({
            "metadata": { "name": name },
            "spec": { "containers": [container] },
            "status": { "phase": phase, "startTime": started, "conditions": [ready] },
        });
        Arc::new(serde_json::from_value(pod).expect("a pod"))
    }

    fn check(running: &[(&str, Option<i64>)], replicas: i32, expected: i32) {
        let target = json!({ "type": "Utilization", "averageUtilization": 50 });
        let metric = json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } });
        let spec = json!({
            "scaleTargetRef": { "kind": "Deployment", "name": "web" },
            "minReplicas": 1, "maxReplicas": 10, "metrics": [metric],
        });
        let autoscaler: Value = json!({ "metadata": { "name": "web" }, "spec": spec });
        let autoscaler: HorizontalPodAutoscaler = serde_json::from_value(autoscaler).expect("an autoscaler");
        let metric = |(name, usage): &(&str, Option<i64>)| {
            let usage = [("app".to_owned(), [("cpu".to_owned(), (*usage)?)].into())].into();
            Some(PodMetrics { pod: (*name).to_owned(), at: time(NOW), window_seconds: 15, usage })
        };
        let target = Target {
            kind: kind_of("apps/v1", "Deployment"),
            namespace: String::new(),
            name: "web".into(),
            uid: String::new(),
            version: None,
        };
        let decision = reconcile(&Observed {
            autoscaler: &autoscaler,
            scaled: Ok(Scaled { target, replicas, current: replicas }),
            pods: running.iter().map(|(name, _)| pod(name, "Running")).collect(),
            metrics: Ok(running.iter().filter_map(metric).collect()),
            custom: Vec::new(),
            history: &History::default(),
            now: time(NOW),
        });
        let sized = decision.plan.actions.iter().find_map(|action| match action {
            Action::Patch(patch) if patch.part == Part::Scale => patch.patch["spec"]["replicas"].as_i64(),
            _ => None,
        });
        assert_eq!(sized.unwrap_or(i64::from(replicas)), i64::from(expected));
    }

    #[test]
    fn load_above_the_target_asks_for_more_pods_at_a_bounded_rate() {
        check(&[("a", Some(75)), ("b", Some(75))], 2, 3);
        check(&[("a", Some(400)), ("b", Some(400))], 2, 6);
    }

    #[test]
    fn load_near_the_target_changes_nothing() {
        check(&[("a", Some(54)), ("b", Some(54))], 2, 2);
    }

    #[test]
    fn load_below_the_target_asks_for_fewer_pods() {
        check(&[("a", Some(10)), ("b", Some(10)), ("c", Some(10))], 3, 1);
    }

    #[test]
    fn a_pod_that_is_not_measured_speaks_against_a_change() {
        check(&[("a", Some(75)), ("b", None)], 2, 2);
        check(&[("a", Some(10)), ("b", None)], 2, 2);
    }
}

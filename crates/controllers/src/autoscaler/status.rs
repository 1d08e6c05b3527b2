//! The status of an autoscaler, while it is being decided.

use api::k8s::api::autoscaling::v2::{
    HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerStatus, MetricStatus,
};
use api::k8s::apimachinery::pkg::apis::meta::v1::Time;
use jiff::Timestamp;

use super::limits::Limited;
use crate::condition::nonzero;

pub(super) struct Draft {
    autoscaler: HorizontalPodAutoscaler,
    status: HorizontalPodAutoscalerStatus,
    metrics: Vec<MetricStatus>,
    now: Timestamp,
}

impl Draft {
    pub(super) fn new(autoscaler: &HorizontalPodAutoscaler, now: Timestamp) -> Self {
        let status = autoscaler.status.clone().unwrap_or_default();
        Self { autoscaler: autoscaler.clone(), status, metrics: Vec::new(), now }
    }

    pub(super) fn set_current(&mut self, replicas: i32) {
        self.status.current_replicas = nonzero(replicas);
    }

    pub(super) fn set_desired(&mut self, replicas: i32) {
        self.status.desired_replicas = replicas;
    }

    pub(super) fn add_metric(&mut self, metric: MetricStatus) {
        self.metrics.push(metric);
    }

    pub(super) fn rescaled(&mut self, replicas: i32) {
        self.status.last_scale_time = Some(Time(self.now));
        let message = format!("the HPA controller was able to update the target scale to {replicas}");
        self.say("AbleToScale", true, "SucceededRescale", &message);
    }

    pub(super) fn say_limits(&mut self, limited: &Limited) {
        if limited.is_stabilized {
            let message = "recent recommendations were higher than current one, applying the highest recent recommendation";
            self.say("AbleToScale", true, "ScaleDownStabilized", message);
        } else {
            self.say("AbleToScale", true, "ReadyForNewScale", "recommended size matches current size");
        }
        match limited.limit {
            Some((reason, message)) => self.say("ScalingLimited", true, reason, message),
            None => {
                let message = "the desired count is within the acceptable range";
                self.say("ScalingLimited", false, "DesiredWithinRange", message);
            }
        }
    }

    pub(super) fn say(&mut self, kind: &str, holds: bool, reason: &str, message: &str) {
        let status = if holds { "True" } else { "False" };
        let conditions = self.status.conditions.get_or_insert_default();
        let known = conditions.iter_mut().find(|condition| condition.type_ == kind);
        let since = known
            .as_ref()
            .filter(|known| known.status == status)
            .and_then(|known| known.last_transition_time.clone());
        let condition = HorizontalPodAutoscalerCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_transition_time: Some(since.unwrap_or(Time(self.now))),
        };
        match known {
            Some(known) => *known = condition,
            None => conditions.push(condition),
        }
    }

    pub(super) fn finish(mut self) -> HorizontalPodAutoscaler {
        self.status.current_metrics = Some(self.metrics).filter(|metrics| !metrics.is_empty());
        self.status.observed_generation = self.autoscaler.metadata.generation;
        self.autoscaler.status = Some(self.status);
        self.autoscaler
    }
}

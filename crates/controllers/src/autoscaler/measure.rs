//! What the pods use, against what they should.

use std::collections::BTreeMap;

use api::k8s::api::autoscaling::v2::{
    ContainerResourceMetricStatus, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus,
    ResourceMetricStatus,
};
use api::k8s::api::core::v1::Pod;
use api::k8s::apimachinery::pkg::api::resource::Quantity;
use jiff::Timestamp;

use super::{Observed, Scaled, custom};
use crate::owner;
use crate::pods;

/// Changes smaller than a tenth are not worth a pod.
pub(super) const TOLERANCE: f64 = 0.1;
/// For that long after its start a pod's CPU may tell of starting rather than of load.
const STARTING_SECONDS: i64 = 300;
/// A pod that was ready only within that time after its start has never really been.
const FIRST_READY_SECONDS: i64 = 30;

/// What one pod uses, as `metrics.k8s.io` tells it.
#[derive(Clone, Debug, Default)]
pub struct PodMetrics {
    /// The pod.
    pub pod: String,
    /// When it was measured, and over how many seconds.
    pub at: Timestamp,
    /// Over how many seconds.
    pub window_seconds: i64,
    /// By container and resource, in thousandths.
    pub usage: BTreeMap<String, BTreeMap<String, i64>>,
}

/// What one metric asks for.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The pods it asks for.
    pub replicas: i32,
    /// What it is called in conditions and events.
    pub name: String,
    /// How it stands.
    pub status: MetricStatus,
}

/// Why a metric asks for nothing.
#[derive(Clone, Debug)]
pub struct Unknown {
    /// A word.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

/// What is measured: one resource, of one container or of all.
pub(super) struct Subject<'a> {
    pub(super) resource: &'a str,
    pub(super) container: Option<&'a str>,
    pub(super) target: &'a MetricTarget,
}

/// Reads one metric.
pub(super) fn measure(
    (number, metric): (usize, &MetricSpec),
    observed: &Observed<'_>,
    scaled: &Scaled,
) -> Result<Reading, Unknown> {
    let replicas = scaled.replicas;
    let value = observed.custom.get(number).and_then(Option::as_ref);
    if let Some(reading) = custom::measure(metric, value, observed, (replicas, scaled.current)) {
        return reading;
    }
    if let Some(source) = &metric.resource {
        let subject = Subject { resource: &source.name, container: None, target: &source.target };
        return subject.measure(observed, replicas);
    }
    if let Some(source) = &metric.container_resource {
        let subject =
            Subject { resource: &source.name, container: Some(&source.container), target: &source.target };
        return subject.measure(observed, replicas);
    }
    // What Kubernetes says without an adapter for them.
    let custom = "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered";
    let external = "unable to fetch metrics from external metrics API: no external metrics API (external.metrics.k8s.io) registered";
    if let Some(source) = &metric.pods {
        let message = format!("unable to get metric {}: {custom}", source.metric.name);
        return Err(Unknown { reason: "FailedGetPodsMetric", message });
    }
    if let Some(source) = &metric.object {
        let message = format!("unable to get metric {}: {custom}", source.metric.name);
        return Err(Unknown { reason: "FailedGetObjectMetric", message });
    }
    if let Some(source) = &metric.external {
        let message = format!("unable to get external metric {}: {external}", source.metric.name);
        return Err(Unknown { reason: "FailedGetExternalMetric", message });
    }
    Err(Unknown {
        reason: "InvalidMetricSourceType",
        message: format!("unknown metric source type {:?}", metric.type_),
    })
}

/// The pods by what is known of them.
#[derive(Default)]
struct Groups {
    /// Usage of the ready ones, by name.
    usage: BTreeMap<String, i64>,
    unready: Vec<String>,
    missing: Vec<String>,
    requests: BTreeMap<String, i64>,
}

impl Subject<'_> {
    fn measure(&self, observed: &Observed<'_>, replicas: i32) -> Result<Reading, Unknown> {
        let failed = |message: String| Unknown { reason: "FailedGetResourceMetric", message };
        let metrics = observed.metrics.as_ref().map_err(|cause| {
            failed(format!(
                "failed to get {} utilization: unable to get metrics for resource {}: {cause}",
                self.resource, self.resource
            ))
        })?;
        let (replicas, status) = self
            .reckon(observed, metrics, replicas)
            .map_err(|cause| failed(format!("failed to get {} utilization: {cause}", self.resource)))?;
        let word = if self.target.average_utilization.is_some() {
            " utilization (percentage of request)"
        } else {
            ""
        };
        let scope = self.container.map_or("resource", |_| "container resource");
        let name = match self.container {
            Some(container) => format!("{} {scope}{word} of container {container}", self.resource),
            None => format!("{} {scope}{word}", self.resource),
        };
        Ok(Reading { replicas, name, status: self.status(status) })
    }

    /// Returns how many pods are asked for, and how the metric stands.
    pub(super) fn reckon(
        &self,
        observed: &Observed<'_>,
        metrics: &[PodMetrics],
        replicas: i32,
    ) -> Result<(i32, MetricValueStatus), String> {
        let groups = self.group(observed, metrics)?;
        let ratio = |usage: &BTreeMap<String, i64>| self.ratio(usage, &groups.requests);
        let (first, status) =
            ratio(&groups.usage).ok_or_else(|| format!("missing request for {}", self.resource))?;
        let replicas =
            self.ask(&groups, first, replicas, |usage| ratio(usage).map_or(first, |(ratio, _)| ratio));
        Ok((replicas, status))
    }

    /// Kubernetes' rule for pods that are not ready or not measured: they are taken to use what
    /// speaks against a change, and when that turns the change around there is none.
    fn ask(
        &self,
        groups: &Groups,
        first: f64,
        replicas: i32,
        ratio: impl Fn(&BTreeMap<String, i64>) -> f64,
    ) -> i32 {
        let is_within = |ratio: f64| (ratio - 1.0).abs() <= TOLERANCE;
        let grows_unready = !groups.unready.is_empty() && first > 1.0;
        if !grows_unready && groups.missing.is_empty() {
            return if is_within(first) { replicas } else { round_up(first, groups.usage.len()) };
        }
        let mut usage = groups.usage.clone();
        for name in &groups.missing {
            let full = self.full(groups.requests.get(name).copied().unwrap_or(0));
            usage.insert(name.clone(), if first < 1.0 { full } else { 0 });
        }
        if grows_unready {
            usage.extend(groups.unready.iter().map(|name| (name.clone(), 0)));
        }
        let second = ratio(&usage);
        let has_turned = (first < 1.0 && second > 1.0) || (first > 1.0 && second < 1.0);
        if is_within(second) || has_turned {
            return replicas;
        }
        let wanted = round_up(second, usage.len());
        if (second < 1.0 && wanted > replicas) || (second > 1.0 && wanted < replicas) {
            replicas
        } else {
            wanted
        }
    }

    /// What a pod of which nothing is known is taken to use, when fewer pods are asked for.
    fn full(&self, request: i64) -> i64 {
        match (self.target.average_utilization, &self.target.average_value) {
            (Some(percent), _) => request * i64::from(percent.max(100)) / 100,
            (None, Some(value)) => milli(value),
            (None, None) => request,
        }
    }

    fn group(&self, observed: &Observed<'_>, metrics: &[PodMetrics]) -> Result<Groups, String> {
        if observed.pods.is_empty() {
            return Err("no pods returned by selector while calculating replica count".to_owned());
        }
        let mut groups = Groups::default();
        for pod in observed.pods.iter().filter(|pod| !pods::is_leaving(pod) && pods::phase(pod) != "Failed") {
            let name = owner::name(&pod.metadata).to_owned();
            if self.target.average_utilization.is_some() {
                let request = self.request(pod);
                let request = request.ok_or_else(|| {
                    format!(
                        "missing request for {} in container {} of Pod {name}",
                        self.resource,
                        self.container.unwrap_or("any")
                    )
                })?;
                groups.requests.insert(name.clone(), request);
            }
            let measured = metrics.iter().find(|metric| metric.pod == name);
            match measured {
                _ if pods::phase(pod) == "Pending" => groups.unready.push(name),
                None => groups.missing.push(name),
                Some(metric) if self.resource == "cpu" && is_starting(pod, metric, observed.now) => {
                    groups.unready.push(name)
                }
                Some(metric) => drop(groups.usage.insert(name, self.usage(metric))),
            }
        }
        if groups.usage.is_empty() {
            return Err("did not receive metrics for targeted pods (pods might be unready)".to_owned());
        }
        Ok(groups)
    }

    fn usage(&self, metric: &PodMetrics) -> i64 {
        let is_meant = |name: &str| self.container.is_none_or(|container| container == name);
        let containers = metric.usage.iter().filter(|(name, _)| is_meant(name));
        containers.filter_map(|(_, usage)| usage.get(self.resource)).sum()
    }

    fn request(&self, pod: &Pod) -> Option<i64> {
        let containers = &pod.spec.as_ref()?.containers;
        let mut meant =
            containers.iter().filter(|it| self.container.is_none_or(|name| it.name == name)).peekable();
        meant.peek()?;
        meant.map(|it| it.resources.as_ref()?.requests.as_ref()?.get(self.resource).map(milli)).sum()
    }

    /// Returns how far usage is above (over 1) or below the target, and how it stands.
    fn ratio(
        &self,
        usage: &BTreeMap<String, i64>,
        requests: &BTreeMap<String, i64>,
    ) -> Option<(f64, MetricValueStatus)> {
        let total: i64 = usage.values().sum();
        let count = i64::try_from(usage.len()).unwrap_or(i64::MAX).max(1);
        let average = Some(self.quantity(total / count));
        if let Some(target) = self.target.average_utilization {
            let asked: i64 = usage.keys().filter_map(|name| requests.get(name)).sum();
            let percent = i32::try_from(total.checked_mul(100)?.checked_div(asked)?).unwrap_or(i32::MAX);
            let status =
                MetricValueStatus { average_utilization: Some(percent), average_value: average, value: None };
            return Some((f64::from(percent) / f64::from(target), status));
        }
        let target = milli(self.target.average_value.as_ref()?);
        let status = MetricValueStatus { average_utilization: None, average_value: average, value: None };
        Some((divide(total / count, target), status))
    }

    fn quantity(&self, milli: i64) -> Quantity {
        let quantity = if self.resource == "memory" {
            api::quantity::Quantity::from_bytes(milli / 1000)
        } else {
            api::quantity::Quantity::from_milli(i128::from(milli))
        };
        Quantity(quantity.to_string())
    }

    fn status(&self, current: MetricValueStatus) -> MetricStatus {
        let name = self.resource.to_owned();
        match self.container {
            Some(container) => MetricStatus {
                type_: "ContainerResource".to_owned(),
                container_resource: Some(ContainerResourceMetricStatus {
                    container: container.to_owned(),
                    name,
                    current,
                }),
                ..MetricStatus::default()
            },
            None => MetricStatus {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricStatus { name, current }),
                ..MetricStatus::default()
            },
        }
    }
}

/// Tells whether a pod's CPU may still tell of its start.
fn is_starting(pod: &Pod, metric: &PodMetrics, now: Timestamp) -> bool {
    let started = pod.status.as_ref().and_then(|status| status.start_time.as_ref()).map(|time| time.0);
    let (Some(started), Some(ready)) = (started, pods::condition(pod, "Ready")) else { return true };
    let since = ready.last_transition_time.as_ref().map_or(started, |time| time.0);
    let is_unready = ready.status == "False";
    if now.duration_since(started).as_secs() < STARTING_SECONDS {
        return is_unready || metric.at.duration_since(since).as_secs() < metric.window_seconds;
    }
    is_unready && since.duration_since(started).as_secs() < FIRST_READY_SECONDS
}

pub(super) fn milli(quantity: &Quantity) -> i64 {
    let parsed = quantity.0.parse::<api::quantity::Quantity>();
    parsed.map_or(0, |quantity| i64::try_from(quantity.milli()).unwrap_or(i64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "amounts of resources in thousandths are far below 2^52")]
pub(super) fn divide(part: i64, whole: i64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "counts of pods are small")]
pub(super) fn round_up(ratio: f64, pods: usize) -> i32 {
    // What is a whole number but for the last bits counts as one.
    (ratio * pods as f64 - 1e-9).ceil() as i32
}

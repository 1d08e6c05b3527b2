//! What the node side measures: what nodes and the containers of pods use.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use api::selector::LabelSelector;
use jiff::Timestamp;
use serde_json::Value;

use crate::streams::BoxFuture;

/// What something used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Billionths of a core, on average over the window.
    pub cpu_nanocores: u64,
    /// Bytes of memory that cannot be reclaimed easily (the working set), at the end of the window.
    pub memory_bytes: u64,
}

/// When and over how long something was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its end.
    pub end: Timestamp,
    /// Its length.
    pub length: Duration,
}

/// What a pod used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodUsage {
    /// Over which time.
    pub window: Window,
    /// What each of its containers used, by name.
    pub containers: BTreeMap<String, Usage>,
}

/// What a node used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeUsage {
    /// Over which time.
    pub window: Window,
    /// All of it.
    pub used: Usage,
}

/// What everything used. What has not been watched for long enough is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Nodes, by name.
    pub nodes: BTreeMap<String, NodeUsage>,
    /// Pods, by uid.
    pub pods: BTreeMap<String, PodUsage>,
}

/// Measures nodes and pods. Nothing need be measured while nobody asks.
pub trait ResourceMetrics: Send + Sync + 'static {
    /// Returns what everything uses now, or used lately.
    fn measure(&self) -> BoxFuture<'_, Measured>;
}

/// A value of a metric, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricValue {
    /// The value.
    pub milli: i64,
    /// Over which time.
    pub window: Window,
}

/// A value of a metric of something that is no object, told apart by labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideValue {
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: MetricValue,
}

/// Names of metrics, for discovery. There may be more: pods are only read when somebody asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricNames {
    /// Those that pods have told so far.
    pub pods: BTreeSet<String>,
    /// Those of the Ingress, for services, for Ingresses and for the outside.
    pub ingress: BTreeSet<String>,
}

/// Reads metrics that are not resources: what pods expose, and what the Ingress has counted.
pub trait CustomMetrics: Send + Sync + 'static {
    /// Returns a metric of objects of one resource (`pods`, `services`, `ingresses.networking.k8s.io`), in
    /// their order: the sum over the series that `selector` selects; `None` for one that does not tell it.
    fn of_objects<'a>(
        &'a self,
        resource: &'a str,
        objects: &'a [Value],
        metric: &'a str,
        selector: &'a LabelSelector,
    ) -> BoxFuture<'a, Vec<Option<MetricValue>>>;

    /// Returns a metric of the Ingress, for the services of a namespace: each series that `selector` selects.
    fn outside<'a>(
        &'a self,
        namespace: &'a str,
        metric: &'a str,
        selector: &'a LabelSelector,
    ) -> BoxFuture<'a, Vec<OutsideValue>>;

    /// Returns everything that is counted, as Prometheus reads it.
    fn exposition(&self) -> String;

    /// Returns the names of the metrics that are known to be told.
    fn names(&self) -> MetricNames;
}

//! What the node side measures: what nodes and the containers of pods use.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

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

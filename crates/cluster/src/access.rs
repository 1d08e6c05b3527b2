//! The cluster's API for commands outside of its process.

use std::path::PathBuf;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::Home;
use crate::advice::Advice;
use crate::build;
use crate::kubeconfig;
use crate::lifecycle::{Standing, standing};
use crate::nodes::STOPPED;
use crate::pki::Pki;
use crate::record::ClusterFolder;
use crate::run::tokio_runtime;

/// A node in a word or two.
#[derive(Debug, Clone)]
pub struct NodeOverview {
    /// Its name.
    pub name: String,
    /// `Ready` or `NotReady`, with `SchedulingDisabled` where it is cordoned.
    pub status: String,
    /// Pods bound to it.
    pub pods: usize,
}

/// What runs on a cluster.
#[derive(Debug, Clone)]
pub struct Overview {
    /// Its nodes.
    pub nodes: Vec<NodeOverview>,
    /// All pods.
    pub pods: usize,
    /// Those that are ready.
    pub pods_ready: usize,
    /// Resident memory of the main process.
    pub main_memory_bytes: Option<u64>,
    /// Where the main process logs.
    pub log: PathBuf,
}

/// Connects to a running cluster as its administrator. Call it inside a tokio runtime.
///
/// # Errors
/// When the cluster is not up or its keys can't be read.
pub async fn connect(home: &Home, name: &str) -> Result<kube::Client> {
    let folder = ClusterFolder::new(home.cluster(name)?);
    let Standing::Up(record) = standing(home, name)? else {
        anyhow::bail!("cluster `{name}` is not up");
    };
    let pki = Pki::load_or_create(&folder.pki())?;
    let config = kubeconfig::standalone(name, record.api_port, &pki);
    let config: Kubeconfig =
        serde_json::from_value(config).context("our own kubeconfig can't be read back")?;
    let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
        .await
        .context("our own kubeconfig can't be used")?;
    kube::Client::try_from(config).context("failed to prepare a connection to the API")
}

/// Switches a node off or on, as if its power went.
///
/// # Errors
/// When the cluster is not up, or has no such node.
pub fn switch_node(home: &Home, name: &str, node: &str, on: bool) -> Result<()> {
    let since = if on { Value::Null } else { json!(jiff::Timestamp::now().to_string()) };
    let patch = json!({"metadata": {"annotations": {STOPPED: since}}});
    tokio_runtime()?.block_on(async {
        let nodes = Api::<Node>::all(connect(home, name).await?);
        match nodes.patch(node, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(Advice::error(
                format!("cluster `{name}` has no node `{node}`"),
                "`kubectl get nodes` shows those it has",
            )),
            Err(error) => Err(error).with_context(|| format!("failed to change node `{node}`")),
        }
    })
}

/// Looks at what runs on a cluster.
///
/// # Errors
/// When the API does not answer.
pub fn overview(home: &Home, name: &str) -> Result<Overview> {
    let folder = ClusterFolder::new(home.cluster(name)?);
    let record = folder.record()?;
    let (nodes, pods) = tokio_runtime()?.block_on(async {
        let client = connect(home, name).await?;
        let nodes = Api::<Node>::all(client.clone()).list(&Default::default()).await?;
        let pods = Api::<Pod>::all(client).list(&Default::default()).await?;
        anyhow::Ok((nodes.items, pods.items))
    })?;
    Ok(Overview {
        nodes: nodes.iter().map(|node| node_overview(node, &pods)).collect(),
        pods: pods.len(),
        pods_ready: pods.iter().filter(|pod| api::pod_template::is_pod_ready(pod)).count(),
        main_memory_bytes: record.and_then(|record| resident(record.main.pid)),
        log: folder.log(),
    })
}

fn node_overview(node: &Node, pods: &[Pod]) -> NodeOverview {
    let name = node.metadata.name.clone().unwrap_or_default();
    let is_cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false);
    let bound = |pod: &&Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()) == Some(&name);
    let status = if build::is_ready(node) { "Ready" } else { "NotReady" };
    let suffix = if is_cordoned { ",SchedulingDisabled" } else { "" };
    NodeOverview { pods: pods.iter().filter(bound).count(), status: format!("{status}{suffix}"), name }
}

fn resident(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

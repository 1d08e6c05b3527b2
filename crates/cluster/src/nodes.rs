//! The nodes: one kubelet each, in this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use client::Caches;
use container::Runtime;
use image::ImageStore;
use k8s_openapi::api::core::v1::Node;
use kubelet::config::{Capacity as NodeCapacity, ClusterDns, Directories, LimitSupport, UserIds};
use kubelet::{Dependencies, Drain, Kubelet};
use network::PodNetwork;
use network::machine::Machine;
use tokio_util::sync::CancellationToken;

use crate::Home;
use crate::addresses;
use crate::build::DOMAIN;
use crate::capacity::Capacity;
use crate::record::ClusterFolder;
use crate::registry::registry;
use crate::run::runtime_config;

/// Pods a node takes at most: Kubernetes' own default.
const PODS_PER_NODE: u32 = 110;

/// The annotation of a Node that `pinnace node stop` sets: the node is switched off.
pub(crate) const STOPPED: &str = "pinnace/stopped";

/// Runs a node's kubelet whenever the node is not switched off, until `stop`.
///
/// A node that is switched off is gone as a machine without power is: its containers end at once, and nobody
/// renews its lease or speaks of its pods.
pub(crate) async fn keep(kubelet: Kubelet, caches: Caches, stop: CancellationToken) {
    let nodes = caches.of::<Node>();
    nodes.wait_synced().await;
    let is_off = || nodes.get("", kubelet.node_name()).is_some_and(|node| is_stopped(&node));
    let until = async |off: bool| {
        let mut changes = nodes.subscribe();
        while is_off() != off {
            changes.next().await;
        }
    };
    while !stop.is_cancelled() {
        if is_off() {
            tracing::info!(node = kubelet.node_name(), "switched off");
            kubelet.stop_pods(Duration::ZERO).await;
            tokio::select! {
                () = until(false) => tracing::info!(node = kubelet.node_name(), "switched on"),
                () = stop.cancelled() => {}
            }
        } else {
            let end = async {
                tokio::select! {
                    () = until(true) => {}
                    () = stop.cancelled() => {}
                }
            };
            kubelet.run(end).await;
        }
    }
}

fn is_stopped(node: &Node) -> bool {
    node.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(STOPPED))
}

/// What the kubelets of all nodes are made from.
pub(crate) struct Nodes<'a> {
    pub(crate) home: &'a Home,
    pub(crate) folder: &'a ClusterFolder,
    pub(crate) machine: &'a Machine,
    pub(crate) capacity: Capacity,
    pub(crate) caches: &'a Caches,
    /// What the kubelets write through.
    pub(crate) client: kube::Client,
    pub(crate) network: &'a PodNetwork,
}

impl Nodes<'_> {
    /// The kubelets, not yet running, and what does not hold on this machine.
    pub(crate) fn build(
        &self,
        names: &[String],
        drain: &Arc<dyn Drain>,
    ) -> Result<(Vec<Kubelet>, Vec<String>)> {
        let registry = Arc::new(registry(self.machine.host.clone()));
        let images = ImageStore::open(&self.home.images()).context("failed to open the image store")?;
        let mut kubelets = Vec::new();
        let mut warnings = Vec::new();
        for (number, name) in (0..).zip(names) {
            let runtime = Runtime::new(runtime_config(self.folder, self.machine, name))
                .context("failed to start the container runtime")?;
            let limits = match runtime.limits().reason {
                None => LimitSupport::Enforced,
                Some(reason) => LimitSupport::NotEnforced { reason },
            };
            if let LimitSupport::NotEnforced { reason } = &limits
                && number == 0
            {
                warnings.push(format!(
                    "limits of containers do not fully hold: {reason}; `kubectl describe node` tells which, \
                     docs/guide/cluster.md how to get them"
                ));
            }
            let dependencies = Dependencies {
                caches: self.caches.clone(),
                client: self.client.clone(),
                runtime,
                images: images.clone(),
                network: self.network.clone(),
                drain: drain.clone(),
            };
            let kubelet = Kubelet::build(self.config(number, name, limits)?, dependencies);
            kubelets.push(kubelet.with_registry(registry.clone()));
        }
        Ok((kubelets, warnings))
    }

    /// Removes what the runtime made for the cluster as a whole, once no pod is left.
    pub(crate) async fn dismantle(&self) {
        if let Ok(runtime) = Runtime::new(runtime_config(self.folder, self.machine, "")) {
            runtime.dismantle().await;
        }
    }

    fn config(&self, number: u8, name: &str, limits: LimitSupport) -> Result<kubelet::Config> {
        let (address, prefix) = addresses::pod_range(number);
        Ok(kubelet::Config {
            node_name: name.to_owned(),
            pod_range: format!("{address}/{prefix}").parse().context("the pod range is invalid")?,
            address: addresses::node(number),
            capacity: NodeCapacity {
                cpu_milli: self.capacity.cpu_milli,
                memory_bytes: self.capacity.memory_bytes,
                ephemeral_storage_bytes: disk_bytes(self.folder.path())?,
                pods: PODS_PER_NODE,
                pids_per_container: self.capacity.pids,
            },
            directories: Directories {
                pods: self.folder.node(name).join("pods"),
                volatile: format!("/run/pinnace/nodes/{name}/volumes").into(),
                logs: self.folder.node(name).join("logs"),
                claims: self.folder.node(name).join("claims"),
                pulled: self.folder.node(name).join("pulled.json"),
                snapshots: self.folder.snapshots(),
            },
            dns: ClusterDns {
                server: addresses::DNS_SERVICE,
                domain: DOMAIN.to_owned(),
                host_resolv_conf: "/etc/resolv.conf".into(),
            },
            labels: std::collections::BTreeMap::new(),
            limits,
            user_ids: if self.machine.many_ids { UserIds::Many } else { UserIds::One },
            rootless: self.machine.rootless,
        })
    }
}

/// The size of the disk that holds the cluster's folder.
fn disk_bytes(folder: &Path) -> Result<u64> {
    let disk = nix::sys::statvfs::statvfs(folder)
        .with_context(|| format!("failed to look at the disk of `{}`", folder.display()))?;
    Ok(disk.blocks() * disk.fragment_size())
}

//! The kubelet of one node: workers for the pods that are bound to it.

mod pods;
mod sources;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use client::Caches;
use container::{Attachment, Exec, ExecSpec, Runtime};
use image::ImageStore;
use network::PodNetwork;
use tokio::net::TcpStream;

use crate::collector;
use crate::config::Config;
use crate::container_spec;
use crate::drain::Drain;
use crate::logs;
use crate::node::{Node, View, ViewedContainer};
use crate::provisioner;
use crate::registration;

/// What a kubelet works with.
pub struct Dependencies {
    /// The watch caches of the process.
    pub caches: Caches,
    /// What it writes through, as the API should know it.
    pub client: kube::Client,
    /// The node's container runtime. Each node has one of its own, with its own run folder, so that
    /// it adopts only its own sandboxes.
    pub runtime: Runtime,
    /// The images at hand.
    pub images: ImageStore,
    /// The links of pods, shared by the nodes of the process.
    pub network: PodNetwork,
    /// Knows when no new request reaches a pod.
    pub drain: Arc<dyn Drain>,
}

/// The kubelet of one node. Cheap to clone.
#[derive(Clone)]
pub struct Kubelet {
    node: Arc<Node>,
}

/// Why a stream to a pod could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The pod has nothing on this node.
    #[error("pod `{0}` is not running on this node")]
    NoPod(String),
    /// The pod has no such container.
    #[error("container {0} is not valid for the pod")]
    NoContainer(String),
    /// The container has not run yet.
    #[error("container \"{container}\" in pod \"{pod}\" is waiting to start: {reason}")]
    Waiting {
        /// The container.
        container: String,
        /// The pod.
        pod: String,
        /// `ContainerCreating`, `ErrImagePull` …
        reason: String,
    },
    /// The container did not run before its present run.
    #[error("previous terminated container \"{container}\" in pod \"{pod}\" not found")]
    NoPrevious {
        /// The container.
        container: String,
        /// The pod.
        pod: String,
    },
    /// The container does not run.
    #[error("container not found (\"{0}\"): it is not running")]
    NotRunning(String),
    /// The runtime refused.
    #[error(transparent)]
    Runtime(#[from] container::Error),
    /// The log could not be read.
    #[error("failed to read the log `{}`", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// What a pod uses, and its containers.
#[derive(Debug, Clone, Default)]
pub struct PodUsage {
    /// The pod's uid.
    pub uid: String,
    /// What each running container uses, by name.
    pub containers: std::collections::BTreeMap<String, container::Usage>,
}

impl Kubelet {
    /// Puts a kubelet together. Nothing happens until [`Kubelet::run`].
    #[must_use]
    pub fn build(config: Config, dependencies: Dependencies) -> Self {
        Self { node: Arc::new(Node::new(config, dependencies)) }
    }

    /// Lets the node pull images that are not at hand. Without it a missing image is an error.
    #[must_use]
    pub fn with_registry(self, registry: Arc<image::Registry>) -> Self {
        self.node.pulls.connect(registry);
        self
    }

    /// Returns the node's name.
    #[must_use]
    pub fn node_name(&self) -> &str {
        &self.node.config.node_name
    }

    /// Registers the node and makes it match its pods, until `shutdown` completes. Containers go on
    /// running after that: the next kubelet of the node adopts them.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = registration::keep(self.node.clone()) => {}
            () = pods::keep(self.node.clone()) => {}
            () = provisioner::keep(self.node.clone()) => {}
            () = collector::keep(self.node.clone()) => {}
            () = shutdown => {}
        }
    }

    /// Ends every container of the node, without a word to the API: SIGTERM, `grace`, SIGKILL, and
    /// nothing left but the pods' files. To be called after [`Kubelet::run`] has ended.
    pub async fn stop_pods(&self, grace: Duration) {
        pods::stop_all(&self.node, grace).await;
    }

    /// Opens a container's log.
    ///
    /// # Errors
    /// There is no such log.
    pub async fn logs(
        &self,
        pod_uid: &str,
        container: &str,
        options: logs::Options,
    ) -> Result<logs::Chunks, StreamError> {
        let (view, known) = self.find(pod_uid, container)?;
        let Some(attempt) = known.attempt else {
            let reason = known.waiting.unwrap_or_else(|| "ContainerCreating".to_owned());
            return Err(StreamError::Waiting { container: container.to_owned(), pod: view.name, reason });
        };
        let attempt = if options.previous { attempt.checked_sub(1) } else { Some(attempt) };
        let previous = || StreamError::NoPrevious { container: container.to_owned(), pod: view.name.clone() };
        let attempt = attempt.ok_or_else(previous)?;
        let path = view.logs.join(container).join(format!("{attempt}.log"));
        if options.previous && !path.exists() {
            return Err(previous());
        }
        let (node, uid, name) = (self.node.clone(), pod_uid.to_owned(), container.to_owned());
        let run = container_spec::run_id(container, attempt);
        let is_live = move || {
            let views = node.views();
            let known = views.get(&uid).and_then(|view| view.containers.get(&name));
            known.is_some_and(|known| known.running.as_ref() == Some(&run))
        };
        logs::open(path.clone(), options, is_live).await.map_err(|source| StreamError::Log { path, source })
    }

    /// Runs a command in a container.
    ///
    /// # Errors
    /// The container does not run, or the command cannot be executed.
    pub async fn exec(&self, pod_uid: &str, container: &str, spec: ExecSpec) -> Result<Exec, StreamError> {
        let (sandbox, run) = self.running(pod_uid, container)?;
        Ok(sandbox.exec(&run, spec).await?)
    }

    /// Joins the standard streams of a container.
    ///
    /// # Errors
    /// The container does not run.
    pub async fn attach(&self, pod_uid: &str, container: &str) -> Result<Attachment, StreamError> {
        let (sandbox, run) = self.running(pod_uid, container)?;
        Ok(sandbox.attach(&run).await?)
    }

    /// Completes with the exit code of the container's present run, once it has ended; 137 if
    /// nobody knows it.
    pub async fn ended(&self, pod_uid: &str, container: &str) -> i32 {
        const UNKNOWN: i32 = 137;
        let Ok((sandbox, run)) = self.running(pod_uid, container) else { return UNKNOWN };
        let mut exits = sandbox.exits();
        while let Some(exit) = exits.next().await {
            if exit.container_id == run {
                return exit.code;
            }
        }
        UNKNOWN
    }

    /// Connects to a port on a pod's loopback, as `kubectl port-forward` does.
    ///
    /// # Errors
    /// Nothing listens there.
    pub async fn port_forward(&self, pod_uid: &str, port: u16) -> Result<TcpStream, StreamError> {
        let view = self.view(pod_uid)?;
        let sandbox = view.sandbox.ok_or_else(|| StreamError::NoPod(view.name.clone()))?;
        Ok(sandbox.dial(port).await?)
    }

    /// Returns what the node's pods use.
    pub async fn usage(&self) -> Vec<PodUsage> {
        let views: Vec<(String, View)> =
            self.node.views().iter().map(|(uid, view)| (uid.clone(), view.clone())).collect();
        let mut pods = Vec::with_capacity(views.len());
        for (uid, view) in views {
            let Some(sandbox) = &view.sandbox else { continue };
            let Ok(mut usage) = sandbox.usage().await else { continue };
            let of = |(name, known): (String, ViewedContainer)| {
                let usage = usage.remove(&known.running?)?;
                Some((name, usage))
            };
            pods.push(PodUsage { uid, containers: view.containers.into_iter().filter_map(of).collect() });
        }
        pods
    }

    /// Returns the node's own address in the cluster's network.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.node.config.address.into()
    }

    fn view(&self, pod_uid: &str) -> Result<View, StreamError> {
        let view = self.node.views().get(pod_uid).cloned();
        view.ok_or_else(|| StreamError::NoPod(pod_uid.to_owned()))
    }

    fn find(&self, pod_uid: &str, container: &str) -> Result<(View, ViewedContainer), StreamError> {
        let view = self.view(pod_uid)?;
        let known = view.containers.get(container).cloned();
        let known = known.ok_or_else(|| StreamError::NoContainer(container.to_owned()))?;
        Ok((view, known))
    }

    fn running(&self, pod_uid: &str, container: &str) -> Result<(container::Sandbox, String), StreamError> {
        let (view, known) = self.find(pod_uid, container)?;
        match (view.sandbox, known.running) {
            (Some(sandbox), Some(run)) => Ok((sandbox, run)),
            (Some(_) | None, _) => Err(StreamError::NotRunning(container.to_owned())),
        }
    }
}

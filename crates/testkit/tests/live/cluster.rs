//! An API server on a temporary folder, a manager, a node.

use std::sync::Arc;
use std::time::Duration;

use api::k8s::api::apps::v1::Deployment;
use api::k8s::api::core::v1::Node;
use apiserver::streams::{
    BoxFuture, ByteStream, Duplex, ExecOptions, LogOptions, PodRef, Process, StreamError,
};
use apiserver::{ApiServer, Config, Identity, NodeStreams};
use client::Caches;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use store::{Options, Store};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::kubelet;

pub(crate) struct Cluster {
    pub(crate) client: kube::Client,
    pub(crate) caches: Caches,
    store: Store,
    stop: Option<oneshot::Sender<()>>,
    manager: JoinHandle<()>,
    kubelet: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

struct NoStreams;

impl NodeStreams for NoStreams {
    fn logs(&self, _: PodRef, _: LogOptions) -> BoxFuture<'_, Result<ByteStream, StreamError>> {
        Box::pin(async { Err(StreamError::NotFound("no logs".into())) })
    }
    fn exec(&self, _: PodRef, _: ExecOptions) -> BoxFuture<'_, Result<Process, StreamError>> {
        Box::pin(async { Err(StreamError::NotFound("no exec".into())) })
    }
    fn attach(&self, _: PodRef, _: ExecOptions) -> BoxFuture<'_, Result<Process, StreamError>> {
        Box::pin(async { Err(StreamError::NotFound("no attach".into())) })
    }
    fn port_forward(
        &self,
        _: PodRef,
        _: u16,
    ) -> BoxFuture<'_, Result<std::pin::Pin<Box<dyn Duplex>>, StreamError>> {
        Box::pin(async { Err(StreamError::NotFound("no ports".into())) })
    }
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let (api, store, folder) = server().await;
        let client = client::in_process(api.service(Identity::master("test")));
        Self::manage(client, store, folder).await
    }

    /// The same, but every request goes through a socket and TLS.
    pub(crate) async fn start_over_https() -> Self {
        let (api, store, folder) = server().await;
        let kubeconfig = super::https::serve(api, folder.path()).await;
        let client = client::from_kubeconfig(&kubeconfig, None).await.expect("a client");
        Self::manage(client, store, folder).await
    }

    async fn manage(client: kube::Client, store: Store, folder: tempfile::TempDir) -> Self {
        let caches = Caches::new(client.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let mut config = manager::Config::default();
        config.settings.root_ca = Some("PEM".into());
        let run = manager::run(config, client.clone(), caches.clone(), async { drop(stopped.await) });
        let manager = tokio::spawn(run);
        let kubelet = tokio::spawn(kubelet::run(client.clone(), caches.clone()));
        add_node(&client, "node-1", "64").await;
        Self { client, caches, store, stop: Some(stop), manager, kubelet, _folder: folder }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.store.revision().0
    }

    /// Waits until nothing has been written for a while.
    pub(crate) async fn settle(&self) {
        let mut before = 0;
        while before != self.revision() {
            before = self.revision();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    pub(crate) async fn stop(mut self) {
        self.stop.take().expect("not stopped yet").send(()).expect("the manager runs");
        self.kubelet.abort();
        self.manager.await.expect("the manager ends");
    }
}

async fn server() -> (ApiServer, Store, tempfile::TempDir) {
    let filter = std::env::var("LOG").unwrap_or_default();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), Options::default()).expect("a store");
    let key = rcgen::KeyPair::generate().expect("a key").serialize_der();
    let api =
        ApiServer::build(Config::new(store.clone(), Arc::new(NoStreams), key)).await.expect("an API server");
    (api, store, folder)
}

pub(crate) async fn add_node(client: &kube::Client, name: &str, cpu: &str) {
    let nodes: Api<Node> = Api::all(client.clone());
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } } });
    let node: Node = serde_json::from_value(node).expect("a node");
    nodes.create(&PostParams::default(), &node).await.expect("created");
    let now = api::k8s::jiff::Timestamp::now().to_string();
    let amounts = json!({ "cpu": cpu, "memory": "64Gi", "pods": "110" });
    let ready =
        json!({ "type": "Ready", "status": "True", "lastHeartbeatTime": now, "lastTransitionTime": now });
    let status = json!({ "status": { "capacity": amounts, "allocatable": amounts, "conditions": [ready] } });
    nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.expect("patched");
}

pub(crate) fn deployment(name: &str, replicas: i32, image: &str) -> Deployment {
    let labels = json!({ "app": name });
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": labels },
            "strategy": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "app", "image": image }] },
            },
        },
    });
    serde_json::from_value(object).expect("a deployment")
}

/// Waits for a condition, which the caches make true.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

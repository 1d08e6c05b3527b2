//! The node's own objects: its Node, kept true, and its Lease, renewed while it lives.

mod describe;

use std::sync::Arc;
use std::time::Duration;

use client::EventType;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{Node as ApiNode, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::images::chain;
use crate::node::Node;

/// How often the lease is renewed: Kubernetes' own interval.
const RENEWAL: Duration = Duration::from_secs(10);
/// How long a lease holds: Kubernetes' own.
const LEASE_SECONDS: i32 = 40;
/// A status that did not change is written again this often: Kubernetes' own. The lease is the
/// heartbeat; this only keeps `lastHeartbeatTime` from looking dead.
const STATUS: Duration = Duration::from_secs(300);
/// The pause after a write that failed.
const RETRY: Duration = Duration::from_millis(200);

/// Returns the node as the API has it; as it is about to be there, if nobody has seen it yet.
pub(crate) fn described(node: &Node) -> Arc<ApiNode> {
    node.nodes.get("", &node.config.node_name).unwrap_or_else(|| {
        let status = describe::status(&node.config, None, Timestamp::now());
        Arc::new(ApiNode { status: Some(status), ..describe::node(&node.config) })
    })
}

/// Keeps the node's objects until dropped.
pub(crate) async fn keep(node: Arc<Node>) {
    let uid = loop {
        match register(&node).await {
            Ok(uid) => break uid,
            Err(error) => {
                tracing::warn!(
                    node = node.config.node_name,
                    error = chain(&error),
                    "the node is not registered yet"
                );
                tokio::time::sleep(RETRY).await;
            }
        }
    };
    announce(&node, &uid);
    let mut status_at = tokio::time::Instant::now() + STATUS;
    let mut images_at = node.images.stamp();
    let mut lease = None;
    loop {
        match renew(&node, lease.take(), &uid).await {
            Ok(renewed) => lease = Some(renewed),
            Err(error) => {
                tracing::warn!(
                    node = node.config.node_name,
                    error = chain(&error),
                    "the node's lease was not renewed"
                );
            }
        }
        let images_now = node.images.stamp();
        if tokio::time::Instant::now() >= status_at || images_now != images_at {
            status_at = tokio::time::Instant::now() + STATUS;
            images_at = images_now;
            if let Err(error) = register(&node).await {
                tracing::warn!(
                    node = node.config.node_name,
                    error = chain(&error),
                    "the node's status was not written"
                );
            }
        }
        tokio::time::sleep(RENEWAL).await;
    }
}

/// Creates the Node or brings it up to date; returns its uid.
async fn register(node: &Node) -> Result<String, kube::Error> {
    let nodes: Api<ApiNode> = Api::all(node.client.clone());
    let name = &node.config.node_name;
    let known = match nodes.get_opt(name).await? {
        Some(known) => known,
        None => match nodes.create(&PostParams::default(), &describe::node(&node.config)).await {
            Ok(created) => created,
            Err(kube::Error::Api(answer)) if answer.code == 409 => nodes.get(name).await?,
            Err(error) => return Err(error),
        },
    };
    let labels = json!({ "metadata": { "labels": describe::labels(&node.config) } });
    nodes.patch(name, &PatchParams::default(), &Patch::Merge(labels)).await?;
    let store = node.images.clone();
    let images = tokio::task::spawn_blocking(move || store.list()).await;
    let images = images.ok().and_then(Result::ok).unwrap_or_default();
    let mut status = describe::status(&node.config, known.status.as_ref(), Timestamp::now());
    status.images = Some(describe::images(images));
    let status = json!({ "status": status });
    nodes.patch_status(name, &PatchParams::default(), &Patch::Strategic(status)).await?;
    Ok(known.metadata.uid.unwrap_or_default())
}

/// Kubernetes names the node by its name in the uid of these events, and `kubectl describe node`
/// looks for that.
fn announce(node: &Node, uid: &str) {
    let name = &node.config.node_name;
    tracing::info!(node = name, uid, "the node is ready");
    let reference = ObjectReference {
        kind: Some("Node".to_owned()),
        name: Some(name.clone()),
        uid: Some(name.clone()),
        ..ObjectReference::default()
    };
    node.recorder.record(reference.clone(), EventType::Normal, "Starting", "Starting kubelet.");
    let message = format!("Node {name} status is now: NodeReady");
    node.recorder.record(reference, EventType::Normal, "NodeReady", &message);
}

async fn renew(node: &Node, lease: Option<Lease>, uid: &str) -> Result<Lease, kube::Error> {
    let leases: Api<Lease> = Api::namespaced(node.client.clone(), "kube-node-lease");
    let name = &node.config.node_name;
    let now = MicroTime(Timestamp::now());
    if let Some(mut lease) = lease {
        lease.spec.get_or_insert_default().renew_time = Some(now.clone());
        match leases.replace(name, &PostParams::default(), &lease).await {
            Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => {}
            result => return result,
        }
    }
    if let Some(mut known) = leases.get_opt(name).await? {
        known.spec = Some(lease_spec(name, now));
        return leases.replace(name, &PostParams::default(), &known).await;
    }
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: name.clone(),
        uid: uid.to_owned(),
        ..OwnerReference::default()
    };
    let lease = Lease {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some("kube-node-lease".to_owned()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(lease_spec(name, now)),
    };
    leases.create(&PostParams::default(), &lease).await
}

fn lease_spec(name: &str, now: MicroTime) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(name.to_owned()),
        lease_duration_seconds: Some(LEASE_SECONDS),
        renew_time: Some(now),
        ..LeaseSpec::default()
    }
}

//! A kubelet that pretends: bound pods are ready at once (those that are not to be started anew end
//! well at once), deleted ones gone at once.

use api::k8s::api::core::v1::Pod;
use client::{Caches, Notice};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

pub(crate) async fn run(client: kube::Client, caches: Caches) {
    let cache = caches.of::<Pod>();
    let mut changes = cache.subscribe();
    while let Some(notice) = changes.next().await {
        let pods = match notice {
            Notice::Changed(change) => change.new.into_iter().collect(),
            Notice::Resync => cache.list(),
        };
        for pod in pods {
            tokio::spawn(look_after(client.clone(), pod));
        }
    }
}

async fn look_after(client: kube::Client, pod: std::sync::Arc<Pod>) {
    if controllers::pods::node(&pod).is_none() {
        return;
    }
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let name = pod.metadata.name.clone().unwrap_or_default();
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    if controllers::pods::is_leaving(&pod) {
        let _ = pods
            .delete(&name, &DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() })
            .await;
        return;
    }
    if controllers::pods::is_ready(&pod) || controllers::pods::has_ended(&pod) {
        return;
    }
    if pod.spec.as_ref().is_some_and(|spec| spec.restart_policy.as_deref() == Some("Never")) {
        let status = json!({ "status": { "phase": "Succeeded" } });
        let _ = pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await;
        return;
    }
    let now = jiff::Timestamp::now().to_string();
    let ready = json!({ "type": "Ready", "status": "True", "lastTransitionTime": now });
    let status = json!({ "status": { "phase": "Running", "podIP": "10.244.1.2", "conditions": [ready] } });
    let _ = pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await;
}

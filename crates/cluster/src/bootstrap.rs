//! The objects that this cluster starts with, beyond those of every Kubernetes API.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::networking::v1::IngressClass;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::addresses;

/// The Ingress class that the built-in Ingress serves.
pub(crate) const INGRESS_CLASS: &str = "pinnace";

/// The default class of storage, named as on other local clusters.
const STORAGE_CLASS: &str = "standard";

/// Creates what is absent, and removes nodes that the cluster no longer has.
pub(crate) async fn run(client: &kube::Client, nodes: &[String]) -> Result<()> {
    create(&Api::<Service>::namespaced(client.clone(), "kube-system"), dns_service()).await?;
    create(&Api::<IngressClass>::all(client.clone()), ingress_class()).await?;
    create(&Api::<StorageClass>::all(client.clone()), storage_class()).await?;
    let api = Api::<Node>::all(client.clone());
    for node in api.list(&ListParams::default()).await.context("failed to list nodes")? {
        let name = node.name_any();
        if !nodes.contains(&name) {
            api.delete(&name, &DeleteParams::default())
                .await
                .with_context(|| format!("failed to remove node `{name}`"))?;
        }
    }
    Ok(())
}

/// Keeps the address of the cluster's DNS server from being given to another Service, and shows it to people.
fn dns_service() -> serde_json::Value {
    json!({
        "metadata": {
            "name": "kube-dns",
            "labels": {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"},
        },
        "spec": {
            "clusterIP": addresses::DNS_SERVICE.to_string(),
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            ],
        },
    })
}

fn ingress_class() -> serde_json::Value {
    json!({
        "metadata": {
            "name": INGRESS_CLASS,
            "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"},
        },
        "spec": {"controller": "pinnace/ingress"},
    })
}

/// Claims that name no class get a folder on the node that their first pod goes to.
fn storage_class() -> serde_json::Value {
    json!({
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {api::storage::DEFAULT_CLASS: "true"},
        },
        "provisioner": api::storage::LOCAL_PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    })
}

async fn create<K>(api: &Api<K>, object: serde_json::Value) -> Result<()>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned + serde::Serialize,
{
    let object: K = serde_json::from_value(object).context("one of the first objects is malformed")?;
    match api.create(&PostParams::default(), &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(error) => Err(error).context("failed to create one of the first objects"),
    }
}

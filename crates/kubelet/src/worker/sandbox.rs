//! Makes and destroys a pod's network and shim.

use std::net::Ipv4Addr;

use container::{Sandbox, SandboxSpec};
use k8s_openapi::api::core::v1::Pod;

use crate::files;
use crate::images::chain;
use crate::node::Node;
use crate::spec;

/// The label by which a sandbox is known to belong to a pod of the API.
pub(crate) const POD_LABEL: &str = "pod";
/// The label that names the pod's namespace.
pub(crate) const NAMESPACE_LABEL: &str = "namespace";

/// Makes a sandbox; what an earlier one of the pod left is destroyed first.
pub(super) async fn make(
    node: &Node,
    pod: &Pod,
    address: Option<Ipv4Addr>,
    stale: Option<Sandbox>,
) -> Result<Sandbox, String> {
    let uid = spec::uid(pod);
    if let Some(stale) = stale {
        stale.destroy().await.map_err(|error| chain(&error))?;
    }
    let network_namespace = match address {
        Some(address) => Some(node.network.attach(uid, address).await.map_err(|error| chain(&error))?),
        None => None,
    };
    let context = spec::spec(pod).security_context.as_ref();
    let sysctls = context.and_then(|context| context.sysctls.clone()).unwrap_or_default();
    let labels = [(POD_LABEL, spec::name(pod)), (NAMESPACE_LABEL, spec::namespace(pod))];
    let sandbox = SandboxSpec {
        id: uid.to_owned(),
        hostname: files::hostname(pod, &node.config.node_name, &node.config.dns.domain),
        network_namespace,
        share_processes: spec::spec(pod).share_process_namespace == Some(true),
        host_processes: spec::spec(pod).host_pid == Some(true),
        host_ipc: spec::spec(pod).host_ipc == Some(true),
        sysctls: sysctls.into_iter().map(|sysctl| (sysctl.name, sysctl.value)).collect(),
        labels: labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    };
    let made = node.runtime.create(sandbox).await.map_err(|error| chain(&error));
    if let (Err(_), Some(_)) = (&made, address)
        && let Err(error) = node.network.detach(uid).await
    {
        tracing::warn!(pod = spec::name(pod), error = chain(&error), "a pod's link could not be removed");
    }
    made
}

/// Destroys what there is of a sandbox and gives the address back. What cannot be undone is
/// logged: the pod must not stay for it.
pub(super) async fn destroy(node: &Node, pod: &Pod, handle: Option<Sandbox>, address: Option<Ipv4Addr>) {
    let uid = spec::uid(pod);
    if let Some(handle) = handle
        && let Err(error) = handle.destroy().await
    {
        tracing::warn!(pod = spec::name(pod), error = chain(&error), "a sandbox left something behind");
    }
    if let Some(address) = address {
        if let Err(error) = node.network.detach(uid).await {
            tracing::warn!(pod = spec::name(pod), error = chain(&error), "a pod's link could not be removed");
        }
        node.addresses.release(address);
    }
}

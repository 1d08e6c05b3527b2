//! EndpointSlice: where the pods of a Service can be reached, and whether they should be.

mod endpoint;
mod packing;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::k8s::api::core::v1::{Node, Pod, Service, ServiceSpec};
use api::k8s::api::discovery::v1::EndpointSlice;
use api::selector::LabelSelector;

use crate::controller::{Controller, Env, Watch};
use crate::plan::Plan;
use crate::view::{Key, View};

/// Names the Service of a slice.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";

/// What the slices of a Service are decided on.
pub struct Observed<'a> {
    /// The Service.
    pub service: &'a Service,
    /// The pods of its namespace.
    pub pods: Vec<Arc<Pod>>,
    /// The slices of its namespace.
    pub slices: Vec<Arc<EndpointSlice>>,
    /// The zones of nodes, where they have any.
    pub zones: BTreeMap<String, String>,
    /// The seed of names.
    pub env: &'a Env<'a>,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let service = observed.service;
    let spec = service.spec.clone().unwrap_or_default();
    let Some(selector) = selector(&spec) else { return Plan::default() };
    if service.metadata.deletion_timestamp.is_some() {
        return Plan::default();
    }
    let mut groups = packing::Groups::new(observed, &spec);
    let no_labels = BTreeMap::new();
    for pod in &observed.pods {
        if selector.matches(pod.metadata.labels.as_ref().unwrap_or(&no_labels)) {
            groups.add(pod);
        }
    }
    groups.plan()
}

/// A Service that selects nothing, or that is a mere name, has endpoints by other hands.
fn selector(spec: &ServiceSpec) -> Option<LabelSelector> {
    let labels = spec.selector.as_ref().filter(|labels| !labels.is_empty())?;
    (spec.type_.as_deref() != Some("ExternalName")).then(|| LabelSelector::from_labels(labels))
}

/// Tells whether this controller made the slice, for that Service.
fn is_ours(slice: &EndpointSlice, service: &str) -> bool {
    let labels = slice.metadata.labels.as_ref();
    let label = |name: &str| labels.and_then(|labels| labels.get(name)).map(String::as_str);
    label(MANAGED_BY) == Some(MANAGER) && label(SERVICE_NAME) == Some(service)
}

/// Returns how the EndpointSlices of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "endpoint-slice-controller",
        watches: vec![
            Watch::on_self::<Service>(),
            Watch::on::<Pod>(of_pod),
            Watch::on::<EndpointSlice>(|_, old, new| {
                let slices = [old, new].into_iter().flatten();
                slices.filter_map(service_of).collect()
            }),
        ],
        reconcile: |view, key, env| {
            let Some(service) = view.at::<Service>(key) else { return Plan::default() };
            let pods = view.list_in::<Pod>(&key.namespace);
            let slices = view.list_in::<EndpointSlice>(&key.namespace);
            reconcile(&Observed { service: &service, pods, slices, zones: zones(view), env })
        },
    }
}

fn service_of(slice: &EndpointSlice) -> Option<Key> {
    let name = slice.metadata.labels.as_ref()?.get(SERVICE_NAME)?;
    Some(Key::new(slice.metadata.namespace.as_deref().unwrap_or_default(), name))
}

/// A pod concerns the Services that select it, or selected it before.
fn of_pod(view: &View, old: Option<&Pod>, new: Option<&Pod>) -> Vec<Key> {
    let Some(pod) = new.or(old) else { return Vec::new() };
    let labels = |pod: Option<&Pod>| pod.map(|pod| pod.metadata.labels.clone().unwrap_or_default());
    let (before, after) = (labels(old), labels(new));
    let selects = |service: &Arc<Service>| {
        let selector = service.spec.as_ref().and_then(selector);
        selector.is_some_and(|selector| {
            let matches = |labels: &Option<_>| labels.as_ref().is_some_and(|labels| selector.matches(labels));
            matches(&before) || matches(&after)
        })
    };
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    view.list_in::<Service>(namespace)
        .iter()
        .filter(|it| selects(it))
        .map(|it| Key::of(&it.metadata))
        .collect()
}

fn zones(view: &View) -> BTreeMap<String, String> {
    let zone = |node: &Arc<Node>| {
        let zone = node.metadata.labels.as_ref()?.get("topology.kubernetes.io/zone")?.clone();
        Some((node.metadata.name.clone()?, zone))
    };
    view.list::<Node>().iter().filter_map(zone).collect()
}

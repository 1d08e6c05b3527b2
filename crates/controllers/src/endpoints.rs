//! Endpoints: the older form of EndpointSlices, which older clients still show.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::k8s::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Service};
use api::k8s::api::discovery::v1::{Endpoint, EndpointSlice};
use api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::controller::{Controller, Watch};
use crate::endpoint_slice::SERVICE_NAME;
use crate::owner;
use crate::plan::{Action, Part, Plan, Told};
use crate::view::Key;

const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";

/// What the Endpoints of a Service are decided on.
pub struct Observed<'a> {
    /// The Service, while there is one.
    pub service: Option<&'a Service>,
    /// Its Endpoints, if there are any.
    pub endpoints: Option<&'a Endpoints>,
    /// Its EndpointSlices.
    pub slices: Vec<Arc<EndpointSlice>>,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let is_ours = |it: &&Endpoints| {
        it.metadata
            .labels
            .as_ref()
            .is_some_and(|labels| labels.get(MANAGED_BY).map(String::as_str) == Some(MANAGER))
    };
    let Some(service) = observed.service else {
        plan.actions.extend(observed.endpoints.filter(is_ours).map(|it| Action::delete(it, Told::nothing())));
        return plan;
    };
    let selects = service.spec.as_ref().is_some_and(|spec| {
        spec.selector.as_ref().is_some_and(|it| !it.is_empty())
            && spec.type_.as_deref() != Some("ExternalName")
    });
    if !selects || service.metadata.deletion_timestamp.is_some() {
        return plan;
    }
    let subsets = subsets(&observed.slices);
    match observed.endpoints {
        Some(known) => {
            let mut after = known.clone();
            after.subsets = subsets;
            after.metadata.labels = Some(labels(service));
            plan.actions.extend(Action::update(Part::Object, known, &after, Told::nothing()));
        }
        None => {
            let metadata = ObjectMeta {
                name: service.metadata.name.clone(),
                namespace: service.metadata.namespace.clone(),
                labels: Some(labels(service)),
                ..ObjectMeta::default()
            };
            plan.act(Action::create(&Endpoints { metadata, subsets }, Told::nothing()));
        }
    }
    plan
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

/// One subset for each set of ports; pods that are ending are in none.
fn subsets(slices: &[Arc<EndpointSlice>]) -> Option<Vec<EndpointSubset>> {
    let mut subsets: BTreeMap<String, EndpointSubset> = BTreeMap::new();
    for slice in slices.iter().filter(|slice| slice.address_type == "IPv4") {
        let ports: Vec<EndpointPort> = slice.ports.iter().flatten().filter_map(port).collect();
        for endpoint in slice.endpoints.iter().flatten() {
            let conditions = endpoint.conditions.clone().unwrap_or_default();
            let is_ready = conditions.ready == Some(true);
            if conditions.terminating == Some(true) && !is_ready {
                continue;
            }
            let subset = subsets.entry(format!("{ports:?}")).or_default();
            subset.ports = Some(ports.clone()).filter(|ports| !ports.is_empty());
            let list = if is_ready { &mut subset.addresses } else { &mut subset.not_ready_addresses };
            list.get_or_insert_default().extend(address(endpoint));
        }
    }
    for subset in subsets.values_mut() {
        for list in [&mut subset.addresses, &mut subset.not_ready_addresses].into_iter().flatten() {
            list.sort_by(|a, b| a.ip.cmp(&b.ip));
        }
    }
    Some(subsets.into_values().collect::<Vec<_>>()).filter(|subsets| !subsets.is_empty())
}

fn port(port: &api::k8s::api::discovery::v1::EndpointPort) -> Option<EndpointPort> {
    Some(EndpointPort {
        name: port.name.clone().filter(|name| !name.is_empty()),
        port: port.port?,
        protocol: port.protocol.clone(),
        app_protocol: port.app_protocol.clone(),
    })
}

fn address(endpoint: &Endpoint) -> Option<EndpointAddress> {
    Some(EndpointAddress {
        ip: endpoint.addresses.first()?.clone(),
        hostname: endpoint.hostname.clone(),
        node_name: endpoint.node_name.clone(),
        target_ref: endpoint.target_ref.clone(),
    })
}

/// Returns how the Endpoints of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "endpoint-controller",
        watches: vec![
            Watch::on_self::<Service>(),
            Watch::on_self::<Endpoints>(),
            Watch::on::<EndpointSlice>(|_, old, new| {
                let slice = new.or(old);
                let name = slice.and_then(|slice| slice.metadata.labels.as_ref()?.get(SERVICE_NAME).cloned());
                let namespace = slice.and_then(|slice| slice.metadata.namespace.clone()).unwrap_or_default();
                name.map(|name| Key::new(&namespace, &name)).into_iter().collect()
            }),
        ],
        reconcile: |view, key, _| {
            let (service, endpoints) = (view.at::<Service>(key), view.at::<Endpoints>(key));
            let of_service = |slice: &Arc<EndpointSlice>| {
                let labels = slice.metadata.labels.as_ref();
                labels.and_then(|labels| labels.get(SERVICE_NAME)) == Some(&key.name)
            };
            let mut slices = view.list_in::<EndpointSlice>(&key.namespace);
            slices.retain(of_service);
            slices.sort_by(|a, b| owner::name(&a.metadata).cmp(owner::name(&b.metadata)));
            reconcile(&Observed { service: service.as_deref(), endpoints: endpoints.as_deref(), slices })
        },
    }
}

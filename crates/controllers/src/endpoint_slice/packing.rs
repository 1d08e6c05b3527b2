//! Which endpoint goes into which slice.
//!
//! Pods whose ports differ (a named port may have another number in each) are in different
//! slices. An endpoint stays in the slice it is in; new ones fill up what is there before another
//! slice is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::k8s::api::core::v1::{Pod, ServiceSpec};
use api::k8s::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{MANAGED_BY, MANAGER, Observed, SERVICE_NAME, endpoint, is_ours};
use crate::naming::Names;
use crate::owner::{controller_reference, name, uid};
use crate::plan::{Action, Event, Part, Plan, Told};

/// Endpoints in one slice: Kubernetes' own figure, which keeps updates small.
const FULL: usize = 100;
const HEADLESS: &str = "service.kubernetes.io/headless";

/// What tells groups of endpoints apart: the family and the ports, in an order of their own.
type GroupKey = (String, String);

/// The endpoints of a Service, by family and ports.
pub(super) struct Groups<'a> {
    observed: &'a Observed<'a>,
    spec: &'a ServiceSpec,
    families: Vec<String>,
    groups: BTreeMap<GroupKey, Group>,
}

struct Group {
    ports: Vec<EndpointPort>,
    /// By address: a pod has one in each family.
    wanted: BTreeMap<String, Endpoint>,
}

impl<'a> Groups<'a> {
    pub(super) fn new(observed: &'a Observed<'a>, spec: &'a ServiceSpec) -> Self {
        let families = spec.ip_families.clone().filter(|families| !families.is_empty());
        let families = families.unwrap_or_else(|| vec!["IPv4".to_owned()]);
        Self { observed, spec, families, groups: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, pod: &Pod) {
        for family in self.families.clone() {
            let Some(address) = endpoint::address(pod, &family) else { continue };
            let ports = endpoint::ports(self.spec, pod);
            let entry = endpoint::endpoint(self.observed.service, pod, address.clone(), &self.observed.zones);
            let group = self.group(&family, ports);
            group.wanted.insert(address, entry);
        }
    }

    fn group(&mut self, family: &str, ports: Vec<EndpointPort>) -> &mut Group {
        let key = (family.to_owned(), ports_key(Some(&ports)));
        self.groups.entry(key).or_insert_with(|| Group { ports, wanted: BTreeMap::new() })
    }

    pub(super) fn plan(mut self) -> Plan {
        for family in self.families.clone() {
            if !self.groups.keys().any(|(known, _)| *known == family) {
                // A Service nobody serves has a slice as well: empty, for those who look.
                self.group(&family, Vec::new());
            }
        }
        let mut plan = Plan::default();
        let mut names = Names::new(self.observed.env.seed, uid(&self.observed.service.metadata));
        let mut ours = self.slices();
        for (key, group) in &self.groups {
            let slices = ours.remove(key).unwrap_or_default();
            self.pack(&mut plan, &mut names, &key.0, group, slices);
        }
        plan.actions.extend(
            ours.into_values().flatten().map(|slice| Action::delete(slice.as_ref(), Told::nothing())),
        );
        plan
    }

    /// The slices there are, by the group they serve.
    fn slices(&self) -> BTreeMap<GroupKey, Vec<Arc<EndpointSlice>>> {
        let service = name(&self.observed.service.metadata);
        let mut ours: BTreeMap<GroupKey, Vec<Arc<EndpointSlice>>> = BTreeMap::new();
        for slice in self.observed.slices.iter().filter(|slice| is_ours(slice, service)) {
            let key = (slice.address_type.clone(), ports_key(slice.ports.as_ref()));
            ours.entry(key).or_default().push(slice.clone());
        }
        ours.values_mut().for_each(|slices| slices.sort_by(|a, b| name(&a.metadata).cmp(name(&b.metadata))));
        ours
    }

    fn pack(
        &self,
        plan: &mut Plan,
        names: &mut Names,
        family: &str,
        group: &Group,
        slices: Vec<Arc<EndpointSlice>>,
    ) {
        let mut wanted = group.wanted.clone();
        let mut kept: Vec<(Arc<EndpointSlice>, Vec<Endpoint>)> = Vec::new();
        for slice in slices {
            let known =
                slice.endpoints.iter().flatten().filter_map(|known| wanted.remove(known.addresses.first()?));
            let endpoints = known.collect();
            kept.push((slice, endpoints));
        }
        let mut new = wanted.into_values();
        for (_, endpoints) in &mut kept {
            let room = FULL.saturating_sub(endpoints.len());
            endpoints.extend(new.by_ref().take(room));
        }
        let mut served = kept.iter().any(|(_, endpoints)| !endpoints.is_empty());
        for (slice, endpoints) in kept {
            // One slice stays even when it is empty.
            if endpoints.is_empty() && std::mem::replace(&mut served, true) {
                plan.act(Action::delete(slice.as_ref(), Told::nothing()));
                continue;
            }
            let after = self.filled(slice.as_ref().clone(), endpoints, family, &group.ports);
            plan.actions.extend(Action::update(Part::Object, slice.as_ref(), &after, self.told()));
        }
        while !std::mem::replace(&mut served, true) || new.len() > 0 {
            let prefix = format!("{}-", name(&self.observed.service.metadata));
            let metadata = ObjectMeta {
                name: Some(names.next(&prefix)),
                generate_name: Some(prefix),
                namespace: self.observed.service.metadata.namespace.clone(),
                owner_references: Some(vec![controller_reference(self.observed.service)]),
                ..ObjectMeta::default()
            };
            let slice = EndpointSlice { metadata, ..EndpointSlice::default() };
            let endpoints = new.by_ref().take(FULL).collect();
            plan.act(Action::create(&self.filled(slice, endpoints, family, &group.ports), self.told()));
        }
    }

    fn filled(
        &self,
        mut slice: EndpointSlice,
        mut endpoints: Vec<Endpoint>,
        family: &str,
        ports: &[EndpointPort],
    ) -> EndpointSlice {
        endpoints.sort_by(|a, b| a.addresses.cmp(&b.addresses));
        slice.endpoints = Some(endpoints).filter(|endpoints| !endpoints.is_empty());
        family.clone_into(&mut slice.address_type);
        slice.ports = Some(ports.to_vec()).filter(|ports| !ports.is_empty());
        let service = self.observed.service;
        let mut labels = service.metadata.labels.clone().unwrap_or_default();
        labels.remove(HEADLESS);
        if self.spec.cluster_ip.as_deref() == Some("None") {
            labels.insert(HEADLESS.to_owned(), String::new());
        }
        labels.insert(SERVICE_NAME.to_owned(), name(&service.metadata).to_owned());
        labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
        slice.metadata.labels = Some(labels);
        slice
    }

    fn told(&self) -> Told {
        let service = self.observed.service;
        let message = format!(
            "Failed to update endpoint slices for Service {}",
            crate::view::Key::of(&service.metadata)
        );
        Told {
            done: None,
            failed: Some(Event::about(service, true, "FailedToUpdateEndpointSlices", message)),
        }
    }
}

/// The ports in a form that can be compared, whatever their order.
fn ports_key(ports: Option<&Vec<EndpointPort>>) -> String {
    let key = |port: &EndpointPort| {
        let app = port.app_protocol.as_deref().unwrap_or_default();
        let (name, protocol) =
            (port.name.as_deref().unwrap_or_default(), port.protocol.as_deref().unwrap_or("TCP"));
        format!("{name}/{}/{protocol}/{app}", port.port.unwrap_or(0))
    };
    let mut keys: Vec<String> = ports.into_iter().flatten().map(key).collect();
    keys.sort_unstable();
    keys.join(" ")
}

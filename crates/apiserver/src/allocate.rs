//! Cluster IPs and node ports of services.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
    sync::Arc,
};

use api::field::{Fault, FieldError};
use api::resource::Resource;
use api::status::ApiError;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::core::Core;

/// The first addresses of the range are only given to those who ask for them, as in Kubernetes.
const STATIC_BAND: u32 = 256;

/// What every service holds. Follows the store, so that nothing leaks whatever way a service goes.
#[derive(Default)]
pub(crate) struct Allocations {
    held: Mutex<Held>,
}

/// Locked from the choice of addresses until the service is written.
pub(crate) struct Allocator<'a>(MutexGuard<'a, Held>);

#[derive(Default)]
struct Held {
    watch: Option<store::Watch>,
    by_service: HashMap<Arc<str>, Holding>,
}

#[derive(Clone, Debug, Default)]
struct Holding {
    addresses: Vec<Ipv4Addr>,
    ports: Vec<u16>,
}

impl Holding {
    fn of(service: &Value) -> Self {
        let texts = service["spec"]["clusterIPs"].as_array().into_iter().flatten();
        let addresses = texts
            .chain([&service["spec"]["clusterIP"]])
            .filter_map(|text| text.as_str()?.parse().ok())
            .collect();
        let ports = service["spec"]["ports"].as_array().into_iter().flatten();
        let ports = ports.filter_map(|port| u16::try_from(port["nodePort"].as_u64()?).ok()).collect();
        Self { addresses, ports }
    }
}

impl Allocations {
    /// Locks the allocations when the row is that of services.
    pub(crate) async fn lock_for(&self, row: &Resource) -> Option<Allocator<'_>> {
        if (row.group, row.plural) != ("", "services") {
            return None;
        }
        Some(Allocator(self.held.lock().await))
    }
}

impl Allocator<'_> {
    /// Fills in the addresses and ports a service lacks and refuses those that others hold.
    pub(crate) fn allocate(
        &mut self,
        core: &Core,
        new: &mut Value,
        old: Option<&Value>,
    ) -> Result<(), ApiError> {
        self.0.follow(core);
        let row = core.row("", "v1", "services")?;
        let name = api::meta::name(new).unwrap_or_default().to_owned();
        let key = core.key(row, api::meta::namespace(new), &name);
        let others = self.0.by_service.iter().filter(|(other, _)| **other != key).map(|(_, held)| held);
        let (mut addresses, mut ports) = (HashSet::new(), HashSet::new());
        for holding in others {
            addresses.extend(&holding.addresses);
            ports.extend(&holding.ports);
        }
        let refused =
            |error: FieldError| ApiError::invalid(row.group, row.kind, &name, std::slice::from_ref(&error));
        keep_from_old(new, old);
        set_address(core, new, &addresses).map_err(refused)?;
        set_ports(core, new, old, &mut ports).map_err(refused)
    }
}

impl Held {
    fn follow(&mut self, core: &Core) {
        loop {
            let Some(watch) = &mut self.watch else {
                self.rebuild(core);
                return;
            };
            match watch.try_next() {
                Ok(None) => return,
                Ok(Some(event)) => match &event.entry {
                    Some(entry) => {
                        let service = crate::stored::decode(&entry.value, entry.modified);
                        self.by_service.insert(event.key, Holding::of(&service));
                    }
                    None => {
                        self.by_service.remove(&event.key);
                    }
                },
                Err(_) => self.watch = None,
            }
        }
    }

    fn rebuild(&mut self, core: &Core) {
        let Some(row) = core.registry.by_path("", "v1", "services") else { return };
        let prefix = core.prefix(row, None);
        let listing = core.store().list(&prefix, None, usize::MAX);
        self.by_service = listing
            .entries
            .into_iter()
            .map(|(key, entry)| (key, Holding::of(&crate::stored::decode(&entry.value, entry.modified))))
            .collect();
        self.watch = core.store().watch(&prefix, listing.revision).ok();
    }
}

/// Indexing would write what is absent.
fn ports_mut(service: &mut Value) -> Option<&mut Vec<Value>> {
    service.get_mut("spec")?.get_mut("ports")?.as_array_mut()
}

fn kind(service: &Value) -> &str {
    service["spec"]["type"].as_str().unwrap_or("ClusterIP")
}

/// Someone who replaces a service without its addresses keeps them.
fn keep_from_old(new: &mut Value, old: Option<&Value>) {
    let Some(old) = old.filter(|old| kind(old) != "ExternalName") else { return };
    if kind(new) == "ExternalName" {
        return;
    }
    if new["spec"]["clusterIP"].as_str().unwrap_or_default().is_empty() {
        for field in ["clusterIP", "clusterIPs"] {
            if let Some(value) = old["spec"].get(field) {
                new["spec"][field] = value.clone();
            }
        }
    }
    if !matches!(kind(new), "NodePort" | "LoadBalancer") {
        return;
    }
    let old_ports = old["spec"]["ports"].as_array().cloned().unwrap_or_default();
    for port in ports_mut(new).into_iter().flatten() {
        let is_same = |other: &&Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
        let before = old_ports.iter().find(is_same).and_then(|other| other.get("nodePort"));
        if let (None, Some(before)) = (port["nodePort"].as_u64().filter(|number| *number > 0), before) {
            port["nodePort"] = before.clone();
        }
    }
}

fn set_address(core: &Core, service: &mut Value, taken: &HashSet<Ipv4Addr>) -> Result<(), FieldError> {
    if kind(service) == "ExternalName" {
        if let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                spec.remove(field);
            }
        }
        return Ok(());
    }
    let spec = &mut service["spec"];
    let first = spec["clusterIPs"][0].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let wanted = spec["clusterIP"].as_str().filter(|text| !text.is_empty()).map(str::to_owned).or(first);
    let address = match wanted.as_deref() {
        Some("None") => "None".to_owned(),
        Some(text) => {
            check_address(core, text, taken)?;
            text.to_owned()
        }
        None => pick_address(core, taken)?.to_string(),
    };
    spec["clusterIP"] = json!(address);
    spec["clusterIPs"] = json!([address]);
    if spec["ipFamilies"].as_array().is_none_or(Vec::is_empty) {
        spec["ipFamilies"] = json!(["IPv4"]);
    }
    if spec["ipFamilyPolicy"].is_null() {
        spec["ipFamilyPolicy"] = json!("SingleStack");
    }
    Ok(())
}

fn check_address(core: &Core, text: &str, taken: &HashSet<Ipv4Addr>) -> Result<(), FieldError> {
    let fault = |why: &str| FieldError {
        fault: Fault::Invalid,
        field: "spec.clusterIPs".to_owned(),
        value: Some(json!([text])),
        detail: format!("failed to allocate IP {text}: {why}"),
    };
    let Ok(address) = text.parse::<Ipv4Addr>() else { return Err(fault("it is not a valid IPv4 address")) };
    let (base, size) = range(core);
    let offset = u32::from(address).wrapping_sub(base);
    if offset == 0 || offset >= size - 1 {
        let (network, length) = core.config.service_range;
        return Err(fault(&format!(
            "the provided IP is not in the valid range. The range of valid IPs is {network}/{length}"
        )));
    }
    if taken.contains(&address) {
        return Err(fault("provided IP is already allocated"));
    }
    Ok(())
}

fn pick_address(core: &Core, taken: &HashSet<Ipv4Addr>) -> Result<Ipv4Addr, FieldError> {
    let (base, size) = range(core);
    let band = if size > 2 * STATIC_BAND { STATIC_BAND } else { 1 };
    let count = size - 1 - band;
    let start = fastrand::u32(0..count);
    let candidates = (0..count).map(|step| Ipv4Addr::from(base + band + (start + step) % count));
    candidates.into_iter().find(|address| !taken.contains(address)).ok_or_else(|| FieldError {
        fault: Fault::Invalid,
        field: "spec.clusterIPs".to_owned(),
        value: None,
        detail: "failed to allocate a serviceIP: range is full".to_owned(),
    })
}

/// Returns the first address and how many there are.
fn range(core: &Core) -> (u32, u32) {
    let (network, length) = core.config.service_range;
    let size = 1_u32 << 32_u32.saturating_sub(u32::from(length)).clamp(2, 31);
    (u32::from(network) & !(size - 1), size)
}

fn set_ports(
    core: &Core,
    service: &mut Value,
    old: Option<&Value>,
    taken: &mut HashSet<u16>,
) -> Result<(), FieldError> {
    let wants = match kind(service) {
        "NodePort" => true,
        "LoadBalancer" => service["spec"]["allocateLoadBalancerNodePorts"].as_bool().unwrap_or(true),
        _ => {
            drop_old_ports(service, old);
            return Ok(());
        }
    };
    // a number may serve TCP and UDP of one service, so only other services' ports are taken at first
    let mut own: HashSet<u16> = HashSet::new();
    let ports = ports_mut(service);
    for (position, port) in ports.into_iter().flatten().enumerate() {
        let number = match port["nodePort"].as_u64().filter(|number| *number > 0) {
            Some(number) => check_port(core, position, number, taken)?,
            None if !wants => continue,
            None => pick_port(core, position, taken, &own)?,
        };
        own.insert(number);
        port["nodePort"] = json!(number);
    }
    Ok(())
}

/// A service that stops being reachable on nodes gives its ports back.
fn drop_old_ports(service: &mut Value, old: Option<&Value>) {
    let held = old.map(Holding::of).unwrap_or_default().ports;
    for port in ports_mut(service).into_iter().flatten() {
        let is_old =
            port["nodePort"].as_u64().is_some_and(|number| held.iter().any(|old| u64::from(*old) == number));
        if let (true, Some(port)) = (is_old, port.as_object_mut()) {
            port.remove("nodePort");
        }
    }
}

fn port_fault(position: usize, value: Option<Value>, detail: String) -> FieldError {
    FieldError { fault: Fault::Invalid, field: format!("spec.ports[{position}].nodePort"), value, detail }
}

fn check_port(core: &Core, position: usize, number: u64, taken: &HashSet<u16>) -> Result<u16, FieldError> {
    let range = &core.config.node_ports;
    let fault = |detail: String| port_fault(position, Some(json!(number)), detail);
    let valid = u16::try_from(number).ok().filter(|port| range.contains(port));
    let Some(port) = valid else {
        return Err(fault(format!(
            "provided port is not in the valid range. The range of valid ports is {}-{}",
            range.start(),
            range.end()
        )));
    };
    if taken.contains(&port) { Err(fault("provided port is already allocated".to_owned())) } else { Ok(port) }
}

fn pick_port(
    core: &Core,
    position: usize,
    taken: &HashSet<u16>,
    own: &HashSet<u16>,
) -> Result<u16, FieldError> {
    let range = core.config.node_ports.clone();
    let (first, count) = (u32::from(*range.start()), u32::try_from(range.len()).unwrap_or(1).max(1));
    let start = fastrand::u32(0..count);
    let candidates = (0..count).filter_map(|step| u16::try_from(first + (start + step) % count).ok());
    candidates
        .into_iter()
        .find(|port| !taken.contains(port) && !own.contains(port))
        .ok_or_else(|| port_fault(position, None, "failed to allocate a nodePort: range is full".to_owned()))
}

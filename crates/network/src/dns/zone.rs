//! The cluster's names made ready for looking up.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
    str::FromStr,
};

use hickory_proto::rr::{
    LowerName, Name, RData, Record,
    rdata::{A, CNAME, PTR, SOA, SRV},
};

use super::Zone;

/// Endpoints change at any moment (CoreDNS: 5).
const TTL_SECONDS: u32 = 5;

const POINTERS: &str = "in-addr.arpa.";

/// The zone in force.
#[derive(Debug)]
pub(super) struct Compiled {
    origin: LowerName,
    pods: LowerName,
    nodes: HashMap<LowerName, Node>,
    /// Names that exist only because a longer one does.
    above: HashSet<LowerName>,
}

/// What one name has.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) addresses: Vec<Record>,
    pub(super) services: Vec<Record>,
    pub(super) pointer: Option<Record>,
    pub(super) alias: Option<(Record, Name)>,
}

impl Compiled {
    /// Returns `None` when the domain is no name.
    pub(super) fn new(domain: &str, zone: Zone) -> Option<Self> {
        let origin = name(domain)?;
        let pods = name(&format!("pod.{domain}"))?;
        let mut nodes: HashMap<LowerName, Node> = HashMap::new();
        for (key, addresses) in zone.addresses {
            let Some(key) = name(&key) else { continue };
            let records = addresses.into_iter().map(|address| record(&key, RData::A(A(address))));
            nodes.entry(LowerName::new(&key)).or_default().addresses.extend(records);
        }
        for (key, services) in zone.services {
            let Some(key) = name(&key) else { continue };
            // Equal shares for all, as CoreDNS has it.
            let weight = 100_usize.checked_div(services.len()).unwrap_or(0).max(1);
            let weight = u16::try_from(weight).unwrap_or(1);
            let records = services.into_iter().filter_map(|service| {
                let target = name(&service.target)?;
                Some(record(&key, RData::SRV(SRV::new(0, weight, service.port, target))))
            });
            nodes.entry(LowerName::new(&key)).or_default().services.extend(records);
        }
        for (address, target) in zone.pointers {
            let [a, b, c, d] = address.octets();
            let (Some(key), Some(target)) = (name(&format!("{d}.{c}.{b}.{a}.{POINTERS}")), name(&target))
            else {
                continue;
            };
            nodes.entry(LowerName::new(&key)).or_default().pointer =
                Some(record(&key, RData::PTR(PTR(target))));
        }
        for (key, target) in zone.aliases {
            let (Some(key), Some(target)) = (name(&key), name(&target)) else { continue };
            let alias = record(&key, RData::CNAME(CNAME(target.clone())));
            nodes.entry(LowerName::new(&key)).or_default().alias = Some((alias, target));
        }
        let above = nodes.keys().flat_map(|name| ancestors(name, &origin)).collect();
        Some(Self { origin: LowerName::new(&origin), pods: LowerName::new(&pods), nodes, above })
    }

    /// Says whether the name is for us alone to answer.
    pub(super) fn has_authority(&self, name: &LowerName) -> bool {
        self.origin.zone_of(name) || self.nodes.contains_key(name)
    }

    pub(super) fn node(&self, name: &LowerName) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// Says whether the name exists, if only for the sake of longer ones.
    pub(super) fn exists(&self, name: &LowerName) -> bool {
        *name == self.origin || self.nodes.contains_key(name) || self.above.contains(name)
    }

    /// Reads the address in a pod's name, `10-244-0-5.namespace.pod.cluster.local`.
    pub(super) fn pod_address(&self, lower: &LowerName) -> Option<Record> {
        let own_labels = usize::from(lower.num_labels()).checked_sub(usize::from(self.pods.num_labels()))?;
        if !self.pods.zone_of(lower) || own_labels != 2 {
            return None;
        }
        let full = Name::from(lower);
        let label = std::str::from_utf8(full.iter().next()?).ok()?;
        let address = Ipv4Addr::from_str(&label.replace('-', ".")).ok()?;
        Some(record(&full, RData::A(A(address))))
    }

    /// The record that goes with "there is none": how long that stands.
    pub(super) fn authority(&self) -> Record {
        let origin = Name::from(&self.origin);
        let under = |label: &str| origin.prepend_label(label).unwrap_or_else(|_| origin.clone());
        // A serial number is for secondary servers, which we have none of.
        let times = (7200, 1800, 86_400);
        let soa = SOA::new(under("ns.dns"), under("hostmaster"), 1, times.0, times.1, times.2, TTL_SECONDS);
        record(&origin, RData::SOA(soa))
    }
}

fn record(name: &Name, data: RData) -> Record {
    Record::from_rdata(name.clone(), TTL_SECONDS, data)
}

fn name(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text.to_ascii_lowercase()).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// Lists the names between a name and the origin.
fn ancestors(lower: &LowerName, origin: &Name) -> Vec<LowerName> {
    let mut list = Vec::new();
    let mut parent = Name::from(lower).base_name();
    while parent.num_labels() > origin.num_labels() && origin.zone_of(&parent) {
        list.push(LowerName::new(&parent));
        parent = parent.base_name();
    }
    list
}

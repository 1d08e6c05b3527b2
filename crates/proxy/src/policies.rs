//! NetworkPolicies to what pods may exchange.
//!
//! A policy names pods by their labels; here each becomes its address, so that the network needs to know no
//! labels. Pods in the network of their node are not isolated, as in most of Kubernetes' implementations. The
//! cluster's DNS is no pod here, but is taken for one with the labels that it has elsewhere: policies that
//! let pods ask it hold unchanged.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use api::selector::LabelSelector;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use network::Protocol;
use network::pods::Range;
use network::policies::{Allowed, Block, PodPolicy, Ports};

use crate::observed::{name, namespace};

/// Where the cluster's DNS is elsewhere, and by which label it is found.
const DNS_NAMESPACE: &str = "kube-system";
const DNS_LABEL: (&str, &str) = ("k8s-app", "kube-dns");

/// What policies are about.
pub struct Inputs {
    /// Every policy.
    pub policies: Vec<Arc<NetworkPolicy>>,
    /// Every pod.
    pub pods: Vec<Arc<Pod>>,
    /// Every namespace.
    pub namespaces: Vec<Arc<Namespace>>,
    /// Where the cluster's DNS answers.
    pub dns: Ipv4Addr,
}

/// A pod, as policies see it.
struct Member<'a> {
    namespace: &'a str,
    labels: &'a BTreeMap<String, String>,
    address: Ipv4Addr,
    /// By name.
    ports: Vec<(&'a str, Protocol, u16)>,
    is_pod: bool,
}

/// Returns the rules of every pod that a policy selects, by address.
#[must_use]
pub fn rules(inputs: &Inputs) -> Vec<PodPolicy> {
    if inputs.policies.is_empty() {
        return Vec::new();
    }
    let dns_labels = BTreeMap::from([(DNS_LABEL.0.to_owned(), DNS_LABEL.1.to_owned())]);
    let none = BTreeMap::new();
    let mut members: Vec<Member<'_>> = inputs.pods.iter().filter_map(|pod| member(pod, &none)).collect();
    members.push(Member {
        namespace: DNS_NAMESPACE,
        labels: &dns_labels,
        address: inputs.dns,
        ports: vec![("dns", Protocol::Udp, 53), ("dns-tcp", Protocol::Tcp, 53)],
        is_pod: false,
    });
    let labels = inputs
        .namespaces
        .iter()
        .map(|namespace| (name(&namespace.metadata), namespace.metadata.labels.as_ref().unwrap_or(&none)));
    let world = World { members, namespaces: labels.collect() };
    let mut rules: BTreeMap<Ipv4Addr, PodPolicy> = BTreeMap::new();
    for policy in &inputs.policies {
        let Some(spec) = &policy.spec else { continue };
        world.apply(namespace(&policy.metadata), spec, &mut rules);
    }
    let tidy = |lines: &mut Option<Vec<Allowed>>| {
        if let Some(lines) = lines {
            lines.sort_unstable();
            lines.dedup();
        }
    };
    let mut rules: Vec<PodPolicy> = rules.into_values().collect();
    for rule in &mut rules {
        tidy(&mut rule.incoming);
        tidy(&mut rule.outgoing);
    }
    rules
}

fn member<'a>(pod: &'a Pod, none: &'a BTreeMap<String, String>) -> Option<Member<'a>> {
    let (spec, status) = (pod.spec.as_ref()?, pod.status.as_ref()?);
    let is_over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    if is_over || spec.host_network == Some(true) {
        return None;
    }
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let ports = containers.flat_map(|container| container.ports.iter().flatten()).filter_map(|port| {
        let protocol = protocol(port.protocol.as_deref())?;
        Some((port.name.as_deref()?, protocol, u16::try_from(port.container_port).ok()?))
    });
    Some(Member {
        namespace: namespace(&pod.metadata),
        labels: pod.metadata.labels.as_ref().unwrap_or(none),
        address: status.pod_ip.as_deref()?.parse().ok()?,
        ports: ports.collect(),
        is_pod: true,
    })
}

fn protocol(text: Option<&str>) -> Option<Protocol> {
    match text {
        Some("TCP") | None => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some(_) => None,
    }
}

/// Everyone that a policy can name.
struct World<'a> {
    members: Vec<Member<'a>>,
    /// The labels of namespaces.
    namespaces: HashMap<&'a str, &'a BTreeMap<String, String>>,
}

impl World<'_> {
    fn apply(&self, own: &str, spec: &NetworkPolicySpec, rules: &mut BTreeMap<Ipv4Addr, PodPolicy>) {
        let Some(selector) = selector(spec.pod_selector.as_ref()) else { return };
        let types = spec.policy_types.as_deref().unwrap_or_default();
        let says = |kind: &str| types.iter().any(|known| known == kind);
        let limits_incoming = types.is_empty() || says("Ingress");
        let limits_outgoing = says("Egress") || (types.is_empty() && spec.egress.is_some());
        let outgoing: Vec<Allowed> = spec
            .egress
            .iter()
            .flatten()
            .flat_map(|rule| self.outgoing(own, rule.to.as_deref(), rule.ports.as_deref()))
            .collect();
        let selected = |member: &&Member<'_>| {
            member.is_pod && member.namespace == own && selector.matches(member.labels)
        };
        for member in self.members.iter().filter(selected) {
            let address = member.address;
            let rule = rules.entry(address).or_insert(PodPolicy { address, incoming: None, outgoing: None });
            if limits_incoming {
                let lines = spec.ingress.iter().flatten().map(|rule| Allowed {
                    peers: self.peers(own, rule.from.as_deref()),
                    ports: ports(rule.ports.as_deref(), Some(member)),
                });
                rule.incoming.get_or_insert_default().extend(lines);
            }
            if limits_outgoing {
                rule.outgoing.get_or_insert_default().extend(outgoing.iter().cloned());
            }
        }
    }

    /// Ports by name differ from peer to peer: each has a line of its own then.
    fn outgoing(
        &self,
        own: &str,
        to: Option<&[NetworkPolicyPeer]>,
        wanted: Option<&[NetworkPolicyPort]>,
    ) -> Vec<Allowed> {
        let is_named = |port: &NetworkPolicyPort| matches!(port.port, Some(IntOrString::String(_)));
        let mut lines = vec![Allowed { peers: self.peers(own, to), ports: ports(wanted, None) }];
        if wanted.is_some_and(|wanted| wanted.iter().any(is_named)) {
            let everyone = [NetworkPolicyPeer {
                namespace_selector: Some(v1::LabelSelector::default()),
                ..NetworkPolicyPeer::default()
            }];
            let to = to.filter(|to| !to.is_empty()).unwrap_or(&everyone);
            lines.extend(self.members_of(own, to).map(|member| Allowed {
                peers: Some(vec![single(member.address)]),
                ports: ports(wanted, Some(member)),
            }));
        }
        lines
    }

    fn peers(&self, own: &str, peers: Option<&[NetworkPolicyPeer]>) -> Option<Vec<Block>> {
        let peers = peers.filter(|peers| !peers.is_empty())?;
        let mut blocks: Vec<Block> = peers.iter().filter_map(block).collect();
        blocks.extend(self.members_of(own, peers).map(|member| single(member.address)));
        blocks.sort_unstable();
        blocks.dedup();
        Some(blocks)
    }

    fn members_of(&self, own: &str, peers: &[NetworkPolicyPeer]) -> impl Iterator<Item = &Member<'_>> {
        let parsed: Vec<_> = peers
            .iter()
            .filter(|peer| peer.ip_block.is_none())
            .filter_map(|peer| {
                let namespaces = match &peer.namespace_selector {
                    Some(namespaces) => Some(LabelSelector::from_k8s(namespaces).ok()?),
                    None => None,
                };
                Some((namespaces, selector(peer.pod_selector.as_ref())?))
            })
            .collect();
        self.members.iter().filter(move |member| {
            parsed.iter().any(|(namespaces, pods)| {
                let is_there = match namespaces {
                    None => member.namespace == own,
                    Some(namespaces) => {
                        let labels = self.namespaces.get(member.namespace);
                        labels.is_some_and(|labels| namespaces.matches(labels))
                    }
                };
                is_there && pods.matches(member.labels)
            })
        })
    }
}

/// No selector, as an empty one, selects all.
fn selector(selector: Option<&v1::LabelSelector>) -> Option<LabelSelector> {
    LabelSelector::from_k8s(selector.unwrap_or(&v1::LabelSelector::default())).ok()
}

fn single(address: Ipv4Addr) -> Block {
    Block { range: Range::new(address, 32), except: Vec::new() }
}

/// Ranges of IPv6 name nobody here.
fn block(peer: &NetworkPolicyPeer) -> Option<Block> {
    let block = peer.ip_block.as_ref()?;
    let except = block.except.iter().flatten().filter_map(|text| range(text)).collect();
    Some(Block { range: range(&block.cidr)?, except })
}

fn range(text: &str) -> Option<Range> {
    let (address, prefix) = text.split_once('/')?;
    Some(Range::new(address.parse().ok()?, prefix.parse().ok().filter(|prefix| *prefix <= 32)?))
}

/// Returns the ports that are meant; those that have a name are looked up in whom they belong to.
fn ports(wanted: Option<&[NetworkPolicyPort]>, of: Option<&Member<'_>>) -> Option<Vec<Ports>> {
    let wanted = wanted.filter(|wanted| !wanted.is_empty())?;
    let mut all: Vec<Ports> = wanted.iter().flat_map(|wanted| numbers(wanted, of)).collect();
    all.sort_unstable();
    all.dedup();
    Some(all)
}

fn numbers(wanted: &NetworkPolicyPort, of: Option<&Member<'_>>) -> Vec<Ports> {
    let Some(protocol) = protocol(wanted.protocol.as_deref()) else { return Vec::new() };
    let number = |number: i32| u16::try_from(number).ok();
    match &wanted.port {
        None => vec![Ports { protocol, first: 0, last: u16::MAX }],
        Some(IntOrString::Int(first)) => {
            let last = number(wanted.end_port.unwrap_or(*first));
            number(*first)
                .zip(last)
                .map(|(first, last)| Ports { protocol, first, last })
                .into_iter()
                .collect()
        }
        Some(IntOrString::String(name)) => {
            let named = of.into_iter().flat_map(|member| &member.ports);
            let same = named.filter(|(known, of, _)| known == name && *of == protocol);
            same.map(|(_, protocol, port)| Ports { protocol: *protocol, first: *port, last: *port }).collect()
        }
    }
}

#[cfg(test)]
mod tests;

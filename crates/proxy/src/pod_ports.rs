//! Host ports of pods: `ports[].hostPort` leads to the container from the node's address and, as a local cluster's node
//! is this machine, from the host's 127.0.0.1.
//!
//! They hold for as long as the pod has its address, its grace period included: it is no service's endpoint that leaves
//! traffic first. Who may have which port is the scheduler's and the kubelet's affair; of two pods on different nodes with
//! one port, the older has it on the host.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, ContainerPort, Pod};
use network::{HostPort, Protocol, ServiceRule};

/// One port of one pod.
struct Exposed {
    /// Where it is asked for; `None`: everywhere.
    address: Option<Ipv4Addr>,
    node: Option<Ipv4Addr>,
    number: u16,
    protocol: Protocol,
    target: SocketAddrV4,
}

/// Returns whether a pod has ports of its node.
#[must_use]
pub fn has_any(pod: &Pod) -> bool {
    ports(pod).any(|port| port.host_port.is_some_and(|number| number > 0))
}

/// Returns the rules of the nodes' addresses.
#[must_use]
pub fn rules(pods: &[Arc<Pod>]) -> Vec<ServiceRule> {
    let rule = |exposed: &Exposed| {
        let address = exposed.address.or(exposed.node)?;
        let backends = vec![exposed.target];
        let (port, protocol) = (exposed.number, exposed.protocol);
        Some(ServiceRule { address, port, protocol, backends, near: Vec::new(), affinity: None })
    };
    oldest_first(pods).iter().flat_map(|pod| exposed(pod)).filter_map(|exposed| rule(&exposed)).collect()
}

/// Returns the ports of the host that lead to pods, each once.
#[must_use]
pub fn openings(pods: &[Arc<Pod>]) -> Vec<HostPort> {
    let mut taken = HashSet::new();
    let all = oldest_first(pods).into_iter().flat_map(|pod| exposed(&pod).collect::<Vec<_>>());
    let opening = |exposed: Exposed| {
        let address = exposed.address.filter(|address| Some(*address) != exposed.node);
        let listen = SocketAddr::from((address.unwrap_or(Ipv4Addr::LOCALHOST), exposed.number));
        HostPort { listen, protocol: exposed.protocol, target: exposed.target }
    };
    all.map(opening).filter(|port| taken.insert((port.listen, port.protocol))).collect()
}

/// Returns the pod that a port of the host leads to.
#[must_use]
pub fn owner(pods: &[Arc<Pod>], port: &HostPort) -> Option<Arc<Pod>> {
    pods.iter().find(|pod| exposed(pod).any(|exposed| exposed.target == port.target)).cloned()
}

fn oldest_first(pods: &[Arc<Pod>]) -> Vec<Arc<Pod>> {
    let mut pods = pods.to_vec();
    pods.sort_by_key(|pod| {
        let metadata = &pod.metadata;
        (
            metadata.creation_timestamp.as_ref().map(|time| time.0),
            metadata.namespace.clone(),
            metadata.name.clone(),
        )
    });
    pods
}

fn ports(pod: &Pod) -> impl Iterator<Item = &ContainerPort> {
    let spec = pod.spec.as_ref();
    let containers = spec.into_iter().flat_map(|spec| {
        let is_sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
        spec.containers.iter().chain(spec.init_containers.iter().flatten().filter(is_sidecar))
    });
    containers.flat_map(|container| container.ports.iter().flatten())
}

/// A pod in the node's own network has its ports there anyway, and one that has ended has no address.
fn exposed(pod: &Pod) -> impl Iterator<Item = Exposed> {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    let is_own = pod.spec.as_ref().is_some_and(|spec| spec.host_network != Some(true));
    let lives = is_own && !matches!(phase, Some("Succeeded" | "Failed"));
    let parse = |text: Option<&String>| text.and_then(|text| text.parse::<Ipv4Addr>().ok());
    let own = parse(status.and_then(|status| status.pod_ip.as_ref())).filter(|_| lives);
    let node = parse(status.and_then(|status| status.host_ip.as_ref()));
    ports(pod).filter_map(move |port| {
        let number = |number: i32| u16::try_from(number).ok().filter(|number| *number > 0);
        let protocol = match port.protocol.as_deref() {
            Some("TCP") | None => Protocol::Tcp,
            Some("UDP") => Protocol::Udp,
            Some(_) => return None,
        };
        let address = match port.host_ip.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => match text.parse::<IpAddr>().ok()? {
                IpAddr::V4(address) => Some(address).filter(|address| !address.is_unspecified()),
                IpAddr::V6(address) if address.is_unspecified() => None,
                IpAddr::V6(_) => return None,
            },
            None => None,
        };
        let target = SocketAddrV4::new(own?, number(port.container_port)?);
        Some(Exposed { address, node, number: number(port.host_port?)?, protocol, target })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(name: &str, address: &str, ports: &Value, change: &Value) -> Arc<Pod> {
        let mut pod = json!({
            "metadata": { "name": name, "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "containers": [{ "name": "c", "ports": ports }] },
            "status": { "phase": "Running", "podIP": address, "hostIP": "10.243.0.1" },
        });
        for (section, fields) in change.as_object().unwrap() {
            for (field, value) in fields.as_object().unwrap() {
                pod[section][field] = value.clone();
            }
        }
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    #[track_caller]
    fn check(pods: &[Arc<Pod>], expected_rules: &[&str], expected_openings: &[&str]) {
        assert_eq!(crate::testing::rule_words(&rules(pods)), expected_rules);
        let word = |port: &HostPort| format!("{}/{:?} -> {}", port.listen, port.protocol, port.target);
        assert_eq!(openings(pods).iter().map(word).collect::<Vec<_>>(), expected_openings);
    }

    #[test]
    fn a_port_leads_from_the_node_and_from_the_host_to_the_container() {
        let ports = json!([
            { "containerPort": 80, "hostPort": 8080 },
            { "containerPort": 53, "hostPort": 5353, "protocol": "UDP" },
            { "containerPort": 9000 },
        ]);
        check(
            &[pod("a", "10.244.0.2", &ports, &json!({}))],
            &["10.243.0.1:8080/Tcp -> 10.244.0.2:80", "10.243.0.1:5353/Udp -> 10.244.0.2:53"],
            &["127.0.0.1:8080/Tcp -> 10.244.0.2:80", "127.0.0.1:5353/Udp -> 10.244.0.2:53"],
        );
    }

    #[test]
    fn an_address_limits_where_it_leads_from() {
        let at = |address: &str| json!([{ "containerPort": 80, "hostPort": 8080, "hostIP": address }]);
        let rule = |address: &str| vec![format!("{address}:8080/Tcp -> 10.244.0.2:80")];
        for (asked, from, listens) in [
            ("0.0.0.0", "10.243.0.1", "127.0.0.1"),
            ("10.243.0.1", "10.243.0.1", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ] {
            let (rules, openings) = (rule(from), rule(listens));
            let words = |list: &[String]| list.to_vec();
            let (rules, openings) = (words(&rules), words(&openings));
            let pods = [pod("a", "10.244.0.2", &at(asked), &json!({}))];
            check(
                &pods,
                &rules.iter().map(String::as_str).collect::<Vec<_>>(),
                &openings.iter().map(String::as_str).collect::<Vec<_>>(),
            );
        }
    }

    #[test]
    fn of_two_pods_the_older_has_the_hosts_port() {
        let ports = json!([{ "containerPort": 80, "hostPort": 8080 }]);
        let younger = json!({ "metadata": { "creationTimestamp": "2026-01-02T00:00:00Z" }, "status": { "hostIP": "10.243.0.2" } });
        check(
            &[pod("a", "10.244.1.2", &ports, &younger), pod("b", "10.244.0.2", &ports, &json!({}))],
            &["10.243.0.1:8080/Tcp -> 10.244.0.2:80", "10.243.0.2:8080/Tcp -> 10.244.1.2:80"],
            &["127.0.0.1:8080/Tcp -> 10.244.0.2:80"],
        );
    }

    #[test]
    fn a_pod_without_an_address_of_its_own_has_none() {
        let ports = json!([{ "containerPort": 80, "hostPort": 80 }]);
        check(&[pod("a", "10.244.0.2", &ports, &json!({ "status": { "phase": "Succeeded" } }))], &[], &[]);
        check(&[pod("a", "10.243.0.1", &ports, &json!({ "spec": { "hostNetwork": true } }))], &[], &[]);
        check(&[pod("a", "", &ports, &json!({}))], &[], &[]);
    }
}

#![expect(clippy::needless_pass_by_value, reason = "tables hand over what `json!` made")]

use serde_json::{Value, json};

use super::*;
use crate::testing::observed;

fn service(name: &str, second: u32, spec: Value) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": name,
            "creationTimestamp": format!("2026-11-20T08:00:{second:02}Z"),
        },
        "spec": spec,
    })
}

fn balancer(name: &str, second: u32, address: &str, port: u16) -> Value {
    let spec = json!({ "type": "LoadBalancer", "clusterIP": address, "ports": [{ "port": port }] });
    service(name, second, spec)
}

fn node_port(name: &str, second: u32, address: &str, port: u16) -> Value {
    let ports = json!([{ "port": 80, "nodePort": port }]);
    service(name, second, json!({ "type": "NodePort", "clusterIP": address, "ports": ports }))
}

fn with_status(mut service: Value, address: &str) -> Value {
    service["status"] = json!({ "loadBalancer": { "ingress": [{ "ip": address, "ipMode": "VIP" }] } });
    service
}

/// Compares the ports to open, written as `30080/Tcp -> 10.96.0.7:80`.
fn check(services: &[Value], expected: &[&str]) {
    let ports = wanted(&claims(&observed(services, &[], &[])));
    let word = |port: &HostPort| format!("{}/{:?} -> {}", port.listen.port(), port.protocol, port.target);
    assert!(ports.iter().all(|port| port.listen.ip() == ADDRESS));
    assert_eq!(ports.iter().map(word).collect::<Vec<_>>(), expected);
}

/// Compares the statuses to write, as `web 127.0.0.1` or `web -`, once the host has refused `refused`.
fn check_statuses(services: &[Value], refused: &[u16], expected: &[&str]) {
    let observed = observed(services, &[], &[]);
    let mut claims = claims(&observed);
    let is_refused = |port: &HostPort| refused.contains(&port.listen.port());
    let failed: Vec<_> = wanted(&claims).into_iter().filter(is_refused).collect();
    let failed: Vec<_> =
        failed.into_iter().map(|port| (port, io::Error::from(io::ErrorKind::AddrInUse))).collect();
    refuse(&mut claims, &failed);
    let word = |(service, address): (Arc<Service>, Option<Ipv4Addr>)| {
        let address = address.map_or_else(|| "-".to_owned(), |address| address.to_string());
        format!("{} {address}", name(&service.metadata))
    };
    let words: Vec<_> = wrong_addresses(&observed, &claims).into_iter().map(word).collect();
    assert_eq!(words, expected);
}

fn advice(services: &[Value]) -> Vec<String> {
    claims(&observed(services, &[], &[])).iter().filter_map(Claim::advice).collect()
}

#[test]
fn a_node_port_is_opened_under_its_own_number_and_leads_to_the_service_port() {
    check(&[node_port("web", 0, "10.96.0.7", 30080)], &["30080/Tcp -> 10.96.0.7:80"]);
}

#[test]
fn a_load_balancer_is_opened_under_the_service_port_and_its_node_port() {
    let ports = json!([
        { "name": "http", "port": 8000, "nodePort": 30080, "protocol": "TCP" },
        { "name": "dns", "port": 8053, "protocol": "UDP" },
    ]);
    let spec = json!({ "type": "LoadBalancer", "clusterIP": "10.96.0.7", "ports": ports });
    let expected =
        ["8000/Tcp -> 10.96.0.7:8000", "30080/Tcp -> 10.96.0.7:8000", "8053/Udp -> 10.96.0.7:8053"];
    check(&[service("web", 0, spec)], &expected);
}

#[test]
fn other_services_open_nothing() {
    let ports = json!([{ "port": 80, "nodePort": 30080 }]);
    check(&[service("a", 0, json!({ "clusterIP": "10.96.0.7", "ports": ports }))], &[]);
    let external = json!({ "type": "ExternalName", "externalName": "example.org", "ports": ports });
    check(&[service("a", 0, external)], &[]);
    check(&[service("a", 0, json!({ "type": "LoadBalancer", "ports": ports }))], &[]);
}

#[test]
fn a_load_balancer_of_another_class_has_only_its_node_ports_here_and_keeps_its_status() {
    let spec = json!({
        "type": "LoadBalancer", "loadBalancerClass": "example.org/lb", "clusterIP": "10.96.0.7",
        "ports": [{ "port": 8000, "nodePort": 30080 }],
    });
    let service = service("web", 0, spec);
    check(std::slice::from_ref(&service), &["30080/Tcp -> 10.96.0.7:8000"]);
    check_statuses(&[with_status(service, "192.0.2.1")], &[], &[]);
}

#[test]
fn the_older_service_has_a_port_that_two_want_then_the_first_by_name() {
    let services = [balancer("young", 9, "10.96.0.9", 8000), balancer("old", 1, "10.96.0.1", 8000)];
    check(&services, &["8000/Tcp -> 10.96.0.1:8000"]);
    check_statuses(&services, &[], &["old 127.0.0.1"]);
    let told = "127.0.0.1:8000 was not opened on the host: the older Service `shop/old` has it; \
                choose another `port`, or delete that Service";
    assert_eq!(advice(&services), [told]);

    let same_age = [balancer("b", 1, "10.96.0.9", 8000), balancer("a", 1, "10.96.0.1", 8000)];
    check(&same_age, &["8000/Tcp -> 10.96.0.1:8000"]);

    let mixed = [balancer("b", 1, "10.96.0.9", 30080), node_port("a", 2, "10.96.0.1", 30080)];
    check(&mixed, &["30080/Tcp -> 10.96.0.9:30080"]);
}

#[test]
fn tcp_and_udp_of_one_number_are_two_ports() {
    let ports = json!([{ "name": "a", "port": 8053 }, { "name": "b", "port": 8053, "protocol": "UDP" }]);
    let spec = json!({ "type": "LoadBalancer", "clusterIP": "10.96.0.7", "ports": ports });
    check(&[service("dns", 0, spec)], &["8053/Tcp -> 10.96.0.7:8053", "8053/Udp -> 10.96.0.7:8053"]);
}

#[test]
fn a_load_balancer_shows_its_address_once_all_its_ports_are_open() {
    let web = balancer("web", 0, "10.96.0.7", 8000);
    check_statuses(std::slice::from_ref(&web), &[], &["web 127.0.0.1"]);
    check_statuses(std::slice::from_ref(&web), &[8000], &[]);
    check_statuses(&[with_status(web.clone(), "127.0.0.1")], &[], &[]);
    check_statuses(&[with_status(web.clone(), "192.0.2.1")], &[], &["web 127.0.0.1"]);
    check_statuses(&[with_status(web, "127.0.0.1")], &[8000], &["web -"]);
}

#[test]
fn a_node_port_that_the_host_refuses_does_not_cost_a_load_balancer_its_address() {
    let ports = json!([{ "port": 8000, "nodePort": 30080 }]);
    let spec = json!({ "type": "LoadBalancer", "clusterIP": "10.96.0.7", "ports": ports });
    check_statuses(&[service("web", 0, spec)], &[30080], &["web 127.0.0.1"]);
}

#[test]
fn a_service_that_is_no_load_balancer_any_more_shows_no_address() {
    let web = node_port("web", 0, "10.96.0.7", 30080);
    check_statuses(std::slice::from_ref(&web), &[], &[]);
    check_statuses(&[with_status(web, "127.0.0.1")], &[], &["web -"]);
}

#[test]
fn a_protocol_that_is_not_carried_here_leaves_a_load_balancer_without_address() {
    let ports = json!([{ "name": "a", "port": 8000 }, { "name": "b", "port": 8001, "protocol": "SCTP" }]);
    let spec = json!({ "type": "LoadBalancer", "clusterIP": "10.96.0.7", "ports": ports });
    let services = [service("web", 0, spec)];
    check(&services, &["8000/Tcp -> 10.96.0.7:8000"]);
    check_statuses(&services, &[], &[]);
    let told = "127.0.0.1:8001 was not opened on the host: SCTP is not carried here; use TCP or UDP";
    assert_eq!(advice(&services), [told]);
}

#[test]
fn a_refusal_says_what_to_do() {
    let table = [
        (io::ErrorKind::PermissionDenied, "ports this low are for root; choose a `port` from 1024 up"),
        (io::ErrorKind::AddrInUse, "another program listens there; stop it, or choose another `port`"),
    ];
    for (kind, expected) in table {
        let mut claims = claims(&observed(&[balancer("web", 0, "10.96.0.7", 80)], &[], &[]));
        let failed: Vec<_> = wanted(&claims).into_iter().map(|port| (port, io::Error::from(kind))).collect();
        refuse(&mut claims, &failed);
        assert_eq!(claims[0].reason(), "SyncLoadBalancerFailed");
        let expected = format!("127.0.0.1:80 was not opened on the host: {expected}");
        assert_eq!(claims[0].advice(), Some(expected));
    }
}

#[test]
fn a_load_balancer_for_other_sources_is_not_opened_here() {
    let with = |ranges: Value| {
        let mut service = balancer("web", 1, "10.96.0.7", 80);
        service["spec"]["loadBalancerSourceRanges"] = ranges;
        service
    };
    check(&[with(json!(["10.0.0.0/8", " 127.0.0.0/8 "]))], &["80/Tcp -> 10.96.0.7:80"]);
    check(&[with(json!(["10.0.0.0/8"]))], &[]);
    assert_eq!(
        advice(&[with(json!(["10.0.0.0/8"]))]),
        ["127.0.0.1:80 was not opened on the host: `loadBalancerSourceRanges` leaves this machine out; add \
          `127.0.0.1/32` to them"]
    );
}

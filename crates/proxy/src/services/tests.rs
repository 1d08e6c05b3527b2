#![expect(clippy::needless_pass_by_value, reason = "tables hand over what `json!` made")]

use serde_json::json;

use super::*;
use crate::observed::Observed;
use crate::testing::{observed, rule_words, slice};

fn check(service: serde_json::Value, slices: &[serde_json::Value], expected: &[&str]) {
    let observed = observed(&[service], slices, &[]);
    assert_eq!(rule_words(&rules(&observed, &[])), expected);
}

fn web(spec: serde_json::Value) -> serde_json::Value {
    json!({ "metadata": { "name": "web", "namespace": "shop" }, "spec": spec })
}

fn http() -> serde_json::Value {
    json!([{ "name": "http", "port": 80, "targetPort": "web", "protocol": "TCP" }])
}

fn nodes() -> [Node; 2] {
    [1, 2].map(|number: u8| Node {
        name: format!("node-{number}"),
        address: Ipv4Addr::new(10, 243, 0, number),
        pods: Range::new(Ipv4Addr::new(10, 244, number - 1, 0), 24),
    })
}

#[test]
fn a_local_policy_keeps_traffic_on_the_node_it_comes_from() {
    let mut slice = slice("web", &[("http", 8000)], &[("10.244.0.2", true), ("10.244.0.3", true)]);
    for endpoint in slice["endpoints"].as_array_mut().unwrap() {
        endpoint["nodeName"] = json!("node-1");
    }
    let ports = json!([{ "name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080 }]);
    let spec = json!({
        "type": "NodePort", "clusterIP": "10.96.0.7", "ports": ports,
        "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Local",
    });
    let rules = rules(&observed(&[web(spec)], &[slice], &[]), &nodes());
    assert_eq!(
        rule_words(&rules),
        [
            "10.96.0.7:80/Tcp -> 10.244.0.2:8000 10.244.0.3:8000",
            "10.243.0.1:30080/Tcp -> 10.244.0.2:8000 10.244.0.3:8000",
            "10.243.0.2:30080/Tcp ->",
        ]
    );
    let near: Vec<(Ipv4Addr, usize)> =
        rules[0].near.iter().map(|(range, backends)| (range.address, backends.len())).collect();
    assert_eq!(near, [(Ipv4Addr::new(10, 244, 0, 0), 2), (Ipv4Addr::new(10, 244, 1, 0), 0)]);
    assert!(rules[1].near.is_empty());
}

#[test]
fn a_cluster_address_leads_to_the_ready_endpoints_on_the_ports_the_slices_name() {
    let slices = [
        slice("web", &[("http", 8000)], &[("10.244.0.2", true), ("10.244.0.3", false)]),
        slice("web", &[("http", 9000)], &[("10.244.0.4", true)]),
        slice("other", &[("http", 8000)], &[("10.244.0.9", true)]),
    ];
    let service = web(json!({ "clusterIP": "10.96.0.7", "ports": http() }));
    check(service, &slices, &["10.96.0.7:80/Tcp -> 10.244.0.2:8000 10.244.0.4:9000"]);
}

#[test]
fn a_service_without_endpoints_has_a_rule_that_refuses() {
    check(web(json!({ "clusterIP": "10.96.0.7", "ports": http() })), &[], &["10.96.0.7:80/Tcp ->"]);
}

#[test]
fn headless_and_external_services_have_no_rule() {
    check(web(json!({ "clusterIP": "None", "ports": http() })), &[], &[]);
    check(web(json!({ "type": "ExternalName", "externalName": "example.org" })), &[], &[]);
}

#[test]
fn a_node_port_answers_on_every_node_and_clients_stay_for_three_hours() {
    let spec = json!({
        "type": "NodePort", "clusterIP": "10.96.0.7", "sessionAffinity": "ClientIP",
        "ports": [{ "port": 53, "protocol": "UDP", "nodePort": 30053 }],
    });
    let observed = observed(&[web(spec)], &[slice("web", &[("", 5353)], &[])], &[]);
    let rules = rules(&observed, &nodes());
    assert_eq!(
        rule_words(&rules),
        ["10.96.0.7:53/Udp ->", "10.243.0.1:30053/Udp ->", "10.243.0.2:30053/Udp ->"]
    );
    assert!(rules.iter().all(|rule| rule.affinity == Some(Duration::from_secs(10_800))));
}

#[test]
fn a_pod_that_is_ending_gets_no_traffic_though_its_slice_says_ready() {
    let service = web(json!({ "clusterIP": "10.96.0.7", "ports": http() }));
    let slices = [slice("web", &[("http", 8000)], &[("10.244.0.2", true), ("10.244.0.3", true)])];
    let observed = Observed {
        is_ending: Some(Box::new(|namespace, pod| (namespace, pod) == ("shop", "pod-10.244.0.2"))),
        ..observed(&[service], &slices, &[])
    };
    assert_eq!(rule_words(&rules(&observed, &[])), ["10.96.0.7:80/Tcp -> 10.244.0.3:8000"]);
}

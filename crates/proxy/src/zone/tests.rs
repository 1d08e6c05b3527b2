#![expect(clippy::needless_pass_by_value, reason = "tables hand over what `json!` made")]

use serde_json::json;

use super::*;
use crate::testing::{observed, slice};

fn zone_of(spec: serde_json::Value, slices: &[serde_json::Value]) -> Zone {
    let service = json!({ "metadata": { "name": "web", "namespace": "shop" }, "spec": spec });
    zone(&observed(&[service], slices, &[]), "cluster.local")
}

fn addresses(zone: &Zone, name: &str) -> Vec<String> {
    zone.addresses.get(name).into_iter().flatten().map(ToString::to_string).collect()
}

#[test]
fn a_service_has_a_name_its_ports_have_records_and_its_address_a_pointer() {
    let zone = zone_of(json!({ "clusterIP": "10.96.0.7", "ports": [{ "name": "http", "port": 80 }] }), &[]);
    assert_eq!(addresses(&zone, "web.shop.svc.cluster.local"), ["10.96.0.7"]);
    let records = &zone.services["_http._tcp.web.shop.svc.cluster.local"];
    assert_eq!(records, &[Srv { port: 80, target: "web.shop.svc.cluster.local".to_owned() }]);
    assert_eq!(zone.pointers[&Ipv4Addr::new(10, 96, 0, 7)], "web.shop.svc.cluster.local");
}

#[test]
fn a_headless_service_names_each_ready_endpoint() {
    let mut endpoints = slice("web", &[("http", 8000)], &[("10.244.0.2", true), ("10.244.0.3", true)]);
    endpoints["endpoints"][0]["hostname"] = json!("web-0");
    let spec = json!({ "clusterIP": "None", "ports": [{ "name": "http", "port": 80 }] });
    let zone = zone_of(spec, &[endpoints]);
    assert_eq!(addresses(&zone, "web.shop.svc.cluster.local"), ["10.244.0.2", "10.244.0.3"]);
    assert_eq!(addresses(&zone, "web-0.web.shop.svc.cluster.local"), ["10.244.0.2"]);
    assert_eq!(addresses(&zone, "10-244-0-3.web.shop.svc.cluster.local"), ["10.244.0.3"]);
    assert_eq!(zone.pointers[&Ipv4Addr::new(10, 244, 0, 2)], "web-0.web.shop.svc.cluster.local");
    let targets: Vec<(u16, &str)> = zone.services["_http._tcp.web.shop.svc.cluster.local"]
        .iter()
        .map(|record| (record.port, record.target.as_str()))
        .collect();
    assert_eq!(
        targets,
        [(8000, "web-0.web.shop.svc.cluster.local"), (8000, "10-244-0-3.web.shop.svc.cluster.local")]
    );
}

#[test]
fn an_external_service_is_another_name() {
    let zone = zone_of(json!({ "type": "ExternalName", "externalName": "example.org." }), &[]);
    assert_eq!(zone.aliases["web.shop.svc.cluster.local"], "example.org");
}

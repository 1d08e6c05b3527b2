#![expect(clippy::needless_pass_by_value, reason = "tables hand over what `json!` made")]

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::*;
use crate::config::Capacity;

struct Fixed;

impl Sources for Fixed {
    fn config_map(&self, _: &str, name: &str) -> Option<Arc<ConfigMap>> {
        let map = json!({ "metadata": { "name": "config" }, "data": { "COLOUR": "blue", "size": "3" } });
        (name == "config").then(|| Arc::new(serde_json::from_value(map).unwrap()))
    }

    fn secret(&self, _: &str, name: &str) -> Option<Arc<Secret>> {
        let secret = json!({ "metadata": { "name": "key" }, "data": { "PASSWORD": "c2VzYW1l" } });
        (name == "key").then(|| Arc::new(serde_json::from_value(secret).unwrap()))
    }
}

fn run(container: Value) -> Result<BTreeMap<String, String>, EnvironmentError> {
    let pod = json!({
        "metadata": { "name": "web", "namespace": "shop", "uid": "u", "labels": { "app": "web" } },
        "spec": { "nodeName": "one", "containers": [container] },
    });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let service = |namespace: &str, name: &str, address: &str| {
        let service = json!({
            "metadata": { "name": name, "namespace": namespace },
            "spec": { "clusterIP": address, "ports": [{ "name": "http", "port": 80, "protocol": "TCP" }] },
        });
        Arc::new(serde_json::from_value(service).unwrap())
    };
    let services = [
        service("default", "kubernetes", "10.96.0.1"),
        service("shop", "big-shop", "10.96.0.7"),
        service("shop", "headless", "None"),
        service("elsewhere", "other", "10.96.0.9"),
    ];
    let capacity = Capacity {
        cpu_milli: 4000,
        memory_bytes: 1 << 30,
        ephemeral_storage_bytes: 1 << 30,
        pods: 110,
        pids_per_container: 1,
    };
    let pod_address = Some(IpAddr::V4(Ipv4Addr::new(10, 244, 0, 5)));
    let facts = Facts { pod_address, node_address: IpAddr::V4(Ipv4Addr::new(10, 243, 0, 1)), capacity };
    let inputs = Inputs { pod: &pod, facts: &facts, sources: &Fixed, services: &services };
    environment(&inputs, &spec::spec(&pod).containers[0])
}

fn check(container: Value, expected: &[(&str, &str)]) {
    let variables = run(container).unwrap();
    for (name, value) in expected {
        assert_eq!(variables.get(*name).map(String::as_str), Some(*value), "{name} in {variables:?}");
    }
}

#[test]
fn a_value_expands_what_came_before_it_and_services() {
    check(
        json!({ "name": "c", "env": [
            { "name": "A", "value": "1" },
            { "name": "B", "value": "$(A)-$(LATER)-$(COLOUR)" },
            { "name": "URL", "value": "http://$(BIG_SHOP_SERVICE_HOST):$(BIG_SHOP_SERVICE_PORT_HTTP)" },
            { "name": "LATER", "value": "x" },
        ], "envFrom": [{ "configMapRef": { "name": "config" } }] }),
        &[("B", "1-$(LATER)-blue"), ("URL", "http://10.96.0.7:80"), ("KUBERNETES_SERVICE_HOST", "10.96.0.1")],
    );
}

#[test]
fn services_of_other_namespaces_and_headless_ones_leave_no_variables() {
    let variables = run(json!({ "name": "c" })).unwrap();
    assert!(!variables.keys().any(|name| name.starts_with("OTHER") || name.starts_with("HEADLESS")));
    assert_eq!(variables["BIG_SHOP_PORT_80_TCP"], "tcp://10.96.0.7:80");
}

#[test]
fn keys_fields_and_resources_become_values() {
    let field =
        |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    check(
        json!({
            "name": "c",
            "resources": { "limits": { "memory": "64Mi" }, "requests": { "cpu": "250m" } },
            "envFrom": [{ "prefix": "S_", "secretRef": { "name": "key" } }],
            "env": [
                field("NAME", "metadata.name"), field("IP", "status.podIP"), field("APP", "metadata.labels['app']"),
                { "name": "SIZE", "valueFrom": { "configMapKeyRef": { "name": "config", "key": "size" } } },
                { "name": "GONE", "valueFrom": { "configMapKeyRef": { "name": "no", "key": "x", "optional": true } } },
                { "name": "MEM", "valueFrom": { "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" } } },
                { "name": "CPU", "valueFrom": { "resourceFieldRef": { "resource": "limits.cpu" } } },
                { "name": "REQ", "valueFrom": { "resourceFieldRef": { "resource": "requests.cpu", "divisor": "1m" } } },
            ],
        }),
        &[
            ("S_PASSWORD", "sesame"),
            ("NAME", "web"),
            ("IP", "10.244.0.5"),
            ("APP", "web"),
            ("SIZE", "3"),
            ("MEM", "64"),
            ("CPU", "4"),
            ("REQ", "250"),
        ],
    );
}

#[test]
fn what_is_missing_is_named_in_kubernetes_words() {
    let missing = |source: Value| run(json!({ "name": "c", "env": [{ "name": "X", "valueFrom": source }] }));
    let message = |source: Value| missing(source).unwrap_err().to_string();
    assert_eq!(
        message(json!({ "configMapKeyRef": { "name": "no", "key": "x" } })),
        "configmap \"no\" not found"
    );
    assert_eq!(
        message(json!({ "secretKeyRef": { "name": "key", "key": "x" } })),
        "couldn't find key x in Secret shop/key"
    );
}

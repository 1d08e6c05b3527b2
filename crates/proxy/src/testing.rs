//! What the tables of the rules are written with.

use network::ServiceRule;
use serde_json::{Value, json};

use crate::observed::Observed;

/// Returns an observation of these objects.
pub(crate) fn observed(services: &[Value], slices: &[Value], ingresses: &[Value]) -> Observed {
    fn read<K: serde::de::DeserializeOwned>(objects: &[Value]) -> Vec<std::sync::Arc<K>> {
        let read = |object: &Value| std::sync::Arc::new(serde_json::from_value(object.clone()).unwrap());
        objects.iter().map(read).collect()
    }
    Observed {
        services: read(services),
        slices: Observed::by_service(read(slices)),
        ingresses: read(ingresses),
        ..Observed::default()
    }
}

/// Returns a slice of a service in namespace `shop`; each endpoint is the pod `pod-<address>`.
pub(crate) fn slice(service: &str, ports: &[(&str, u16)], endpoints: &[(&str, bool)]) -> Value {
    let port = |(name, port): &(&str, u16)| {
        // Named ports are TCP, the nameless one of the tables is DNS.
        let protocol = if name.is_empty() { "UDP" } else { "TCP" };
        json!({ "name": name, "port": port, "protocol": protocol })
    };
    let ports: Vec<Value> = ports.iter().map(port).collect();
    let endpoint = |(address, ready): &(&str, bool)| {
        json!({
            "addresses": [address],
            "conditions": { "ready": ready },
            "targetRef": { "kind": "Pod", "name": format!("pod-{address}"), "namespace": "shop" },
        })
    };
    let endpoints: Vec<Value> = endpoints.iter().map(endpoint).collect();
    json!({
        "metadata": {
            "name": format!("{service}-x"), "namespace": "shop",
            "labels": { "kubernetes.io/service-name": service },
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": endpoints,
    })
}

/// Writes rules as `10.96.0.7:80/Tcp -> 10.244.0.2:8000`.
pub(crate) fn rule_words(rules: &[ServiceRule]) -> Vec<String> {
    let word = |rule: &ServiceRule| {
        let backends: String = rule.backends.iter().map(|backend| format!(" {backend}")).collect();
        format!("{}:{}/{:?} ->{backends}", rule.address, rule.port, rule.protocol)
    };
    rules.iter().map(word).collect()
}

use serde_json::{Value, json};

use super::*;

/// Two pods `web` (labels app=web; port `http` is 8000 and 8080) and a `db` in `shop`, a `probe` in `ops`
/// (labels team=ops), and one in the network of its node.
fn world(policies: &[Value]) -> Inputs {
    let pod = |namespace: &str, app: &str, address: &str, port: u16, host_network: bool| {
        let pod = json!({
            "metadata": { "name": app, "namespace": namespace, "labels": { "app": app } },
            "spec": { "hostNetwork": host_network, "containers": [
                { "name": "c", "ports": [{ "name": "http", "containerPort": port }] } ] },
            "status": { "phase": "Running", "podIP": address },
        });
        Arc::new(serde_json::from_value(pod).unwrap())
    };
    let namespace = |name: &str, labels: Value| {
        Arc::new(serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels } })).unwrap())
    };
    let policy = |spec: &Value| {
        let policy = json!({ "metadata": { "name": "p", "namespace": "shop" }, "spec": spec });
        Arc::new(serde_json::from_value(policy).unwrap())
    };
    Inputs {
        policies: policies.iter().map(policy).collect(),
        pods: vec![
            pod("shop", "web", "10.244.0.2", 8000, false),
            pod("shop", "web", "10.244.0.3", 8080, false),
            pod("shop", "db", "10.244.0.4", 5432, false),
            pod("ops", "probe", "10.244.0.5", 80, false),
            pod("shop", "web", "10.243.0.1", 80, true),
        ],
        namespaces: vec![
            namespace("shop", json!({})),
            namespace("ops", json!({ "team": "ops" })),
            namespace("kube-system", json!({ "kubernetes.io/metadata.name": "kube-system" })),
        ],
        dns: Ipv4Addr::new(10, 96, 0, 10),
    }
}

/// Writes rules as `10.244.0.2 in: .4 tcp 80-81; 10.0.0.0/8 -10.1.0.0/16`.
fn words(rules: &[PodPolicy]) -> Vec<String> {
    let block = |block: &Block| {
        let range = |range: &Range| match range.prefix {
            32 => range.address.to_string().replace("10.244.0.", "."),
            prefix => format!("{}/{prefix}", range.address),
        };
        let except: String = block.except.iter().map(|except| format!(" -{}", range(except))).collect();
        range(&block.range) + &except
    };
    let line = |allowed: &Allowed| {
        let peers = match &allowed.peers {
            None => "all".to_owned(),
            Some(peers) => peers.iter().map(block).collect::<Vec<_>>().join(","),
        };
        let port = |ports: &Ports| match ports.first == ports.last {
            true => format!("{:?} {}", ports.protocol, ports.first),
            false => format!("{:?} {}-{}", ports.protocol, ports.first, ports.last),
        };
        let ports = match allowed.ports.as_deref() {
            None => String::new(),
            Some([]) => " no port".to_owned(),
            Some(ports) => format!(" {}", ports.iter().map(port).collect::<Vec<_>>().join(",")),
        };
        peers + &ports
    };
    let mut words = Vec::new();
    for rule in rules {
        for (direction, lines) in [("in", &rule.incoming), ("out", &rule.outgoing)] {
            let Some(lines) = lines else { continue };
            let lines: Vec<String> = lines.iter().map(line).collect();
            words.push(format!("{} {direction}: {}", rule.address, lines.join("; ")).trim().to_owned());
        }
    }
    words
}

#[track_caller]
fn check(policies: &[Value], expected: &[&str]) {
    assert_eq!(words(&rules(&world(policies))), expected);
}

#[test]
fn a_policy_without_rules_closes_the_pods_it_selects() {
    check(&[json!({ "podSelector": { "matchLabels": { "app": "db" } } })], &["10.244.0.4 in:"]);
    check(
        &[json!({ "podSelector": { "matchLabels": { "app": "db" } }, "policyTypes": ["Egress", "Ingress"] })],
        &["10.244.0.4 in:", "10.244.0.4 out:"],
    );
    check(
        &[json!({ "podSelector": {}, "policyTypes": ["Ingress"] })],
        &["10.244.0.2 in:", "10.244.0.3 in:", "10.244.0.4 in:"],
    );
    check(&[], &[]);
}

#[test]
fn peers_are_found_by_labels_of_pods_and_of_namespaces() {
    let from = |from: Value| json!({ "podSelector": { "matchLabels": { "app": "db" } }, "ingress": [{ "from": from }] });
    let web = json!({ "matchLabels": { "app": "web" } });
    let ops = json!({ "matchLabels": { "team": "ops" } });
    check(&[from(json!([{ "podSelector": web }]))], &["10.244.0.4 in: .2,.3"]);
    check(&[from(json!([{ "namespaceSelector": ops }]))], &["10.244.0.4 in: .5"]);
    check(&[from(json!([{ "namespaceSelector": ops, "podSelector": web }]))], &["10.244.0.4 in:"]);
    check(
        &[from(json!([{ "namespaceSelector": ops }, { "podSelector": web }]))],
        &["10.244.0.4 in: .2,.3,.5"],
    );
    let outside = json!([{ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"] } }]);
    check(&[from(outside)], &["10.244.0.4 in: 10.0.0.0/8 -10.1.0.0/16"]);
    check(&[from(json!([]))], &["10.244.0.4 in: all"]);
    check(
        &[from(json!([{ "podSelector": web }])), from(json!([{ "namespaceSelector": ops }]))],
        &["10.244.0.4 in: .2,.3; .5"],
    );
}

#[test]
fn ports_have_numbers_ranges_and_names() {
    let on = |ports: Value| json!({ "podSelector": { "matchLabels": { "app": "web" } }, "ingress": [{ "ports": ports }] });
    check(
        &[on(json!([{ "port": 80 }, { "port": 90, "endPort": 95, "protocol": "UDP" }]))],
        &["10.244.0.2 in: all Tcp 80,Udp 90-95", "10.244.0.3 in: all Tcp 80,Udp 90-95"],
    );
    check(
        &[on(json!([{ "port": "http" }]))],
        &["10.244.0.2 in: all Tcp 8000", "10.244.0.3 in: all Tcp 8080"],
    );
    check(
        &[on(json!([{ "protocol": "UDP" }]))],
        &["10.244.0.2 in: all Udp 0-65535", "10.244.0.3 in: all Udp 0-65535"],
    );
    // A port of which there is none, or a protocol that is not carried, lets nobody through.
    check(
        &[on(json!([{ "port": "admin" }, { "port": 1, "protocol": "SCTP" }]))],
        &["10.244.0.2 in: all no port", "10.244.0.3 in: all no port"],
    );
}

#[test]
fn a_port_by_name_is_that_of_the_peer_on_the_way_out() {
    let policy = json!({
        "podSelector": { "matchLabels": { "app": "db" } }, "policyTypes": ["Egress"],
        "egress": [{ "to": [{ "podSelector": { "matchLabels": { "app": "web" } } }], "ports": [{ "port": "http" }] }],
    });
    check(&[policy], &["10.244.0.4 out: .2 Tcp 8000; .2,.3 no port; .3 Tcp 8080"]);
}

#[test]
fn the_clusters_dns_is_found_where_it_is_elsewhere() {
    let to = |to: Value| {
        json!({
            "podSelector": { "matchLabels": { "app": "db" } }, "policyTypes": ["Egress"],
            "egress": [{ "to": to, "ports": [{ "port": 53, "protocol": "UDP" }] }],
        })
    };
    let dns = &["10.244.0.4 out: 10.96.0.10 Udp 53"];
    let system = json!({ "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } });
    check(&[to(json!([{ "namespaceSelector": system }]))], dns);
    let label = json!({ "matchLabels": { "k8s-app": "kube-dns" } });
    check(&[to(json!([{ "namespaceSelector": {}, "podSelector": label }]))], dns);
    check(&[to(json!([{ "podSelector": label }]))], &["10.244.0.4 out:  Udp 53"]);
}

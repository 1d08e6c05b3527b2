//! Services, endpoints, ingresses, network policies.

use serde_json::Value;

use super::cells::{age, at, integer, labels, list, name, selector, shortened, text, text_or};
use super::{AGE, Column, NAME, Printer};

/// How many endpoints or hosts a cell shows.
const SHOWN_MAX: usize = 3;

/// Services.
pub(crate) static SERVICE: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Type"),
        Column::text("Cluster-IP"),
        Column::text("External-IP"),
        Column::text("Port(s)"),
        AGE,
        Column::wide("Selector"),
    ],
    row: |object, now| {
        vec![
            name(object),
            text(object, "/spec/type").into(),
            text_or(object, "/spec/clusterIPs/0", "<none>").into(),
            external_ip(object).into(),
            ports(object).into(),
            age(object, now),
            labels(at(object, "/spec/selector")).into(),
        ]
    },
};

fn external_ip(object: &Value) -> String {
    let given = texts(list(object, "/spec/externalIPs"));
    match text(object, "/spec/type") {
        "ClusterIP" | "NodePort" if given.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => given.join(","),
        "LoadBalancer" => {
            let mut all = load_balancer(object);
            all.extend(given);
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        "ExternalName" => text(object, "/spec/externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

fn texts(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn load_balancer(object: &Value) -> Vec<String> {
    let mut found: Vec<String> = list(object, "/status/loadBalancer/ingress")
        .iter()
        .map(|ingress| text_or(ingress, "/ip", text(ingress, "/hostname")).to_owned())
        .filter(|address| !address.is_empty())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn ports(object: &Value) -> String {
    let pieces: Vec<String> = list(object, "/spec/ports")
        .iter()
        .map(|port| {
            let (number, protocol) = (integer(port, "/port"), text(port, "/protocol"));
            match integer(port, "/nodePort") {
                0 => format!("{number}/{protocol}"),
                node => format!("{number}:{node}/{protocol}"),
            }
        })
        .collect();
    if pieces.is_empty() { "<none>".to_owned() } else { pieces.join(",") }
}

/// Endpoints.
pub(crate) static ENDPOINTS: Printer = Printer {
    columns: &[NAME, Column::text("Endpoints"), AGE],
    row: |object, now| vec![name(object), endpoints(object).into(), age(object, now)],
};

fn endpoints(object: &Value) -> String {
    let subsets = list(object, "/subsets");
    if subsets.is_empty() {
        return "<none>".to_owned();
    }
    let mut found = Vec::new();
    for subset in subsets {
        let addresses = list(subset, "/addresses").iter().map(|address| text(address, "/ip"));
        let ports = list(subset, "/ports");
        if ports.is_empty() {
            found.extend(addresses.clone().map(str::to_owned));
        }
        for port in ports {
            found.extend(addresses.clone().map(|ip| format!("{ip}:{}", integer(port, "/port"))));
        }
    }
    shortened(&found, SHOWN_MAX, ",")
}

/// EndpointSlices.
pub(crate) static ENDPOINT_SLICE: Printer = Printer {
    columns: &[NAME, Column::text("AddressType"), Column::text("Ports"), Column::text("Endpoints"), AGE],
    row: |object, now| {
        let ports: Vec<String> = list(object, "/ports")
            .iter()
            .map(|port| match integer(port, "/port") {
                0 => text_or(port, "/name", "*").to_owned(),
                number => number.to_string(),
            })
            .collect();
        let addresses: Vec<String> =
            list(object, "/endpoints").iter().flat_map(|one| texts(list(one, "/addresses"))).collect();
        let or_unset = |cell: String| if cell.is_empty() { "<unset>".to_owned() } else { cell };
        vec![
            name(object),
            text(object, "/addressType").into(),
            or_unset(shortened(&ports, SHOWN_MAX, ",")).into(),
            or_unset(shortened(&addresses, SHOWN_MAX, ",")).into(),
            age(object, now),
        ]
    },
};

/// Ingresses.
pub(crate) static INGRESS: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Class"),
        Column::text("Hosts"),
        Column::text("Address"),
        Column::text("Ports"),
        AGE,
    ],
    row: |object, now| {
        let has_tls = !list(object, "/spec/tls").is_empty();
        vec![
            name(object),
            text_or(object, "/spec/ingressClassName", "<none>").into(),
            hosts(list(object, "/spec/rules")).into(),
            load_balancer(object).join(",").into(),
            if has_tls { "80, 443" } else { "80" }.into(),
            age(object, now),
        ]
    },
};

fn hosts(rules: &[Value]) -> String {
    let mut shown: Vec<&str> = Vec::new();
    let mut has_more = false;
    for rule in rules {
        has_more |= shown.len() == SHOWN_MAX;
        let host = text(rule, "/host");
        if !has_more && !host.is_empty() {
            shown.push(host);
        }
    }
    match shown.is_empty() {
        true => "*".to_owned(),
        false if has_more => format!("{} + {} more...", shown.join(","), rules.len() - SHOWN_MAX),
        false => shown.join(","),
    }
}

/// IngressClasses.
pub(crate) static INGRESS_CLASS: Printer = Printer {
    columns: &[NAME, Column::text("Controller"), Column::text("Parameters"), AGE],
    row: |object, now| {
        let is_default =
            text(object, "/metadata/annotations/ingressclass.kubernetes.io~1is-default-class") == "true";
        let suffix = if is_default { " (default)" } else { "" };
        let parameters = at(object, "/spec/parameters").map_or_else(
            || "<none>".to_owned(),
            |parameters| {
                let (kind, named) = (text(parameters, "/kind"), text(parameters, "/name"));
                match text(parameters, "/apiGroup") {
                    "" => format!("{kind}/{named}"),
                    group => format!("{kind}.{group}/{named}"),
                }
            },
        );
        vec![
            format!("{}{suffix}", text(object, "/metadata/name")).into(),
            text(object, "/spec/controller").into(),
            parameters.into(),
            age(object, now),
        ]
    },
};

/// NetworkPolicies.
pub(crate) static NETWORK_POLICY: Printer = Printer {
    columns: &[NAME, Column::text("Pod-Selector"), AGE],
    row: |object, now| vec![name(object), selector(at(object, "/spec/podSelector")).into(), age(object, now)],
};

//! Nodes, namespaces, events, leases, quotas, priorities.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{age, at, condition, integer, list, name, since, text, text_or};
use super::{AGE, Column, NAME, Printer};

const ROLE_LABEL: &str = "node-role.kubernetes.io/";

/// The parts of the control plane.
pub(crate) static COMPONENT_STATUS: Printer = Printer {
    columns: &[NAME, Column::text("Status"), Column::text("Message"), Column::text("Error")],
    row: |object, _| {
        let healthy = list(object, "/conditions").iter().find(|one| text(one, "/type") == "Healthy");
        let told = |field| healthy.map_or("", |healthy| text(healthy, field)).to_owned();
        let status = match told("/status").as_str() {
            "True" => "Healthy",
            "False" => "Unhealthy",
            _ => "Unknown",
        };
        vec![name(object), status.into(), told("/message").into(), told("/error").into()]
    },
};

/// Nodes.
pub(crate) static NODE: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Status"),
        Column::text("Roles"),
        AGE,
        Column::text("Version"),
        Column::wide("Internal-IP"),
        Column::wide("External-IP"),
        Column::wide("OS-Image"),
        Column::wide("Kernel-Version"),
        Column::wide("Container-Runtime"),
    ],
    row: |object, now| {
        let mut kernel = text_or(object, "/status/nodeInfo/kernelVersion", "<unknown>").to_owned();
        let architecture = text(object, "/status/nodeInfo/architecture");
        if !architecture.is_empty() {
            kernel.push_str(&format!(" ({architecture})"));
        }
        vec![
            name(object),
            node_status(object).into(),
            node_roles(object).into(),
            age(object, now),
            text(object, "/status/nodeInfo/kubeletVersion").into(),
            address(object, "InternalIP").into(),
            address(object, "ExternalIP").into(),
            text_or(object, "/status/nodeInfo/osImage", "<unknown>").into(),
            kernel.into(),
            text_or(object, "/status/nodeInfo/containerRuntimeVersion", "<unknown>").into(),
        ]
    },
};

fn node_status(object: &Value) -> String {
    let mut status = match condition(object, "Ready").map(|ready| text(ready, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if at(object, "/spec/unschedulable").and_then(Value::as_bool) == Some(true) {
        status.push_str(",SchedulingDisabled");
    }
    status
}

fn node_roles(object: &Value) -> String {
    let labels = at(object, "/metadata/labels").and_then(Value::as_object);
    let mut roles: Vec<&str> = Vec::new();
    for (key, value) in labels.into_iter().flatten() {
        let role = match key.strip_prefix(ROLE_LABEL) {
            Some(role) => role,
            None if key == "kubernetes.io/role" => value.as_str().unwrap_or_default(),
            None => continue,
        };
        if !role.is_empty() {
            roles.push(role);
        }
    }
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }
}

fn address<'a>(object: &'a Value, kind: &str) -> &'a str {
    let found = list(object, "/status/addresses").iter().find(|one| text(one, "/type") == kind);
    found.map_or("<none>", |one| text(one, "/address"))
}

/// Namespaces.
pub(crate) static NAMESPACE: Printer = Printer {
    columns: &[NAME, Column::text("Status"), AGE],
    row: |object, now| vec![name(object), text(object, "/status/phase").into(), age(object, now)],
};

/// Events, of both groups.
pub(crate) static EVENT: Printer = Printer {
    columns: &[
        Column::text("Last Seen"),
        Column::text("Type"),
        Column::text("Reason"),
        Column::text("Object"),
        Column::wide("Subobject"),
        Column::wide("Source"),
        Column::text("Message"),
        Column::wide("First Seen"),
        Column::wide("Count"),
        Column { priority: 1, ..NAME },
    ],
    row: event,
};

fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    // The fields of events.k8s.io/v1 bear other names.
    let either = |core: &'static str, new: &'static str| if at(object, core).is_some() { core } else { new };
    let first_at = either("/firstTimestamp", "/deprecatedFirstTimestamp");
    let last_at = either("/lastTimestamp", "/deprecatedLastTimestamp");
    let target = at(object, either("/involvedObject", "/regarding")).unwrap_or(&Value::Null);
    let first = match at(object, first_at) {
        Some(_) => since(object, first_at, now),
        None => since(object, "/eventTime", now),
    };
    let last = match (at(object, "/series"), at(object, last_at)) {
        (Some(series), _) => since(series, "/lastObservedTime", now),
        (None, Some(_)) => since(object, last_at, now),
        (None, None) => first.clone(),
    };
    let count = match at(object, "/series") {
        Some(series) => integer(series, "/count"),
        None => integer(object, either("/count", "/deprecatedCount")).max(1),
    };
    let kind = text(target, "/kind").to_lowercase();
    let target_name = text(target, "/name");
    let target_text = if target_name.is_empty() { kind } else { format!("{kind}/{target_name}") };
    vec![
        last.into(),
        text(object, "/type").into(),
        text(object, "/reason").into(),
        target_text.into(),
        text(target, "/fieldPath").into(),
        event_source(object, either("/source", "/deprecatedSource")).into(),
        text(object, either("/message", "/note")).trim().into(),
        first.into(),
        count.into(),
        name(object),
    ]
}

fn event_source(object: &Value, pointer: &str) -> String {
    let source = at(object, pointer).unwrap_or(&Value::Null);
    let reporter = text_or(object, "/reportingComponent", text(object, "/reportingController"));
    let component = text_or(source, "/component", reporter);
    match text_or(source, "/host", text(object, "/reportingInstance")) {
        "" => component.to_owned(),
        host => format!("{component}, {host}"),
    }
}

/// Leases.
pub(crate) static LEASE: Printer = Printer {
    columns: &[NAME, Column::text("Holder"), AGE],
    row: |object, now| vec![name(object), text(object, "/spec/holderIdentity").into(), age(object, now)],
};

/// Runtime classes.
pub(crate) static RUNTIME_CLASS: Printer = Printer {
    columns: &[NAME, Column::text("Handler"), AGE],
    row: |object, now| vec![name(object), text(object, "/handler").into(), age(object, now)],
};

/// Priority classes.
pub(crate) static PRIORITY_CLASS: Printer = Printer {
    columns: &[
        NAME,
        Column::integer("Value"),
        Column::boolean("Global-Default"),
        AGE,
        Column::text("PreemptionPolicy"),
    ],
    row: |object, now| {
        let is_default = at(object, "/globalDefault").and_then(Value::as_bool).unwrap_or_default();
        vec![
            name(object),
            integer(object, "/value").into(),
            is_default.into(),
            age(object, now),
            text(object, "/preemptionPolicy").into(),
        ]
    },
};

/// ResourceQuotas.
pub(crate) static RESOURCE_QUOTA: Printer = Printer {
    columns: &[NAME, Column::text("Request"), Column::text("Limit"), AGE],
    row: |object, now| {
        let (mut requests, mut limits) = (Vec::new(), Vec::new());
        let used = at(object, "/status/used").unwrap_or(&Value::Null);
        for (resource, hard) in at(object, "/status/hard").and_then(Value::as_object).into_iter().flatten() {
            let used = used.get(resource).and_then(Value::as_str).unwrap_or("0");
            let piece = format!("{resource}: {used}/{}", hard.as_str().unwrap_or_default());
            let column = if resource.starts_with("limits.") { &mut limits } else { &mut requests };
            column.push(piece);
        }
        vec![name(object), requests.join(", ").into(), limits.join(", ").into(), age(object, now)]
    },
};

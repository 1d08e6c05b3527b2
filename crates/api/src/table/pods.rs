//! Pods: the state column follows a long chain of cases, in this order.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cells::{
    age, at, containers, has_condition, integer, is_deleted, labels, list, name, text, text_or,
};
use super::{AGE, Column, NAME, Printer};
use crate::time;

/// Pods.
pub(crate) static POD: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Ready"),
        Column::text("Status"),
        Column::text("Restarts"),
        AGE,
        Column::wide("IP"),
        Column::wide("Node"),
        Column::wide("Nominated Node"),
        Column::wide("Readiness Gates"),
    ],
    row: pod,
};

/// Pod templates.
pub(crate) static POD_TEMPLATE: Printer = Printer {
    columns: &[NAME, Column::text("Containers"), Column::text("Images"), Column::text("Pod Labels")],
    row: |object, _| {
        let (names, images) = containers(at(object, "/template/spec"));
        vec![
            name(object),
            names.into(),
            images.into(),
            labels(at(object, "/template/metadata/labels")).into(),
        ]
    },
};

fn pod(object: &Value, now: Timestamp) -> Vec<Value> {
    let summary = Summary::of(object);
    vec![
        name(object),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.status.into(),
        restarts(summary.restarts, summary.last_restart, now).into(),
        age(object, now),
        text_or(object, "/status/podIPs/0/ip", "<none>").into(),
        text_or(object, "/spec/nodeName", "<none>").into(),
        text_or(object, "/status/nominatedNodeName", "<none>").into(),
        readiness_gates(object).into(),
    ]
}

fn restarts(count: i64, last: Option<Timestamp>, now: Timestamp) -> String {
    match last {
        Some(last) if count != 0 => format!("{count} ({} ago)", time::age(last, now)),
        Some(_) | None => count.to_string(),
    }
}

fn readiness_gates(object: &Value) -> String {
    let gates = list(object, "/spec/readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let met = gates.iter().filter(|gate| has_condition(object, text(gate, "/conditionType"))).count();
    format!("{met}/{}", gates.len())
}

/// What the columns say of a pod.
struct Summary {
    total: usize,
    ready: usize,
    status: String,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

impl Summary {
    fn of(object: &Value) -> Self {
        let sidecars = list(object, "/spec/initContainers").iter().filter(|one| is_sidecar(one)).count();
        let mut summary = Summary {
            total: list(object, "/spec/containers").len() + sidecars,
            ready: 0,
            status: text_or(object, "/status/reason", text(object, "/status/phase")).to_owned(),
            restarts: 0,
            last_restart: None,
        };
        let is_gated = |condition: &Value| {
            text(condition, "/type") == "PodScheduled" && text(condition, "/reason") == "SchedulingGated"
        };
        if list(object, "/status/conditions").iter().any(is_gated) {
            summary.status = "SchedulingGated".to_owned();
        }
        let is_initializing = summary.init_containers(object);
        if !is_initializing || has_condition(object, "Initialized") {
            summary.main_containers(object);
        }
        let is_over = matches!(text(object, "/status/phase"), "Succeeded" | "Failed");
        if is_deleted(object) && text(object, "/status/reason") == "NodeLost" {
            summary.status = "Unknown".to_owned();
        } else if is_deleted(object) && !is_over {
            summary.status = "Terminating".to_owned();
        }
        summary
    }

    /// Reads the init containers; returns whether one of them still holds the pod back.
    fn init_containers(&mut self, object: &Value) -> bool {
        let specs = list(object, "/spec/initContainers");
        let is_sidecar_named =
            |wanted: &str| specs.iter().any(|one| text(one, "/name") == wanted && is_sidecar(one));
        for (place, container) in list(object, "/status/initContainerStatuses").iter().enumerate() {
            self.restarts += integer(container, "/restartCount");
            self.last_restart = self.last_restart.max(last_end(container));
            let terminated = at(container, "/state/terminated");
            let is_running_sidecar = is_sidecar_named(text(container, "/name"))
                && at(container, "/started").and_then(Value::as_bool) == Some(true);
            let waiting = text(container, "/state/waiting/reason");
            if terminated.is_some_and(|end| integer(end, "/exitCode") == 0) {
                continue;
            }
            if is_running_sidecar {
                self.ready += usize::from(is_ready(container));
                continue;
            }
            self.status = match terminated {
                Some(end) => format!("Init:{}", end_reason(end)),
                None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
                None => format!("Init:{place}/{}", specs.len()),
            };
            return true;
        }
        false
    }

    fn main_containers(&mut self, object: &Value) {
        self.count_sidecar_restarts(object);
        let mut has_running = false;
        let mut error = String::new();
        for container in list(object, "/status/containerStatuses").iter().rev() {
            self.restarts += integer(container, "/restartCount");
            self.last_restart = self.last_restart.max(last_end(container));
            let waiting = text(container, "/state/waiting/reason");
            if !waiting.is_empty() {
                self.status = waiting.to_owned();
            } else if let Some(end) = at(container, "/state/terminated") {
                self.status = end_reason(end);
                if integer(end, "/exitCode") != 0 {
                    error.clone_from(&self.status);
                }
            } else if is_ready(container) && at(container, "/state/running").is_some() {
                has_running = true;
                self.ready += 1;
            }
        }
        // A finished container beside running ones does not make the pod completed.
        if self.status == "Completed" {
            if has_running && has_condition(object, "Ready") {
                self.status = "Running".to_owned();
            } else if !error.is_empty() {
                self.status = error;
            } else if has_running {
                self.status = "NotReady".to_owned();
            }
        }
    }

    /// Once the pod is initialized only the restarts of sidecars count among the init containers.
    fn count_sidecar_restarts(&mut self, object: &Value) {
        self.restarts = 0;
        self.last_restart = None;
        let specs = list(object, "/spec/initContainers");
        for container in list(object, "/status/initContainerStatuses") {
            let wanted = text(container, "/name");
            if specs.iter().any(|one| text(one, "/name") == wanted && is_sidecar(one)) {
                self.restarts += integer(container, "/restartCount");
                self.last_restart = self.last_restart.max(last_end(container));
            }
        }
    }
}

fn is_sidecar(container: &Value) -> bool {
    text(container, "/restartPolicy") == "Always"
}

fn is_ready(container: &Value) -> bool {
    at(container, "/ready").and_then(Value::as_bool) == Some(true)
}

fn last_end(container: &Value) -> Option<Timestamp> {
    time::parse(text(container, "/lastState/terminated/finishedAt"))
}

fn end_reason(end: &Value) -> String {
    match (text(end, "/reason"), integer(end, "/signal")) {
        ("", 0) => format!("ExitCode:{}", integer(end, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

/// Returns the conditions of a finished pod's row, which clients use to hide it.
pub(super) fn row_conditions(object: &Value) -> Option<Value> {
    let message = match text(object, "/status/phase") {
        "Succeeded" => "The pod has completed successfully.",
        "Failed" => "The pod failed.",
        _ => return None,
    };
    Some(
        json!([{"type": "Completed", "status": "True", "reason": text(object, "/status/phase"), "message": message}]),
    )
}

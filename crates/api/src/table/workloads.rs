//! Workloads: what owns pods.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{
    age, at, containers, has_condition, int_or_text, integer, is_deleted, labels, list, name, selector,
    selector_terms, since, text, text_or,
};
use super::{AGE, Column, NAME, Printer};
use crate::time;

const CONTAINERS: Column = Column::wide("Containers");
const IMAGES: Column = Column::wide("Images");
const SELECTOR: Column = Column::wide("Selector");

/// Deployments.
pub(crate) static DEPLOYMENT: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Ready"),
        Column::text("Up-to-date"),
        Column::text("Available"),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    row: |object, now| {
        let (names, images) = containers(at(object, "/spec/template/spec"));
        vec![
            name(object),
            ready_of(object),
            integer(object, "/status/updatedReplicas").into(),
            integer(object, "/status/availableReplicas").into(),
            age(object, now),
            names.into(),
            images.into(),
            selector_terms(at(object, "/spec/selector")).join(",").into(),
        ]
    },
};

/// ReplicaSets.
pub(crate) static REPLICA_SET: Printer = Printer {
    columns: REPLICAS,
    row: |object, now| replicas(object, now, selector(at(object, "/spec/selector"))),
};

/// ReplicationControllers.
pub(crate) static REPLICATION_CONTROLLER: Printer = Printer {
    columns: REPLICAS,
    row: |object, now| replicas(object, now, labels(at(object, "/spec/selector"))),
};

const REPLICAS: &[Column] = &[
    NAME,
    Column::integer("Desired"),
    Column::integer("Current"),
    Column::integer("Ready"),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

fn replicas(object: &Value, now: Timestamp, selector: String) -> Vec<Value> {
    let (names, images) = containers(at(object, "/spec/template/spec"));
    vec![
        name(object),
        integer(object, "/spec/replicas").into(),
        integer(object, "/status/replicas").into(),
        integer(object, "/status/readyReplicas").into(),
        age(object, now),
        names.into(),
        images.into(),
        selector.into(),
    ]
}

fn ready_of(object: &Value) -> Value {
    format!("{}/{}", integer(object, "/status/readyReplicas"), integer(object, "/spec/replicas")).into()
}

/// StatefulSets.
pub(crate) static STATEFUL_SET: Printer = Printer {
    columns: &[NAME, Column::text("Ready"), AGE, CONTAINERS, IMAGES],
    row: |object, now| {
        let (names, images) = containers(at(object, "/spec/template/spec"));
        vec![name(object), ready_of(object), age(object, now), names.into(), images.into()]
    },
};

/// DaemonSets.
pub(crate) static DAEMON_SET: Printer = Printer {
    columns: &[
        NAME,
        Column::integer("Desired"),
        Column::integer("Current"),
        Column::integer("Ready"),
        Column::integer("Up-to-date"),
        Column::integer("Available"),
        Column::text("Node Selector"),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    row: |object, now| {
        let (names, images) = containers(at(object, "/spec/template/spec"));
        vec![
            name(object),
            integer(object, "/status/desiredNumberScheduled").into(),
            integer(object, "/status/currentNumberScheduled").into(),
            integer(object, "/status/numberReady").into(),
            integer(object, "/status/updatedNumberScheduled").into(),
            integer(object, "/status/numberAvailable").into(),
            labels(at(object, "/spec/template/spec/nodeSelector")).into(),
            age(object, now),
            names.into(),
            images.into(),
            selector(at(object, "/spec/selector")).into(),
        ]
    },
};

/// Jobs.
pub(crate) static JOB: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Status"),
        Column::text("Completions"),
        Column::text("Duration"),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    row: |object, now| {
        let (names, images) = containers(at(object, "/spec/template/spec"));
        vec![
            name(object),
            job_status(object).into(),
            completions(object).into(),
            job_duration(object, now).into(),
            age(object, now),
            names.into(),
            images.into(),
            selector(at(object, "/spec/selector")).into(),
        ]
    },
};

fn job_status(object: &Value) -> &'static str {
    if has_condition(object, "Complete") {
        return "Complete";
    }
    if has_condition(object, "Failed") {
        return "Failed";
    }
    if is_deleted(object) {
        return "Terminating";
    }
    let others = ["Suspended", "FailureTarget", "SuccessCriteriaMet"];
    others.into_iter().find(|kind| has_condition(object, kind)).unwrap_or("Running")
}

fn completions(object: &Value) -> String {
    let succeeded = integer(object, "/status/succeeded");
    let parallelism = integer(object, "/spec/parallelism");
    match at(object, "/spec/completions") {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    }
}

fn job_duration(object: &Value, now: Timestamp) -> String {
    let Some(start) = time::parse(text(object, "/status/startTime")) else { return String::new() };
    let end = time::parse(text(object, "/status/completionTime")).unwrap_or(now);
    time::age(start, end)
}

/// CronJobs.
pub(crate) static CRON_JOB: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Schedule"),
        Column::text("Timezone"),
        Column::boolean("Suspend"),
        Column::integer("Active"),
        Column::text("Last Schedule"),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    row: |object, now| {
        let (names, images) = containers(at(object, "/spec/jobTemplate/spec/template/spec"));
        let is_suspended = at(object, "/spec/suspend").and_then(Value::as_bool);
        let last = at(object, "/status/lastScheduleTime")
            .map_or_else(|| "<none>".to_owned(), |_| since(object, "/status/lastScheduleTime", now));
        vec![
            name(object),
            text(object, "/spec/schedule").into(),
            text_or(object, "/spec/timeZone", "<none>").into(),
            is_suspended.map_or_else(|| "<unset>".to_owned(), title_case).into(),
            list(object, "/status/active").len().into(),
            last.into(),
            age(object, now),
            names.into(),
            images.into(),
            selector(at(object, "/spec/jobTemplate/spec/selector")).into(),
        ]
    },
};

fn title_case(yes: bool) -> String {
    if yes { "True" } else { "False" }.to_owned()
}

/// PodDisruptionBudgets.
pub(crate) static DISRUPTION_BUDGET: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Min Available"),
        Column::text("Max Unavailable"),
        Column::integer("Allowed Disruptions"),
        AGE,
    ],
    row: |object, now| {
        let bound = |pointer: &str| at(object, pointer).map_or_else(|| "N/A".to_owned(), int_or_text);
        vec![
            name(object),
            bound("/spec/minAvailable").into(),
            bound("/spec/maxUnavailable").into(),
            integer(object, "/status/disruptionsAllowed").into(),
            age(object, now),
        ]
    },
};

/// ControllerRevisions.
pub(crate) static CONTROLLER_REVISION: Printer = Printer {
    columns: &[NAME, Column::text("Controller"), Column::text("Revision"), AGE],
    row: |object, now| {
        vec![name(object), controller(object).into(), integer(object, "/revision").into(), age(object, now)]
    },
};

fn controller(object: &Value) -> String {
    let is_controller = |owner: &&Value| at(owner, "/controller").and_then(Value::as_bool) == Some(true);
    let Some(owner) = list(object, "/metadata/ownerReferences").iter().find(is_controller) else {
        return "<none>".to_owned();
    };
    let kind = text(owner, "/kind").to_lowercase();
    let owner_name = text(owner, "/name");
    match text(owner, "/apiVersion").split_once('/') {
        Some((group, _)) => format!("{kind}.{group}/{owner_name}"),
        None => format!("{kind}/{owner_name}"),
    }
}

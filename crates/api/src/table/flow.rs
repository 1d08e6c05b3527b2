//! Flow schemas, priority levels, certificate signing requests.

use jiff::SignedDuration;
use serde_json::Value;

use super::cells::{age, at, list, name, text};
use super::{AGE, Column, NAME, Printer};
use crate::time::human_duration;

const NONE: &str = "<none>";

/// FlowSchemas.
pub(crate) static FLOW_SCHEMA: Printer = Printer {
    columns: &[
        NAME,
        Column::text("PriorityLevel"),
        Column::integer("MatchingPrecedence"),
        Column::text("DistinguisherMethod"),
        AGE,
        Column::text("MissingPL"),
    ],
    row: |object, now| {
        let method = text(object, "/spec/distinguisherMethod/type");
        let dangling = list(object, "/status/conditions").iter().find(|one| text(one, "/type") == "Dangling");
        vec![
            name(object),
            text(object, "/spec/priorityLevelConfiguration/name").into(),
            at(object, "/spec/matchingPrecedence").cloned().unwrap_or_default(),
            if method.is_empty() { NONE } else { method }.into(),
            age(object, now),
            dangling.map_or("?", |one| text(one, "/status")).into(),
        ]
    },
};

/// PriorityLevelConfigurations.
pub(crate) static PRIORITY_LEVEL: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Type"),
        Column::text("NominalConcurrencyShares"),
        Column::text("Queues"),
        Column::text("HandSize"),
        Column::text("QueueLengthLimit"),
        AGE,
    ],
    row: |object, now| {
        let queuing = |field: &str| number(object, &format!("/spec/limited/limitResponse/queuing/{field}"));
        vec![
            name(object),
            text(object, "/spec/type").into(),
            number(object, "/spec/limited/nominalConcurrencyShares"),
            queuing("queues"),
            queuing("handSize"),
            queuing("queueLengthLimit"),
            age(object, now),
        ]
    },
};

fn number(object: &Value, pointer: &str) -> Value {
    at(object, pointer).map_or_else(|| NONE.into(), |number| number.to_string().into())
}

/// CertificateSigningRequests.
pub(crate) static SIGNING_REQUEST: Printer = Printer {
    columns: &[
        NAME,
        AGE,
        Column::text("SignerName"),
        Column::text("Requestor"),
        Column::text("RequestedDuration"),
        Column::text("Condition"),
    ],
    row: |object, now| {
        let seconds = at(object, "/spec/expirationSeconds").and_then(Value::as_i64);
        let duration = seconds.map(|seconds| human_duration(SignedDuration::from_secs(seconds)));
        vec![
            name(object),
            age(object, now),
            text(object, "/spec/signerName").into(),
            text(object, "/spec/username").into(),
            duration.unwrap_or_else(|| NONE.to_owned()).into(),
            condition(object).into(),
        ]
    },
};

/// What has become of a request, in a few words.
fn condition(object: &Value) -> String {
    let has = |kind: &str| list(object, "/status/conditions").iter().any(|one| text(one, "/type") == kind);
    let mut words = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied".to_owned(),
        (false, true) => "Approved".to_owned(),
        (false, false) => "Pending".to_owned(),
    };
    if has("Failed") {
        words.push_str(",Failed");
    }
    if !text(object, "/status/certificate").is_empty() {
        words.push_str(",Issued");
    }
    words
}

//! What nodes and pods use, in the columns of metrics-server.

use serde_json::Value;

use super::cells::{at, list, name, text};
use super::{Column, NAME, Printer};
use crate::quantity::Quantity;

const COLUMNS: &[Column] = &[
    NAME,
    Column { format: "quantity", ..Column::text("cpu") },
    Column { format: "quantity", ..Column::text("memory") },
    Column { format: "duration", ..Column::text("Window") },
];

/// NodeMetrics.
pub(crate) static NODE_METRICS: Printer = Printer {
    columns: COLUMNS,
    row: |object, _| {
        let used = |what: &str| text(object, &format!("/usage/{what}")).into();
        vec![name(object), used("cpu"), used("memory"), window(object)]
    },
};

/// PodMetrics: the containers of a pod together.
pub(crate) static POD_METRICS: Printer = Printer {
    columns: COLUMNS,
    row: |object, _| {
        let used = |what: &str| {
            let pointer = format!("/usage/{what}");
            let quantities = list(object, "/containers").iter().map(|container| text(container, &pointer));
            let sum = quantities
                .filter_map(|text| text.parse().ok())
                .fold(Quantity::ZERO, |sum: Quantity, one| sum.plus(one));
            sum.to_string().into()
        };
        vec![name(object), used("cpu"), used("memory"), window(object)]
    },
};

fn window(object: &Value) -> Value {
    at(object, "/window").cloned().unwrap_or_default()
}

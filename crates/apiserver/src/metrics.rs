//! `metrics.k8s.io`: what nodes and pods use, measured when it is asked for.

use std::collections::BTreeMap;

use api::{quantity::Quantity, resource::Resource, status::ApiError};
use http::Response;
use serde_json::{Map, Value, json};

use crate::{
    Body, answer,
    core::{Call, Core},
    measure::{Measured, Usage, Window},
    select::Selection,
};

/// The group of these kinds.
pub(crate) const GROUP: &str = "metrics.k8s.io";

/// Serves `get` and `list`; the objects themselves are those of the core, with what was measured.
pub(crate) async fn read(core: &Core, call: &Call) -> Result<Response<Body>, ApiError> {
    let measured = match &core.config.resource_metrics {
        Some(source) => source.measure().await,
        None => return Err(ApiError::unavailable("this server has nothing that measures resources")),
    };
    let objects = objects(core, call, &measured)?;
    if call.target.name.is_none() {
        return answer::computed_list(call, &objects);
    }
    answer::computed(call, objects.first().ok_or_else(|| not_found(call))?)
}

/// metrics-server's own words.
fn not_found(call: &Call) -> ApiError {
    let name = call.target.name.as_deref().unwrap_or_default();
    match call.target.namespace() {
        Some(namespace) => ApiError::not_found(GROUP, "podmetrics", &format!("{namespace}/{name}")),
        None => ApiError::not_found(GROUP, "nodemetrics", name),
    }
}

/// Returns the metrics of the selected objects, in the order of their names.
fn objects(core: &Core, call: &Call, measured: &Measured) -> Result<Vec<Value>, ApiError> {
    let row = call.target.row;
    let mut of_core = call.clone();
    of_core.target.row = core.row("", "v1", row.plural)?;
    let selection = Selection::parse(core, &of_core)?;
    let prefix = selection.exact.as_deref().unwrap_or(&selection.prefix);
    let listing = core.store().list(prefix, None, usize::MAX);
    let selected = listing
        .entries
        .iter()
        .filter(|(key, entry)| selection.has_key(key) && selection.selects(core, entry))
        .map(|(_, entry)| core.object(selection.row, entry));
    Ok(selected.filter_map(|object| object_of(row, &object, measured)).collect())
}

/// Returns the metrics of a pod or a node, if it has been measured.
fn object_of(row: &Resource, of: &Value, measured: &Measured) -> Option<Value> {
    let text = |field: &str| of["metadata"][field].as_str().unwrap_or_default();
    let (window, field, value) = if row.namespaced {
        let pod = measured.pods.get(text("uid"))?;
        (pod.window, "containers", containers(&pod.containers))
    } else {
        let node = measured.nodes.get(text("name"))?;
        (node.window, "usage", usage(node.used))
    };
    let mut metadata = Map::new();
    for known in ["name", "namespace", "labels"] {
        if let Some(value) = of["metadata"].get(known) {
            metadata.insert(known.to_owned(), value.clone());
        }
    }
    let end = api::time::seconds(window.end);
    metadata.insert("creationTimestamp".to_owned(), end.clone().into());
    Some(json!({"kind": row.kind, "apiVersion": row.api_version(), "metadata": metadata,
        "timestamp": end, "window": length(window), field: value}))
}

fn containers(all: &BTreeMap<String, Usage>) -> Value {
    all.iter().map(|(name, used)| json!({"name": name, "usage": usage(*used)})).collect()
}

/// Memory is told in whole KiB, as metrics-server tells it.
fn usage(used: Usage) -> Value {
    let kibibytes = i64::try_from(used.memory_bytes.div_ceil(1024)).unwrap_or(i64::MAX >> 10);
    let cpu = match used.cpu_nanocores {
        0 => "0".to_owned(),
        nanocores => format!("{nanocores}n"),
    };
    let memory = if kibibytes == 0 { Quantity::ZERO.to_string() } else { format!("{kibibytes}Ki") };
    json!({"cpu": cpu, "memory": memory})
}

/// Returns the length as Go writes durations below a minute and above.
pub(crate) fn length(window: Window) -> String {
    let milliseconds = window.length.as_millis();
    let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000);
    let fraction = format!("{:03}", rest % 1000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let seconds = format!("{}{point}{fraction}s", rest / 1000);
    if minutes == 0 { seconds } else { format!("{minutes}m{seconds}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn windows_are_written_as_go_writes_durations() {
        let check = |milliseconds, expected: &str| {
            let window =
                Window { end: jiff::Timestamp::UNIX_EPOCH, length: Duration::from_millis(milliseconds) };
            assert_eq!(length(window), expected);
        };
        check(15_000, "15s");
        check(15_050, "15.05s");
        check(61_007, "1m1.007s");
        check(120_000, "2m0s");
    }

    #[test]
    fn usage_is_told_in_nanocores_and_kibibytes() {
        let used = Usage { cpu_nanocores: 1_500_000, memory_bytes: 10 << 20 };
        assert_eq!(usage(used), json!({"cpu": "1500000n", "memory": "10240Ki"}));
        assert_eq!(usage(Usage::default()), json!({"cpu": "0", "memory": "0"}));
    }
}

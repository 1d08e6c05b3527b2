//! HorizontalPodAutoscalers, of both versions.

use serde_json::Value;

use super::cells::{age, at, integer, list, name, text};
use super::{AGE, Column, NAME, Printer};

/// How many metrics a cell shows.
const SHOWN_MAX: usize = 2;

/// HorizontalPodAutoscalers.
pub(crate) static AUTOSCALER: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Reference"),
        Column::text("Targets"),
        Column::text("MinPods"),
        Column::text("MaxPods"),
        Column::text("Replicas"),
        AGE,
    ],
    row: |object, now| {
        let reference = format!(
            "{}/{}",
            text(object, "/spec/scaleTargetRef/kind"),
            text(object, "/spec/scaleTargetRef/name")
        );
        let least = at(object, "/spec/minReplicas").map_or_else(|| "<unset>".to_owned(), Value::to_string);
        vec![
            name(object),
            reference.into(),
            targets(object).into(),
            least.into(),
            integer(object, "/spec/maxReplicas").into(),
            integer(object, "/status/currentReplicas").into(),
            age(object, now),
        ]
    },
};

fn targets(object: &Value) -> String {
    if let Some(target) = at(object, "/spec/targetCPUUtilizationPercentage") {
        let current = at(object, "/status/currentCPUUtilizationPercentage")
            .map_or_else(|| "<unknown>".to_owned(), |percent| format!("{percent}%"));
        return format!("cpu: {current}/{target}%");
    }
    let specs = list(object, "/spec/metrics");
    if specs.is_empty() {
        return "<none>".to_owned();
    }
    let statuses = list(object, "/status/currentMetrics");
    let shown: Vec<String> =
        specs.iter().enumerate().map(|(place, spec)| metric(spec, statuses.get(place))).collect();
    super::cells::shortened(&shown, SHOWN_MAX, ", ")
}

fn metric(spec: &Value, status: Option<&Value>) -> String {
    let (field, has_name) = match text(spec, "/type") {
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "External" => ("external", false),
        _ => return "<unknown type>".to_owned(),
    };
    let source = spec.get(field).unwrap_or(&Value::Null);
    let current = |kind: &str| {
        status
            .and_then(|status| at(status, &format!("/{field}/current/{kind}")))
            .map_or_else(|| "<unknown>".to_owned(), shown_value)
    };
    let target = |kind: &str| at(source, &format!("/target/{kind}")).map(shown_value);
    let pair = match (has_name, target("averageValue")) {
        (true, Some(target)) => format!("{}/{target}", current("averageValue")),
        (true, None) => {
            let percent = |text: String| if text.starts_with('<') { text } else { format!("{text}%") };
            let wanted = percent(target("averageUtilization").unwrap_or_else(|| "<auto>".to_owned()));
            format!("{}/{wanted}", percent(current("averageUtilization")))
        }
        (false, Some(target)) if field == "pods" => format!("{}/{target}", current("averageValue")),
        (false, Some(target)) => format!("{}/{target} (avg)", current("averageValue")),
        (false, None) => format!("{}/{}", current("value"), target("value").unwrap_or_default()),
    };
    if has_name { format!("{}: {pair}", text(source, "/name")) } else { pair }
}

fn shown_value(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

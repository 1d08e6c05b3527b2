//! `scale`: the replica count of any workload in one shape.

use api::decode::Decoded;
use api::field::{Fault, FieldError};
use api::status::ApiError;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    body,
    core::{Call, Core},
    modify::{self, Edit},
    patch,
    subresource::copy_revision,
};

/// Serves `get`.
pub(crate) fn get(core: &Core, call: &Call) -> Result<Answer, ApiError> {
    Ok(Answer::ok(scale_of(&core.find(&call.target)?.object)))
}

/// Serves `update`.
pub(crate) async fn update(core: &Core, call: &Call, body: Bytes) -> Result<Answer, ApiError> {
    let json = body::to_json(&call.headers, body)?;
    let scale: Value = serde_json::from_slice(&json)
        .map_err(|error| ApiError::bad_request(format!("error decoding Scale: {error}")))?;
    change(core, call, |_| Ok(scale.clone())).await
}

/// Serves `patch`.
pub(crate) async fn patch(core: &Core, call: &Call, body: Bytes) -> Result<Answer, ApiError> {
    if patch::is_apply(call) {
        return apply(core, call, &body).await;
    }
    change(core, call, |old| {
        let mut scale = scale_of(old);
        patch::apply_to(call, &body, &mut scale)?;
        Ok(scale)
    })
    .await
}

/// Serves server-side apply: of what it scales, the applier owns the count.
async fn apply(core: &Core, call: &Call, body: &Bytes) -> Result<Answer, ApiError> {
    let row = call.target.row;
    let scale = api::decode::parse(&body::yaml_to_json(body)?)?;
    let mut applied = json!({"apiVersion": row.api_version(), "kind": row.kind, "metadata": {
        "name": call.target.name()?, "namespace": call.target.namespace()}});
    copy_revision(&mut applied, &scale);
    if scale["spec"].get("replicas").is_some() {
        applied["spec"] = json!({"replicas": replicas(call, &scale)?});
    }
    let applied = patch::apply_to_live(core, call, &applied).await?;
    Ok(Answer { object: scale_of(&applied.object), ..applied })
}

async fn change(
    core: &Core,
    call: &Call,
    desired: impl Fn(&Value) -> Result<Value, ApiError> + Send + Sync,
) -> Result<Answer, ApiError> {
    let changed = modify::modify(core, call, &Edit::of(call)?, |old| {
        let scale = desired(old)?;
        let mut new = old.clone();
        copy_revision(&mut new, &scale);
        new["spec"]["replicas"] = json!(replicas(call, &scale)?);
        Ok(Decoded { object: new, warnings: Vec::new() })
    })
    .await?;
    Ok(Answer { object: scale_of(&changed.object), ..changed })
}

fn replicas(call: &Call, scale: &Value) -> Result<i32, ApiError> {
    let given = &scale["spec"]["replicas"];
    let count =
        if given.is_null() { Some(0) } else { given.as_i64().and_then(|count| i32::try_from(count).ok()) };
    count.filter(|count| *count >= 0).ok_or_else(|| {
        let error = FieldError {
            fault: Fault::Invalid,
            field: "spec.replicas".to_owned(),
            value: Some(given.clone()),
            detail: "must be greater than or equal to 0".to_owned(),
        };
        ApiError::invalid("autoscaling", "Scale", call.target.name.as_deref().unwrap_or_default(), &[error])
    })
}

fn scale_of(object: &Value) -> Value {
    let mut metadata = serde_json::Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let mut scale = json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {}, "status": {"replicas": object["status"]["replicas"].as_i64().unwrap_or(0)}});
    if let Some(count) = object["spec"].get("replicas") {
        scale["spec"]["replicas"] = count.clone();
    }
    let selector = selector_text(&object["spec"]["selector"]);
    if !selector.is_empty() {
        scale["status"]["selector"] = Value::String(selector);
    }
    scale
}

/// Writes a selector as clients put it into a query.
fn selector_text(selector: &Value) -> String {
    let mut terms: Vec<String> = Vec::new();
    // replication controllers have a plain map
    let plain = if selector.get("matchLabels").is_none() && selector.get("matchExpressions").is_none() {
        selector.as_object()
    } else {
        selector["matchLabels"].as_object()
    };
    for (label, value) in plain.into_iter().flatten() {
        terms.push(format!("{label}={}", value.as_str().unwrap_or_default()));
    }
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let mut values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        terms.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    terms.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_shows_count_and_selector() {
        let scale = scale_of(&json!({
            "metadata": {"name": "web", "namespace": "a", "labels": {"x": "y"}},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["b", "a"]}]}},
            "status": {"replicas": 2}
        }));
        assert_eq!(scale["spec"]["replicas"], 3);
        assert_eq!(scale["status"], json!({"replicas": 2, "selector": "app=web,tier notin (a,b)"}));
        assert_eq!(scale["metadata"], json!({"name": "web", "namespace": "a"}));
    }
}

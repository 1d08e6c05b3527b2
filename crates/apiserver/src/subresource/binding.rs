//! `binding`: the scheduler's decision.

use api::decode::Decoded;
use api::status::ApiError;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    body,
    core::{Call, Core},
    modify::{self, Edit, Part},
    subresource::copy_revision,
};

/// Serves `create` of a pod's binding, or of a Binding that names the pod.
pub(crate) async fn create(core: &Core, call: &Call, body: Bytes) -> Result<Answer, ApiError> {
    let json = body::to_json(&call.headers, body)?;
    let binding: Value = serde_json::from_slice(&json)
        .map_err(|error| ApiError::bad_request(format!("error decoding Binding: {error}")))?;
    let named = api::meta::name(&binding).unwrap_or_default();
    let name = call.target.name.clone().unwrap_or_else(|| named.to_owned());
    if !named.is_empty() && named != name {
        return Err(ApiError::bad_request("name in URL does not match name in Binding object"));
    }
    let node = binding["target"]["name"].as_str().filter(|node| !node.is_empty());
    let Some(node) = node else {
        return Err(ApiError::bad_request("Binding is invalid: target.name: Required value"));
    };
    let kind = binding["target"]["kind"].as_str().unwrap_or_default();
    if !matches!(kind, "" | "Node") {
        return Err(ApiError::bad_request(
            "Binding is invalid: target.kind: Unsupported value: supported values: \"Node\"",
        ));
    }
    let pods = Call { target: call.target.sibling(core.row("", "v1", "pods")?, &name), ..call.clone() };
    let edit = Edit { part: Part::Internal, manager: None, dry_run: call.query.dry_run()? };
    modify::modify(core, &pods, &edit, |old| bind(call, old, &binding, node)).await?;
    let status =
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(Answer { code: StatusCode::CREATED, object: status, warnings: Vec::new() })
}

fn bind(call: &Call, old: &Value, binding: &Value, node: &str) -> Result<Decoded, ApiError> {
    let name = api::meta::name(old).unwrap_or_default();
    let conflict = |why: String| ApiError::conflict("", "pods/binding", name, &why);
    if api::meta::deletion_timestamp(old).is_some() {
        return Err(conflict(format!("pod {name} is being deleted, cannot be assigned to a host")));
    }
    if let Some(bound) = old["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
        return Err(conflict(format!("pod {name} is already assigned to node \"{bound}\"")));
    }
    if old["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
        return Err(conflict(format!("pod {name} has non-empty .spec.schedulingGates")));
    }
    let mut new = old.clone();
    copy_revision(&mut new, binding);
    new["spec"]["nodeName"] = json!(node);
    for (key, value) in binding["metadata"]["annotations"].as_object().into_iter().flatten() {
        new["metadata"]["annotations"][key] = value.clone();
    }
    let scheduled = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null,
        "lastTransitionTime": api::time::seconds(call.now)});
    let conditions = old["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let others = conditions.into_iter().filter(|condition| condition["type"] != "PodScheduled");
    new["status"]["conditions"] = others.chain([scheduled]).collect();
    Ok(Decoded { object: new, warnings: Vec::new() })
}

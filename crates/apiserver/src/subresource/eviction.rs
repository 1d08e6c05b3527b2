//! `eviction`: a deletion that disruption budgets may forbid.

use api::decode::Decoded;
use api::status::{ApiError, Cause};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    body,
    core::{Call, Core},
    delete,
    modify::{self, Edit, Part},
};

/// After so many seconds an evictor may ask again.
const RETRY_SECONDS: u32 = 10;
const TARGET: &str = "DisruptionTarget";

/// Serves `create` of a pod's eviction.
pub(crate) async fn create(core: &Core, call: &Call, body: Bytes) -> Result<Answer, ApiError> {
    let json = body::to_json(&call.headers, body)?;
    let eviction: Value = serde_json::from_slice(&json)
        .map_err(|error| ApiError::bad_request(format!("error decoding Eviction: {error}")))?;
    let options = delete::Options::from_object(call, &eviction["deleteOptions"])?;
    let pod = core.find(&call.target)?.object;
    let has_ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed" | "Pending"));
    if !has_ended && api::meta::deletion_timestamp(&pod).is_none() {
        spend_disruption(core, call, &pod, options.dry_run).await?;
    }
    if api::meta::deletion_timestamp(&pod).is_none() {
        announce(core, call, &pod, options.dry_run).await?;
    }
    delete::delete_one(core, call, &call.target, &options).await?;
    Ok(Answer::created(
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    ))
}

/// Says in the pod's status that it is disrupted, and not at fault: policies of Jobs ask for that.
async fn announce(core: &Core, call: &Call, pod: &Value, dry_run: bool) -> Result<(), ApiError> {
    let name = api::meta::name(pod).unwrap_or_default();
    let inner =
        Call { target: call.target.sibling(call.target.row, name), ..Call::internal(call.target.clone()) };
    let edit = Edit { part: Part::Internal, manager: None, dry_run };
    let condition = json!({"type": TARGET, "status": "True", "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting", "lastTransitionTime": api::time::seconds(call.now)});
    modify::modify(core, &inner, &edit, |old| {
        let mut new = old.clone();
        let known = old["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let others = known.into_iter().filter(|one| one["type"] != TARGET);
        new["status"]["conditions"] = others.chain([condition.clone()]).collect();
        Ok(Decoded { object: new, warnings: Vec::new() })
    })
    .await
    .map(|_| ())
}

/// Takes one disruption from the budget that covers the pod.
async fn spend_disruption(core: &Core, call: &Call, pod: &Value, dry_run: bool) -> Result<(), ApiError> {
    let Some(row) = core.registry.by_path("policy", "v1", "poddisruptionbudgets") else { return Ok(()) };
    let budgets: Vec<Value> =
        core.all(row, call.target.namespace()).into_iter().filter(|budget| covers(budget, pod)).collect();
    let budget = match budgets.as_slice() {
        [] => return Ok(()),
        [budget] => budget,
        _ => {
            return Err(ApiError::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
    };
    let name = api::meta::name(budget).unwrap_or_default();
    let pod_name = api::meta::name(pod).unwrap_or_default();
    let inner = Call { target: call.target.sibling(row, name), ..Call::internal(call.target.clone()) };
    let edit = Edit { part: Part::Internal, manager: None, dry_run };
    modify::modify(core, &inner, &edit, |old| {
        let allowed = old["status"]["disruptionsAllowed"].as_i64().unwrap_or(0);
        if allowed <= 0 {
            return Err(refused(old));
        }
        let mut new = old.clone();
        new["status"]["disruptionsAllowed"] = json!(allowed - 1);
        new["status"]["disruptedPods"][pod_name] = json!(api::time::seconds(call.now));
        Ok(Decoded { object: new, warnings: Vec::new() })
    })
    .await
    .map(|_| ())
}

fn covers(budget: &Value, pod: &Value) -> bool {
    let selector = budget["spec"].get("selector").cloned();
    selector
        .and_then(|selector| serde_json::from_value(selector).ok())
        .and_then(|selector| api::selector::LabelSelector::from_k8s(&selector).ok())
        .is_some_and(|selector| selector.matches_object(pod))
}

fn refused(budget: &Value) -> ApiError {
    let mut error = ApiError::too_many_requests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        RETRY_SECONDS,
    );
    let count = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
    if let Some(details) = &mut error.details {
        details.causes = vec![Cause {
            reason: "DisruptionBudget".to_owned(),
            message: format!(
                "The disruption budget {} needs {} healthy pods and has {} currently",
                api::meta::name(budget).unwrap_or_default(),
                count("desiredHealthy"),
                count("currentHealthy")
            ),
            field: String::new(),
        }];
    }
    error
}

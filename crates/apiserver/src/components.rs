//! `componentstatuses`: how the parts of the control plane are.
//!
//! They live and die in one process, and whoever answers shares it: scheduler and controllers end only with it.
//! What can fail by itself is the store.

use api::status::ApiError;
use http::Response;
use serde_json::{Value, json};
use store::{CommitError, Expect, Revision, Write};

use crate::{
    Body, answer,
    core::{Call, Core},
    select::Selection,
};

/// The kind's plural, in the core group.
pub(crate) const PLURAL: &str = "componentstatuses";

/// As they are called in Kubernetes; the last one is the store.
const PARTS: [&str; 3] = ["scheduler", "controller-manager", "etcd-0"];

/// Serves `get` and `list`.
pub(crate) async fn read(core: &Core, call: &Call) -> Result<Response<Body>, ApiError> {
    let selection = Selection::parse(core, call)?;
    let failure = store_failure(core).await;
    let mut all = PARTS.iter().map(|name| status(name, failure.as_deref().filter(|_| *name == "etcd-0")));
    if let Some(wanted) = &call.target.name {
        let found = all.find(|one| api::meta::name(one) == Some(wanted));
        return answer::computed(call, &found.ok_or_else(|| call.target.not_found())?);
    }
    let selected: Vec<Value> = all.filter(|one| selection.matches(one)).collect();
    answer::computed_list(call, &selected)
}

/// Asks the store for a write that can only be refused: one that takes writes says that nothing is there.
async fn store_failure(core: &Core) -> Option<String> {
    let nothing = Write { key: "health".into(), expect: Expect::At(Revision(u64::MAX)), value: None };
    match core.store().commit(nothing).await {
        Ok(_) | Err(CommitError::Mismatch(_)) => None,
        Err(error) => Some(error.to_string()),
    }
}

fn status(name: &str, failure: Option<&str>) -> Value {
    let condition = match failure {
        None => json!({"type": "Healthy", "status": "True", "message": "ok"}),
        Some(why) => json!({"type": "Healthy", "status": "False", "error": why}),
    };
    json!({"kind": "ComponentStatus", "apiVersion": "v1",
        "metadata": {"name": name, "creationTimestamp": null}, "conditions": [condition]})
}

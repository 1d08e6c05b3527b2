//! Namespaces: what they are born with, and that nothing new comes into one that ends.

use api::decode::Decoded;
use api::root_ca;
use api::status::{ApiError, Cause, Details};
use serde_json::{Value, json};

use crate::{
    core::{Call, Core},
    create,
    modify::{self, Edit, Part},
    route::Target,
};

const MANAGER: &str = "kube-controller-manager";

const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Refuses objects for a namespace that is absent or ends.
pub(super) fn admit_into(core: &Core, call: &Call, object: &Value) -> Result<(), ApiError> {
    let Some(namespace) = call.target.namespace().filter(|_| call.target.row.namespaced) else {
        return Ok(());
    };
    let found = core.find_core("namespaces", None, namespace)?;
    if api::meta::deletion_timestamp(&found.object).is_none() {
        return Ok(());
    }
    let row = call.target.row;
    let name = api::meta::name(object).unwrap_or_default();
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut error = ApiError::forbidden(row.group, row.plural, name, &why);
    let cause = Cause {
        reason: "NamespaceTerminating".to_owned(),
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".to_owned(),
    };
    let details = error.details.take().map_or_else(Details::default, |details| *details);
    error.details = Some(Box::new(Details { causes: vec![cause], ..details }));
    Err(error)
}

/// Gives a new namespace its label, its finalizer and its phase.
pub(super) fn complete(object: &mut Value) {
    label(object);
    let finalizers = object["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == "kubernetes") {
        let all: Vec<Value> = std::iter::once(json!("kubernetes")).chain(finalizers).collect();
        object["spec"]["finalizers"] = Value::Array(all);
    }
    object["status"] = json!({"phase": "Active"});
}

/// Keeps the label that selects a namespace by its name.
pub(super) fn label(object: &mut Value) {
    if let Some(name) = api::meta::name(object).map(str::to_owned) {
        object["metadata"]["labels"][NAME_LABEL] = Value::String(name);
    }
}

/// Gives a new namespace its `default` service account and the certificate authority at once, so that no pod
/// created right after it has to wait. Their controllers restore them later.
pub(crate) async fn after_create(core: &Core, call: &Call, object: &Value) {
    let row = call.target.row;
    if let (("", "namespaces"), Some(namespace)) = ((row.group, row.plural), api::meta::name(object)) {
        furnish(core, namespace).await;
    }
}

/// Creates what every namespace has, and brings the certificate authority up to date.
pub(crate) async fn furnish(core: &Core, namespace: &str) {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    let authority = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": root_ca::NAME, "annotations": {root_ca::DESCRIPTION: root_ca::DESCRIBED}},
        "data": {root_ca::FILE: core.config.certificate_authority}});
    for (plural, object) in [("serviceaccounts", account), ("configmaps", authority)] {
        let Ok(row) = core.row("", "v1", plural) else { continue };
        let name = api::meta::name(&object).map(str::to_owned);
        let target = Target {
            row,
            namespace: Some(namespace.to_owned()),
            name,
            subresource: None,
            tail: String::new(),
        };
        if let Err(error) = Box::pin(ensure(core, target, object)).await {
            tracing::warn!(namespace, plural, %error, "failed to furnish a namespace");
        }
    }
}

async fn ensure(core: &Core, target: Target, object: Value) -> Result<(), ApiError> {
    let wanted = object["data"].clone();
    match core.find(&target) {
        Ok(found) if found.object["data"] == wanted => return Ok(()),
        Ok(_) => {}
        Err(error) if error.code == 404 => {
            let call = Call::internal(Target { name: None, ..target });
            return match create::insert(core, &call, object, Some(MANAGER)).await {
                // the controller was first, with the same
                Err(error) if error.reason == "AlreadyExists" => Ok(()),
                created => created.map(drop),
            };
        }
        Err(error) => return Err(error),
    }
    let edit = Edit { part: Part::Object, manager: Some(MANAGER.to_owned()), dry_run: false };
    let change = |old: &Value| {
        let mut new = old.clone();
        new["data"] = wanted.clone();
        Ok(Decoded { object: new, warnings: Vec::new() })
    };
    modify::modify(core, &Call::internal(target), &edit, change).await.map(drop)
}

//! The service account of a pod and the volume with its token.

use std::time::Duration;

use api::status::ApiError;
use serde_json::{Value, json};
use store::Revision;

use crate::core::{Call, Core, Found};

const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX: &str = "kube-api-access-";
/// A little more than an hour, as Kubernetes asks for.
const TOKEN_SECONDS: i64 = 3607;
/// A controller may be about to create the account.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sets the account of a pod, and mounts its token unless the pod or the account says no.
pub(super) async fn inject(core: &Core, call: &Call, pod: &mut Value) -> Result<(), ApiError> {
    if pod["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some() {
        return Ok(());
    }
    let named = pod["spec"]["serviceAccountName"].as_str().filter(|name| !name.is_empty());
    let name = named.unwrap_or("default").to_owned();
    let account = account(core, call, pod, &name).await?.object;
    let spec = &mut pod["spec"];
    spec["serviceAccountName"] = json!(name);
    spec["serviceAccount"] = json!(name);
    let wants_token = spec["automountServiceAccountToken"]
        .as_bool()
        .or(account["automountServiceAccountToken"].as_bool())
        .unwrap_or(true);
    if wants_token {
        mount_token(spec);
    }
    let has_secrets = spec["imagePullSecrets"].as_array().is_some_and(|all| !all.is_empty());
    if let (false, Some(secrets)) = (has_secrets, account.get("imagePullSecrets")) {
        spec["imagePullSecrets"] = secrets.clone();
    }
    Ok(())
}

/// Finds the account; waits a little for one that is about to be created.
async fn account(core: &Core, call: &Call, pod: &Value, name: &str) -> Result<Found, ApiError> {
    let namespace = call.target.namespace();
    let missing = || {
        let namespace = namespace.unwrap_or_default();
        let why = format!(
            "error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"
        );
        ApiError::forbidden("", "pods", api::meta::name(pod).unwrap_or_default(), &why)
    };
    let revision = core.store().revision();
    match core.find_core("serviceaccounts", namespace, name) {
        Err(error) if error.code == 404 => {}
        found => return found,
    }
    let key = core.key(core.row("", "v1", "serviceaccounts")?, namespace, name);
    let wait = tokio::time::timeout(PATIENCE, appears(core, &key, revision));
    wait.await.map_err(|_| missing())?.ok_or_else(missing)?;
    core.find_core("serviceaccounts", namespace, name)
}

async fn appears(core: &Core, key: &str, since: Revision) -> Option<()> {
    let mut watch = core.store().watch(key, since).ok()?;
    loop {
        let event = watch.next().await.ok()?;
        if &*event.key == key && event.entry.is_some() {
            return Some(());
        }
    }
}

fn mount_token(spec: &mut Value) {
    let volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
    let existing = volumes
        .iter()
        .filter_map(|volume| volume["name"].as_str())
        .find(|name| name.starts_with(VOLUME_PREFIX))
        .map(str::to_owned);
    let is_new = existing.is_none();
    let name = existing.unwrap_or_else(|| api::names::generate(VOLUME_PREFIX, fastrand::u64(..)));
    let mut is_mounted = false;
    for field in ["initContainers", "containers"] {
        let containers = spec.get_mut(field).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
            if mounts.iter().any(|mount| mount["mountPath"] == MOUNT_PATH) {
                continue;
            }
            let mount = json!({"name": name, "mountPath": MOUNT_PATH, "readOnly": true});
            container["volumeMounts"] = mounts.into_iter().chain([mount]).collect();
            is_mounted = true;
        }
    }
    if is_mounted && is_new {
        spec["volumes"] = volumes.into_iter().chain([token_volume(&name)]).collect();
    }
}

fn token_volume(name: &str) -> Value {
    let namespace = json!({"path": "namespace",
        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}});
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}}
    ]}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_container_gets_the_token_unless_it_mounts_something_there() {
        let mut spec = json!({
            "containers": [{"name": "a"}, {"name": "b", "volumeMounts": [{"name": "own", "mountPath": MOUNT_PATH}]}],
            "initContainers": [{"name": "i"}]
        });
        mount_token(&mut spec);
        let volume = spec["volumes"][0]["name"].as_str().unwrap().to_owned();
        assert!(volume.starts_with(VOLUME_PREFIX));
        assert_eq!(spec["containers"][0]["volumeMounts"][0]["name"], volume);
        assert_eq!(spec["initContainers"][0]["volumeMounts"][0]["mountPath"], MOUNT_PATH);
        assert_eq!(spec["containers"][1]["volumeMounts"].as_array().unwrap().len(), 1);
    }
}

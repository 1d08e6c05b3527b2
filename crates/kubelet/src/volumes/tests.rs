#![expect(clippy::needless_pass_by_value, reason = "tables hand over what `json!` made")]

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::json;

use super::*;
use crate::config::Capacity;
use crate::environment::Sources;
use crate::fields::Facts;

struct Config(&'static str);

impl Sources for Config {
    fn config_map(&self, _: &str, name: &str) -> Option<Arc<ConfigMap>> {
        let map = json!({ "metadata": { "name": name }, "data": { "a.txt": self.0, "b.txt": "b" } });
        (name == "config").then(|| Arc::new(serde_json::from_value(map).unwrap()))
    }

    fn secret(&self, _: &str, _: &str) -> Option<Arc<Secret>> {
        None
    }
}

/// Directories in a folder that lives as long as this.
struct Home {
    _folder: tempfile::TempDir,
    directories: Directories,
}

fn home() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let directories =
        Directories { pods: at("pods"), volatile: at("run"), logs: at("logs"), snapshots: at("snapshots") };
    Home { _folder: folder, directories }
}

fn pod(volumes: serde_json::Value) -> Pod {
    let mounts = json!([
        { "name": "v", "mountPath": "/v" }, { "name": "v", "mountPath": "/sub", "subPath": "deep/er" },
        { "name": "v", "mountPath": "/out", "subPath": "../x" },
    ]);
    serde_json::from_value(json!({
        "metadata": { "name": "p", "namespace": "n", "uid": "u" },
        "spec": { "containers": [{ "name": "c", "volumeMounts": mounts }], "volumes": volumes },
    }))
    .unwrap()
}

fn prepared(home: &Home, pod: &Pod, colour: &'static str) -> Result<(), VolumeError> {
    let capacity = Capacity { cpu_milli: 1, memory_bytes: 1, ephemeral_storage_bytes: 1, pods: 1 };
    let facts = Facts { pod_address: None, node_address: [10, 243, 0, 1].into(), capacity };
    let tokens = Tokens::from([(("v".to_owned(), "token".to_owned()), "secret".to_owned())]);
    let inputs = Inputs { pod, facts: &facts, sources: &Config(colour), tokens: &tokens };
    prepare(&home.directories, &inputs)
}

#[test]
fn an_update_replaces_all_files_at_once_and_an_equal_one_touches_nothing() {
    let home = home();
    let pod = pod(json!([{ "name": "v", "configMap": { "name": "config" } }]));
    let folder = home.directories.volatile.join("u/v");
    let version = || fs::read_link(folder.join("..data")).unwrap();

    prepared(&home, &pod, "blue").unwrap();
    let first = version();
    assert_eq!(fs::read_to_string(folder.join("a.txt")).unwrap(), "blue");
    prepared(&home, &pod, "blue").unwrap();
    assert_eq!(version(), first);
    prepared(&home, &pod, "green").unwrap();
    assert_ne!(version(), first);
    assert_eq!(fs::read_to_string(folder.join("a.txt")).unwrap(), "green");
    assert!(!folder.join(first).exists());
}

#[test]
fn items_choose_keys_paths_and_modes() {
    let home = home();
    let source = json!({ "name": "config", "items": [{ "key": "a.txt", "path": "in/side", "mode": 0o400 }] });
    let pod = pod(json!([{ "name": "v", "configMap": source }]));
    prepared(&home, &pod, "blue").unwrap();
    let file = home.directories.volatile.join("u/v/in/side");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o400);
    assert!(!home.directories.volatile.join("u/v/b.txt").exists());
}

#[test]
fn a_projected_volume_joins_token_configuration_and_fields() {
    let home = home();
    let pod = pod(json!([{ "name": "v", "projected": { "sources": [
        { "serviceAccountToken": { "path": "token" } },
        { "configMap": { "name": "config", "items": [{ "key": "a.txt", "path": "ca.crt" }] } },
        { "downwardAPI": { "items": [{ "path": "namespace", "fieldRef": { "fieldPath": "metadata.namespace" } }] } },
    ] } }]));
    prepared(&home, &pod, "ca").unwrap();
    let read = |name: &str| fs::read_to_string(home.directories.volatile.join("u/v").join(name)).unwrap();
    assert_eq!(
        (read("token"), read("ca.crt"), read("namespace")),
        ("secret".into(), "ca".into(), "n".into())
    );
}

#[test]
fn a_missing_config_map_is_named_unless_it_is_optional() {
    let home = home();
    let error =
        prepared(&home, &pod(json!([{ "name": "v", "configMap": { "name": "no" } }])), "").unwrap_err();
    assert_eq!(error.to_string(), "MountVolume.SetUp failed for volume \"v\" : configmap \"no\" not found");
    prepared(&home, &pod(json!([{ "name": "v", "configMap": { "name": "no", "optional": true } }])), "")
        .unwrap();
}

#[test]
fn a_sub_path_is_created_in_its_volume_and_never_leaves_it() {
    let home = home();
    let pod = pod(json!([{ "name": "v", "emptyDir": {} }]));
    prepared(&home, &pod, "").unwrap();
    let mut container = spec::spec(&pod).containers[0].clone();
    let error = mounts(&home.directories, &pod, &container, &Default::default()).unwrap_err();
    assert!(matches!(error, MountError::Escape { .. }));

    container.volume_mounts.as_mut().unwrap().pop();
    let made = mounts(&home.directories, &pod, &container, &Default::default()).unwrap();
    assert!(made[1].source.ends_with("pods/u/volumes/v/deep/er") && made[1].source.is_dir());

    std::os::unix::fs::symlink("/etc", home.directories.pods.join("u/volumes/v/link")).unwrap();
    container.volume_mounts.as_mut().unwrap()[1].sub_path = Some("link".to_owned());
    assert!(matches!(
        mounts(&home.directories, &pod, &container, &Default::default()).unwrap_err(),
        MountError::Escape { .. }
    ));
}

#[test]
fn a_pod_leaves_no_file_behind() {
    let home = home();
    let pod =
        pod(json!([{ "name": "v", "emptyDir": { "medium": "Memory" } }, { "name": "w", "emptyDir": {} }]));
    prepared(&home, &pod, "").unwrap();
    assert!(
        home.directories.volatile.join("u/v").is_dir() && home.directories.pods.join("u/volumes/w").is_dir()
    );
    remove(&home.directories, "u").unwrap();
    remove(&home.directories, "u").unwrap();
    assert!(!home.directories.volatile.join("u").exists() && !home.directories.pods.join("u").exists());
}

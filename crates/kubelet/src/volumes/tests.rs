#![expect(clippy::needless_pass_by_value, reason = "tables hand over what `json!` made")]

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolume, PersistentVolumeClaim, Secret};
use serde_json::json;

use std::os::unix::fs::{MetadataExt, PermissionsExt};

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

impl Claims for Config {
    fn claim(&self, namespace: &str, name: &str) -> Option<Arc<PersistentVolumeClaim>> {
        let mut claim = json!({ "metadata": { "name": name, "namespace": namespace, "uid": "c" },
            "spec": { "volumeName": self.0 } });
        if name == "bound" {
            claim["metadata"]["annotations"] = json!({ api::storage::BIND_COMPLETED: "yes" });
        }
        (name != "missing").then(|| Arc::new(serde_json::from_value(claim).unwrap()))
    }

    fn volume(&self, name: &str) -> Option<Arc<PersistentVolume>> {
        let volume = json!({ "metadata": { "name": name }, "spec": { "local": { "path": name } } });
        (!name.is_empty()).then(|| Arc::new(serde_json::from_value(volume).unwrap()))
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
    let directories = Directories {
        pods: at("pods"),
        volatile: at("run"),
        logs: at("logs"),
        claims: at("claims"),
        pulled: at("pulled.json"),
        snapshots: at("snapshots"),
    };
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
    let capacity = Capacity {
        cpu_milli: 1,
        memory_bytes: 1,
        ephemeral_storage_bytes: 1,
        pods: 1,
        pids_per_container: 1,
    };
    let facts = Facts { pod_address: None, node_address: [10, 243, 0, 1].into(), capacity };
    let tokens = Tokens::from([(("v".to_owned(), "token".to_owned()), "secret".to_owned())]);
    let known = Config(colour);
    let inputs =
        Inputs { pod, facts: &facts, sources: &known, tokens: &tokens, claims: &known, is_first: true };
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
    let error = mounts(&home.directories, &pod, &container, &Config(""), &Default::default()).unwrap_err();
    assert!(matches!(error, MountError::Escape { .. }));

    container.volume_mounts.as_mut().unwrap().pop();
    let made = mounts(&home.directories, &pod, &container, &Config(""), &Default::default()).unwrap();
    assert!(made[1].source.ends_with("pods/u/volumes/v/deep/er") && made[1].source.is_dir());

    std::os::unix::fs::symlink("/etc", home.directories.pods.join("u/volumes/v/link")).unwrap();
    container.volume_mounts.as_mut().unwrap()[1].sub_path = Some("link".to_owned());
    assert!(matches!(
        mounts(&home.directories, &pod, &container, &Config(""), &Default::default()).unwrap_err(),
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

#[test]
fn a_sub_path_makes_nothing_outside_of_its_volume() {
    let (home, outside) = (home(), tempfile::tempdir().unwrap());
    let pod = pod(json!([{ "name": "v", "emptyDir": {} }]));
    prepared(&home, &pod, "").unwrap();
    std::os::unix::fs::symlink(outside.path(), home.directories.pods.join("u/volumes/v/link")).unwrap();
    let mut container = spec::spec(&pod).containers[0].clone();
    for path in ["link/made", "link"] {
        container.volume_mounts.as_mut().unwrap().truncate(2);
        container.volume_mounts.as_mut().unwrap()[1].sub_path = Some(path.to_owned());
        let error =
            mounts(&home.directories, &pod, &container, &Config(""), &Default::default()).unwrap_err();
        assert!(matches!(error, MountError::Escape { .. }), "{path}: {error}");
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_claim_leads_to_the_folder_of_its_volume() {
    let home = home();
    let folder = home.directories.claims.join("x");
    fs::create_dir_all(&folder).unwrap();
    let path: &'static str = Box::leak(folder.to_str().unwrap().to_owned().into_boxed_str());
    let of = |claim: &str, read_only: bool| {
        pod(json!([{ "name": "v", "persistentVolumeClaim": { "claimName": claim, "readOnly": read_only } }]))
    };
    prepared(&home, &of("bound", false), path).unwrap();
    let at = |read_only| {
        let pod = of("bound", read_only);
        place(&home.directories, &pod, &spec::spec(&pod).volumes.as_ref().unwrap()[0], &Config(path)).unwrap()
    };
    assert_eq!((at(false).path, at(false).is_writable, at(true).is_writable), (folder.clone(), true, false));
    let why = |claim: &str, volume| prepared(&home, &of(claim, false), volume).unwrap_err().to_string();
    assert!(why("open", "").ends_with("error processing PVC n/open: PVC is not bound"));
    assert!(why("missing", "").contains("persistentvolumeclaims \"missing\" not found"));
    assert!(why("bound", "/no/such").ends_with("path \"/no/such\" does not exist"));
}

#[test]
fn the_pods_group_may_use_what_is_in_a_volume() {
    let home = home();
    let folder = home.directories.claims.join("x");
    fs::create_dir_all(folder.join("in")).unwrap();
    fs::write(folder.join("in/file"), "").unwrap();
    fs::set_permissions(folder.join("in/file"), fs::Permissions::from_mode(0o600)).unwrap();
    let own = fs::metadata(&folder).unwrap().gid();
    let path: &'static str = Box::leak(folder.to_str().unwrap().to_owned().into_boxed_str());
    let mut pod = pod(json!([{ "name": "v", "persistentVolumeClaim": { "claimName": "bound" } }]));
    pod.spec.as_mut().unwrap().security_context.get_or_insert_default().fs_group = Some(i64::from(own));
    prepared(&home, &pod, path).unwrap();
    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("in") & 0o2770, mode("in/file")), (0o2770, 0o660));
}

#[test]
fn a_host_path_is_what_it_says() {
    let home = home();
    let folder = home.directories.pods.join("host");
    let check = |kind: &str, name: &str, expected: Option<&str>| {
        let path = folder.join(name).to_str().unwrap().to_owned();
        let result =
            prepared(&home, &pod(json!([{ "name": "v", "hostPath": { "path": path, "type": kind } }])), "");
        let expected = expected.map(|what| {
            format!("MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: {path} is not a {what}")
        });
        assert_eq!(result.err().map(|error| error.to_string()), expected);
    };
    check("Directory", "a", Some("directory"));
    check("DirectoryOrCreate", "a", None);
    check("Directory", "a", None);
    check("File", "a", Some("file"));
    check("FileOrCreate", "b", None);
    check("Socket", "b", Some("socket file"));
    check("CharDevice", "b", Some("character device"));
    check("BlockDevice", "b", Some("block device"));
    check("", "c", None);
    assert!(folder.join("c").is_dir());
}

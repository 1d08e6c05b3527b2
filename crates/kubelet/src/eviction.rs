//! Pods that use more of the disk than they may: found by looking, and ended with Kubernetes' words.
//!
//! Limits on local storage are no limits of the kernel's: writable layers, logs and `emptyDir`
//! volumes are measured now and then, of pods that have such limits only.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use tokio::sync::mpsc;

use crate::container_spec::run_id;
use crate::node::Node;
use crate::resources;
use crate::spec;
use crate::volumes;

/// How often the pods are looked at: Kubernetes' own period.
const PERIOD: Duration = Duration::from_secs(10);
const RESOURCE: &str = "ephemeral-storage";

/// What a pod uses of the disk, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct DiskUsage {
    /// Its `emptyDir` volumes, by name; those in memory count for nothing else.
    volumes: BTreeMap<String, u64>,
    in_memory: Vec<String>,
    /// Writable layer and logs of its containers, by name.
    containers: BTreeMap<String, u64>,
}

/// Tells of pods to be evicted, by uid, and why, until dropped.
pub(crate) async fn keep(node: Arc<Node>, evicted: mpsc::Sender<(String, String)>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        for pod in node.pods.list().into_iter().filter(|pod| concerns(&node, pod)) {
            let measured = {
                let (node, pod) = (node.clone(), pod.clone());
                tokio::task::spawn_blocking(move || measure(&node, &pod)).await
            };
            let Ok(usage) = measured else { continue };
            if let Some(why) = judge(&pod, &usage)
                && evicted.send((spec::uid(&pod).to_owned(), why)).await.is_err()
            {
                return;
            }
        }
    }
}

/// Whether the pod is the node's, lives, and has a limit.
fn concerns(node: &Node, pod: &Pod) -> bool {
    let of_volume = spec::spec(pod).volumes.iter().flatten().filter_map(|volume| volume.empty_dir.as_ref());
    let has_limit = of_volume.into_iter().any(|empty| volumes::limit(empty).is_some())
        || spec::containers(pod).any(|(container, _)| limit(container).is_some());
    let is_here = spec::spec(pod).node_name.as_deref() == Some(&node.config.node_name);
    is_here && has_limit && !spec::is_finished(pod) && !spec::is_deleted(pod)
}

fn limit(container: &k8s_openapi::api::core::v1::Container) -> Option<u64> {
    let milli = resources::limit_milli(container, RESOURCE)?;
    u64::try_from(milli / 1000).ok()
}

fn measure(node: &Node, pod: &Pod) -> DiskUsage {
    let mut usage = DiskUsage::default();
    for volume in spec::spec(pod).volumes.iter().flatten() {
        let Some(empty) = &volume.empty_dir else { continue };
        if let Ok(place) = volumes::place(&node.config.directories, pod, volume, node) {
            usage.volumes.insert(volume.name.clone(), size(&place.path));
        }
        if volumes::is_in_memory(empty) {
            usage.in_memory.push(volume.name.clone());
        }
    }
    let view = node.views().get(spec::uid(pod)).cloned().unwrap_or_default();
    for (name, known) in view.containers {
        let layer = known
            .attempt
            .zip(view.sandbox.as_ref())
            .map_or(0, |(attempt, sandbox)| size(&sandbox.writable_layer(&run_id(&name, attempt))));
        let logs = size(&view.logs.join(&name));
        usage.containers.insert(name, layer + logs);
    }
    usage
}

/// The room that a folder takes on the disk; what vanishes meanwhile counts for nothing.
fn size(path: &Path) -> u64 {
    let Ok(known) = fs::symlink_metadata(path) else { return 0 };
    // The kernel counts in blocks of 512 bytes whatever the disk's own.
    let own = known.blocks() * 512;
    if !known.is_dir() {
        return own;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    own + entries.map(|entry| size(&entry.path())).sum::<u64>()
}

/// Returns why the pod must go, in Kubernetes' words.
fn judge(pod: &Pod, usage: &DiskUsage) -> Option<String> {
    for volume in spec::spec(pod).volumes.iter().flatten() {
        let Some(empty) = &volume.empty_dir else { continue };
        let used = usage.volumes.get(&volume.name).copied().unwrap_or(0);
        if volumes::limit(empty).is_some_and(|limit| used > limit) {
            let text = empty.size_limit.as_ref().map(|limit| limit.0.as_str()).unwrap_or_default();
            return Some(format!("Usage of EmptyDir volume {:?} exceeds the limit {text:?}. ", volume.name));
        }
    }
    let limits: Vec<u64> = spec::main_containers(pod).filter_map(limit).collect();
    let on_disk = usage.volumes.iter().filter(|(name, _)| !usage.in_memory.contains(name));
    let total = on_disk.map(|(_, bytes)| bytes).chain(usage.containers.values()).sum::<u64>();
    if !limits.is_empty() && total > limits.iter().sum::<u64>() {
        let limit = api::quantity::Quantity::from_bytes(
            i64::try_from(limits.iter().sum::<u64>()).unwrap_or(i64::MAX),
        );
        return Some(format!(
            "Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "
        ));
    }
    for (container, _) in spec::containers(pod) {
        let used = usage.containers.get(&container.name).copied().unwrap_or(0);
        if limit(container).is_some_and(|limit| used > limit) {
            let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
            let text = limits.and_then(|limits| limits.get(RESOURCE)).map(|limit| limit.0.as_str());
            let text = text.unwrap_or_default();
            let name = &container.name;
            return Some(format!("Container {name} exceeded its local ephemeral storage limit {text:?}. "));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Pod {
        let limits = |size: &str| json!({ "limits": { "ephemeral-storage": size } });
        let spec = json!({
            "containers": [{ "name": "a", "resources": limits("1Mi") }, { "name": "b", "resources": limits("3Mi") }],
            "volumes": [{ "name": "v", "emptyDir": { "sizeLimit": "2Mi" } }, { "name": "w", "emptyDir": {} },
                { "name": "m", "emptyDir": { "medium": "Memory" } }],
        });
        serde_json::from_value(json!({ "metadata": { "name": "p" }, "spec": spec })).unwrap()
    }

    fn check(volumes: &[(&str, u64)], containers: &[(&str, u64)], expected: Option<&str>) {
        let mebibytes =
            |list: &[(&str, u64)]| list.iter().map(|(name, size)| ((*name).to_owned(), size << 20)).collect();
        let usage = DiskUsage {
            volumes: mebibytes(volumes),
            in_memory: vec!["m".to_owned()],
            containers: mebibytes(containers),
        };
        assert_eq!(judge(&pod(), &usage).as_deref(), expected);
    }

    #[test]
    fn whoever_uses_more_than_it_may_is_named() {
        check(&[("v", 2)], &[("a", 1)], None);
        check(&[("v", 3)], &[], Some("Usage of EmptyDir volume \"v\" exceeds the limit \"2Mi\". "));
        check(&[], &[("a", 2)], Some("Container a exceeded its local ephemeral storage limit \"1Mi\". "));
        check(&[("m", 100)], &[], None);
        let total = "Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. ";
        check(&[("w", 5)], &[], Some(total));
    }

    #[test]
    fn the_room_of_a_folder_is_that_of_all_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let empty = size(folder.path());
        fs::create_dir(folder.path().join("in")).unwrap();
        fs::write(folder.path().join("in/file"), vec![7; 1 << 20]).unwrap();
        assert!(size(folder.path()) >= empty + (1 << 20));
        assert_eq!(size(Path::new("/no/such")), 0);
    }
}

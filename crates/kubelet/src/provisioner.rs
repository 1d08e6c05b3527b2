//! The node's provisioner: makes a folder for a claim whose first pod comes to this node, and removes
//! it when its volume is released.
//!
//! It does what external provisioners do on any Kubernetes: the claim says which node and which
//! provisioner, and the answer is a PersistentVolume that names the claim.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::reference::reference;
use api::storage;
use client::{EventType, Recorder};
use k8s_openapi::api::core::v1::{
    LocalVolumeSource, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, ObjectReference,
    PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec, VolumeNodeAffinity,
};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::images::chain;
use crate::node::Node;

/// Keeps a volume until its folder is gone.
const FINALIZER: &str = "external-provisioner.volume.kubernetes.io/finalizer";
/// The pause after something that failed.
const RETRY: Duration = Duration::from_secs(5);
/// The label by which volumes name their node.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// What is to be done on this node.
#[derive(Debug, Clone, PartialEq)]
enum Task {
    /// A claim wants a folder.
    Provision(Arc<PersistentVolumeClaim>, Arc<StorageClass>),
    /// A claim wants what this provisioner cannot make.
    Refuse(Arc<PersistentVolumeClaim>, String),
    /// Nobody wants the folder of a volume any more.
    Reclaim(Arc<PersistentVolume>),
    /// The volume is to go, its folder to stay.
    LetGo(Arc<PersistentVolume>),
}

/// Provisions and reclaims until dropped.
pub(crate) async fn keep(node: Arc<Node>) {
    let (mut claims, mut volumes) = (node.claims.subscribe(), node.volumes.subscribe());
    let mut classes = node.storage_classes.subscribe();
    tokio::join!(
        node.claims.wait_synced(),
        node.volumes.wait_synced(),
        node.storage_classes.wait_synced(),
        node.nodes.wait_synced()
    );
    let provisioner =
        Provisioner { recorder: node.recorder.named(storage::LOCAL_PROVISIONER), node: node.clone() };
    loop {
        let mut has_failed = false;
        for task in provisioner.tasks() {
            has_failed |= !provisioner.carry_out(task).await;
        }
        tokio::select! {
            _ = claims.next() => {}
            _ = volumes.next() => {}
            _ = classes.next() => {}
            () = tokio::time::sleep(RETRY), if has_failed => {}
        }
        // One look answers for everything that has happened.
        while claims.take().is_some() || volumes.take().is_some() || classes.take().is_some() {}
    }
}

struct Provisioner {
    node: Arc<Node>,
    recorder: Recorder,
}

impl Provisioner {
    fn tasks(&self) -> Vec<Task> {
        let nodes = self.node.nodes.list();
        let first = nodes.iter().filter_map(|node| node.metadata.name.as_deref()).min();
        let own = self.node.config.node_name.as_str();
        let situation = Situation {
            node: own,
            is_first: first == Some(own),
            folder: &self.node.config.directories.claims,
            classes: self.node.storage_classes.list(),
            volumes: self.node.volumes.list(),
        };
        situation.tasks(self.node.claims.list())
    }

    /// Returns whether it succeeded.
    async fn carry_out(&self, task: Task) -> bool {
        match task {
            Task::Provision(claim, class) => self.provision(&claim, &class).await,
            Task::Refuse(claim, why) => {
                self.failed(&claim, &why);
                true
            }
            Task::Reclaim(volume) => self.reclaim(&volume).await,
            Task::LetGo(volume) => self.let_go(&volume).await,
        }
    }

    async fn provision(&self, claim: &PersistentVolumeClaim, class: &StorageClass) -> bool {
        let meta = &claim.metadata;
        let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref());
        let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
        let message = format!("External provisioner is provisioning volume for claim \"{namespace}/{name}\"");
        self.recorder.record(reference(claim), EventType::Normal, "Provisioning", &message);
        let config = &self.node.config;
        let folder = folder_of(&config.directories.claims, claim);
        let made = {
            let folder = folder.clone();
            tokio::task::spawn_blocking(move || make(&folder))
                .await
                .unwrap_or_else(|_| Err(io::Error::other("interrupted")))
        };
        if let Err(error) = made {
            self.failed(claim, &format!("cannot make the folder `{}`: {error}", folder.display()));
            return false;
        }
        let volume = volume(claim, class, &folder, &config.node_name);
        let volumes: Api<PersistentVolume> = Api::all(self.node.client.clone());
        match volumes.create(&PostParams::default(), &volume).await {
            Ok(created) => self.node.volumes.assume(created),
            Err(kube::Error::Api(answer)) if answer.code == 409 => {}
            Err(error) => {
                self.failed(claim, &chain(&error));
                return false;
            }
        }
        let message = format!("Successfully provisioned volume {}", volume_name(claim));
        self.recorder.record(reference(claim), EventType::Normal, "ProvisioningSucceeded", &message);
        true
    }

    fn failed(&self, claim: &PersistentVolumeClaim, why: &str) {
        let class = storage::class_of_claim(claim);
        let message = format!("failed to provision volume with StorageClass \"{class}\": {why}");
        self.recorder.record(reference(claim), EventType::Warning, "ProvisioningFailed", &message);
    }

    async fn reclaim(&self, volume: &PersistentVolume) -> bool {
        let name = volume.metadata.name.clone().unwrap_or_default();
        let Some(folder) = local_path(volume) else { return true };
        let removed = {
            let folder = folder.clone();
            tokio::task::spawn_blocking(move || remove(&folder))
                .await
                .unwrap_or_else(|_| Err(io::Error::other("interrupted")))
        };
        if let Err(error) = removed {
            let message = format!("cannot remove the folder `{}`: {error}", folder.display());
            let regarding = ObjectReference {
                kind: Some("PersistentVolume".to_owned()),
                api_version: Some("v1".to_owned()),
                name: Some(name),
                uid: volume.metadata.uid.clone(),
                ..ObjectReference::default()
            };
            self.recorder.record(regarding, EventType::Warning, "VolumeFailedDelete", &message);
            return false;
        }
        if volume.metadata.deletion_timestamp.is_none() {
            let volumes: Api<PersistentVolume> = Api::all(self.node.client.clone());
            let uid = volume.metadata.uid.clone().unwrap_or_default();
            let params = DeleteParams {
                preconditions: Some(kube::api::Preconditions { uid: Some(uid), resource_version: None }),
                ..DeleteParams::default()
            };
            if let Err(error) = volumes.delete(&name, &params).await
                && !is_gone(&error)
            {
                tracing::warn!(volume = name, error = chain(&error), "a released volume was not deleted");
                return false;
            }
        }
        self.let_go(volume).await
    }

    /// Takes the provisioner's finalizer off.
    async fn let_go(&self, volume: &PersistentVolume) -> bool {
        let name = volume.metadata.name.clone().unwrap_or_default();
        let volumes: Api<PersistentVolume> = Api::all(self.node.client.clone());
        let known = match volumes.get_opt(&name).await {
            Ok(Some(known)) if known.metadata.uid == volume.metadata.uid => known,
            Ok(_) => return true,
            Err(_) => return false,
        };
        let kept: Vec<&String> =
            known.metadata.finalizers.iter().flatten().filter(|finalizer| *finalizer != FINALIZER).collect();
        let patch = json!({ "metadata": {
            "finalizers": kept, "resourceVersion": known.metadata.resource_version,
        } });
        match volumes.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => true,
            Err(error) if is_gone(&error) => true,
            Err(error) => {
                tracing::debug!(volume = name, error = chain(&error), "will be tried again");
                false
            }
        }
    }
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(answer) if answer.code == 404)
}

/// What the tasks of a node follow from.
struct Situation<'a> {
    node: &'a str,
    /// Whether claims that name no node are this one's: some node has to take them.
    is_first: bool,
    /// The folder of the node's volumes; those elsewhere are other nodes' affair.
    folder: &'a Path,
    classes: Vec<Arc<StorageClass>>,
    volumes: Vec<Arc<PersistentVolume>>,
}

impl Situation<'_> {
    fn tasks(&self, claims: Vec<Arc<PersistentVolumeClaim>>) -> Vec<Task> {
        let wanted = claims.into_iter().filter_map(|claim| self.of_claim(claim));
        wanted.chain(self.volumes.iter().filter_map(|volume| self.of_volume(volume))).collect()
    }

    fn of_claim(&self, claim: Arc<PersistentVolumeClaim>) -> Option<Task> {
        let annotations = claim.metadata.annotations.as_ref()?;
        let is_asked = annotations.get(storage::STORAGE_PROVISIONER).map(String::as_str)
            == Some(storage::LOCAL_PROVISIONER);
        let is_open = storage::volume_name(&claim).is_empty() && claim.metadata.deletion_timestamp.is_none();
        let wanted = storage::class_of_claim(&claim);
        let class = self.classes.iter().find(|class| class.metadata.name.as_deref() == Some(wanted))?;
        let is_here = match storage::selected_node(&claim) {
            Some(node) => node == self.node,
            None => self.is_first && !storage::waits_for_consumer(Some(class)),
        };
        let name = volume_name(&claim);
        let is_made = self.volumes.iter().any(|volume| volume.metadata.name.as_deref() == Some(&name));
        if !is_asked || !is_open || !is_here || is_made || class.provisioner != storage::LOCAL_PROVISIONER {
            return None;
        }
        let spec = claim.spec.as_ref()?;
        let why = if spec.selector.is_some() {
            "claim Selector is not supported"
        } else if spec.volume_mode.as_deref() == Some("Block") {
            "volumes of this class are folders, and volumeMode Block asks for a device"
        } else {
            return Some(Task::Provision(claim, class.clone()));
        };
        Some(Task::Refuse(claim, why.to_owned()))
    }

    fn of_volume(&self, volume: &Arc<PersistentVolume>) -> Option<Task> {
        let annotations = volume.metadata.annotations.as_ref()?;
        let maker = annotations.get(storage::PROVISIONED_BY)?;
        let is_ours = maker == storage::LOCAL_PROVISIONER
            && local_path(volume).is_some_and(|path| path.parent() == Some(self.folder));
        let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
        let is_leaving = volume.metadata.deletion_timestamp.is_some();
        let finalizers = volume.metadata.finalizers.as_deref().unwrap_or_default();
        let is_held = finalizers.iter().any(|finalizer| finalizer == FINALIZER);
        if !is_ours || phase == Some("Bound") || !is_held {
            return None;
        }
        let spec = volume.spec.as_ref()?;
        let deletes = spec.persistent_volume_reclaim_policy.as_deref() == Some("Delete");
        let is_released = matches!(phase, Some("Released" | "Failed"));
        match (deletes, is_leaving) {
            (true, true) => Some(Task::Reclaim(volume.clone())),
            (true, false) if is_released => Some(Task::Reclaim(volume.clone())),
            (false, true) => Some(Task::LetGo(volume.clone())),
            (true | false, false) => None,
        }
    }
}

fn volume_name(claim: &PersistentVolumeClaim) -> String {
    format!("pvc-{}", claim.metadata.uid.as_deref().unwrap_or_default())
}

/// The folder says whose it is, for people who look there.
fn folder_of(claims: &Path, claim: &PersistentVolumeClaim) -> PathBuf {
    let meta = &claim.metadata;
    let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref());
    let whose =
        format!("{}_{}_{}", volume_name(claim), namespace.unwrap_or_default(), name.unwrap_or_default());
    // A name in a file system has 255 bytes at most; the uid alone is unique.
    claims.join(whose.get(..255).unwrap_or(&whose))
}

fn local_path(volume: &PersistentVolume) -> Option<PathBuf> {
    Some(PathBuf::from(&volume.spec.as_ref()?.local.as_ref()?.path))
}

fn volume(
    claim: &PersistentVolumeClaim,
    class: &StorageClass,
    folder: &Path,
    node: &str,
) -> PersistentVolume {
    let spec = claim.spec.clone().unwrap_or_default();
    let modes = spec.access_modes.clone().unwrap_or_default();
    // Every node is on this machine: a volume for many is reached by all of them.
    let is_shared = modes.iter().any(|mode| matches!(mode.as_str(), "ReadWriteMany" | "ReadOnlyMany"));
    let (operator, values) = if is_shared { ("Exists", None) } else { ("In", Some(vec![node.to_owned()])) };
    let reachable =
        NodeSelectorRequirement { key: HOSTNAME.to_owned(), operator: operator.to_owned(), values };
    let term = NodeSelectorTerm { match_expressions: Some(vec![reachable]), match_fields: None };
    let requested = spec.resources.and_then(|resources| resources.requests?.get("storage").cloned());
    let capacity = requested.unwrap_or_else(|| Quantity("0".to_owned()));
    PersistentVolume {
        metadata: ObjectMeta {
            name: Some(volume_name(claim)),
            annotations: Some(BTreeMap::from([(
                storage::PROVISIONED_BY.to_owned(),
                storage::LOCAL_PROVISIONER.to_owned(),
            )])),
            finalizers: Some(vec![FINALIZER.to_owned()]),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeSpec {
            access_modes: Some(modes),
            capacity: Some(BTreeMap::from([("storage".to_owned(), capacity)])),
            claim_ref: Some(reference(claim)),
            local: Some(LocalVolumeSource { path: folder.to_string_lossy().into_owned(), fs_type: None }),
            mount_options: class.mount_options.clone(),
            node_affinity: Some(VolumeNodeAffinity {
                required: Some(NodeSelector { node_selector_terms: vec![term] }),
            }),
            persistent_volume_reclaim_policy: class.reclaim_policy.clone().or(Some("Delete".to_owned())),
            storage_class_name: Some(storage::class_of_claim(claim).to_owned()),
            volume_mode: spec.volume_mode,
            ..PersistentVolumeSpec::default()
        }),
        status: None,
    }
}

/// Whoever a container runs as may write there, as on other local clusters.
fn make(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777))
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn class(mode: &str) -> Arc<StorageClass> {
        let class = json!({ "metadata": { "name": "standard" }, "provisioner": storage::LOCAL_PROVISIONER,
            "reclaimPolicy": "Delete", "volumeBindingMode": mode });
        Arc::new(serde_json::from_value(class).unwrap())
    }

    fn claim(node: Option<&str>, spec: &Value) -> Arc<PersistentVolumeClaim> {
        let mut whole = json!({ "metadata": { "name": "data", "namespace": "n", "uid": "u",
                "annotations": { storage::STORAGE_PROVISIONER: storage::LOCAL_PROVISIONER } },
            "spec": { "storageClassName": "standard", "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "1Gi" } } } });
        api::patch::merge_patch(&mut whole["spec"], spec.clone());
        if let Some(node) = node {
            whole["metadata"]["annotations"][storage::SELECTED_NODE] = json!(node);
        }
        Arc::new(serde_json::from_value(whole).unwrap())
    }

    fn situation(mode: &str, is_first: bool, volumes: Vec<Arc<PersistentVolume>>) -> Situation<'static> {
        Situation {
            node: "here",
            is_first,
            folder: Path::new("/claims"),
            classes: vec![class(mode)],
            volumes,
        }
    }

    /// The tasks as words.
    fn words(tasks: &[Task]) -> Vec<&'static str> {
        let word = |task: &Task| match task {
            Task::Provision(..) => "provision",
            Task::Refuse(..) => "refuse",
            Task::Reclaim(_) => "reclaim",
            Task::LetGo(_) => "let go",
        };
        tasks.iter().map(word).collect()
    }

    fn check(mode: &str, is_first: bool, claim: Arc<PersistentVolumeClaim>, expected: &[&str]) {
        assert_eq!(words(&situation(mode, is_first, Vec::new()).tasks(vec![claim])), expected);
    }

    #[test]
    fn a_claim_is_provisioned_where_its_pod_goes() {
        const WAITS: &str = "WaitForFirstConsumer";
        check(WAITS, true, claim(Some("here"), &json!({})), &["provision"]);
        check(WAITS, true, claim(Some("there"), &json!({})), &[]);
        check(WAITS, true, claim(None, &json!({})), &[]);
        check("Immediate", true, claim(None, &json!({})), &["provision"]);
        check("Immediate", false, claim(None, &json!({})), &[]);
        check(WAITS, true, claim(Some("here"), &json!({ "volumeMode": "Block" })), &["refuse"]);
        check(WAITS, true, claim(Some("here"), &json!({ "volumeName": "v" })), &[]);
    }

    #[test]
    fn a_folder_goes_when_its_volume_is_released_and_stays_where_it_is_to_be_retained() {
        let of = claim(Some("here"), &json!({}));
        let made = volume(&of, &class("WaitForFirstConsumer"), Path::new("/claims/x"), "here");
        let check = |phase: &str, policy: &str, is_leaving: bool, folder: &str, expected: &[&str]| {
            let mut volume = made.clone();
            volume.status.get_or_insert_default().phase = Some(phase.to_owned());
            let spec = volume.spec.as_mut().unwrap();
            spec.persistent_volume_reclaim_policy = Some(policy.to_owned());
            spec.local.as_mut().unwrap().path = folder.to_owned();
            if is_leaving {
                let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH);
                volume.metadata.deletion_timestamp = Some(now);
            }
            let tasks = situation("WaitForFirstConsumer", true, vec![Arc::new(volume)]).tasks(Vec::new());
            assert_eq!(words(&tasks), expected, "{phase} {policy} {is_leaving} {folder}");
        };
        check("Bound", "Delete", false, "/claims/x", &[]);
        check("Released", "Delete", false, "/claims/x", &["reclaim"]);
        check("Released", "Retain", false, "/claims/x", &[]);
        check("Released", "Retain", true, "/claims/x", &["let go"]);
        check("Bound", "Delete", true, "/claims/x", &[]);
        check("Released", "Delete", false, "/etc/x", &[]);
        check("Released", "Delete", false, "/claims/../etc", &[]);
    }

    #[test]
    fn a_volume_is_reached_from_its_node_and_one_for_many_from_all() {
        let terms = |modes: Value| {
            let claim = claim(Some("here"), &json!({ "accessModes": modes }));
            let made = volume(&claim, &class("WaitForFirstConsumer"), Path::new("/claims/x"), "here");
            let affinity = made.spec.unwrap().node_affinity.unwrap().required.unwrap();
            let requirement = affinity.node_selector_terms[0].match_expressions.clone().unwrap().remove(0);
            (requirement.operator, requirement.values)
        };
        assert_eq!(terms(json!(["ReadWriteOnce"])), ("In".to_owned(), Some(vec!["here".to_owned()])));
        assert_eq!(terms(json!(["ReadWriteMany"])), ("Exists".to_owned(), None));
    }
}

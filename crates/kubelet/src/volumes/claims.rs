//! From a pod's volume over a claim to a folder of the node.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::storage;
use k8s_openapi::api::core::v1::{
    HostPathVolumeSource, PersistentVolume, PersistentVolumeClaim, Pod, Volume,
};

use super::ownership::{self, Group};
use super::{VolumeError, host_path};
use crate::spec;

/// Finds claims and volumes.
pub trait Claims {
    /// Returns a claim.
    fn claim(&self, namespace: &str, name: &str) -> Option<Arc<PersistentVolumeClaim>>;
    /// Returns a persistent volume.
    fn volume(&self, name: &str) -> Option<Arc<PersistentVolume>>;
}

/// Why a claim leads to no folder, in Kubernetes' words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// There is no such claim.
    #[error(
        "error processing PVC {namespace}/{claim}: failed to fetch PVC from API server: persistentvolumeclaims \"{claim}\" not found"
    )]
    NoClaim {
        /// The namespace.
        namespace: String,
        /// The claim.
        claim: String,
    },
    /// The claim is on its way out.
    #[error(
        "error processing PVC {namespace}/{claim}: can't start pod because PVC {namespace}/{claim} is being deleted"
    )]
    Leaving {
        /// The namespace.
        namespace: String,
        /// The claim.
        claim: String,
    },
    /// The claim has no volume yet.
    #[error("error processing PVC {namespace}/{claim}: PVC is not bound")]
    NotBound {
        /// The namespace.
        namespace: String,
        /// The claim.
        claim: String,
    },
    /// The claim of an ephemeral volume is somebody else's.
    #[error("PVC {namespace}/{claim} was not created for pod {namespace}/{pod} (pod is not owner)")]
    NotOwn {
        /// The namespace.
        namespace: String,
        /// The claim.
        claim: String,
        /// The pod.
        pod: String,
    },
    /// The claim's volume is not there.
    #[error(
        "error processing PVC {namespace}/{claim}: failed to fetch PV {volume} from API server: persistentvolumes \"{volume}\" not found"
    )]
    NoVolume {
        /// The namespace.
        namespace: String,
        /// The claim.
        claim: String,
        /// The volume.
        volume: String,
    },
    /// The claim's volume is of a kind that this node cannot mount.
    #[error("volume \"{0}\" is neither a hostPath nor a local volume, which are what this node mounts")]
    Kind(String),
    /// The claim is for a device.
    #[error("volume \"{0}\" has volumeMode Block, and this node mounts file systems only")]
    Block(String),
}

/// What is behind a claim.
pub(super) struct Backing {
    name: String,
    source: Source,
    pub(super) read_only: bool,
}

enum Source {
    HostPath(HostPathVolumeSource),
    Local(PathBuf),
}

/// Returns what is behind a volume that is a claim.
pub(super) fn backing(pod: &Pod, volume: &Volume, known: &dyn Claims) -> Result<Backing, VolumeError> {
    let mounted = storage::claims_of(pod).find(|mounted| mounted.volume.name == volume.name);
    let mounted = mounted.ok_or_else(|| VolumeError::Unsupported { volume: volume.name.clone() })?;
    let found = find(pod, &mounted, known);
    found.map_err(|source| VolumeError::Claim { volume: volume.name.clone(), source })
}

fn find(pod: &Pod, mounted: &storage::MountedClaim<'_>, known: &dyn Claims) -> Result<Backing, ClaimError> {
    let (namespace, name) = (spec::namespace(pod).to_owned(), mounted.name.clone());
    let Some(claim) = known.claim(&namespace, &name) else {
        return Err(ClaimError::NoClaim { namespace, claim: name });
    };
    let mut owners = claim.metadata.owner_references.iter().flatten();
    let is_own = owners.any(|owner| owner.controller == Some(true) && owner.uid == spec::uid(pod));
    if mounted.is_ephemeral && !is_own {
        return Err(ClaimError::NotOwn { namespace, claim: name, pod: spec::name(pod).to_owned() });
    }
    let is_running = pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
    if claim.metadata.deletion_timestamp.is_some() && !is_running && !spec::is_deleted(pod) {
        return Err(ClaimError::Leaving { namespace, claim: name });
    }
    if !storage::is_fully_bound(&claim) {
        return Err(ClaimError::NotBound { namespace, claim: name });
    }
    let volume_name = storage::volume_name(&claim).to_owned();
    let Some(volume) = known.volume(&volume_name) else {
        return Err(ClaimError::NoVolume { namespace, claim: name, volume: volume_name });
    };
    let of_volume = volume.spec.clone().unwrap_or_default();
    if of_volume.volume_mode.as_deref() == Some("Block") {
        return Err(ClaimError::Block(volume_name));
    }
    let source = match (of_volume.host_path, of_volume.local) {
        (Some(host), _) => Source::HostPath(host),
        (None, Some(local)) => Source::Local(local.path.into()),
        (None, None) => return Err(ClaimError::Kind(volume_name)),
    };
    let asked = mounted.volume.persistent_volume_claim.as_ref().and_then(|source| source.read_only);
    Ok(Backing { name: volume_name, source, read_only: asked == Some(true) })
}

impl Backing {
    /// Returns the folder.
    pub(super) fn path(&self) -> &Path {
        match &self.source {
            Source::HostPath(host) => Path::new(&host.path),
            Source::Local(path) => path,
        }
    }

    /// Checks that the folder is there, and gives it to the pod's group.
    pub(super) fn prepare(&self, group: Option<Group>) -> Result<(), VolumeError> {
        match &self.source {
            Source::HostPath(host) => host_path::prepare(&self.name, host),
            Source::Local(path) if !path.exists() => {
                Err(VolumeError::NoFolder { volume: self.name.clone(), path: path.clone() })
            }
            Source::Local(path) => match group.filter(|_| !self.read_only) {
                Some(group) => ownership::give_tree(path, group).map_err(|source| VolumeError::File {
                    volume: self.name.clone(),
                    path: path.clone(),
                    source,
                }),
                None => Ok(()),
            },
        }
    }
}

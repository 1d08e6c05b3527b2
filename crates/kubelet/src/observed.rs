//! What a worker knows of its pod at one moment: the only input of the plan and of the status.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, ResourceRequirements};

use crate::admission::Rejection;
use crate::back_off::BackOff;
use crate::resize::{Pending, Resizing};

/// A pod, as the API has it and as the node has it.
#[derive(Debug, Clone)]
pub struct PodObserved {
    /// The pod as the API has it. Its status is the one last written.
    pub pod: Arc<Pod>,
    /// The moment of the observation, on the kubelet's own clock: waits are counted by it.
    pub now: Timestamp,
    /// The date of the observation: what the status tells.
    pub date: Timestamp,
    /// The date when the kubelet first saw the pod.
    pub seen_at: Timestamp,
    /// Why the node turned the pod down.
    pub rejection: Option<Rejection>,
    /// The moment when the pod began to end on this node (deletion, deadline, completion).
    pub ending_since: Option<Timestamp>,
    /// Why the node wants to be rid of the pod.
    pub evicted: Option<String>,
    /// Why the node has no room for other requests of running containers.
    pub resize_pending: Option<Pending>,
    /// The pod's sandbox.
    pub sandbox: Sandbox,
    /// The pod's volumes.
    pub volumes: Volumes,
    /// The pod's containers by name, init containers included. A container that is missing here
    /// has not been touched yet.
    pub containers: BTreeMap<String, Container>,
}

/// The network namespace and shim that a pod's containers live in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sandbox {
    /// There is none.
    Absent,
    /// It is being made.
    Creating,
    /// It could not be made; tried again at `retry_at`.
    Failed {
        /// Why.
        message: String,
        /// When to try again.
        retry_at: Timestamp,
    },
    /// Containers can start in it.
    Ready {
        /// The pod's address; the node's own for host-network pods.
        address: IpAddr,
    },
    /// It is being destroyed.
    Destroying,
}

/// The files a pod's containers see beside their images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Volumes {
    /// Nobody looked yet: an earlier kubelet may have left some.
    Unknown,
    /// Everything was removed.
    Absent,
    /// They are being written.
    Preparing,
    /// They could not be written; tried again at `retry_at` or when what they wait for appears.
    Failed {
        /// Why.
        message: String,
        /// When to try again.
        retry_at: Timestamp,
    },
    /// Containers can use them.
    Ready,
    /// They are being removed.
    Removing,
}

/// One container of a pod.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Container {
    /// How many times it was started again.
    pub restarts: u32,
    /// What it does now.
    pub state: State,
    /// How the run before the present state ended.
    pub last: Option<Exit>,
    /// How long to wait before the next restart.
    pub back_off: BackOff,
    /// The image it runs or last ran.
    pub image_id: Option<String>,
    /// Whether its end is still on its way to the API, which shows every end before what follows it.
    pub is_end_untold: bool,
}

/// What a container does.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum State {
    /// It was not started in this sandbox.
    #[default]
    New,
    /// Its image is on the way, or the runtime is starting it, or its `postStart` hook runs.
    Starting(Before),
    /// It could not be started; tried again at `retry_at`.
    Refused(Refusal),
    /// It runs.
    Running(Running),
    /// It ended.
    Exited(Exit),
}

/// What a container did before it was started: shown until it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    #[default]
    Nothing,
    /// It could not be started.
    Refused(Refusal),
    /// It ended.
    Exited(Exit),
}

/// Why a container cannot start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, in Kubernetes' words.
    pub reason: RefusalReason,
    /// More, for people.
    pub message: String,
    /// When to try again.
    pub retry_at: Timestamp,
}

/// The reasons Kubernetes gives for a container that cannot start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// The image could not be pulled, just now.
    ErrImagePull,
    /// The image could not be pulled, and the next attempt is some time away.
    ImagePullBackOff,
    /// The image is not on the node and the pod forbids to pull it.
    ErrImageNeverPull,
    /// The image's name is no image name.
    InvalidImageName,
    /// Something the container's configuration refers to is missing or malformed.
    CreateContainerConfigError,
    /// The container's root file system or mounts could not be made.
    CreateContainerError,
}

impl RefusalReason {
    /// Returns the reason as it stands in a container's `state.waiting.reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ErrImagePull => "ErrImagePull",
            Self::ImagePullBackOff => "ImagePullBackOff",
            Self::ErrImageNeverPull => "ErrImageNeverPull",
            Self::InvalidImageName => "InvalidImageName",
            Self::CreateContainerConfigError => "CreateContainerConfigError",
            Self::CreateContainerError => "CreateContainerError",
        }
    }
}

/// A container that runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// The runtime's name of this run.
    pub id: String,
    /// The date of its start.
    pub started_at: Timestamp,
    /// The moment of its start.
    pub began: Timestamp,
    /// Whether its startup probe has passed (or it has none).
    pub is_started: bool,
    /// Whether its readiness probe passes (or it has none).
    pub is_ready: bool,
    /// The probe on whose account it has to be restarted.
    pub unhealthy: Option<Unhealthy>,
    /// When it will be killed, if it was told to stop.
    pub kill_at: Option<Timestamp>,
    /// The requests and limits that are in force.
    pub resources: Option<ResourceRequirements>,
    /// What became of giving it those of its manifest, where they are others.
    pub resizing: Option<Resizing>,
}

/// The probe that condemned a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unhealthy {
    /// The liveness probe.
    Liveness,
    /// The startup probe.
    Startup,
    /// Its `postStart` hook failed.
    PostStart,
}

/// How a run of a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// The runtime's name of the run.
    pub id: String,
    /// The exit code; 128 + signal if a signal ended it.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerStatusUnknown`.
    pub reason: String,
    /// The termination message.
    pub message: Option<String>,
    /// The date when the run started.
    pub started_at: Option<Timestamp>,
    /// The date when it ended.
    pub finished_at: Timestamp,
    /// The moment when it ended.
    pub ended: Timestamp,
}

impl Exit {
    /// Returns whether the run ended well.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == 0
    }
}

impl Container {
    /// Returns the run, if the container runs.
    #[must_use]
    pub fn running(&self) -> Option<&Running> {
        match &self.state {
            State::Running(running) => Some(running),
            State::New | State::Starting(_) | State::Refused(_) | State::Exited(_) => None,
        }
    }

    /// Returns how the container ended, if it is not running or starting again.
    #[must_use]
    pub fn exited(&self) -> Option<&Exit> {
        match &self.state {
            State::Exited(exit) => Some(exit),
            State::New | State::Starting(_) | State::Refused(_) | State::Running(_) => None,
        }
    }

    /// Returns whether there is or may soon be a process.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(self.state, State::Running(_) | State::Starting(_))
    }
}

impl PodObserved {
    /// Returns what is known of a container; one never touched is new.
    #[must_use]
    pub fn container(&self, name: &str) -> Container {
        self.containers.get(name).cloned().unwrap_or_default()
    }

    /// Returns the pod's address once its sandbox has one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.sandbox {
            Sandbox::Ready { address } => Some(address),
            Sandbox::Absent | Sandbox::Creating | Sandbox::Failed { .. } | Sandbox::Destroying => None,
        }
    }
}

#[cfg(test)]
impl PodObserved {
    /// Puts a container into a state.
    pub(crate) fn with(mut self, name: &str, state: State) -> Self {
        self.containers.entry(name.to_owned()).or_default().state = state;
        self
    }
}

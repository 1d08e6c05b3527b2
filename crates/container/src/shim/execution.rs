//! A command run in a container, as its shim keeps it.

use std::os::fd::OwnedFd;

use super::client::Caller;
use super::container::no_input;
use super::helper::{ExecJob, Streams};
use super::launch::Launch;
use crate::wire::{Fault, FaultKind};

/// A command from the request to run it until its end.
pub(super) struct Execution {
    /// Id of its container.
    pub(super) container: String,
    pub(super) phase: ExecutionPhase,
}

/// Where a command is in its life.
pub(super) enum ExecutionPhase {
    Starting { launch: Launch, caller: Caller },
    Running { pid: i32 },
}

impl Execution {
    /// Begins to run a command.
    pub(super) fn begin(job: ExecJob<'_>, caller: Caller) -> Result<Self, Fault> {
        let container = job.container.id.clone();
        let kept = Streams::numbers(job.streams.as_ref());
        let launch = Launch::new(&kept, || job.run())
            .map_err(|error| Fault::container("cannot fork the shim", &error))?;
        Ok(Self { container, phase: ExecutionPhase::Starting { launch, caller } })
    }

    pub(super) fn launch(&self) -> Option<&Launch> {
        match &self.phase {
            ExecutionPhase::Starting { launch, .. } => Some(launch),
            ExecutionPhase::Running { .. } => None,
        }
    }

    pub(super) fn pid(&self) -> Option<i32> {
        match self.phase {
            ExecutionPhase::Running { pid } => Some(pid),
            ExecutionPhase::Starting { .. } => None,
        }
    }
}

/// Returns the standard streams of a command, which come as [`crate::wire::Request::Exec`] says.
pub(super) fn streams(with_input: bool, descriptors: Vec<OwnedFd>) -> Result<Streams, Fault> {
    let mut descriptors = descriptors.into_iter();
    let mut next = || {
        let missing = || Fault::new(FaultKind::Container, "a standard stream of the command is missing");
        descriptors.next().ok_or_else(missing)
    };
    let stdin = if with_input {
        next()?
    } else {
        no_input().map_err(|error| Fault::container("cannot open `/dev/null`", &error))?
    };
    Ok(Streams { stdin, stdout: next()?, stderr: next()? })
}

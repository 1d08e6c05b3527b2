//! Cleans up after a shim that is dead, and removes the files of a sandbox. Blocking.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::RwLock;

use crate::cgroup::Layout;
use crate::process::{Identity, Namespaces};
use crate::record::{Setup, State};
use crate::{ContainerState, ContainerStatus, Error};

/// How long killed processes may take to vanish. A process in the middle of a slow disk write takes longest.
const TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

/// Kills the shim of the sandbox in `folder`, if it still lives, and every process of the sandbox;
/// returns the containers as they are then: all exited.
pub(crate) fn bury(folder: &Path, setup: &Setup) -> Vec<ContainerStatus> {
    let state = State::load(folder).unwrap_or_default();
    if let Some(shim) = state.shim {
        shim.kill();
        wait_until(|| !shim.is_alive());
    }
    let layout = Layout::detect();
    if let Some(layout) = &layout {
        layout.kill(&setup.cgroup);
    }
    if let Some(namespaces) = state.namespaces {
        // Each round kills what the last one did not see; a forking process is caught by its first one's death.
        wait_until(|| kill_all_in(namespaces, folder));
    }
    if let Some(layout) = &layout
        && let Err(error) = layout.remove(&setup.cgroup)
    {
        tracing::warn!(cgroup = setup.cgroup, %error, "a control group of a dead sandbox could not be removed");
    }
    state.containers.into_iter().map(exited).collect()
}

/// Kills the processes in the namespaces of the sandbox in `folder`; returns whether there were none.
fn kill_all_in(namespaces: Namespaces, folder: &Path) -> bool {
    let _nobody_is_born = BIRTHS.blocking_write();
    if is_reused(folder, namespaces) {
        return true;
    }
    let left = namespaces.processes();
    for pid in &left {
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    left.is_empty()
}

/// Held for reading while a sandbox is made, until its shim has told its namespaces: the kernel
/// gives the numbers of namespaces that are gone to new ones, and a burial must not take a newborn
/// for the dead.
pub(crate) static BIRTHS: RwLock<()> = RwLock::const_new(());

/// A container whose shim was killed: it was killed with it.
fn exited(mut status: ContainerStatus) -> ContainerStatus {
    if let ContainerState::Running { started_at, .. } = status.state {
        status.state = ContainerState::Exited {
            code: 128 + Signal::SIGKILL as i32,
            signal: Some(Signal::SIGKILL as i32),
            oom_killed: false,
            started_at,
            finished_at: SystemTime::now(),
        };
    }
    status
}

/// Whether the kernel gave the numbers of these namespaces, after their end, to those of another
/// sandbox beside this one.
fn is_reused(folder: &Path, namespaces: Namespaces) -> bool {
    let beside = folder.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten();
    beside.map(|entry| entry.path()).filter(|other| other != folder).any(|other| {
        let Ok(state) = State::load(&other) else { return false };
        state.namespaces == Some(namespaces) && state.shim.is_some_and(Identity::is_alive)
    })
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() && start.elapsed() < TIMEOUT {
        std::thread::sleep(PAUSE);
    }
}

/// Removes folders with everything in them; those that do not exist are removed already.
pub(crate) fn remove_folders(folders: &[PathBuf]) -> Result<(), Error> {
    for folder in folders {
        match fs::remove_dir_all(folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::File { path: folder.clone(), source });
            }
            _ => {}
        }
    }
    Ok(())
}

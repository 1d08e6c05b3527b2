//! Cleans up after a shim that is dead, and removes the files of a sandbox. Blocking.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::RwLock;

use crate::cgroup::Layout;
use crate::process::{self, Namespaces};
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
        // And one more that sees nobody: the kernel lists processes by number, and misses a child that got a number
        // it has passed from a parent that dies before it is reached.
        wait_until(|| kill_all_in(namespaces, folder) && kill_all_in(namespaces, folder));
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
    let left = namespaces.processes();
    if has_other_shim(&left, folder) {
        return true;
    }
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

/// Whether one of the processes is the shim of another sandbox: the kernel has given the numbers of
/// these namespaces, after their end, to that one's. Only shims live in the process namespace of the
/// main process; no container can pretend to.
fn has_other_shim(processes: &[i32], folder: &Path) -> bool {
    let beside = processes.iter().filter(|pid| process::is_in_own_namespace(**pid));
    beside.filter_map(|pid| process::last_argument(*pid)).any(|argument| argument != folder.as_os_str())
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

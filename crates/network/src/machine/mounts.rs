//! Mounts of our own: nothing spreads to the host, and `/run` is fresh.

use std::{fs, os::unix::fs::DirBuilderExt};

use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use super::{RUN_DIRECTORY, error::EnterError};

/// Run-time state is small; the bound keeps a fault from eating the machine's memory.
const RUN_OPTIONS: &str = "mode=0755,size=256m";

/// Where everybody looks for cgroups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Enters a mount namespace with a fresh `/run`. With `own_cgroup_view` also a cgroup namespace and
/// a cgroup2 mount that shows it: what an ordinary user may divide, if anything, is his own cgroup,
/// and container libraries would give up on the host's.
pub(super) fn enter(own_cgroup_view: bool) -> Result<(), EnterError> {
    let mut flags = CloneFlags::CLONE_NEWNS;
    flags.set(CloneFlags::CLONE_NEWCGROUP, own_cgroup_view);
    unshare(flags).map_err(|e| match e {
        // Ubuntu's AppArmor lets the user namespace be made, but takes its rights away.
        Errno::EPERM | Errno::EACCES => EnterError::user_namespace(e),
        _ => EnterError::system("create a mount namespace", e),
    })?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(|e| EnterError::system("make the mounts private", e))?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some(RUN_OPTIONS))
        .map_err(|e| EnterError::system("mount a fresh `/run`", e))?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(RUN_DIRECTORY)
        .map_err(|e| EnterError::system("create `/run/pinnace`", e))?;
    if own_cgroup_view {
        // Where the host's own view is of this kind, the kernel refuses another on the very same place, but not on
        // an empty folder that hides it.
        mount(Some("tmpfs"), CGROUPS, Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=0755,size=4k"))
            .and_then(|()| mount(Some("cgroup2"), CGROUPS, Some("cgroup2"), MsFlags::empty(), none))
            .map_err(|e| EnterError::system("mount cgroup2 on `/sys/fs/cgroup`", e))?;
    }
    Ok(())
}

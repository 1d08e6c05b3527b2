//! Joining the namespaces that a holder keeps.

use std::{fs, fs::File, os::fd::AsFd};

use nix::sched::{CloneFlags, setns};

use super::{Machine, Pid, error::EnterError, holder, identity, start_host_thread};

/// Joins the namespaces of a live holder, in the same order in which they were made.
pub(super) fn join(holder: Pid, name: &str) -> Result<Machine, EnterError> {
    let delegated_cgroup = identity::delegated_cgroup();
    let spaces = Namespaces::open(holder, name)?;
    let folder = std::env::current_dir();

    if let Some(user) = &spaces.user {
        enter(user, CloneFlags::CLONE_NEWUSER, "join the holder's user namespace")?;
    }
    let rootless = !identity::is_initial_user_namespace();
    let host = start_host_thread()?;
    enter(&spaces.mounts, CloneFlags::CLONE_NEWNS, "join the holder's mount namespace")?;
    enter(&spaces.cgroup, CloneFlags::CLONE_NEWCGROUP, "join the holder's cgroup namespace")?;
    enter(&spaces.network, CloneFlags::CLONE_NEWNET, "join the holder's network namespace")?;

    // Joining mounts moved us to their root; a folder of the host that is hidden now is no loss.
    if let Ok(folder) = folder {
        std::env::set_current_dir(folder).ok();
    }
    Ok(Machine {
        host,
        rootless,
        many_ids: identity::has_many_ids(),
        delegated_cgroup: delegated_cgroup.filter(|_| rootless),
        holder,
        joined: true,
    })
}

struct Namespaces {
    /// `None` when it is the one we are in: the kernel refuses to join that.
    user: Option<File>,
    mounts: File,
    cgroup: File,
    network: File,
}

impl Namespaces {
    fn open(holder: Pid, name: &str) -> Result<Self, EnterError> {
        let open = |kind: &str| {
            File::open(format!("/proc/{holder}/ns/{kind}"))
                .map_err(|e| EnterError::system("open the holder's namespaces", e))
        };
        let user = open("user");
        // Asked after the first one is open: a process id that was reused since shows here.
        if !holder::holder_is_alive(holder, name) {
            return Err(EnterError::HolderGone { holder });
        }
        let link = |process: &str| fs::read_link(format!("/proc/{process}/ns/user")).ok();
        let is_ours = link("self") == link(&holder.to_string());
        let user = if is_ours { None } else { Some(user?) };
        Ok(Self { user, mounts: open("mnt")?, cgroup: open("cgroup")?, network: open("net")? })
    }
}

fn enter(namespace: &File, kind: CloneFlags, act: &'static str) -> Result<(), EnterError> {
    setns(namespace.as_fd(), kind).map_err(|e| EnterError::system(act, e))
}

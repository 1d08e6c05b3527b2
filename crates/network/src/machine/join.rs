//! Joining the namespaces that a holder keeps.

use std::{fs, fs::File, os::fd::AsFd, path::Path};

use nix::sched::{CloneFlags, setns};

use super::{Machine, Pid, error::EnterError, holder, identity, start_host_thread};

/// Joins the namespaces of a live holder, in the same order in which they were made.
pub(super) fn join(holder: Pid, name: &str) -> Result<Machine, EnterError> {
    let spaces = Namespaces::open(holder, name)?;
    let folder = std::env::current_dir();

    if let Some(user) = &spaces.user {
        follow(holder);
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
    Ok(Machine { host, rootless, many_ids: identity::has_many_ids(), holder, joined: true })
}

/// Moves this process to the holder's control group (version 2), as long as it can be seen. Outside of
/// it an ordinary user could put no process into the groups below, where limits hold.
fn follow(holder: Pid) {
    let groups = fs::read_to_string(format!("/proc/{holder}/cgroup")).unwrap_or_default();
    let Some(path) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else { return };
    let file = Path::new("/sys/fs/cgroup").join(path).join("cgroup.procs");
    // Where nothing was delegated this is refused, and nothing is lost; else the runtime tells of it.
    fs::write(file, std::process::id().to_string()).ok();
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

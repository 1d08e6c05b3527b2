//! The first process of a process namespace that all containers of a sandbox share: it does nothing
//! but exist, and take in orphans.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::{process, sys};

/// Starts it as a child of this process, which must be a child subreaper.
pub(super) fn start() -> io::Result<Pid> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    // The namespace is for the next child of the one that makes it, which must not be the shim:
    // helpers could not be made any more.
    let maker = sys::fork(|| {
        let pause =
            unshare(CloneFlags::CLONE_NEWPID).map_err(io::Error::from).and_then(|()| sys::fork(pause));
        let sent = pause.and_then(|pid| sys::send(theirs.as_fd(), &pid.as_raw().to_le_bytes(), &[]));
        i32::from(sent.is_err())
    })?;
    drop(theirs);
    let mut pid = [0; 4];
    let length = sys::receive(ours.as_fd(), &mut pid, &mut Vec::new())?;
    waitpid(maker, None)?;
    if length != pid.len() {
        return Err(io::Error::other("the first process of the namespace could not be made"));
    }
    Ok(Pid::from_raw(i32::from_le_bytes(pid)))
}

fn pause() -> i32 {
    let _ = nix::sys::prctl::set_name(c"pause");
    if sys::become_idle().is_err() {
        return 1;
    }
    loop {
        nix::unistd::pause();
    }
}

/// Ends it, and with it everything in its namespace.
pub(super) fn stop(pause: Pid) {
    let _ = kill(pause, Signal::SIGKILL);
    let _ = waitpid(pause, None);
}

/// Returns what tells the processes of one container from those of another, in a namespace of
/// processes that they share: the mount namespace.
pub(super) fn mark(pid: i32) -> Option<u64> {
    Some(std::fs::metadata(format!("/proc/{pid}/ns/mnt")).ok()?.ino())
}

/// How often and how long it is waited until killed processes are gone. It rarely takes one round.
const ROUNDS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(2);

/// Kills what a container has left behind: the marked descendants of `root`.
pub(super) fn kill_marked(root: i32, wanted: u64) {
    for _ in 0..ROUNDS {
        let mut left = process::descendants(root);
        left.retain(|pid| mark(*pid) == Some(wanted));
        if left.is_empty() {
            return;
        }
        for pid in left {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(PAUSE);
    }
}

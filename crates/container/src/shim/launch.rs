//! A helper at work: started, waited for without blocking, and killed if it hangs.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::Pid;

use super::helper::{Made, Report, report};
use crate::sys;
use crate::wire::{Fault, FaultKind};

/// How long a helper may work. A container starts in milliseconds; a machine under great load, or a
/// slow disk below the layers, may take seconds.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A helper at work.
pub(super) struct Launch {
    helper: Pid,
    socket: OwnedFd,
    deadline: Instant,
}

/// What a helper has brought about.
pub(super) struct Launched {
    pub(super) report: Report,
    pub(super) terminal: Option<OwnedFd>,
}

impl Launch {
    /// Starts a helper that does `job`, for which it needs the descriptors `kept`. All others are
    /// closed: a client must see the end of the shim, even if what a helper has made lives on.
    pub(super) fn new(kept: &[RawFd], job: impl FnOnce() -> Result<Made, Fault>) -> io::Result<Self> {
        let mut kept = kept.to_vec();
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        kept.push(theirs.as_raw_fd());
        let helper = sys::fork(|| {
            let closed = sys::close_inherited(&kept)
                .map_err(|error| Fault::container("cannot close inherited files", &error));
            let (report, terminal) = report(closed.and_then(|()| job()));
            let descriptors: Vec<OwnedFd> = terminal.into_iter().collect();
            let sent = serde_json::to_vec(&report).map_err(io::Error::from);
            i32::from(sent.and_then(|bytes| sys::send(theirs.as_fd(), &bytes, &descriptors)).is_err())
        })?;
        Ok(Self { helper, socket: ours, deadline: Instant::now() + TIMEOUT })
    }

    pub(super) fn helper(&self) -> Pid {
        self.helper
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Becomes readable when the helper is done.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes the report once the socket is readable. A helper that died without one is a fault.
    pub(super) fn finish(&self) -> Launched {
        let mut bytes = vec![0; MAX_REPORT];
        let mut descriptors = Vec::new();
        let report = sys::receive(self.socket(), &mut bytes, &mut descriptors)
            .ok()
            .filter(|length| *length > 0)
            .and_then(|length| serde_json::from_slice::<Report>(&bytes[..length]).ok())
            .unwrap_or_else(|| Report {
                fault: Some(Fault::new(FaultKind::Container, "the process that makes containers died")),
                ..Report::default()
            });
        Launched { report, terminal: descriptors.pop() }
    }

    /// Kills the helper if it has worked for too long; its socket then becomes readable.
    pub(super) fn kill_if_late(&self, now: Instant) {
        if now >= self.deadline {
            let _ = kill(self.helper, Signal::SIGKILL);
        }
    }
}

/// Longest report: a fault carries a chain of causes and one line of the runtime's log.
const MAX_REPORT: usize = 64 << 10;

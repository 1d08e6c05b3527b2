//! The system calls that safe wrappers do not cover.
#![expect(unsafe_code, reason = "fork, descriptor passing and terminal size have no safe interface")]

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags};
use nix::unistd::{ForkResult, Pid};
use tokio::io::unix::AsyncFd;

/// Most descriptors in one message; the kernel's own bound is 253.
pub(crate) const MAX_DESCRIPTORS: usize = 8;

/// Runs `child` in a copy of this process, which ends with the code it returns.
///
/// The calling process must be single-threaded, as a shim is.
pub(crate) fn fork(child: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: there is one thread, so no lock can be held by another one in the copy.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let code = child();
            // SAFETY: `_exit` ends the copy without running what the original registered for its exit.
            unsafe { libc::_exit(code) }
        }
    }
}

/// Undoes for a child what a shim and the Rust runtime do to signals, as `exec` would inherit it.
pub(crate) fn reset_signals() -> io::Result<()> {
    SigSet::empty().thread_set_mask()?;
    // SAFETY: the default action is no handler, so no code of ours runs in a signal's context.
    unsafe { nix::sys::signal::signal(Signal::SIGPIPE, SigHandler::SigDfl) }?;
    Ok(())
}

/// Has the kernel judge every further system call of this process by a program.
///
/// Without `no_new_privs` that takes `CAP_SYS_ADMIN`.
pub(crate) fn install_filter(program: &mut [libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies `length` instructions from a slice of that length, and checks them.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Keeps of this thread's capabilities those in the mask.
pub(crate) fn keep_capabilities(mask: u64) -> io::Result<()> {
    /// `_LINUX_CAPABILITY_VERSION_3` of `include/uapi/linux/capability.h`.
    const VERSION: u32 = 0x2008_0522;
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the mask")]
    let halves = [mask as u32, (mask >> 32) as u32];
    let header = [VERSION, 0];
    let data = [[halves[0], halves[0], 0], [halves[1], halves[1], 0]];
    // SAFETY: the kernel reads a header of two words and, for this version, two sets of three words.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns the CPU time of a process and all its threads, in nanoseconds; `None` if it is gone.
pub(crate) fn cpu_time_ns(pid: i32) -> Option<u64> {
    let mut clock = 0;
    // SAFETY: the call writes one `clockid_t` to a place that holds one.
    if unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } != 0 {
        return None;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec` to a place that holds one.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec).ok()?, u64::try_from(time.tv_nsec).ok()?);
    Some(seconds * 1_000_000_000 + nanoseconds)
}

/// Closes what a copy of this process has inherited, but the standard streams and `kept`.
///
/// For use in a copy only, and only where whatever owns the closed descriptors is never dropped:
/// a copy ends by `_exit`.
pub(crate) fn close_inherited(kept: &[RawFd]) -> io::Result<()> {
    let mut kept: Vec<libc::c_uint> = kept.iter().filter_map(|number| (*number).try_into().ok()).collect();
    kept.sort_unstable();
    let mut first = 3;
    for number in kept.into_iter().chain([libc::c_uint::MAX]) {
        // SAFETY: the owners of these descriptors are never used or dropped in this process.
        if first < number && unsafe { libc::close_range(first, number - 1, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
        first = first.max(number.saturating_add(1));
    }
    Ok(())
}

/// Makes this process one that only exists: no descriptors, and no notice of its children's ends.
pub(crate) fn become_idle() -> io::Result<()> {
    reset_signals()?;
    // SAFETY: ignoring is no handler; and nothing in this process uses a descriptor from here on.
    unsafe {
        nix::sys::signal::signal(Signal::SIGCHLD, SigHandler::SigIgn)?;
        if libc::close_range(0, libc::c_uint::MAX, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Takes over a descriptor that the parent process left open at a known number.
///
/// Must be called once per number, at the start of the process, before anything else opens files.
pub(crate) fn inherited(number: RawFd) -> OwnedFd {
    // SAFETY: the caller started us with this descriptor, and nobody else in this process owns it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Sends `bytes` with `descriptors` attached to the first of them; returns how many bytes went.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[OwnedFd]) -> io::Result<usize> {
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let parts = [IoSlice::new(bytes)];
    Ok(nix::sys::socket::sendmsg::<()>(socket.as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None)?)
}

/// Receives into `buffer`; descriptors that came along are appended to `descriptors`. 0 is the end.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut control = nix::cmsg_space!([RawFd; MAX_DESCRIPTORS]);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = nix::sys::socket::recvmsg::<()>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    for part in message.cmsgs()? {
        let ControlMessageOwned::ScmRights(received) = part else { continue };
        // SAFETY: the kernel has just made these descriptors for us alone.
        descriptors.extend(received.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }));
    }
    Ok(message.bytes)
}

/// Sets the size of a terminal.
pub(crate) fn set_window_size(terminal: impl AsFd, columns: u16, rows: u16) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the request reads one `winsize`, which outlives the call.
    let result = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes reads and writes on a descriptor return at once instead of waiting.
pub(crate) fn set_nonblocking(descriptor: impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(descriptor.as_fd(), FcntlArg::F_GETFL)?);
    fcntl(descriptor.as_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Makes reads and writes on a descriptor wait.
pub(crate) fn set_blocking(descriptor: impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(descriptor.as_fd(), FcntlArg::F_GETFL)?);
    fcntl(descriptor.as_fd(), FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Registers a file with the reactor.
pub(crate) fn watched(file: File) -> io::Result<AsyncFd<File>> {
    // SAFETY: a `File` owns its descriptor, always names the same one, and closes it only when it
    // is dropped, which `AsyncFd` does after taking it off the reactor.
    Ok(unsafe { AsyncFd::register(file) }?)
}

//! The holder: a process that only sleeps, so that the namespaces outlive the main process.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{SigHandler, Signal, kill, signal},
    unistd,
};

use super::{Pid, error::EnterError};

/// The hidden command that becomes the holder.
const COMMAND: &str = "__holder";

/// A killed process is gone within moments; longer means it hangs in the kernel.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn spawn(name: &str, executable: Option<PathBuf>) -> Result<Pid, EnterError> {
    let executable = executable.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
    let child = Command::new(executable)
        .arg0("pinnace")
        .args([COMMAND, name])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A signal from the terminal must not reach it, not even before it calls setsid.
        .process_group(0)
        .spawn()
        .map_err(|e| EnterError::system("start the holder process", e))?;
    Pid::try_from(child.id()).map_err(|_| EnterError::system("start the holder process", Errno::ERANGE))
}

/// Is the body of `pinnace __holder NAME`: sleeps until it is killed.
pub fn holder_main() -> ! {
    close_inherited_files();
    unistd::setsid().ok();
    unistd::chdir("/").ok();
    nix::sys::prctl::set_name(c"pinnace-holder").ok();
    ignore_hangup();
    loop {
        unistd::pause();
    }
}

/// A listener inherited by mistake would keep its port taken for as long as the holder lives.
fn close_inherited_files() {
    let Ok(folder) = fs::read_dir("/proc/self/fd") else { return };
    let open: Vec<i32> = folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    for fd in open {
        // The folder's own descriptor is among them and closed by now.
        unistd::close(fd).ok();
    }
}

#[expect(unsafe_code, reason = "changing what a signal does is unsafe in nix")]
fn ignore_hangup() {
    // SAFETY: ignoring a signal runs no handler, and the process has one thread.
    unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }.ok();
}

/// Says whether `holder` is a live holder of the cluster `name`.
pub fn holder_is_alive(holder: Pid, name: &str) -> bool {
    if holder <= 0 || is_zombie(holder) {
        return false;
    }
    let Ok(command_line) = fs::read(format!("/proc/{holder}/cmdline")) else { return false };
    command_line.split(|byte| *byte == 0).skip(1).take(2).eq([COMMAND.as_bytes(), name.as_bytes()])
}

/// Kills the holder of the cluster `name` and waits until it is gone; a process that is no such
/// holder is left alone. The namespaces end with the last other process in them.
///
/// # Errors
/// When the process may not be signalled, or does not die.
pub fn stop_holder(holder: Pid, name: &str) -> io::Result<()> {
    if !holder_is_alive(holder, name) {
        return Ok(());
    }
    let deadline = Instant::now() + PATIENCE;
    match kill(unistd::Pid::from_raw(holder), Signal::SIGKILL) {
        Ok(()) => {}
        Err(Errno::ESRCH) => return Ok(()),
        Err(e) => return Err(e.into()),
    }
    while holder_is_alive(holder, name) {
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // Ours, when we started it: a zombie would stay for as long as we do.
    nix::sys::wait::waitpid(unistd::Pid::from_raw(holder), Some(nix::sys::wait::WaitPidFlag::WNOHANG)).ok();
    Ok(())
}

fn is_zombie(pid: Pid) -> bool {
    // The state follows the command's name, which may itself hold brackets.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(')')?.1.trim_start().chars().next())
        .is_some_and(|state| matches!(state, 'Z' | 'X'))
}

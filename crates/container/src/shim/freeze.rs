//! Holds processes still without their noticing: a pause that the kernel's freezer would make, where there is none.
//!
//! Each thread is stopped as a debugger stops it (`PTRACE_SEIZE`, `PTRACE_INTERRUPT`): no signal is sent, so a parent
//! that waits for its children hears nothing of it, whatever it asks for. What the kernel tells of it is told to this
//! process alone, which lets them go by ceasing to be their debugger. Should it be killed, the kernel does.
//!
//! Threads are frozen until a look finds no new ones. One in the middle of a slow read stops when it is through, and is
//! as good as still until then. One that another debugger holds is left to it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::container::Ending;
use crate::process;

/// How long to wait for threads to come to a stop.
const PATIENCE: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_micros(50);

/// Threads that are held still.
#[derive(Debug, Default)]
pub(super) struct Frozen {
    threads: BTreeMap<i32, Held>,
    /// Processes that had to be sent a signal.
    stopped: Vec<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// It was told to stop.
    Asked,
    /// It has stopped. The signal that it was about to get, if there was one, is to be given back to it.
    Still(Option<Signal>),
}

/// The administrator lets nobody debug (`kernel.yama.ptrace_scope` 3): processes are sent signals then, and their
/// parents may notice.
struct Forbidden;

/// The end of a process of which the kernel told while something else was waited for.
pub(super) type Ended = (i32, Ending);

impl Frozen {
    /// Whether nobody is held.
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.threads.is_empty() && self.stopped.is_empty()
    }

    /// Holds the threads of all processes that `find` finds, until it finds no new ones; returns the processes that
    /// ended meanwhile.
    pub(super) fn freeze(&mut self, find: impl Fn() -> Vec<i32>) -> Vec<Ended> {
        let begin = Instant::now();
        let mut ended = Vec::new();
        loop {
            let mut is_growing = false;
            for pid in find() {
                is_growing |= self.hold_process(pid);
            }
            ended.extend(self.collect());
            let is_still = !self.threads.values().any(|held| *held == Held::Asked);
            if (is_still && !is_growing) || begin.elapsed() > PATIENCE {
                return ended;
            }
            if !is_still {
                std::thread::sleep(LOOK);
            }
        }
    }

    /// Tells the threads of a process to stop that were not told yet; returns whether there were any.
    fn hold_process(&mut self, pid: i32) -> bool {
        if self.stopped.contains(&pid) {
            return false;
        }
        let mut is_growing = false;
        for thread in process::threads(pid) {
            let held = if self.threads.contains_key(&thread) { Ok(false) } else { self.hold(thread) };
            match held {
                Ok(is_new) => is_growing |= is_new,
                Err(Forbidden) => {
                    self.stopped.push(pid);
                    return kill(Pid::from_raw(pid), Signal::SIGSTOP).is_ok();
                }
            }
        }
        is_growing
    }

    /// Tells a thread to stop; returns whether it will.
    fn hold(&mut self, thread: i32) -> Result<bool, Forbidden> {
        let pid = Pid::from_raw(thread);
        match ptrace::seize(pid, ptrace::Options::empty()) {
            Ok(()) => {}
            // It may be ours from before, not come to a stop since; or somebody else's.
            Err(Errno::EPERM) => match process::tracer(thread) {
                Some(0) => return Err(Forbidden),
                Some(tracer) if tracer == nix::unistd::getpid().as_raw() => {}
                Some(_) | None => return Ok(false),
            },
            // It is gone.
            Err(_) => return Ok(false),
        }
        let is_asked = ptrace::interrupt(pid).is_ok();
        if is_asked {
            self.threads.insert(thread, Held::Asked);
        }
        Ok(is_asked)
    }

    /// Takes in what the kernel has to tell of those that were told to stop.
    fn collect(&mut self) -> Vec<Ended> {
        let asked: Vec<i32> = self.asked().collect();
        let flags = WaitPidFlag::WNOHANG | WaitPidFlag::__WALL;
        let mut ended = Vec::new();
        for thread in asked {
            match waitpid(Pid::from_raw(thread), Some(flags)) {
                Ok(WaitStatus::StillAlive) => {}
                Ok(status) => {
                    if !self.notice(&status) {
                        self.threads.remove(&thread);
                        ended.extend(Ending::of(&status).map(|ending| (thread, ending)));
                    }
                }
                Err(_) => drop(self.threads.remove(&thread)),
            }
        }
        ended
    }

    fn asked(&self) -> impl Iterator<Item = i32> {
        self.threads.iter().filter(|(_, held)| **held == Held::Asked).map(|(thread, _)| *thread)
    }

    /// Takes note of a stop; returns whether it is one of a thread that is held.
    pub(super) fn notice(&mut self, status: &WaitStatus) -> bool {
        let Some((thread, signal)) = stop_of(status) else { return false };
        match self.threads.get_mut(&thread.as_raw()) {
            Some(held) => {
                *held = Held::Still(signal);
                true
            }
            None => false,
        }
    }

    /// Lets all of them go on. One that has not come to a stop goes on when it does: see [`let_go`].
    pub(super) fn thaw(&mut self) {
        for (thread, held) in std::mem::take(&mut self.threads) {
            if let Held::Still(signal) = held {
                // It may have been killed meanwhile.
                let _ = ptrace::detach(Pid::from_raw(thread), signal);
            }
        }
        for pid in std::mem::take(&mut self.stopped).into_iter().rev() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.thaw();
    }
}

/// Lets a thread go on that has stopped for us, and that nobody holds any more.
pub(super) fn let_go(status: &WaitStatus) {
    if let Some((thread, signal)) = stop_of(status) {
        let _ = ptrace::detach(thread, signal);
    }
}

/// The thread that has stopped, and the signal that it was about to get.
fn stop_of(status: &WaitStatus) -> Option<(Pid, Option<Signal>)> {
    match status {
        // The stop that was asked for, or one of job control, which it stays in by itself.
        WaitStatus::PtraceEvent(thread, _, _) => Some((*thread, None)),
        WaitStatus::Stopped(thread, signal) => Some((*thread, Some(*signal))),
        WaitStatus::Exited(..)
        | WaitStatus::Signaled(..)
        | WaitStatus::PtraceSyscall(_)
        | WaitStatus::Continued(_)
        | WaitStatus::StillAlive => None,
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn id(child: &Child) -> i32 {
        i32::try_from(child.id()).unwrap()
    }

    fn used(pid: i32) -> u64 {
        crate::sys::cpu_time_ns(pid).unwrap()
    }

    /// Freezes a program that would use all the time there is; it uses none until it is let go, and its parent, which
    /// asks for stops too, hears of none.
    #[test]
    fn who_is_frozen_rests_and_nobody_is_told() {
        let mut child = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let pid = id(&child);
        while used(pid) == 0 {
            std::thread::yield_now();
        }
        let mut frozen = Frozen::default();
        while frozen.is_empty() || frozen.asked().next().is_some() {
            assert!(frozen.freeze(|| process::tree(pid)).is_empty());
        }
        let before = used(pid);
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(used(pid), before);
        frozen.thaw();
        let flags = WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED | WaitPidFlag::WCONTINUED;
        assert_eq!(waitpid(Pid::from_raw(pid), Some(flags)), Ok(WaitStatus::StillAlive));
        while used(pid) == before {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn who_is_killed_while_frozen_is_told_of() {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = id(&child);
        let mut frozen = Frozen::default();
        frozen.freeze(|| vec![pid]);
        nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        let end = loop {
            match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::__WALL)).unwrap() {
                WaitStatus::Signaled(_, signal, _) => break signal,
                other => assert!(frozen.notice(&other)),
            }
        };
        assert_eq!(end, Signal::SIGKILL);
        drop(child);
    }
}

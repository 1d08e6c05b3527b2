//! Processes as `/proc` shows them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;

use nix::sys::signal::Signal;
use nix::unistd::{Pid, SysconfVar, sysconf};
use serde::{Deserialize, Serialize};

use crate::Usage;

/// A process, told from a later one that got the same id by when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) pid: i32,
    /// In clock ticks since the machine started.
    pub(crate) start: u64,
}

impl Identity {
    /// Returns the identity of a process that exists now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, start: Stat::read(pid)?.start })
    }

    /// Returns whether this very process still exists and is not a zombie.
    pub(crate) fn is_alive(self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.start == self.start && stat.state != 'Z')
    }

    /// Kills this very process.
    pub(crate) fn kill(self) {
        if self.is_alive() {
            let _ = nix::sys::signal::kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
    }
}

/// What we read of `/proc/<pid>/stat`.
struct Stat {
    state: char,
    /// User and system time of the process and of its children that were waited for, in clock ticks.
    cpu: u64,
    /// The part of it that is children's.
    ended: u64,
    start: u64,
}

impl Stat {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The name, in parentheses, may contain anything, parentheses and spaces included.
        let mut fields = text.get(text.rfind(')')? + 2..)?.split(' ');
        let state = fields.next()?.chars().next()?;
        // proc_pid_stat(5): utime is field 14, starttime 22; `state` was field 3.
        let mut fields = fields.skip(10);
        let mut number = || fields.next()?.parse::<u64>().ok();
        let (own, ended) = (number()? + number()?, number()? + number()?);
        let start = fields.nth(4)?.parse().ok()?;
        Some(Self { state, cpu: own + ended, ended, start })
    }
}

/// The namespaces by which the processes of a sandbox are recognised: all share both, and nobody
/// else has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Namespaces {
    uts: u64,
    net: u64,
}

impl Namespaces {
    /// Returns the namespaces of a process; `None` if it is gone or not ours to look at.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let inode = |name: &str| Some(fs::metadata(format!("/proc/{pid}/ns/{name}")).ok()?.ino());
        Some(Self { uts: inode("uts")?, net: inode("net")? })
    }

    /// Returns every process in them.
    pub(crate) fn processes(self) -> Vec<i32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| Self::of(*pid) == Some(self)).collect()
    }
}

/// Returns whether a process is in the process namespace of this one.
pub(crate) fn is_in_own_namespace(pid: i32) -> bool {
    let inode =
        |whose: &str| fs::metadata(format!("/proc/{whose}/ns/pid")).ok().map(|metadata| metadata.ino());
    let own = inode("self");
    own.is_some() && inode(&pid.to_string()) == own
}

/// Returns the parent of this process if it is the same program by its name, as one is that starts
/// another in the background and waits until it serves.
pub(crate) fn starter_of_the_same_program() -> Option<i32> {
    let name = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    let parent = nix::unistd::getppid().as_raw();
    (parent > 1 && name("self")? == name(&parent.to_string())?).then_some(parent)
}

/// Returns the last word of the command line of a process.
pub(crate) fn last_argument(pid: i32) -> Option<OsString> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = line.strip_suffix(b"\0")?;
    Some(OsString::from_vec(words.rsplit(|byte| *byte == 0).next()?.to_vec()))
}

/// Returns the descendants of a process, itself not included.
pub(crate) fn descendants(pid: i32) -> BTreeSet<i32> {
    tree(pid).into_iter().skip(1).collect()
}

/// Returns a process and its descendants, parents before their children.
pub(crate) fn tree(pid: i32) -> Vec<i32> {
    let (mut found, mut known, mut next) = (vec![pid], BTreeSet::from([pid]), 0);
    while let Some(pid) = found.get(next).copied() {
        found.extend(children(pid).into_iter().filter(|child| known.insert(*child)));
        next += 1;
    }
    found
}

/// Returns the threads of a process.
pub(crate) fn threads(pid: i32) -> Vec<i32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Returns the process that debugs a thread, 0 if there is none; `None` if the thread is gone.
pub(crate) fn tracer(thread: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("TracerPid:")?.trim().parse().ok())
}

/// Returns the CPU time in nanoseconds that processes have used, with what their children used that have ended.
pub(crate) fn cpu_ns(pids: &[i32]) -> u64 {
    let tick_ns = 1_000_000_000 / setting(SysconfVar::CLK_TCK, 100);
    let of = |pid: &i32| {
        let ended = Stat::read(*pid).map_or(0, |stat| stat.ended.saturating_mul(tick_ns));
        crate::sys::cpu_time_ns(*pid).unwrap_or(0).saturating_add(ended)
    };
    pids.iter().map(of).fold(0, u64::saturating_add)
}

/// Returns the children of a process. The kernel lists them by the thread that made them.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Returns what a set of processes uses together. Memory is their anonymous pages: pages of files can
/// be reclaimed, and shared ones would be counted once for each.
pub(crate) fn usage(pids: impl IntoIterator<Item = i32>) -> Usage {
    let tick_ns = 1_000_000_000 / setting(SysconfVar::CLK_TCK, 100);
    let mut total = Usage::default();
    for pid in pids {
        let Some(stat) = Stat::read(pid) else { continue };
        total.cpu_ns = total.cpu_ns.saturating_add(stat.cpu.saturating_mul(tick_ns));
        total.memory_bytes = total.memory_bytes.saturating_add(resident(pid));
        total.pids += 1;
    }
    total
}

/// Resident pages without those of files and of shared memory.
fn resident(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let mut pages = text.split(' ').skip(1).map_while(|field| field.parse::<u64>().ok());
    let (Some(resident), Some(shared)) = (pages.next(), pages.next()) else { return 0 };
    resident.saturating_sub(shared).saturating_mul(setting(SysconfVar::PAGE_SIZE, 4096))
}

fn setting(variable: SysconfVar, usual: u64) -> u64 {
    let value = sysconf(variable).ok().flatten().and_then(|value| u64::try_from(value).ok());
    value.filter(|value| *value > 0).unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_fields() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5555 0 0\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.state, stat.cpu, stat.ended, stat.start), ('S', 100, 70, 5555));
    }

    #[test]
    fn this_process_is_alive_and_another_start_time_is_not_it() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let this = Identity::of(pid).unwrap();
        assert!(this.is_alive());
        assert!(!Identity { start: this.start + 1, ..this }.is_alive());
    }
}

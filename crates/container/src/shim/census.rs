//! Who is in a container, and whether anybody there has stirred since.

use crate::sys;

/// The processes of a container as they were counted last.
///
/// To find them and what they hold takes files of `/proc` for every process and thread. A process that has not run
/// since has neither made another nor touched memory, and that it has not takes one system call to know. Most
/// containers sleep most of the time.
#[derive(Debug, Default)]
pub(super) struct Census {
    processes: Vec<i32>,
    /// The CPU time in nanoseconds that all of them together had used before they were counted; `None` if they were
    /// others then.
    used: Option<u64>,
}

impl Census {
    /// Whether nothing can have changed since the processes were counted. `commands` are those that must be among them.
    pub(super) fn is_still(&self, commands: &[i32]) -> bool {
        self.used.is_some()
            && commands.iter().all(|command| self.processes.contains(command))
            && self.used == used(&self.processes)
    }

    /// Counts the processes, which `find` finds, and returns them.
    pub(super) fn count(&mut self, find: impl FnOnce() -> Vec<i32>) -> &[i32] {
        // Read first: a process that is born during the search took its parent's time after this.
        let before = used(&self.processes);
        let found = find();
        self.used = before.filter(|_| found == self.processes && !found.is_empty());
        self.processes = found;
        &self.processes
    }
}

/// The CPU time of processes; `None` if one of them is gone.
fn used(processes: &[i32]) -> Option<u64> {
    processes.iter().map(|pid| sys::cpu_time_ns(*pid)).sum()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::process;

    fn start(script: &str) -> Child {
        Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap()
    }

    fn end(mut child: Child) {
        for pid in process::descendants(id(&child)) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn id(child: &Child) -> i32 {
        i32::try_from(child.id()).unwrap()
    }

    /// Counts until the container is still: its programs have come to wait.
    fn settle(census: &mut Census, pid: i32) {
        while !census.is_still(&[]) {
            census.count(|| process::tree(pid));
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_container_that_waits_is_still_until_one_of_its_programs_runs() {
        use std::io::Write;
        let mut child = start("read line; sleep 1000");
        let pid = id(&child);
        let mut census = Census::default();
        assert!(!census.is_still(&[]), "it was never counted");
        settle(&mut census, pid);
        assert_eq!(census.count(|| process::tree(pid)), [pid]);
        assert!(census.is_still(&[pid]));
        assert!(!census.is_still(&[pid, 1]), "a command came that was not counted");
        child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
        while census.is_still(&[]) {
            std::thread::yield_now();
        }
        while census.count(|| process::tree(pid)).len() < 2 {}
        settle(&mut census, pid);
        end(child);
        assert!(!census.is_still(&[]), "all are gone");
    }

    #[test]
    fn processes_that_were_others_before_are_looked_for_again() {
        let child = start("sleep 1000");
        let pid = id(&child);
        let mut census = Census::default();
        census.count(|| vec![pid]);
        assert!(!census.is_still(&[]), "what it had used before it was found is not known");
        settle(&mut census, pid);
        end(child);
    }
}

//! What a shim does when a helper, a container, a command or the sandbox ends.

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::client::Caller;
use super::container::{Container, Ending, Phase};
use super::execution::{Execution, ExecutionPhase};
use super::pause;
use super::server::{Server, own_pid};
use super::throttle;
use crate::process;
use crate::wire::{Event, Reply};
use crate::{ExitCode, sys};

impl Server {
    /// Takes note of every child that has ended.
    pub(super) fn reap(&mut self) {
        while let Ok(Some(_)) = self.children.read_signal() {}
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(nix::errno::Errno::ECHILD) => break,
                Ok(status) => match (Ending::of(&status), status.pid()) {
                    (Some(ending), Some(pid)) => self.child_ended(pid.as_raw(), ending),
                    (_, _) => throttle::notice(self, &status),
                },
                Err(_) => {}
            }
        }
        if !self.is_launching() {
            self.unclaimed.clear();
            self.kill_strays();
        }
    }

    pub(super) fn child_ended(&mut self, pid: i32, ending: Ending) {
        if let Some((number, _)) = self.containers.iter().find(|(_, container)| container.pid() == Some(pid))
        {
            self.container_ended(*number, ending);
        } else if let Some((number, _)) =
            self.executions.iter().find(|(_, execution)| execution.pid() == Some(pid))
        {
            self.execution_ended(*number, ending);
        } else {
            // A helper, an orphan of a container, or a process whose helper is about to tell of it.
            self.unclaimed.insert(pid, ending);
        }
    }

    fn container_ended(&mut self, number: u64, ending: Ending) {
        let Some(container) = self.containers.get_mut(&number) else { return };
        container.end(ending, self.sandbox.layout.as_ref());
        let exit = container.status().and_then(|status| status.exit());
        let removers = std::mem::take(&mut container.removers);
        if !removers.is_empty() {
            self.containers.remove(&number);
        }
        self.save();
        if let Some(exit) = exit {
            self.announce(&Event::Exit { exit });
        }
        self.answer_all(&removers);
    }

    fn execution_ended(&mut self, number: u64, ending: Ending) {
        self.executions.remove(&number);
        let code = ExitCode { code: ending.code, signal: ending.signal };
        self.announce(&Event::ExecExit { exec: number, code });
    }

    fn answer_all(&mut self, callers: &[Caller]) {
        for caller in callers {
            self.reply(*caller, &Reply::Done, Vec::new());
        }
    }

    /// Takes up a container whose helper is done.
    pub(super) fn finish_start(&mut self, number: u64) {
        let Some(container) = self.containers.get_mut(&number) else { return };
        let Phase::Starting { launch, caller } = &container.phase else { return };
        let (launched, caller) = (launch.finish(), *caller);
        match container.begin(launched, self.sandbox.setup.limits) {
            Ok(started) => {
                let unclaimed = self.unclaimed.remove(&started.pid);
                if !container.removers.is_empty() || !self.destroyers.is_empty() {
                    container.kill();
                }
                self.save();
                self.reply(caller, &Reply::Started { started }, Vec::new());
                if let Some(ending) = unclaimed {
                    self.container_ended(number, ending);
                }
            }
            Err(fault) => {
                container.discard(self.sandbox.layout.as_ref());
                let removers = std::mem::take(&mut container.removers);
                self.containers.remove(&number);
                self.strays = true;
                self.reply(caller, &Reply::Fault { fault }, Vec::new());
                self.answer_all(&removers);
                self.kill_strays();
            }
        }
    }

    /// Takes up a command whose helper is done.
    pub(super) fn finish_execution(&mut self, number: u64) {
        let Some(execution) = self.executions.get_mut(&number) else { return };
        let ExecutionPhase::Starting { launch, caller } = &execution.phase else { return };
        let (launched, caller) = (launch.finish(), *caller);
        if let Some(fault) = launched.report.fault {
            self.executions.remove(&number);
            self.strays = true;
            self.reply(caller, &Reply::Fault { fault }, Vec::new());
            self.kill_strays();
            return;
        }
        let pid = launched.report.pid;
        execution.phase = ExecutionPhase::Running { pid };
        let terminal = launched.terminal.into_iter().collect();
        let unclaimed = self.unclaimed.remove(&pid);
        self.reply(caller, &Reply::Exec { exec: number, pid }, terminal);
        if let Some(ending) = unclaimed {
            self.execution_ended(number, ending);
        }
    }

    fn is_launching(&self) -> bool {
        self.containers.values().any(|container| matches!(container.phase, Phase::Starting { .. }))
            || self.executions.values().any(|execution| execution.launch().is_some())
    }

    /// Kills the children that nobody knows, which a failed start may leave. Only when no helper is
    /// at work: its process becomes our child a moment before it is told of.
    fn kill_strays(&mut self) {
        if !self.strays || self.is_launching() {
            return;
        }
        self.strays = false;
        let known: Vec<i32> = self
            .containers
            .values()
            .filter_map(Container::pid)
            .chain(self.executions.values().filter_map(Execution::pid))
            .chain(self.sandbox.pause.map(Pid::as_raw))
            .collect();
        for child in process::children(own_pid()).into_iter().filter(|child| !known.contains(child)) {
            let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
        }
    }

    /// Whether the sandbox is to be destroyed and nothing of it is left.
    pub(super) fn is_finished(&self) -> bool {
        let all_ended =
            || self.containers.values().all(|container| matches!(container.phase, Phase::Exited(_)));
        !self.destroyers.is_empty() && self.executions.is_empty() && all_ended()
    }

    /// Removes what only a shim can remove and answers those who wait for it.
    pub(super) fn say_farewell(&mut self) {
        if let Some(pause) = self.sandbox.pause.take() {
            pause::stop(pause);
        }
        if let Some(layout) = &self.sandbox.layout {
            layout.kill(&self.sandbox.setup.cgroup);
            // What is left over is seen to by the main process.
            let _ = layout.remove(&self.sandbox.setup.cgroup);
        }
        let destroyers = std::mem::take(&mut self.destroyers);
        for caller in destroyers {
            if let Some(client) = self.clients.get(&caller.client) {
                // The answer must not wait in a queue that ends with this process.
                let _ = sys::set_blocking(client.socket());
            }
            self.reply(caller, &Reply::Done, Vec::new());
        }
    }
}

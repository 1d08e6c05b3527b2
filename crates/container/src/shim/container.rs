//! A container as its shim keeps it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::SystemTime;

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::WaitStatus;
use nix::unistd::{Pid, pipe2};

use super::census::Census;
use super::client::Caller;
use super::helper::{StartJob, Streams};
use super::launch::{Launch, Launched};
use super::log::{Log, Stream};
use super::oci::Processes;
use super::output::Output;
use super::pause;
use super::server::{Sandbox, own_pid};
use super::throttle::Throttle;
use crate::cgroup::Layout;
use crate::paths::ContainerPaths;
use crate::process;
use crate::wire::Fault;
use crate::{ContainerSpec, ContainerState, ContainerStatus, Started, Usage};

/// A container from the request to start it until it is removed.
pub(super) struct Container {
    pub(super) spec: ContainerSpec,
    pub(super) paths: ContainerPaths,
    pub(super) cgroup: String,
    pub(super) phase: Phase,
    pub(super) outputs: Vec<Output>,
    log: Option<Log>,
    /// Writing end of standard input, while it is open.
    pub(super) stdin: Option<OwnedFd>,
    pub(super) terminal: Option<OwnedFd>,
    /// What marks its processes, where containers share a process namespace.
    mark: Option<u64>,
    /// Its processes as the watchdog has found them.
    pub(super) census: Census,
    /// Set by the watchdog, where the kernel does not limit memory.
    pub(super) killed_for_memory: bool,
    /// Holds its CPU limit, where the kernel does not.
    pub(super) throttle: Option<Throttle>,
    /// Those who wait for its removal.
    pub(super) removers: Vec<Caller>,
}

/// Where a container is in its life.
pub(super) enum Phase {
    Starting { launch: Launch, caller: Caller },
    Running { pid: i32, started_at: SystemTime },
    Exited(ContainerState),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) code: i32,
    pub(super) signal: Option<i32>,
}

impl Ending {
    /// Returns how a process ended of which the kernel tells that it did.
    pub(super) fn of(status: &WaitStatus) -> Option<Self> {
        match status {
            WaitStatus::Exited(_, code) => Some(Self { code: *code, signal: None }),
            WaitStatus::Signaled(_, signal, _) => {
                let signal = *signal as i32;
                Some(Self { code: 128 + signal, signal: Some(signal) })
            }
            WaitStatus::Stopped(..)
            | WaitStatus::PtraceEvent(..)
            | WaitStatus::PtraceSyscall(_)
            | WaitStatus::Continued(_)
            | WaitStatus::StillAlive => None,
        }
    }
}

impl Container {
    /// Begins to start a container.
    pub(super) fn launch(
        spec: ContainerSpec,
        sandbox: &Sandbox,
        processes: Processes,
        caller: Caller,
    ) -> Result<Self, Fault> {
        let failed = |error: io::Error| Fault::container("cannot prepare the container's streams", &error);
        let log = match &spec.log_path {
            Some(path) => Some(Log::open(path, &spec.log_limits).map_err(|error| {
                Fault::container(&format!("cannot open the log file `{}`", path.display()), &error)
            })?),
            None => None,
        };
        let paths = ContainerPaths::new(&sandbox.folder, &sandbox.setup.scratch, &spec.id);
        let cgroup = format!("{}/{}", sandbox.setup.cgroup, spec.id);
        let pipes = if spec.tty { None } else { Some(Pipes::new(spec.stdin).map_err(failed)?) };
        let (streams, outputs, stdin) = match pipes {
            Some(Pipes { streams, outputs, stdin }) => (Some(streams), outputs, stdin),
            None => (None, Vec::new(), None),
        };
        let kept = Streams::numbers(streams.as_ref());
        let job = StartJob { sandbox, spec: &spec, paths: &paths, cgroup: &cgroup, processes, streams };
        let launch = Launch::new(&kept, || job.run())
            .map_err(|error| Fault::container("cannot fork the shim", &error))?;
        Ok(Self {
            phase: Phase::Starting { launch, caller },
            spec,
            paths,
            cgroup,
            outputs,
            log,
            stdin,
            terminal: None,
            mark: None,
            census: Census::default(),
            killed_for_memory: false,
            throttle: None,
            removers: Vec::new(),
        })
    }

    /// Takes up its process.
    pub(super) fn begin(
        &mut self,
        launched: Launched,
        limits_are_the_kernels: bool,
    ) -> Result<Started, Fault> {
        if let Some(fault) = launched.report.fault {
            return Err(fault);
        }
        if let Some(terminal) = launched.terminal {
            let output = terminal.try_clone().and_then(|source| Output::new(source, Stream::Stdout));
            self.outputs.push(output.map_err(|error| Fault::container("cannot use the terminal", &error))?);
            self.terminal = Some(terminal);
        }
        let started_at = SystemTime::now();
        let pid = launched.report.pid;
        self.mark = launched.report.mark;
        self.phase = Phase::Running { pid, started_at };
        if !limits_are_the_kernels {
            self.throttle = self.spec.resources.cpu_quota_milli.map(Throttle::new);
        }
        Ok(Started { pid, at: started_at, notes: launched.report.notes })
    }

    /// Moves what one of its streams has; returns whether there was anything.
    pub(super) fn pump(&mut self, output: usize) {
        if let Some(output) = self.outputs.get_mut(output) {
            output.pump(self.log.as_mut());
        }
    }

    /// Records the end of its first process, once everything it wrote is in the log.
    pub(super) fn end(&mut self, ending: Ending, layout: Option<&Layout>) {
        let Phase::Running { started_at, .. } = self.phase else { return };
        if let Some(mark) = self.mark {
            pause::kill_marked(own_pid(), mark);
        }
        for output in &mut self.outputs {
            output.finish(self.log.as_mut());
        }
        self.outputs.clear();
        self.log = None;
        self.stdin = None;
        self.terminal = None;
        let oom_kills = layout.map_or(0, |layout| layout.oom_kills(&self.cgroup));
        self.phase = Phase::Exited(ContainerState::Exited {
            code: ending.code,
            signal: ending.signal,
            oom_killed: self.killed_for_memory || oom_kills > 0,
            started_at,
            finished_at: SystemTime::now(),
        });
        if let Some(layout) = layout {
            layout.kill(&self.cgroup);
            // Left over, it is removed with the sandbox.
            let _ = layout.remove(&self.cgroup);
        }
    }

    /// Removes what a start that failed has left.
    pub(super) fn discard(&self, layout: Option<&Layout>) {
        if let Some(layout) = layout {
            layout.kill(&self.cgroup);
            let _ = layout.remove(&self.cgroup);
        }
        let _ = fs::remove_dir_all(&self.paths.folder);
        let _ = fs::remove_dir_all(&self.paths.scratch);
    }

    pub(super) fn pid(&self) -> Option<i32> {
        match self.phase {
            Phase::Running { pid, .. } => Some(pid),
            Phase::Starting { .. } | Phase::Exited(_) => None,
        }
    }

    /// Sends a signal to its first process, if it runs.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // It is our child and not yet waited for, so the id is still its own.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Stops it in whatever phase it is.
    pub(super) fn kill(&self) {
        match &self.phase {
            Phase::Starting { launch, .. } => {
                let _ = kill(launch.helper(), Signal::SIGKILL);
            }
            Phase::Running { .. } => self.signal(Signal::SIGKILL),
            Phase::Exited(_) => {}
        }
    }

    /// Returns what is told of it; a container that is still starting is not told of.
    pub(super) fn status(&self) -> Option<ContainerStatus> {
        let state = match &self.phase {
            Phase::Starting { .. } => return None,
            Phase::Running { pid, started_at } => {
                ContainerState::Running { pid: *pid, started_at: *started_at }
            }
            Phase::Exited(state) => state.clone(),
        };
        Some(ContainerStatus {
            id: self.spec.id.clone(),
            name: self.spec.name.clone(),
            attempt: self.spec.attempt,
            state,
            labels: self.spec.labels.clone(),
        })
    }

    /// Returns its processes, parents before their children: its first one with all below it, and the same for
    /// `commands`, the processes that were run in it.
    pub(super) fn processes(&self, commands: &[i32]) -> Vec<i32> {
        let roots = self.pid().into_iter().chain(commands.iter().copied());
        roots.flat_map(process::tree).collect()
    }

    /// Returns what it uses; `None` if it does not run.
    pub(super) fn usage(&self, layout: Option<&Layout>, commands: &[i32]) -> Option<Usage> {
        self.pid()?;
        let counted = layout.and_then(|layout| layout.usage(&self.cgroup));
        Some(counted.unwrap_or_else(|| process::usage(self.processes(commands))))
    }
}

/// The streams of a process without a terminal, and our ends of them.
struct Pipes {
    streams: Streams,
    outputs: Vec<Output>,
    stdin: Option<OwnedFd>,
}

impl Pipes {
    fn new(with_input: bool) -> io::Result<Self> {
        let (stdout, stdout_end) = pipe2(OFlag::O_CLOEXEC)?;
        let (stderr, stderr_end) = pipe2(OFlag::O_CLOEXEC)?;
        let (input, input_end) = if with_input {
            let (input, end) = pipe2(OFlag::O_CLOEXEC)?;
            (input, Some(end))
        } else {
            (no_input()?, None)
        };
        Ok(Self {
            streams: Streams { stdin: input, stdout: stdout_end, stderr: stderr_end },
            outputs: vec![Output::new(stdout, Stream::Stdout)?, Output::new(stderr, Stream::Stderr)?],
            stdin: input_end,
        })
    }
}

/// An input that is at its end.
pub(super) fn no_input() -> io::Result<OwnedFd> {
    Ok(fs::File::open("/dev/null")?.into())
}

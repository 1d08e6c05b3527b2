//! What a shim does for each request.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};
use nix::unistd::Pid;

use super::client::Caller;
use super::container::{Container, Phase};
use super::execution::{Execution, ExecutionPhase, streams};
use super::helper::ExecJob;
use super::log::Stream;
use super::oci::Processes;
use super::server::{Server, own_pid};
use super::throttle;
use crate::cgroup::Layout;
use crate::paths::is_id;
use crate::process;
use crate::wire::{Fault, FaultKind, PROTOCOL, Reply, Request};
use crate::{ContainerSpec, ExecSpec, Resources};

impl Server {
    /// Does what is asked, and answers now or when it is done.
    pub(super) fn request(&mut self, caller: Caller, request: Request, descriptors: Vec<OwnedFd>) {
        let mut enclosed = Vec::new();
        let answer = match request {
            Request::Hello => {
                Ok(Some(Reply::Hello { protocol: PROTOCOL, pid: own_pid(), containers: self.statuses() }))
            }
            Request::List => Ok(Some(Reply::Containers { containers: self.statuses() })),
            Request::Usage => Ok(Some(Reply::Usage { usage: self.usage() })),
            Request::Start { spec } => self.start(*spec, caller).map(|()| None),
            Request::Limit { container, resources } => self.limit(&container, &resources).map(Some),
            Request::Signal { container, signal } => self.signal(&container, signal).map(Some),
            Request::Remove { container } => Ok(self.remove(&container, caller)),
            Request::Exec { container, spec } => {
                self.execute(&container, &spec, descriptors, caller).map(|()| None)
            }
            Request::SignalExec { exec, signal } => self.signal_execution(exec, signal).map(Some),
            Request::Attach { container } => self.attach(&container, descriptors).map(|(reply, input)| {
                enclosed.extend(input);
                Some(reply)
            }),
            Request::CloseInput { container } => self.close_input(&container).map(Some),
            Request::Dial { port, ipv6 } => dial(port, ipv6).map(|socket| {
                enclosed.push(socket);
                Some(Reply::Dialed)
            }),
            Request::Destroy => {
                self.destroy(caller);
                Ok(None)
            }
            Request::Unknown => {
                Err(Fault::new(FaultKind::Unsupported, "the shim is older and cannot do this"))
            }
        };
        match answer {
            Ok(Some(reply)) => self.reply(caller, &reply, enclosed),
            Ok(None) => {}
            Err(fault) => self.reply(caller, &Reply::Fault { fault }, Vec::new()),
        }
    }

    fn statuses(&self) -> Vec<crate::ContainerStatus> {
        self.containers.values().filter_map(Container::status).collect()
    }

    fn usage(&self) -> std::collections::BTreeMap<String, crate::Usage> {
        let measured = self.containers.values().filter_map(|container| {
            let commands = self.commands(&container.spec.id);
            Some((container.spec.id.clone(), container.usage(self.counting_layout(), &commands)?))
        });
        measured.collect()
    }

    /// The control groups, if they count what containers use.
    fn counting_layout(&self) -> Option<&Layout> {
        self.sandbox.layout.as_ref().filter(|_| self.sandbox.setup.limits)
    }

    /// Returns the processes of the commands that run in a container.
    pub(super) fn commands(&self, container: &str) -> Vec<i32> {
        let of_it = self.executions.values().filter(|execution| execution.container == container);
        of_it.filter_map(Execution::pid).collect()
    }

    pub(super) fn find(&self, id: &str) -> Result<(u64, &Container), Fault> {
        let found = self.containers.iter().find(|(_, container)| container.spec.id == id);
        let (number, container) = found.ok_or_else(|| Fault::new(FaultKind::NoSuchContainer, id))?;
        Ok((*number, container))
    }

    fn find_running(&mut self, id: &str) -> Result<&mut Container, Fault> {
        let (number, _) = self.find(id)?;
        let running = self.containers.get_mut(&number).filter(|container| container.pid().is_some());
        running.ok_or_else(|| Fault::new(FaultKind::NotRunning, id))
    }

    fn start(&mut self, spec: ContainerSpec, caller: Caller) -> Result<(), Fault> {
        if !is_id(&spec.id) {
            return Err(Fault::new(FaultKind::InvalidId, spec.id));
        }
        if self.find(&spec.id).is_ok() {
            return Err(Fault::new(FaultKind::ContainerExists, spec.id));
        }
        if !self.destroyers.is_empty() {
            return Err(Fault::new(FaultKind::Container, "the sandbox is being destroyed"));
        }
        let processes = self.processes_for(&spec)?;
        let container = Container::launch(spec, &self.sandbox, processes, caller)?;
        let number = self.number();
        self.containers.insert(number, container);
        Ok(())
    }

    /// Returns whose processes a container is to see.
    fn processes_for(&self, spec: &ContainerSpec) -> Result<Processes, Fault> {
        if self.sandbox.setup.spec.host_processes {
            return Ok(Processes::Host);
        }
        if let Some(pause) = self.sandbox.pause {
            return Ok(Processes::Of(pause.as_raw()));
        }
        let Some(target) = &spec.joins_processes_of else { return Ok(Processes::Own) };
        let (_, target) = self.find(target)?;
        let pid = target.pid().ok_or_else(|| Fault::new(FaultKind::NotRunning, &target.spec.id))?;
        Ok(Processes::Of(pid))
    }

    /// Gives a container other limits, by the kernel or by the watchdog and the throttle.
    fn limit(&mut self, id: &str, wanted: &Resources) -> Result<Reply, Fault> {
        let layout = self.counting_layout().cloned();
        let commands = self.commands(id);
        let container = self.find_running(id)?;
        let failed = |error: std::io::Error| Fault::container("cannot change the limits", &error);
        match layout {
            Some(layout) => layout.change_limits(&container.cgroup, wanted).map_err(failed)?,
            None => {
                let used = container.usage(None, &commands).map_or(0, |usage| usage.memory_bytes);
                if let Some(limit) = wanted.memory_bytes.filter(|limit| *limit < used) {
                    let message =
                        format!("the memory limit of {limit} bytes is below the {used} bytes in use");
                    return Err(Fault::new(FaultKind::Container, message));
                }
                let used = process::cpu_ns(&container.processes(&commands));
                throttle::change(&mut container.throttle, wanted.cpu_quota_milli, used);
            }
        }
        let limits = &mut container.spec.resources;
        (limits.memory_bytes, limits.cpu_quota_milli) = (wanted.memory_bytes, wanted.cpu_quota_milli);
        limits.cpu_shares = wanted.cpu_shares;
        Ok(Reply::Done)
    }

    fn signal(&mut self, id: &str, signal: i32) -> Result<Reply, Fault> {
        let (_, container) = self.find(id)?;
        container.signal(parse_signal(signal)?);
        Ok(Reply::Done)
    }

    fn signal_execution(&mut self, number: u64, signal: i32) -> Result<Reply, Fault> {
        let signal = parse_signal(signal)?;
        if let Some(pid) = self.executions.get(&number).and_then(Execution::pid) {
            // It is our child and not yet waited for, so the id is still its own.
            let _ = kill(Pid::from_raw(pid), signal);
        }
        Ok(Reply::Done)
    }

    /// Kills it if it must be, and answers once it is gone.
    fn remove(&mut self, id: &str, caller: Caller) -> Option<Reply> {
        let Ok((number, _)) = self.find(id) else { return Some(Reply::Done) };
        let container = self.containers.get_mut(&number)?;
        if matches!(container.phase, Phase::Exited(_)) {
            self.containers.remove(&number);
            self.save();
            return Some(Reply::Done);
        }
        container.removers.push(caller);
        container.kill();
        None
    }

    fn execute(
        &mut self,
        id: &str,
        spec: &ExecSpec,
        descriptors: Vec<OwnedFd>,
        caller: Caller,
    ) -> Result<(), Fault> {
        let number = self.number();
        let (_, container) = self.find(id)?;
        if container.pid().is_none() {
            return Err(Fault::new(FaultKind::NotRunning, id));
        }
        let job = ExecJob {
            container: &container.spec,
            spec,
            paths: &container.paths,
            layout: self.sandbox.layout.as_ref(),
            number,
            streams: if spec.tty { None } else { Some(streams(spec.stdin, descriptors)?) },
        };
        let execution = Execution::begin(job, caller)?;
        self.executions.insert(number, execution);
        Ok(())
    }

    fn attach(&mut self, id: &str, descriptors: Vec<OwnedFd>) -> Result<(Reply, Option<OwnedFd>), Fault> {
        let container = self.find_running(id)?;
        let failed = |error: std::io::Error| Fault::container("cannot attach", &error);
        for (viewer, stream) in descriptors.into_iter().zip([Stream::Stdout, Stream::Stderr]) {
            if let Some(output) = container.outputs.iter_mut().find(|output| output.stream() == stream) {
                output.show(viewer).map_err(failed)?;
            }
        }
        let input = container.terminal.as_ref().or(container.stdin.as_ref());
        let input = input.map(OwnedFd::try_clone).transpose().map_err(failed)?;
        let tty = container.terminal.is_some();
        Ok((Reply::Attached { tty, input: input.is_some() && container.spec.stdin }, input))
    }

    fn close_input(&mut self, id: &str) -> Result<Reply, Fault> {
        let container = self.find_running(id)?;
        if container.spec.stdin_once {
            container.stdin = None;
        }
        Ok(Reply::Done)
    }

    /// Begins the end: nothing new is started, everything is killed.
    fn destroy(&mut self, caller: Caller) {
        self.destroyers.push(caller);
        for container in self.containers.values() {
            container.kill();
        }
        for execution in self.executions.values() {
            let pid = match &execution.phase {
                ExecutionPhase::Starting { launch, .. } => launch.helper(),
                ExecutionPhase::Running { pid } => Pid::from_raw(*pid),
            };
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

fn parse_signal(signal: i32) -> Result<Signal, Fault> {
    Signal::try_from(signal)
        .map_err(|_| Fault::new(FaultKind::Container, format!("there is no signal {signal}")))
}

/// Begins to connect to a port on this network namespace's loopback; whoever gets the socket waits
/// for the connection.
fn dial(port: u16, ipv6: bool) -> Result<OwnedFd, Fault> {
    let (family, address): (_, SocketAddr) = if ipv6 {
        (AddressFamily::Inet6, (Ipv6Addr::LOCALHOST, port).into())
    } else {
        (AddressFamily::Inet, (Ipv4Addr::LOCALHOST, port).into())
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let begin = || {
        let socket = socket(family, SockType::Stream, flags, None)?;
        match connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &SockaddrStorage::from(address)) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(socket),
            Err(errno) => Err(errno),
        }
    };
    begin().map_err(|errno: Errno| Fault::container(&format!("cannot connect to port {port}"), &errno))
}

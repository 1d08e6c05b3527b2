//! The shim's loop: one thread, one `poll`, nothing that blocks.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use serde::Serialize;

use super::client::{Caller, Client};
use super::container::{Container, Ending, Phase};
use super::execution::Execution;
use super::{throttle, watchdog};
use crate::cgroup::Layout;
use crate::process::{Identity, Namespaces};
use crate::record::{Setup, State};
use crate::wire::{Event, Reply};

/// Most clients at once: the main process, the one that replaces it, and room for mistakes.
const MAX_CLIENTS: usize = 16;

/// What a shim lives in.
pub(super) struct Sandbox {
    pub(super) folder: PathBuf,
    pub(super) setup: Setup,
    /// The control groups; whether they hold the limits is [`Setup::limits`].
    pub(super) layout: Option<Layout>,
    /// The first process of the process namespace, if the containers share one.
    pub(super) pause: Option<Pid>,
}

/// Everything a shim knows.
pub(super) struct Server {
    pub(super) sandbox: Sandbox,
    pub(super) listener: UnixListener,
    pub(super) children: SignalFd,
    pub(super) clients: BTreeMap<u64, Client>,
    /// In the order of their starts.
    pub(super) containers: BTreeMap<u64, Container>,
    pub(super) executions: BTreeMap<u64, Execution>,
    /// Processes that ended before the helper that made them had told of them.
    pub(super) unclaimed: BTreeMap<i32, Ending>,
    /// Whether a start failed that may have left a process behind.
    pub(super) strays: bool,
    /// Those who wait for the end of everything.
    pub(super) destroyers: Vec<Caller>,
    pub(super) next_number: u64,
    pub(super) next_watch: Option<Instant>,
}

/// What a descriptor belongs to.
#[derive(Clone, Copy)]
enum Source {
    Listener,
    Children,
    Client(u64),
    Start(u64),
    Execution(u64),
    Output(u64, usize),
}

impl Server {
    /// Serves until the sandbox is destroyed.
    pub(super) fn run(&mut self) -> io::Result<()> {
        self.save();
        while !self.is_finished() {
            for (source, flags) in self.wait()? {
                self.handle(source, flags);
            }
            self.look_at_the_clock();
        }
        self.say_farewell();
        Ok(())
    }

    pub(super) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Waits until something happens; returns what.
    fn wait(&self) -> io::Result<Vec<(Source, PollFlags)>> {
        let mut sources = vec![Source::Listener, Source::Children];
        let mut polled = vec![
            PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.children.as_fd(), PollFlags::POLLIN),
        ];
        for (number, client) in &self.clients {
            let write = if client.wants_to_write() { PollFlags::POLLOUT } else { PollFlags::empty() };
            sources.push(Source::Client(*number));
            polled.push(PollFd::new(client.socket(), PollFlags::POLLIN | write));
        }
        for (number, container) in &self.containers {
            if let Phase::Starting { launch, .. } = &container.phase {
                sources.push(Source::Start(*number));
                polled.push(PollFd::new(launch.socket(), PollFlags::POLLIN));
            }
            for (index, output) in container.outputs.iter().enumerate() {
                if let Some(source) = output.source() {
                    sources.push(Source::Output(*number, index));
                    polled.push(PollFd::new(source, PollFlags::POLLIN));
                }
            }
        }
        for (number, execution) in &self.executions {
            if let Some(launch) = execution.launch() {
                sources.push(Source::Execution(*number));
                polled.push(PollFd::new(launch.socket(), PollFlags::POLLIN));
            }
        }
        match poll(&mut polled, self.timeout()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let flags = polled.iter().map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        Ok(sources.into_iter().zip(flags).filter(|(_, flags)| !flags.is_empty()).collect())
    }

    /// Until when to wait: the next look at memory or CPU time, or a helper that takes too long.
    fn timeout(&self) -> PollTimeout {
        let starts = self.containers.values().filter_map(|container| match &container.phase {
            Phase::Starting { launch, .. } => Some(launch),
            Phase::Running { .. } | Phase::Exited(_) => None,
        });
        let launches = starts.chain(self.executions.values().filter_map(Execution::launch));
        let throttles =
            self.containers.values().filter_map(|container| Some(container.throttle.as_ref()?.next()));
        let next = launches.map(|launch| launch.deadline()).chain(self.next_watch).chain(throttles).min();
        let Some(next) = next else { return PollTimeout::NONE };
        let left = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    }

    fn handle(&mut self, source: Source, flags: PollFlags) {
        match source {
            Source::Listener => self.accept(),
            Source::Children => self.reap(),
            Source::Client(number) => self.serve(number, flags),
            Source::Start(number) => self.finish_start(number),
            Source::Execution(number) => self.finish_execution(number),
            Source::Output(number, index) => {
                if let Some(container) = self.containers.get_mut(&number) {
                    container.pump(index);
                }
            }
        }
    }

    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        for container in self.containers.values() {
            if let Phase::Starting { launch, .. } = &container.phase {
                launch.kill_if_late(now);
            }
        }
        for launch in self.executions.values().filter_map(Execution::launch) {
            launch.kill_if_late(now);
        }
        watchdog::watch(self, now);
        throttle::hold(self, now);
    }

    fn accept(&mut self) {
        // A connection that fails here is the client's to notice.
        let Ok((socket, _)) = self.listener.accept() else { return };
        if self.clients.len() < MAX_CLIENTS
            && let Ok(client) = Client::new(socket)
        {
            let number = self.number();
            self.clients.insert(number, client);
        }
    }

    fn serve(&mut self, number: u64, flags: PollFlags) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        let mut alive = !flags.contains(PollFlags::POLLOUT) || client.flush().is_ok();
        if alive && flags.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
            // What is no frame of ours ends the conversation; nothing of it was acted upon.
            alive = client.read().unwrap_or(false) && self.take_requests(number).is_ok();
        }
        if !alive {
            self.clients.remove(&number);
        }
    }

    fn take_requests(&mut self, number: u64) -> io::Result<()> {
        while let Some(client) = self.clients.get_mut(&number) {
            let Some((envelope, descriptors)) = client.inbox.next()? else { break };
            let caller = Caller { client: number, request: envelope.id };
            self.request(caller, envelope.body, descriptors);
        }
        Ok(())
    }

    /// Answers a caller, if he is still there.
    pub(super) fn reply(&mut self, caller: Caller, reply: &Reply, descriptors: Vec<std::os::fd::OwnedFd>) {
        self.send(caller.client, caller.request, reply, descriptors);
    }

    /// Tells everybody.
    pub(super) fn announce(&mut self, event: &Event) {
        let numbers: Vec<u64> = self.clients.keys().copied().collect();
        for number in numbers {
            self.send(number, 0, event, Vec::new());
        }
    }

    fn send<T: Serialize>(&mut self, number: u64, id: u64, body: &T, descriptors: Vec<std::os::fd::OwnedFd>) {
        if let Some(client) = self.clients.get_mut(&number)
            && client.send(id, body, descriptors).is_err()
        {
            self.clients.remove(&number);
        }
    }

    /// Leaves on disk what a burial needs. A full run-time folder costs only the exit codes, should
    /// this process be killed.
    pub(super) fn save(&self) {
        let pid = own_pid();
        let state = State {
            shim: Identity::of(pid),
            namespaces: Namespaces::of(pid),
            containers: self.containers.values().filter_map(Container::status).collect(),
        };
        let _ = state.save(&self.sandbox.folder);
    }
}

/// This process's id.
pub(super) fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

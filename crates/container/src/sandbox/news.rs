//! What a shim tells unasked, kept for those who want to know.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::wire::{Event, Reply};
use crate::{ContainerExit, ContainerStatus, ExitCode};

/// The state of a sandbox's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Life {
    /// The shim can be talked to.
    Alive,
    /// The shim was asked to destroy everything.
    Ending,
    /// The shim is dead and its remains are removed; these were its containers.
    Lost,
    /// Nothing is left.
    Destroyed,
}

/// The ends of containers and commands, and of the sandbox.
#[derive(Debug)]
pub(crate) struct News {
    life: watch::Sender<Life>,
    exits: Mutex<ExitLog>,
    /// Counts the entries of the log, to wake those who wait.
    arrived: watch::Sender<u64>,
    commands: Mutex<HashMap<u64, watch::Sender<Option<ExitCode>>>>,
    /// The containers of a lost sandbox.
    lost: Mutex<Vec<ContainerStatus>>,
}

#[derive(Debug, Default)]
struct ExitLog {
    entries: VecDeque<(u64, ContainerExit)>,
    last: u64,
}

/// A poisoned lock is taken all the same: no code that can panic runs under these.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl News {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            life: watch::Sender::new(Life::Alive),
            exits: Mutex::default(),
            arrived: watch::Sender::new(0),
            commands: Mutex::default(),
            lost: Mutex::default(),
        })
    }

    /// Takes an event.
    pub(super) fn take(&self, event: Event) {
        match event {
            Event::Exit { exit } => self.add_exit(exit),
            Event::ExecExit { exec, code } => {
                if let Some(command) = lock(&self.commands).get(&exec) {
                    command.send_replace(Some(code));
                }
            }
            Event::Unknown => {}
        }
    }

    /// Notes from an answer what later events will be about.
    pub(super) fn prepare(&self, reply: &Reply) {
        match reply {
            Reply::Exec { exec, .. } => {
                lock(&self.commands).insert(*exec, watch::Sender::new(None));
            }
            Reply::Hello { containers, .. } => {
                containers.iter().filter_map(ContainerStatus::exit).for_each(|exit| self.add_exit(exit));
            }
            Reply::Started { .. }
            | Reply::Containers { .. }
            | Reply::Attached { .. }
            | Reply::Dialed
            | Reply::Usage { .. }
            | Reply::Done
            | Reply::Fault { .. } => {}
        }
    }

    fn add_exit(&self, exit: ContainerExit) {
        let mut log = lock(&self.exits);
        if log.entries.iter().any(|(_, known)| known.container_id == exit.container_id) {
            return;
        }
        log.last += 1;
        let number = log.last;
        log.entries.push_back((number, exit));
        drop(log);
        self.arrived.send_replace(number);
    }

    /// Forgets a removed container.
    pub(super) fn forget(&self, container: &str) {
        lock(&self.exits).entries.retain(|(_, exit)| exit.container_id != container);
        lock(&self.lost).retain(|status| status.id != container);
    }

    /// Returns the first end after the one numbered `last`.
    pub(super) fn exit_after(&self, last: u64) -> Option<(u64, ContainerExit)> {
        lock(&self.exits).entries.iter().find(|(number, _)| *number > last).cloned()
    }

    pub(super) fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrived.subscribe()
    }

    pub(super) fn life(&self) -> watch::Receiver<Life> {
        self.life.subscribe()
    }

    pub(super) fn is_alive(&self) -> bool {
        *self.life.borrow() == Life::Alive
    }

    /// Whether the end of the shim is what was asked for.
    pub(super) fn is_ending(&self) -> bool {
        matches!(*self.life.borrow(), Life::Ending | Life::Destroyed)
    }

    /// The shim is about to be asked to destroy everything. Returns the state before.
    pub(super) fn begin_the_end(&self) -> Life {
        self.life.send_replace(Life::Ending)
    }

    /// The shim is dead; these were its containers.
    pub(super) fn lose(&self, containers: Vec<ContainerStatus>) {
        containers.iter().filter_map(ContainerStatus::exit).for_each(|exit| self.add_exit(exit));
        *lock(&self.lost) = containers;
        self.life.send_if_modified(|life| {
            let was_alive = *life == Life::Alive;
            if was_alive {
                *life = Life::Lost;
            }
            was_alive
        });
        lock(&self.commands).clear();
    }

    pub(super) fn lost(&self) -> Vec<ContainerStatus> {
        lock(&self.lost).clone()
    }

    /// Nothing is left.
    pub(super) fn destroy(&self) {
        self.life.send_replace(Life::Destroyed);
        lock(&self.commands).clear();
        lock(&self.lost).clear();
    }

    /// Returns how the end of a command will be told; `None` once the shim is gone.
    pub(super) fn command(&self, exec: u64) -> Option<watch::Receiver<Option<ExitCode>>> {
        lock(&self.commands).get(&exec).map(watch::Sender::subscribe)
    }

    /// Forgets a command nobody waits for.
    pub(super) fn forget_command(&self, exec: u64) {
        lock(&self.commands).remove(&exec);
    }
}

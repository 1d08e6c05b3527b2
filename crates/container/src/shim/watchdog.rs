//! Limits where the kernel does not hold them: looks at the processes and kills what is beyond.
//!
//! This is an ordinary user without a delegated control group. A process may exceed its limit for as
//! long as it is not looked at; the closer it is to the limit, the more often it is, unless it sleeps.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::container::Container;
use super::server::Server;
use crate::process;

/// How fast a program can fill memory: the kernel clears pages at some 2 GiB a second and core.
const BYTES_PER_MS: u64 = 2 << 20;

/// How fast a program can make processes: each takes the kernel half a millisecond.
const PIDS_PER_MS: u64 = 2;

/// The least and the greatest pause between two looks: what a look may cost, and how long a fork
/// bomb may grow.
const LEAST_PAUSE_MS: u64 = 20;
const GREATEST_PAUSE_MS: u64 = 250;

/// Looks at the containers if it is time to, and sets the next time.
pub(super) fn watch(server: &mut Server, now: Instant) {
    if server.sandbox.setup.limits || server.next_watch.is_some_and(|next| now < next) {
        return;
    }
    let watched: Vec<u64> =
        server.containers.iter().filter(|(_, it)| is_watched(it)).map(|(n, _)| *n).collect();
    let pauses = watched.into_iter().filter_map(|number| look(server, number)).min();
    server.next_watch = pauses.map(|pause| now + pause);
}

/// Looks at one container, kills it if it is beyond a limit, and returns when to look again.
fn look(server: &mut Server, number: u64) -> Option<Duration> {
    let id = server.containers.get(&number)?.spec.id.clone();
    let commands = server.commands(&id);
    let container = server.containers.get_mut(&number)?;
    if container.census.is_still(&commands) {
        return Some(Duration::from_millis(GREATEST_PAUSE_MS));
    }
    let mut census = std::mem::take(&mut container.census);
    let usage = process::usage(census.count(|| container.processes(&commands)).iter().copied());
    container.census = census;
    let limits = &container.spec.resources;
    let over_memory = limits.memory_bytes.is_some_and(|limit| usage.memory_bytes > limit);
    let over_pids = limits.pids.is_some_and(|limit| usage.pids > limit);
    let memory_room =
        limits.memory_bytes.map(|limit| limit.saturating_sub(usage.memory_bytes) / BYTES_PER_MS);
    let pids_room = limits.pids.map(|limit| limit.saturating_sub(usage.pids) / PIDS_PER_MS);
    let pause = memory_room.into_iter().chain(pids_room).min().unwrap_or(GREATEST_PAUSE_MS);
    if over_memory || over_pids {
        container.killed_for_memory |= over_memory;
        if !over_memory {
            tell(container, usage.pids);
        }
        container.signal(Signal::SIGKILL);
    }
    Some(Duration::from_millis(pause.clamp(LEAST_PAUSE_MS, GREATEST_PAUSE_MS)))
}

/// Leaves word of why a container goes, where its own last words would be: the kernel would have refused the processes
/// one by one, and the program could have told.
fn tell(container: &Container, found: u64) {
    let (Some(path), Some(limit)) = (&container.spec.termination_message_path, container.spec.resources.pids)
    else {
        return;
    };
    if fs::metadata(path).is_ok_and(|message| message.len() == 0) {
        let message = format!("killed: it had {found} processes and threads, and may have {limit}");
        // Without it, that it was killed is still told.
        let _ = fs::write(path, message);
    }
}

fn is_watched(container: &Container) -> bool {
    let limits = &container.spec.resources;
    container.pid().is_some() && (limits.memory_bytes.is_some() || limits.pids.is_some())
}

//! Limits where the kernel does not hold them: looks at the processes and kills what is beyond.
//!
//! This is an ordinary user without a delegated control group. A process may exceed its limit for as
//! long as it is not looked at; the closer it is to the limit, the more often it is.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::container::Container;
use super::server::Server;

/// How fast a program can fill memory: the kernel clears pages at some 2 GiB a second and core.
const BYTES_PER_MS: u64 = 2 << 20;

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
    let usage = container.usage(None, &commands)?;
    let limits = &container.spec.resources;
    let over_memory = limits.memory_bytes.is_some_and(|limit| usage.memory_bytes > limit);
    let over_pids = limits.pids.is_some_and(|limit| usage.pids > limit);
    let room = limits.memory_bytes.map_or(u64::MAX, |limit| limit.saturating_sub(usage.memory_bytes));
    if over_memory || over_pids {
        container.killed_for_memory |= over_memory;
        container.signal(Signal::SIGKILL);
    }
    Some(Duration::from_millis((room / BYTES_PER_MS).clamp(LEAST_PAUSE_MS, GREATEST_PAUSE_MS)))
}

fn is_watched(container: &Container) -> bool {
    let limits = &container.spec.resources;
    container.pid().is_some() && (limits.memory_bytes.is_some() || limits.pids.is_some())
}

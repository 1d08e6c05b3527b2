//! Limits where the kernel does not hold them: looks at the processes and kills what is beyond.
//!
//! This is an ordinary user without a delegated control group. A process may exceed its limit for as
//! long as it is not looked at; close to the limit it is looked at more often.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::container::Container;
use super::server::Server;

/// How often containers with a limit are looked at, ordinarily and above three quarters of a limit.
const CALM: Duration = Duration::from_millis(100);
const CLOSE: Duration = Duration::from_millis(20);

/// Looks at the containers if it is time to, and sets the next time.
pub(super) fn watch(server: &mut Server, now: Instant) {
    if server.sandbox.setup.limits {
        return;
    }
    if !server.containers.values().any(is_watched) {
        server.next_watch = None;
        return;
    }
    if server.next_watch.is_some_and(|next| now < next) {
        return;
    }
    let mut close = false;
    let numbers: Vec<u64> = server.containers.keys().copied().collect();
    for number in numbers {
        let Some(container) = server.containers.get(&number).filter(|container| is_watched(container)) else {
            continue;
        };
        let commands = server.commands(&container.spec.id);
        let Some(usage) = container.usage(None, &commands) else { continue };
        let limits = &container.spec.resources;
        let over_memory = limits.memory_bytes.is_some_and(|limit| usage.memory_bytes > limit);
        let over_pids = limits.pids.is_some_and(|limit| usage.pids > limit);
        close |= limits.memory_bytes.is_some_and(|limit| usage.memory_bytes > limit / 4 * 3);
        if let Some(container) = server.containers.get_mut(&number)
            && (over_memory || over_pids)
        {
            container.killed_for_memory |= over_memory;
            container.signal(Signal::SIGKILL);
        }
    }
    server.next_watch = Some(now + if close { CLOSE } else { CALM });
}

fn is_watched(container: &Container) -> bool {
    let limits = &container.spec.resources;
    container.pid().is_some() && (limits.memory_bytes.is_some() || limits.pids.is_some())
}

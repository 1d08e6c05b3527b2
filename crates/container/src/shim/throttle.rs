//! CPU limits where the kernel does not hold them: has a container pause when it has used up its share.
//!
//! This is an ordinary user without a delegated control group. Time is an account: the limit pays in, what the
//! processes use is taken out. Overdrawn, they are frozen until half a period is paid in again. They notice nothing but
//! the pause.

use std::time::{Duration, Instant};

use nix::sys::wait::WaitStatus;

use super::census::Census;
use super::container::Container;
use super::freeze::{self, Frozen};
use super::server::Server;
use crate::process;

/// The period of the kernel's own limits: what may be used in one go.
const PERIOD: Duration = Duration::from_millis(100);

/// What is paid in before a stopped container goes on.
const RESUME: Duration = Duration::from_millis(50);

/// The longest pause. A container that was not looked at when it became busy owes more than this; a probe of it must
/// not fail for it.
const LONGEST: Duration = Duration::from_millis(500);

/// The least and greatest time between two looks at one that works, and the time between two at one that does not.
const SOONEST: Duration = Duration::from_millis(5);
const LATEST: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_millis(250);

/// The account of one container.
#[derive(Debug)]
pub(super) struct Throttle {
    /// The limit in thousandths of a core.
    milli: u64,
    /// Nanoseconds of CPU time that may be used now.
    credit: i64,
    looked: Instant,
    /// What its processes had used then, in nanoseconds.
    used: u64,
    census: Census,
    is_paused: bool,
    frozen: Frozen,
    next: Instant,
}

/// What to do with a container's processes.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Stop,
    Continue,
    Leave,
}

impl Throttle {
    pub(super) fn new(milli: u64) -> Self {
        let now = Instant::now();
        let credit = paid(milli, PERIOD);
        Self {
            milli,
            credit,
            looked: now,
            used: 0,
            census: Census::default(),
            is_paused: false,
            frozen: Frozen::default(),
            next: now,
        }
    }

    /// When to look next.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Takes account of what was used until now.
    fn settle(&mut self, now: Instant, used: u64) -> Verdict {
        let since = now.saturating_duration_since(self.looked);
        let taken = i64::try_from(used.saturating_sub(self.used)).unwrap_or(i64::MAX);
        (self.looked, self.used) = (now, used);
        let income = paid(self.milli, since);
        self.credit = self.credit.saturating_add(income).saturating_sub(taken);
        self.credit = self.credit.clamp(-paid(self.milli, LONGEST), paid(self.milli, PERIOD));
        let is_stopped = self.is_paused;
        let verdict = match self.credit {
            debt if debt <= 0 && !is_stopped => Verdict::Stop,
            credit if is_stopped && credit >= paid(self.milli, RESUME) => Verdict::Continue,
            _ => Verdict::Leave,
        };
        let pauses = verdict == Verdict::Stop || (is_stopped && verdict == Verdict::Leave);
        let is_idle = !is_stopped && taken < income / 4;
        self.next = now + self.wait(pauses, is_idle);
        verdict
    }

    fn wait(&self, pauses: bool, is_idle: bool) -> Duration {
        if pauses {
            let missing = paid(self.milli, RESUME).saturating_sub(self.credit);
            return time_for(self.milli, missing).max(SOONEST);
        }
        if is_idle {
            return IDLE;
        }
        // All cores may be busy with it.
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let lasts = u64::try_from(self.credit).unwrap_or(0) / u64::try_from(cores).unwrap_or(1);
        Duration::from_nanos(lasts).clamp(SOONEST, LATEST)
    }
}

/// What a limit pays in over a time, in nanoseconds.
fn paid(milli: u64, time: Duration) -> i64 {
    i64::try_from(u128::from(milli) * time.as_nanos() / 1000).unwrap_or(i64::MAX)
}

/// How long a limit takes to pay that in.
fn time_for(milli: u64, amount: i64) -> Duration {
    let amount = u64::try_from(amount).unwrap_or(0);
    Duration::from_nanos(amount.saturating_mul(1000) / milli.max(1))
}

/// Holds a container to another limit, or to none, from now on. `used` is what its processes have used before.
pub(super) fn change(throttle: &mut Option<Throttle>, milli: Option<u64>, used: u64) {
    // Whoever was held goes on as this is dropped.
    *throttle = milli.map(|milli| Throttle { used, ..Throttle::new(milli) });
}

/// Looks at the containers it is time to look at.
pub(super) fn hold(server: &mut Server, now: Instant) {
    let due =
        |container: &Container| container.throttle.as_ref().is_some_and(|throttle| throttle.next <= now);
    let due: Vec<u64> =
        server.containers.iter().filter(|(_, container)| due(container)).map(|(number, _)| *number).collect();
    let mut ended = Vec::new();
    for number in due {
        let Some(id) = server.containers.get(&number).map(|container| container.spec.id.clone()) else {
            continue;
        };
        let commands = server.commands(&id);
        let Some(container) = server.containers.get_mut(&number) else { continue };
        let Some(mut throttle) = container.throttle.take() else { continue };
        if container.pid().is_none() {
            continue;
        }
        let used = if throttle.census.is_still(&commands) {
            throttle.used
        } else {
            process::cpu_ns(throttle.census.count(|| container.processes(&commands)))
        };
        match throttle.settle(now, used) {
            Verdict::Stop => {
                throttle.is_paused = true;
                ended.extend(throttle.frozen.freeze(|| container.processes(&commands)));
            }
            Verdict::Continue => {
                throttle.is_paused = false;
                throttle.frozen.thaw();
            }
            Verdict::Leave => {}
        }
        container.throttle = Some(throttle);
    }
    for (pid, ending) in ended {
        server.child_ended(pid, ending);
    }
}

/// Takes note of a process that has come to a stop: one that is held, or one that was not let go yet.
pub(super) fn notice(server: &mut Server, status: &WaitStatus) {
    let mut throttles = server.containers.values_mut().filter_map(|container| container.throttle.as_mut());
    if !throttles.any(|throttle| throttle.frozen.notice(status)) {
        freeze::let_go(status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program that uses `cores` whenever it may, for ten seconds; returns the thousandths of a core it got.
    fn share(milli: u64, cores: u64) -> u64 {
        let mut throttle = Throttle::new(milli);
        let (begin, mut used) = (throttle.looked, 0);
        let mut now = begin;
        while now < begin + Duration::from_secs(10) {
            let is_stopped = throttle.is_paused;
            let next = throttle.next.max(now + Duration::from_millis(1));
            if !is_stopped {
                used += cores * u64::try_from((next - now).as_nanos()).unwrap();
            }
            now = next;
            match throttle.settle(now, used) {
                Verdict::Stop => throttle.is_paused = true,
                Verdict::Continue => throttle.is_paused = false,
                Verdict::Leave => {}
            }
        }
        used / 10_000_000
    }

    #[test]
    fn a_busy_program_gets_its_share() {
        for (milli, cores) in [(50, 1), (100, 1), (250, 1), (500, 1), (500, 2), (1000, 2), (100, 4)] {
            let got = share(milli, cores);
            assert!(got.abs_diff(milli) <= milli / 10 + 10, "{got} for a limit of {milli} on {cores} cores");
        }
    }

    #[test]
    fn a_program_below_its_limit_is_never_stopped() {
        let mut throttle = Throttle::new(500);
        let (begin, mut used) = (throttle.looked, 0);
        for round in 1..1000_u32 {
            used += 4_000_000;
            assert_eq!(throttle.settle(begin + Duration::from_millis(10) * round, used), Verdict::Leave);
        }
    }

    #[test]
    fn a_pause_is_bounded() {
        let mut throttle = Throttle::new(100);
        let now = throttle.looked + Duration::from_millis(250);
        assert_eq!(throttle.settle(now, 10_000_000_000), Verdict::Stop);
        assert!(throttle.next - now <= LONGEST + RESUME);
    }
}

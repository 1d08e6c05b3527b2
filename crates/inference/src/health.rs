//! What the probes say: a function of time and of whether the server drains.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A server's condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// All is well.
    Serving,
    /// Told to stop: new traffic should go elsewhere.
    Draining,
    /// `fail_after` has passed.
    Failing,
}

/// Started when the port opens.
#[derive(Debug)]
pub(crate) struct Health {
    opened: Instant,
    fail_after: Option<Duration>,
    draining: AtomicBool,
}

impl Health {
    pub(crate) fn starting_now(fail_after: Option<Duration>) -> Self {
        Health { opened: Instant::now(), fail_after, draining: AtomicBool::new(false) }
    }

    pub(crate) fn begin_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn condition(&self) -> Condition {
        decide(self.opened.elapsed(), self.fail_after, self.is_draining())
    }
}

fn decide(up: Duration, fail_after: Option<Duration>, is_draining: bool) -> Condition {
    if fail_after.is_some_and(|after| up >= after) {
        Condition::Failing
    } else if is_draining {
        Condition::Draining
    } else {
        Condition::Serving
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_outweighs_draining_and_comes_in_time() {
        let minute = Duration::from_secs(60);
        let check = |up, fail_after, is_draining, expected| {
            assert_eq!(decide(Duration::from_secs(up), fail_after, is_draining), expected);
        };
        check(10_000, None, false, Condition::Serving);
        check(59, Some(minute), false, Condition::Serving);
        check(60, Some(minute), false, Condition::Failing);
        check(60, Some(minute), true, Condition::Failing);
        check(1, Some(minute), true, Condition::Draining);
    }
}

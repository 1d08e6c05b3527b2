//! Startup, readiness and liveness probes.
//!
//! The first probe is made `initialDelaySeconds` after the start and then every `periodSeconds`,
//! in step with the start and not with the clock, as Kubernetes' thresholds promise.
//!
//! One thing is done better than upstream: an app that does not listen yet *refuses* the
//! connection, at no cost to anybody. So as long as a container has never answered, a refused
//! startup or readiness probe is repeated soon (after an eighth of the time waited so far) instead
//! of a whole period later, and within the first period a refusal does not count as a failure. A
//! server that listens after 40 ms is ready after 45 ms, in spite of `periodSeconds: 10`; one that
//! needs a minute is seen at most an eighth later. An app that answers, be it with 503, is only
//! ever asked at the times its manifest says.

mod check;
mod grpc;
mod http;
mod pace;
mod tls;

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use crate::clock;

pub(crate) use check::{Checker, Target, http_target, run_command};
pub(crate) use http::check as http_check;
pub(crate) use pace::Settings;

use pace::{Pace, Step};

/// The least pause before a refused check is repeated: what an instant server waits at most.
const SOONEST: Duration = Duration::from_millis(5);
/// The longest: a look a second costs nothing, however long the app takes.
const LATEST: Duration = Duration::from_secs(1);

/// The three kinds of probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Startup,
    Readiness,
    Liveness,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    /// Nothing listens.
    Refused(String),
    Failure(String),
}

/// What the worker learns from a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// The probe's verdict changed.
    Verdict(bool),
    /// One check failed, in words for an event.
    Unhealthy(String),
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }

    /// A container that restarted too often is worse than one found dead a period later, and one
    /// that waits for traffic is worse than one more connection attempt.
    fn is_eager(self) -> bool {
        match self {
            Self::Startup | Self::Readiness => true,
            Self::Liveness => false,
        }
    }
}

/// Probes until the verdict is final (startup passed, liveness or startup failed) or the task is
/// dropped. `check` asks once, within the time it is given.
pub(crate) async fn run<C, R>(
    kind: Kind,
    settings: Settings,
    began: Timestamp,
    check: impl Fn(Duration) -> C + Send + Sync,
    report: impl Fn(Report) -> R + Send + Sync,
) where
    C: Future<Output = Outcome> + Send,
    R: Future<Output = ()> + Send,
{
    let mut pace = Pace::new(kind, settings);
    let begin = instant_of(began) + settings.initial_delay;
    let mut tick = begin.max(Instant::now());
    loop {
        sleep_until(tick).await;
        let outcome = check(settings.timeout).await;
        let next = next_tick(tick, settings.period);
        let is_unborn = matches!(outcome, Outcome::Refused(_)) && !pace.has_answered();
        // Within the first period an app that does not listen yet has not failed.
        let counts = !is_unborn || tick >= begin + settings.period;
        if counts && deliver(pace.take(&outcome), &report).await {
            return;
        }
        if is_unborn
            && kind.is_eager()
            && let Some(answer) = hurry(&check, settings, begin, next).await
            && deliver(pace.take(&answer), &report).await
        {
            return;
        }
        tick = next;
    }
}

/// Reports what a step led to; returns whether the probe is over.
async fn deliver<R: Future<Output = ()> + Send>(
    step: Step,
    report: &(impl Fn(Report) -> R + Send + Sync),
) -> bool {
    for news in step.reports {
        report(news).await;
    }
    step.is_over
}

/// Repeats a refused check until something answers or the next regular one is due.
async fn hurry<C: Future<Output = Outcome> + Send>(
    check: &(impl Fn(Duration) -> C + Send + Sync),
    settings: Settings,
    begin: Instant,
    next: Instant,
) -> Option<Outcome> {
    loop {
        let pause = (begin.elapsed() / 8).clamp(SOONEST, LATEST);
        let again = Instant::now() + pause;
        if again >= next {
            return None;
        }
        sleep_until(again).await;
        match check(settings.timeout).await {
            Outcome::Refused(_) => {}
            answered @ (Outcome::Success | Outcome::Failure(_)) => return Some(answered),
        }
    }
}

/// The next moment in step with the first, in the future even after a long check.
fn next_tick(tick: Instant, period: Duration) -> Instant {
    let mut next = tick + period;
    let now = Instant::now();
    while next <= now {
        next += period;
    }
    next
}

fn instant_of(moment: Timestamp) -> Instant {
    let age = clock::now().duration_since(moment);
    let now = Instant::now();
    Duration::try_from(age).ok().and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

#[cfg(test)]
mod tests;

//! Thresholds: when the answers of a probe add up to a verdict.

use std::time::Duration;

use k8s_openapi::api::core::v1::Probe;

use super::{Kind, Outcome, Report};

/// A probe's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) initial_delay: Duration,
    pub(crate) period: Duration,
    pub(crate) timeout: Duration,
    pub(crate) success_threshold: u32,
    pub(crate) failure_threshold: u32,
}

impl Settings {
    pub(crate) fn of(probe: &Probe) -> Self {
        let number = |value: Option<i32>, default: u32, least: u32| {
            value.and_then(|value| u32::try_from(value).ok()).unwrap_or(default).max(least)
        };
        let seconds = |value, default, least| Duration::from_secs(u64::from(number(value, default, least)));
        Self {
            initial_delay: seconds(probe.initial_delay_seconds, 0, 0),
            period: seconds(probe.period_seconds, 10, 1),
            timeout: seconds(probe.timeout_seconds, 1, 1),
            success_threshold: number(probe.success_threshold, 1, 1),
            failure_threshold: number(probe.failure_threshold, 3, 1),
        }
    }
}

/// Consecutive answers and the verdict they led to.
#[derive(Debug)]
pub(super) struct Pace {
    kind: Kind,
    settings: Settings,
    verdict: Option<bool>,
    is_success: bool,
    run: u32,
    has_answered: bool,
}

impl Pace {
    pub(super) fn new(kind: Kind, settings: Settings) -> Self {
        Self { kind, settings, verdict: None, is_success: false, run: 0, has_answered: false }
    }

    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Takes an answer in.
    pub(super) fn take(&mut self, outcome: &Outcome) -> Step {
        self.has_answered |= !matches!(outcome, Outcome::Refused(_));
        let is_success = *outcome == Outcome::Success;
        self.run = if is_success == self.is_success { self.run.saturating_add(1) } else { 1 };
        self.is_success = is_success;
        let unhealthy = match outcome {
            Outcome::Success => None,
            Outcome::Refused(message) | Outcome::Failure(message) => {
                Some(Report::Unhealthy(format!("{} probe failed: {message}", self.kind.as_str())))
            }
        };
        let threshold =
            if is_success { self.settings.success_threshold } else { self.settings.failure_threshold };
        let is_new = self.run >= threshold && self.verdict != Some(is_success);
        if is_new {
            self.verdict = Some(is_success);
        }
        let is_over = is_new
            && match self.kind {
                Kind::Startup => true,
                Kind::Liveness => !is_success,
                Kind::Readiness => false,
            };
        let verdict = is_new.then_some(Report::Verdict(is_success));
        Step { reports: unhealthy.into_iter().chain(verdict).collect(), is_over }
    }
}

/// What an answer led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What the worker should know.
    pub(super) reports: Vec<Report>,
    /// Whether the probe has nothing more to find out.
    pub(super) is_over: bool,
}

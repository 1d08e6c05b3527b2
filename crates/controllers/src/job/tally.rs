//! The pods of a Job, counted.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::k8s::api::batch::v1::{Job, JobSpec, UncountedTerminatedPods};
use api::k8s::api::core::v1::Pod;
use jiff::Timestamp;

use super::TRACKING;
use super::indexes;
use super::policy::{self, Indexes, Verdict};
use crate::owner::uid;
use crate::pods;

/// The pods of a Job, counted.
pub(super) struct Tally {
    /// Pods that have neither ended nor are being deleted.
    pub(super) active: Vec<Arc<Pod>>,
    /// Pods that are being deleted and have not ended.
    pub(super) leaving: usize,
    pub(super) ready: usize,
    /// All pods that have ever ended well, the uncounted included; and those that are counted.
    pub(super) succeeded: i32,
    pub(super) counted_succeeded: i32,
    /// All that have ever ended badly; and those that are counted.
    pub(super) failed: i32,
    pub(super) counted_failed: i32,
    /// The uids the status is to name.
    pub(super) uncounted: UncountedTerminatedPods,
    /// Ended pods that the status names already.
    pub(super) countable: Vec<Arc<Pod>>,
    /// The indexes that are done, of an indexed Job.
    pub(super) done: BTreeSet<i32>,
    /// Failures since the last success, and when the last of them was.
    pub(super) failures: (u32, Option<Timestamp>),
    /// The failures of each index, where these are limited.
    pub(super) indexes: Indexes,
    /// Why a pod's failure is the Job's.
    pub(super) fatal: Option<String>,
}

impl Tally {
    pub(super) fn of(job: &Job, spec: &JobSpec, all: &[Arc<Pod>]) -> Self {
        let status = job.status.clone().unwrap_or_default();
        let named = status.uncounted_terminated_pods.unwrap_or_default();
        // Before it has ended, nobody can say by which rule a pod fails.
        let replaces_leaving =
            spec.pod_replacement_policy.as_deref() != Some("Failed") && spec.pod_failure_policy.is_none();
        let is_ignored =
            |pod: &Pod| pods::phase(pod) == "Failed" && policy::judge(spec, pod) == Verdict::Ignore;
        let has_failed = |pod: &Pod| {
            (pods::phase(pod) == "Failed" && !is_ignored(pod))
                || (replaces_leaving && pods::is_leaving(pod) && !has_succeeded(pod))
        };
        let fatal = |pod: &Arc<Pod>| match policy::judge(spec, pod) {
            Verdict::FailJob(why) if pods::phase(pod) == "Failed" => Some(why),
            Verdict::FailJob(_) | Verdict::Count | Verdict::Ignore | Verdict::FailIndex => None,
        };
        let mut tally = Self {
            active: all.iter().filter(|pod| pods::is_active(pod)).cloned().collect(),
            leaving: all.iter().filter(|pod| pods::is_leaving(pod) && !pods::has_ended(pod)).count(),
            ready: all.iter().filter(|pod| pods::is_active(pod) && pods::is_ready(pod)).count(),
            succeeded: status.succeeded.unwrap_or(0),
            counted_succeeded: status.succeeded.unwrap_or(0),
            failed: status.failed.unwrap_or(0),
            counted_failed: status.failed.unwrap_or(0),
            uncounted: UncountedTerminatedPods::default(),
            countable: Vec::new(),
            done: indexes::parse(status.completed_indexes.as_deref().unwrap_or_default()),
            failures: failures(all),
            indexes: Indexes::of(spec, status.failed_indexes.as_deref().unwrap_or_default(), all),
            fatal: all.iter().find_map(fatal),
        };
        let succeeded = named.succeeded.unwrap_or_default();
        let failed = named.failed.unwrap_or_default();
        tally.count(all, &succeeded, has_succeeded, true);
        tally.count(all, &failed, has_failed, false);
        let done = all.iter().filter(|pod| has_succeeded(pod)).filter_map(|pod| indexes::of(pod));
        tally.done.extend(done);
        // An index that succeeded late has succeeded.
        tally.indexes.failed.retain(|index| !tally.done.contains(index));
        tally.countable.extend(all.iter().filter(|pod| is_ignored(pod)).cloned());
        tally
    }

    /// Takes in one way of ending: `named` are the uids that the status names.
    fn count(&mut self, all: &[Arc<Pod>], named: &[String], ended: impl Fn(&Pod) -> bool, well: bool) {
        let is_tracked = |pod: &Pod| {
            pod.metadata.finalizers.as_ref().is_some_and(|names| names.iter().any(|name| name == TRACKING))
        };
        let tracked: Vec<&Arc<Pod>> = all.iter().filter(|pod| is_tracked(pod) && ended(pod)).collect();
        let is_held = |name: &&String| tracked.iter().any(|pod| uid(&pod.metadata) == *name);
        let settled = named.iter().filter(|name| !is_held(name)).count();
        let is_named = |pod: &&&Arc<Pod>| named.iter().any(|name| name == uid(&pod.metadata));
        self.countable.extend(tracked.iter().filter(is_named).map(|pod| (*pod).clone()));
        let mut waiting: Vec<String> = tracked.iter().map(|pod| uid(&pod.metadata).to_owned()).collect();
        waiting.sort_unstable();
        let (settled, held) = (number(settled), number(waiting.len()));
        let waiting = Some(waiting).filter(|waiting| !waiting.is_empty());
        if well {
            self.counted_succeeded += settled;
            self.succeeded = self.counted_succeeded + held;
            self.uncounted.succeeded = waiting;
        } else {
            self.counted_failed += settled;
            self.failed = self.counted_failed + held;
            self.uncounted.failed = waiting;
        }
    }
}

pub(super) fn has_succeeded(pod: &Pod) -> bool {
    pods::phase(pod) == "Succeeded"
}

/// Returns the failures since the last success, and the time of the last.
fn failures(all: &[Arc<Pod>]) -> (u32, Option<Timestamp>) {
    let last_success = all.iter().filter(|pod| has_succeeded(pod)).filter_map(|pod| ended_at(pod)).max();
    let failed = all.iter().filter(|pod| pods::phase(pod) == "Failed");
    let times: Vec<Timestamp> = failed
        .filter_map(|pod| ended_at(pod))
        .filter(|time| last_success.is_none_or(|last| *time > last))
        .collect();
    (u32::try_from(times.len()).unwrap_or(u32::MAX), times.into_iter().max())
}

/// Returns when the last container of a pod ended.
pub(super) fn ended_at(pod: &Pod) -> Option<Timestamp> {
    let statuses =
        pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let finished = statuses.iter().filter_map(|container| {
        let terminated = container.state.as_ref()?.terminated.as_ref()?;
        terminated.finished_at.as_ref().map(|time| time.0)
    });
    let since = pods::condition(pod, "Ready")
        .and_then(|ready| ready.last_transition_time.as_ref().map(|time| time.0));
    finished.max().or(since).or(pod.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

pub(super) fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

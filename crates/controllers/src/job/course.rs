//! How a Job goes on: more pods, fewer, or its end.

use std::collections::BTreeSet;
use std::time::Duration;

use api::k8s::api::batch::v1::{Job, JobSpec};
use api::k8s::api::core::v1::Pod;
use jiff::Timestamp;

use super::policy::{self, FAILURES};
use super::tally::{Tally, number};
use super::{Observed, TRACKING, holds, indexes};
use crate::naming::Names;
use crate::owner;
use crate::plan::{Event, Plan, Told};
use crate::pods;

/// The pause after the first failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Pods made or deleted in one pass.
const BURST: usize = 500;

/// Where a Job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It goes on with that many pods at once.
    Going(usize),
    /// It is held.
    Suspended,
    /// It has come to its end, well: a reason and a message.
    Succeeded(&'static str, String),
    /// It has come to its end, badly: a reason and a message.
    Failed(&'static str, String),
}

const DEADLINE: &str = "DeadlineExceeded";
const REACHED: (&str, &str) = ("CompletionsReached", "Reached expected number of succeeded pods");
const BY_POLICY: &str = "SuccessPolicy";
/// The reasons for which a Job fails.
const REASONS: [&str; 5] =
    [DEADLINE, "BackoffLimitExceeded", "PodFailurePolicy", "FailedIndexes", "MaxFailedIndexesExceeded"];

/// How a Job goes on.
pub(super) struct Course {
    pub(super) stand: Stand,
    /// Whether anything still runs that has to end first.
    pub(super) is_settled: bool,
    /// No new pods before that.
    pause: Option<Duration>,
    pub(super) recheck: Option<Duration>,
}

pub(super) fn decide(observed: &Observed<'_>, spec: &JobSpec, tally: &Tally) -> Course {
    let job = observed.job;
    let is_settled = tally.active.is_empty() && tally.leaving == 0 && is_counted(tally);
    let (deadline, recheck) = deadline(observed, spec);
    let success = || success(spec, tally);
    let stand = if let Some(ended) = earlier_end(job).or_else(success).or_else(|| failure(spec, tally)) {
        ended
    } else if deadline {
        Stand::Failed(DEADLINE, "Job was active longer than specified deadline".to_owned())
    } else if spec.suspend == Some(true) {
        Stand::Suspended
    } else {
        Stand::Going(wanted(spec, tally))
    };
    let now = observed.env.now;
    let is_limited = spec.backoff_limit_per_index.is_some();
    let pause = tally.failures.1.filter(|_| !is_limited);
    let pause = pause.and_then(|last| pause_after(tally.failures.0, last, now));
    let of_indexes =
        free_indexes(spec, tally).into_iter().filter_map(|index| tally.indexes.pause(index, now)).min();
    let recheck = [recheck, pause, of_indexes].into_iter().flatten().min();
    Course { stand, is_settled, pause, recheck }
}

impl Course {
    /// Makes and deletes pods.
    pub(super) fn act(&self, plan: &mut Plan, observed: &Observed<'_>, spec: &JobSpec, tally: &Tally) {
        let job = observed.job;
        let wanted = match self.stand {
            Stand::Going(wanted) => wanted,
            Stand::Suspended | Stand::Succeeded(..) | Stand::Failed(..) => 0,
        };
        let surplus = tally.active.len().saturating_sub(wanted).min(BURST);
        let mut active = tally.active.clone();
        // The youngest go first, and those that are not ready.
        active.sort_by_key(|pod| {
            (
                pods::is_ready(pod),
                std::cmp::Reverse(pod.metadata.creation_timestamp.as_ref().map(|time| time.0)),
                pod.metadata.name.clone(),
            )
        });
        for pod in active.iter().take(surplus) {
            // A pod that the Job itself takes back is no failure: it is not counted.
            let is_failure = matches!(self.stand, Stand::Failed(..));
            plan.actions.extend(super::untrack(pod).filter(|_| !is_failure));
            plan.act(pods::delete(job, pod));
        }
        let mut missing = wanted.saturating_sub(tally.active.len()).min(BURST);
        if spec.pod_replacement_policy.as_deref() == Some("Failed") {
            missing = missing.saturating_sub(tally.leaving);
        }
        if missing == 0 || self.pause.is_some() {
            return;
        }
        let mut names = Names::new(observed.env.seed, owner::uid(&job.metadata));
        let create = |pod: Pod| pods::create_told(job, &pod);
        if spec.completion_mode.as_deref() == Some("Indexed") {
            let mut free = free_indexes(spec, tally);
            free.retain(|index| tally.indexes.pause(*index, observed.env.now).is_none());
            let pod = |index: i32, names: &mut Names| {
                let mut pod = indexed(job, spec, index, names);
                if spec.backoff_limit_per_index.is_some() {
                    let failures = tally.indexes.failures(index).to_string();
                    pod.metadata.annotations.get_or_insert_default().insert(FAILURES.to_owned(), failures);
                }
                pod
            };
            plan.actions.extend(free.into_iter().take(missing).map(|index| create(pod(index, &mut names))));
        } else {
            plan.actions.extend((0..missing).map(|_| create(plain(job, spec, &mut names))));
        }
    }

    /// What is told when the status says so for the first time.
    pub(super) fn told(&self, job: &Job) -> Told {
        let event = match &self.stand {
            Stand::Succeeded(..) if self.is_settled => {
                Some(Event::about(job, false, "Completed", "Job completed"))
            }
            Stand::Failed(reason, message) if self.is_settled => {
                Some(Event::about(job, true, reason, message.as_str()))
            }
            Stand::Suspended if !holds(job, "Suspended") => {
                Some(Event::about(job, false, "Suspended", "Job suspended"))
            }
            Stand::Going(_) if holds(job, "Suspended") => {
                Some(Event::about(job, false, "Resumed", "Job resumed"))
            }
            Stand::Succeeded(..) | Stand::Failed(..) | Stand::Suspended | Stand::Going(_) => None,
        };
        Told { done: event, failed: None }
    }
}

fn is_counted(tally: &Tally) -> bool {
    tally.uncounted.succeeded.is_none() && tally.uncounted.failed.is_none()
}

/// An end that the status has announced stays that end.
fn earlier_end(job: &Job) -> Option<Stand> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let find = |kind: &str| conditions.iter().find(|it| it.type_ == kind && it.status == "True");
    if let Some(target) = find("FailureTarget") {
        let reason = target.reason.as_deref().unwrap_or_default();
        let reason = REASONS.into_iter().find(|known| *known == reason).unwrap_or("BackoffLimitExceeded");
        return Some(Stand::Failed(reason, target.message.clone().unwrap_or_default()));
    }
    let met = find("SuccessCriteriaMet")?;
    let reason = if met.reason.as_deref() == Some(BY_POLICY) { BY_POLICY } else { REACHED.0 };
    Some(Stand::Succeeded(reason, met.message.clone().unwrap_or_default()))
}

fn success(spec: &JobSpec, tally: &Tally) -> Option<Stand> {
    if let Some(place) = policy::success(spec, &tally.done) {
        return Some(Stand::Succeeded(BY_POLICY, format!("Matched rules at index {place}")));
    }
    is_done(spec, tally).then(|| Stand::Succeeded(REACHED.0, REACHED.1.to_owned()))
}

fn failure(spec: &JobSpec, tally: &Tally) -> Option<Stand> {
    if let Some(why) = &tally.fatal {
        return Some(Stand::Failed("PodFailurePolicy", why.clone()));
    }
    let limit = spec.backoff_limit.unwrap_or(6);
    let restarts: i32 = if on_failure(spec) { tally.active.iter().map(|pod| restarts(pod)).sum() } else { 0 };
    if tally.failed > limit || (on_failure(spec) && restarts > 0 && restarts >= limit) {
        let why = "Job has reached the specified backoff limit";
        return Some(Stand::Failed("BackoffLimitExceeded", why.to_owned()));
    }
    let failed = number(tally.indexes.failed.len());
    if spec.max_failed_indexes.is_some_and(|most| failed > most) {
        let why = "Job has exceeded the specified maximal number of failed indexes";
        return Some(Stand::Failed("MaxFailedIndexesExceeded", why.to_owned()));
    }
    let completions = spec.completions.unwrap_or(0);
    let done = number(tally.done.range(0..completions).count());
    let is_over = failed > 0 && failed + done >= completions;
    is_over.then(|| Stand::Failed("FailedIndexes", "Job has failed indexes".to_owned()))
}

fn on_failure(spec: &JobSpec) -> bool {
    spec.template.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) == Some("OnFailure")
}

fn restarts(pod: &Pod) -> i32 {
    let status = pod.status.as_ref();
    let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let init = status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
    containers.iter().chain(init).map(|container| container.restart_count).sum()
}

/// Tells whether the Job's time is up, and else when it will be.
fn deadline(observed: &Observed<'_>, spec: &JobSpec) -> (bool, Option<Duration>) {
    let started = observed.job.status.as_ref().and_then(|status| status.start_time.as_ref());
    let (Some(seconds), Some(started)) = (spec.active_deadline_seconds, started) else {
        return (false, None);
    };
    if spec.suspend == Some(true) {
        return (false, None);
    }
    let left = i128::from(seconds) * 1000 - observed.env.now.duration_since(started.0).as_millis();
    match u64::try_from(left) {
        Ok(left) if left > 0 => (false, Some(Duration::from_millis(left))),
        _ => (true, None),
    }
}

fn is_done(spec: &JobSpec, tally: &Tally) -> bool {
    match spec.completions {
        Some(completions) if spec.completion_mode.as_deref() == Some("Indexed") => {
            number(tally.done.range(0..completions).count()) >= completions
        }
        Some(completions) => tally.succeeded >= completions,
        // A queue of work: one that finds it empty ends well, and the others follow.
        None => tally.succeeded > 0 && tally.active.is_empty(),
    }
}

fn wanted(spec: &JobSpec, tally: &Tally) -> usize {
    let parallelism = usize::try_from(spec.parallelism.unwrap_or(1)).unwrap_or(0);
    match spec.completions {
        Some(completions) => {
            let over = tally.succeeded.saturating_add(number(tally.indexes.failed.len()));
            parallelism.min(usize::try_from(completions - over).unwrap_or(0))
        }
        None if tally.succeeded > 0 => tally.active.len().min(parallelism),
        None => parallelism,
    }
}

/// After failures new pods wait, longer each time: how long still.
pub(super) fn pause_after(failures: u32, last: Timestamp, now: Timestamp) -> Option<Duration> {
    if failures == 0 {
        return None;
    }
    let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures - 1)).min(LONGEST_PAUSE);
    let waited = now.duration_since(last).as_millis();
    let left = i128::try_from(pause.as_millis()).unwrap_or(0) - waited;
    u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_millis)
}

fn free_indexes(spec: &JobSpec, tally: &Tally) -> Vec<i32> {
    let taken: BTreeSet<i32> = tally.active.iter().filter_map(|pod| indexes::of(pod)).collect();
    (0..spec.completions.unwrap_or(0))
        .filter(|index| {
            !tally.done.contains(index) && !taken.contains(index) && !tally.indexes.failed.contains(index)
        })
        .collect()
}

fn plain(job: &Job, spec: &JobSpec, names: &mut Names) -> Pod {
    let prefix = format!("{}-", owner::name(&job.metadata));
    let mut pod = pods::from_template(job, &spec.template, names.next(&prefix));
    pod.metadata.generate_name = Some(prefix);
    pod.metadata.finalizers.get_or_insert_default().push(TRACKING.to_owned());
    pod
}

fn indexed(job: &Job, spec: &JobSpec, index: i32, names: &mut Names) -> Pod {
    let prefix = format!("{}-{index}-", owner::name(&job.metadata));
    let mut pod = plain(job, spec, names);
    pod.metadata.name = Some(names.next(&prefix));
    pod.metadata.generate_name = Some(prefix);
    indexes::give(&mut pod, owner::name(&job.metadata), index);
    pod
}

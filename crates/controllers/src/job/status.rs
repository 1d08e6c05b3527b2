//! The status of a Job.

use api::k8s::api::batch::v1::{Job, JobCondition, JobSpec, UncountedTerminatedPods};
use api::k8s::apimachinery::pkg::apis::meta::v1::Time;
use jiff::Timestamp;

use super::course::{Course, Stand};
use super::tally::{Tally, number};
use super::{Observed, holds, indexes};
use crate::condition::{self, nonzero};

/// Returns when a Job finished; `None` while it has not.
pub(super) fn finished_at(job: &Job) -> Option<Timestamp> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let is_end = |it: &&JobCondition| (it.type_ == "Complete" || it.type_ == "Failed") && it.status == "True";
    conditions.iter().find(is_end)?.last_transition_time.as_ref().map(|time| time.0)
}

/// Returns the Job with the status it should have.
pub(super) fn after(observed: &Observed<'_>, spec: &JobSpec, tally: &Tally, course: &Course) -> Job {
    let mut after = observed.job.clone();
    let now = observed.env.now;
    let status = after.status.get_or_insert_default();
    let is_suspended = course.stand == Stand::Suspended;
    if is_suspended {
        status.start_time = None;
    } else if status.start_time.is_none() {
        status.start_time = Some(Time(now));
    }
    status.active = nonzero(number(tally.active.len()));
    status.ready = Some(number(tally.ready));
    status.terminating = Some(number(tally.leaving));
    status.succeeded = nonzero(tally.counted_succeeded);
    status.failed = nonzero(tally.counted_failed);
    if spec.completion_mode.as_deref() == Some("Indexed") {
        let done = indexes::format(&tally.done);
        status.completed_indexes = Some(done).filter(|done| !done.is_empty());
        let failed = spec.backoff_limit_per_index.map(|_| indexes::format(&tally.indexes.failed));
        status.failed_indexes = failed;
    }
    status.uncounted_terminated_pods = Some(UncountedTerminatedPods { ..tally.uncounted.clone() });
    conclude(observed.job, &mut after, course, now);
    after
}

fn conclude(job: &Job, after: &mut Job, course: &Course, now: Timestamp) {
    let status = after.status.get_or_insert_default();
    let conditions = &mut status.conditions;
    let mut say = |kind: &str, status: &str, (reason, message): (&str, &str)| {
        condition::set(conditions, new_condition(kind, status, reason, message, now));
    };
    match &course.stand {
        Stand::Succeeded(reason, message) => {
            say("SuccessCriteriaMet", "True", (reason, message));
            if course.is_settled {
                say("Complete", "True", (reason, message));
                status.completion_time = Some(Time(now));
            }
        }
        Stand::Failed(reason, message) => {
            say("FailureTarget", "True", (reason, message));
            if course.is_settled {
                say("Failed", "True", (reason, message));
            }
        }
        Stand::Suspended => say("Suspended", "True", ("JobSuspended", "Job suspended")),
        Stand::Going(_) if holds(job, "Suspended") => {
            say("Suspended", "False", ("JobResumed", "Job resumed"));
            status.start_time = Some(Time(now));
        }
        Stand::Going(_) => {}
    }
}

fn new_condition(kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> JobCondition {
    JobCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_probe_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    }
}

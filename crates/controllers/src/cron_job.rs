//! CronJob: Jobs at set times.

mod schedule;

use std::sync::Arc;
use std::time::Duration;

use api::k8s::api::batch::v1::{CronJob, CronJobSpec, Job};
use api::k8s::api::core::v1::ObjectReference;
use api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use api::reference::reference;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::controller::{Controller, Env, Watch};
use crate::owner::{self, controller_reference, is_controlled_by, uid};
use crate::plan::{Action, Delete, Event, Part, Plan, Propagation, Target, Told};

use schedule::Schedule;

/// Says for when a Job was made.
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// What a CronJob is decided on.
pub struct Observed<'a> {
    /// The CronJob.
    pub cron_job: &'a CronJob,
    /// The Jobs of its namespace.
    pub jobs: Vec<Arc<Job>>,
    /// The time and the time zones.
    pub env: &'a Env<'a>,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let cron_job = observed.cron_job;
    let spec = cron_job.spec.clone();
    if cron_job.metadata.deletion_timestamp.is_some() {
        return plan;
    }
    let owner = uid(&cron_job.metadata);
    let own = observed.jobs.iter().filter(|job| is_controlled_by(&job.metadata, owner));
    let mut jobs: Vec<Arc<Job>> = own.cloned().collect();
    jobs.sort_by(|a, b| age(a).cmp(&age(b)));
    let mut after = cron_job.clone();
    follow(&mut plan, observed, &jobs, &mut after);
    trim_history(&mut plan, &spec, &jobs);
    start(&mut plan, observed, &spec, &jobs, &mut after);
    plan.actions.extend(Action::update(Part::Status, cron_job, &after, Told::nothing()));
    plan
}

fn age(job: &Job) -> (Option<Timestamp>, &str) {
    (job.metadata.creation_timestamp.as_ref().map(|time| time.0), owner::name(&job.metadata))
}

/// How a Job ended: `Complete` or `Failed`.
fn end(job: &Job) -> Option<&str> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let is_end = |kind: &str| kind == "Complete" || kind == "Failed";
    conditions.iter().find(|it| is_end(&it.type_) && it.status == "True").map(|it| it.type_.as_str())
}

/// Keeps the list of Jobs that run.
fn follow(plan: &mut Plan, observed: &Observed<'_>, jobs: &[Arc<Job>], after: &mut CronJob) {
    let status = after.status.get_or_insert_default();
    let listed = status.active.take().unwrap_or_default();
    let was_listed = |job: &Job| listed.iter().any(|known| known.uid == job.metadata.uid);
    for job in jobs.iter().filter(|job| was_listed(job)) {
        let Some(how) = end(job) else { continue };
        let message = format!("Saw completed job: {}, condition: {how}", owner::name(&job.metadata));
        plan.act(Action::event(observed.cron_job, false, "SawCompletedJob", message));
    }
    // Those that people made of it count as well.
    for job in jobs.iter().filter(|job| end(job) == Some("Complete")) {
        let ended = job.status.as_ref().and_then(|status| status.completion_time.clone());
        if ended > status.last_successful_time {
            status.last_successful_time = ended;
        }
    }
    let cron_job = observed.cron_job;
    let is_own = |job: &Job| was_listed(job) || is_scheduled(job, cron_job);
    let (running, strangers): (Vec<&Arc<Job>>, Vec<&Arc<Job>>) =
        jobs.iter().filter(|job| end(job).is_none()).partition(|job| is_own(job));
    for job in strangers {
        let name = owner::name(&job.metadata);
        let message = format!("Saw a job that the controller did not create or forgot: {name}");
        plan.act(Action::event(cron_job, true, "UnexpectedJob", message));
    }
    let running = running.into_iter();
    let entry = |job: &Arc<Job>| {
        let known = listed.iter().find(|known| known.uid == job.metadata.uid).cloned();
        known.unwrap_or_else(|| reference(job.as_ref()))
    };
    let running: Vec<ObjectReference> = running.map(entry).collect();
    status.active = Some(running).filter(|running| !running.is_empty());
}

/// Tells whether a Job was made by the schedule: its name says so.
fn is_scheduled(job: &Job, cron_job: &CronJob) -> bool {
    let rest = owner::name(&job.metadata).strip_prefix(owner::name(&cron_job.metadata));
    let minutes = rest.and_then(|rest| rest.strip_prefix('-'));
    minutes.is_some_and(|minutes| !minutes.is_empty() && minutes.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Ended Jobs beyond the limits go, the oldest first.
fn trim_history(plan: &mut Plan, spec: &CronJobSpec, jobs: &[Arc<Job>]) {
    let limits = [
        ("Complete", spec.successful_jobs_history_limit.unwrap_or(3)),
        ("Failed", spec.failed_jobs_history_limit.unwrap_or(1)),
    ];
    for (how, limit) in limits {
        let ended: Vec<&Arc<Job>> = jobs.iter().filter(|job| end(job) == Some(how)).collect();
        let surplus = ended.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        plan.actions.extend(ended.into_iter().take(surplus).map(|job| delete(job)));
    }
}

fn delete(job: &Job) -> Action {
    let (target, told) = (Target::of(job), Told::nothing());
    Action::Delete(Box::new(Delete { target, propagation: Propagation::Background, grace: None, told }))
}

fn start(
    plan: &mut Plan,
    observed: &Observed<'_>,
    spec: &CronJobSpec,
    jobs: &[Arc<Job>],
    after: &mut CronJob,
) {
    let (cron_job, now) = (observed.cron_job, observed.env.now);
    if spec.suspend == Some(true) {
        return;
    }
    let zone = match &spec.time_zone {
        Some(name) => (observed.env.settings.zone)(name),
        None => Some(TimeZone::UTC),
    };
    let (Some(zone), Ok(schedule)) = (zone, Schedule::parse(&spec.schedule)) else {
        plan.wait(
            "InvalidSchedule",
            format!("the schedule `{}` or its time zone is not known", spec.schedule),
        );
        return;
    };
    if let Some(next) = schedule.after(now, &zone) {
        let wait = u64::try_from(next.duration_since(now).as_millis()).unwrap_or(0);
        plan.look_again(Duration::from_millis(wait));
    }
    let status = after.status.get_or_insert_default();
    let last = status.last_schedule_time.as_ref().or(cron_job.metadata.creation_timestamp.as_ref());
    let Some(due) = schedule.until(now, &zone).filter(|due| last.is_none_or(|last| *due > last.0)) else {
        return;
    };
    let is_late = |seconds: i64| now.duration_since(due).as_secs() > seconds;
    if spec.starting_deadline_seconds.is_some_and(is_late) {
        plan.wait("MissSchedule", format!("missed scheduled time to start a job: {due}"));
        return;
    }
    let running: Vec<&Arc<Job>> = jobs.iter().filter(|job| end(job).is_none()).collect();
    let is_made = jobs.iter().any(|job| owner::name(&job.metadata) == job_name(cron_job, due));
    match spec.concurrency_policy.as_deref() {
        _ if is_made => {}
        Some("Forbid") if !running.is_empty() => {
            plan.wait(
                "JobAlreadyActive",
                "a prior execution is running and the concurrency policy is Forbid",
            );
            return;
        }
        Some("Replace") => plan.actions.extend(running.iter().map(|job| delete(job))),
        _ => {}
    }
    if !is_made {
        plan.act(create(cron_job, spec, due));
    }
    status.last_schedule_time = Some(Time(due));
}

/// The name follows from the time, so that no Job is made twice.
fn job_name(cron_job: &CronJob, due: Timestamp) -> String {
    format!("{}-{}", owner::name(&cron_job.metadata), due.as_second() / 60)
}

fn create(cron_job: &CronJob, spec: &CronJobSpec, due: Timestamp) -> Action {
    let of = spec.job_template.metadata.clone().unwrap_or_default();
    let mut annotations = of.annotations.unwrap_or_default();
    annotations.insert(SCHEDULED.to_owned(), due.to_string());
    let name = job_name(cron_job, due);
    let job = Job {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: cron_job.metadata.namespace.clone(),
            labels: of.labels,
            annotations: Some(annotations),
            owner_references: Some(vec![controller_reference(cron_job)]),
            ..ObjectMeta::default()
        },
        spec: spec.job_template.spec.clone(),
        status: None,
    };
    let told = Told {
        done: Some(Event::about(cron_job, false, "SuccessfulCreate", format!("Created job {name}"))),
        failed: Some(Event::about(cron_job, true, "FailedCreate", "Error creating job")),
    };
    Action::create(&job, told)
}

/// Returns how the CronJobs of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "cronjob-controller",
        watches: vec![
            Watch::on_self::<CronJob>(),
            Watch::on::<Job>(|_, old, new| {
                let jobs = [old, new].into_iter().flatten();
                let mut keys: Vec<_> =
                    jobs.filter_map(|job| owner::controller_key::<CronJob>(&job.metadata)).collect();
                keys.dedup();
                keys
            }),
        ],
        reconcile: |view, key, env| {
            let Some(cron_job) = view.at::<CronJob>(key) else { return Plan::default() };
            reconcile(&Observed { cron_job: &cron_job, jobs: view.list_in(&key.namespace), env })
        },
    }
}

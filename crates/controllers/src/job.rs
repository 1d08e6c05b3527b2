//! Job: pods that end by themselves, until enough have ended well or too many badly.
//!
//! A pod that has ended carries a finalizer until the status has counted it, so that none is lost
//! or counted twice whatever happens in between: first the status names it as uncounted, then the
//! finalizer goes, then the count takes it in.

mod course;
mod indexes;
mod policy;
mod status;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use api::k8s::api::batch::v1::{Job, JobSpec};
use api::k8s::api::core::v1::Pod;
use api::selector::LabelSelector;
use serde_json::json;

use crate::claim::claim;
use crate::condition;
use crate::controller::{Controller, Env, Watch};
use crate::owner::{self, controller_of};
use crate::plan::{Action, Delete, Part, Plan, Propagation, Target, Told};
use crate::pods;
use crate::view::{Key, View};

use tally::Tally;

/// Keeps an ended pod until it has been counted.
pub const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// What a Job is decided on.
pub struct Observed<'a> {
    /// The Job.
    pub job: &'a Job,
    /// The pods of its namespace.
    pub pods: Vec<Arc<Pod>>,
    /// The time, the seed of names, and the last failure.
    pub env: &'a Env<'a>,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let job = observed.job;
    let spec = job.spec.clone().unwrap_or_default();
    if spec.managed_by.as_deref().is_some_and(|manager| manager != "kubernetes.io/job-controller") {
        return plan;
    }
    let Some(selector) = spec.selector.as_ref().and_then(|selector| LabelSelector::from_k8s(selector).ok())
    else {
        return plan;
    };
    let pods = claim(&mut plan, job, &selector, observed.pods.iter().cloned());
    // A pod that is nobody's any more is kept for nobody.
    let is_released = |pod: &&Arc<Pod>| controller_of(&pod.metadata).is_none() && !is_owned(&pods, pod);
    plan.actions.extend(observed.pods.iter().filter(is_released).filter_map(|pod| untrack(pod)));
    if job.metadata.deletion_timestamp.is_some() {
        // Whoever deletes the Job does not wait for its pods to be counted.
        plan.actions.extend(pods.iter().filter_map(|pod| untrack(pod)));
        return plan;
    }
    let tally = Tally::of(job, &spec, &pods);
    if let Some(finished_at) = status::finished_at(job) {
        plan.actions.extend(pods.iter().filter_map(|pod| untrack(pod)));
        expire(&mut plan, job, &spec, finished_at, observed.env);
        return plan;
    }
    let course = course::decide(observed, &spec, &tally);
    let before = plan.actions.len();
    plan.actions.extend(Action::update(
        Part::Status,
        job,
        &status::after(observed, &spec, &tally, &course),
        course.told(job),
    ));
    // What the status does not name yet must stay until it does.
    let is_written = plan.actions.len() == before || observed.env.failure.is_some();
    plan.actions.extend(tally.countable.iter().filter_map(|pod| untrack(pod)));
    if is_written {
        course.act(&mut plan, observed, &spec, &tally);
    }
    course.recheck.into_iter().for_each(|wait| plan.look_again(wait));
    plan
}

fn is_owned(owned: &[Arc<Pod>], pod: &Pod) -> bool {
    owned.iter().any(|known| known.metadata.uid == pod.metadata.uid)
}

/// Lets an ended pod go, as far as counting is concerned.
fn untrack(pod: &Pod) -> Option<Action> {
    let finalizers = pod.metadata.finalizers.as_ref()?;
    if !finalizers.iter().any(|name| name == TRACKING) {
        return None;
    }
    let left: Vec<&String> = finalizers.iter().filter(|name| *name != TRACKING).collect();
    let left = if left.is_empty() { json!(null) } else { json!(left) };
    let target = Target { version: pod.metadata.resource_version.clone(), ..Target::of(pod) };
    let patch = json!({ "metadata": { "finalizers": left } });
    let told = Told::nothing();
    Some(Action::Patch(Box::new(crate::plan::Patch { target, part: Part::Object, patch, told })))
}

/// A finished Job goes after its time to live.
fn expire(plan: &mut Plan, job: &Job, spec: &JobSpec, finished_at: jiff::Timestamp, env: &Env<'_>) {
    let Some(seconds) = spec.ttl_seconds_after_finished else { return };
    let waited = env.now.duration_since(finished_at).as_millis();
    match u64::try_from(i128::from(seconds) * 1000 - waited) {
        Ok(left) if left > 0 => plan.look_again(Duration::from_millis(left)),
        _ => {
            let (target, told) = (Target::of(job), Told::nothing());
            let delete = Delete { target, propagation: Propagation::Foreground, grace: None, told };
            plan.act(Action::Delete(Box::new(delete)));
        }
    }
}

/// Returns how the Jobs of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "job-controller",
        watches: vec![Watch::on_self::<Job>(), Watch::on::<Pod>(of_pod)],
        reconcile: |view, key, env| match view.at::<Job>(key) {
            Some(job) => reconcile(&Observed { job: &job, pods: view.list_in(&key.namespace), env }),
            None => free_orphans(view, key),
        },
    }
}

/// Pods of a Job that is no more are not kept for a count that nobody will make.
fn free_orphans(view: &View, key: &Key) -> Plan {
    let mut plan = Plan::default();
    let of_job = |pod: &&Arc<Pod>| owner::controller_key::<Job>(&pod.metadata).as_ref() == Some(key);
    for pod in view.list_in::<Pod>(&key.namespace).iter().filter(of_job) {
        let Some(action) = untrack(pod) else { continue };
        let job = Job { metadata: pods::meta_of(&key.namespace, &key.name), ..Job::default() };
        let uid = controller_of(&pod.metadata).map(|owner| owner.uid.clone()).unwrap_or_default();
        plan.act(Action::ConfirmGone(Box::new(Target { uid, ..Target::of(&job) })));
        plan.act(action);
    }
    plan
}

fn of_pod(view: &View, old: Option<&Pod>, new: Option<&Pod>) -> Vec<Key> {
    let pods = [old, new].into_iter().flatten();
    let mut keys: Vec<Key> = pods.filter_map(|pod| owner::controller_key::<Job>(&pod.metadata)).collect();
    if let Some(orphan) = new.filter(|pod| controller_of(&pod.metadata).is_none()) {
        let labels = orphan.metadata.labels.clone().unwrap_or_default();
        let might_adopt = |job: &Arc<Job>| {
            let selector = job.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            let selector = selector.and_then(|selector| LabelSelector::from_k8s(selector).ok());
            selector.is_some_and(|selector| !selector.is_empty() && selector.matches(&labels))
        };
        let namespace = orphan.metadata.namespace.as_deref().unwrap_or_default();
        let adopters = view.list_in::<Job>(namespace).into_iter().filter(might_adopt);
        keys.extend(adopters.map(|job| Key::of(&job.metadata)));
    }
    keys.dedup();
    keys
}

/// Tells whether a condition of a Job holds.
fn holds(job: &Job, kind: &str) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    condition::find(conditions, kind).is_some_and(|condition| condition.status == "True")
}

//! Whether a rollout gets on: the conditions `Progressing` and `ReplicaFailure`.

use std::time::Duration;

use api::k8s::api::apps::v1::{DeploymentCondition, DeploymentStatus, ReplicaSetCondition};
use jiff::Timestamp;

use super::sets::{Draft, Rollout};
use super::status::is_complete;
use crate::condition;
use crate::owner;

const PROGRESSING: &str = "Progressing";
const DONE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";

/// A pause stops the clock, and says so; resuming starts it anew.
pub(super) fn note_pause(rollout: &mut Rollout<'_>) {
    if !rollout.has_deadline() {
        return;
    }
    let reason =
        rollout.condition(PROGRESSING).and_then(|condition| condition.reason.clone()).unwrap_or_default();
    if reason == TIMED_OUT {
        return;
    }
    match (rollout.spec.paused == Some(true), reason == "DeploymentPaused") {
        (true, false) => {
            rollout.progressing("Unknown", "DeploymentPaused", "Deployment is paused".to_owned())
        }
        (false, true) => {
            rollout.progressing("Unknown", "DeploymentResumed", "Deployment is resumed".to_owned())
        }
        (true, true) | (false, false) => {}
    }
}

/// Compares the status with the one before, and sets the conditions.
pub(super) fn estimate(rollout: &mut Rollout<'_>) {
    let status = rollout.after.status.clone().unwrap_or_default();
    let before = rollout.observed.deployment.status.clone().unwrap_or_default();
    let is_done =
        rollout.condition(PROGRESSING).and_then(|condition| condition.reason.as_deref()) == Some(DONE);
    let is_settled = is_done && status.replicas == status.updated_replicas;
    if !rollout.has_deadline() {
        condition::remove(&mut rollout.after.status.get_or_insert_default().conditions, PROGRESSING);
    } else if !is_settled {
        judge(rollout, &status, &before);
    }
    note_failures(rollout);
    look_again_at_deadline(rollout);
}

fn judge(rollout: &mut Rollout<'_>, status: &DeploymentStatus, before: &DeploymentStatus) {
    let subject = match rollout.new_set() {
        Some(set) => format!("ReplicaSet \"{}\"", set.name()),
        None => format!("Deployment \"{}\"", owner::name(&rollout.observed.deployment.metadata)),
    };
    if is_complete(rollout, status) {
        rollout.progressing("True", DONE, format!("{subject} has successfully progressed."));
    } else if has_progressed(status, before) {
        renew(rollout, format!("{subject} is progressing."));
    } else if has_timed_out(rollout) {
        rollout.progressing("False", TIMED_OUT, format!("{subject} has timed out progressing."));
    }
}

/// Progress renews the time of the update though nothing else of the condition changes.
fn renew(rollout: &mut Rollout<'_>, message: String) {
    let mut condition = rollout.new_condition(PROGRESSING, "True", "ReplicaSetUpdated", message);
    if let Some(known) = rollout.condition(PROGRESSING).filter(|known| known.status == "True") {
        condition.last_transition_time.clone_from(&known.last_transition_time);
    }
    let conditions = &mut rollout.after.status.get_or_insert_default().conditions;
    condition::remove(conditions, PROGRESSING);
    condition::set(conditions, condition);
}

fn has_progressed(status: &DeploymentStatus, before: &DeploymentStatus) -> bool {
    let count = |count: Option<i32>| count.unwrap_or(0);
    let old = |status: &DeploymentStatus| count(status.replicas) - count(status.updated_replicas);
    count(status.updated_replicas) > count(before.updated_replicas)
        || old(status) < old(before)
        || count(status.ready_replicas) > count(before.ready_replicas)
        || count(status.available_replicas) > count(before.available_replicas)
}

fn has_timed_out(rollout: &Rollout<'_>) -> bool {
    let Some(condition) = rollout.condition(PROGRESSING) else { return false };
    match condition.reason.as_deref() {
        Some(DONE) => false,
        Some(TIMED_OUT) => true,
        _ => deadline(rollout, condition).is_some_and(|deadline| deadline < rollout.observed.env.now),
    }
}

fn deadline(rollout: &Rollout<'_>, condition: &DeploymentCondition) -> Option<Timestamp> {
    let seconds = u64::try_from(rollout.spec.progress_deadline_seconds?).ok()?;
    let since = condition.last_update_time.as_ref()?.0;
    since.checked_add(Duration::from_secs(seconds)).ok()
}

/// A failure of the newest set comes before those of older ones.
fn note_failures(rollout: &mut Rollout<'_>) {
    let failure = |set: &Draft| {
        let status = set.status();
        condition::find::<ReplicaSetCondition>(status.conditions.as_ref(), "ReplicaFailure").cloned()
    };
    let found = rollout.new_set().and_then(failure).or_else(|| rollout.sets.iter().find_map(failure));
    let conditions = &mut rollout.after.status.get_or_insert_default().conditions;
    match found {
        Some(failure) => condition::set(
            conditions,
            DeploymentCondition {
                type_: failure.type_,
                status: failure.status,
                reason: failure.reason,
                message: failure.message,
                last_update_time: failure.last_transition_time.clone(),
                last_transition_time: failure.last_transition_time,
            },
        ),
        None => condition::remove(conditions, "ReplicaFailure"),
    }
}

fn look_again_at_deadline(rollout: &mut Rollout<'_>) {
    let status = rollout.after.status.clone().unwrap_or_default();
    if !rollout.has_deadline() || is_complete(rollout, &status) {
        return;
    }
    let waiting =
        rollout.condition(PROGRESSING).filter(|condition| condition.reason.as_deref() != Some(TIMED_OUT));
    let Some(deadline) = waiting.and_then(|condition| deadline(rollout, condition)) else { return };
    let left = deadline.duration_since(rollout.observed.env.now).as_millis();
    // A moment later than the deadline, which must have passed to count.
    let wait = Duration::from_millis(u64::try_from(left).unwrap_or(0) + 10);
    rollout.plan.look_again(wait);
}

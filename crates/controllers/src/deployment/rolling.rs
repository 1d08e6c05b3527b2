//! RollingUpdate: new pods come as old ones go, within the limits.

use super::cleanup;
use super::sets::{Draft, Rollout};
use super::status::is_complete;

/// Takes the next step: up if there is room, else down if enough are available.
pub(super) fn roll(rollout: &mut Rollout<'_>) {
    if !rollout.ensure_new_set() {
        return;
    }
    if grow_new(rollout) || shrink_old(rollout) {
        return;
    }
    if is_complete(rollout, &rollout.observed.deployment.status.clone().unwrap_or_default()) {
        cleanup::cleanup(rollout);
    }
}

/// Replicas that the newest set may have: as many as are asked for and there is room for.
pub(super) fn room_for(rollout: &Rollout<'_>, newest: usize) -> i32 {
    let fence = &rollout.fence;
    let has = rollout.sets[newest].replicas();
    if !fence.is_rolling {
        return fence.replicas;
    }
    let Some(pods) = rollout.sets.iter().map(Draft::pods).sum::<Option<i32>>() else { return has };
    let room = (fence.most() - pods).max(0);
    has + room.min((fence.replicas - has).max(0))
}

fn grow_new(rollout: &mut Rollout<'_>) -> bool {
    let Some(index) = rollout.newest else { return false };
    let (has, wanted) = (rollout.sets[index].replicas(), rollout.fence.replicas);
    match has {
        has if has == wanted => false,
        has if has > wanted => rollout.resize(index, wanted, false),
        _ => {
            let replicas = room_for(rollout, index);
            rollout.resize(index, replicas, false)
        }
    }
}

/// Scales old sets down as far as enough pods stay available.
fn shrink_old(rollout: &mut Rollout<'_>) -> bool {
    let old: Vec<usize> =
        rollout.old_sets().into_iter().filter(|index| rollout.sets[*index].replicas() > 0).collect();
    let Some(new) = rollout.new_set().filter(|_| !old.is_empty()) else { return false };
    let new_unavailable = new.replicas() - new.available();
    // New pods that are not available yet hold old ones back, whatever the old ones' state.
    let spare = rollout.total() - rollout.fence.least() - new_unavailable;
    if spare <= 0 {
        return false;
    }
    let unhealthy = drop_unhealthy(rollout, &old, spare);
    let available: i32 = rollout.sets.iter().map(Draft::available).sum();
    let healthy = drop_any(rollout, &old, available - rollout.fence.least());
    unhealthy + healthy > 0
}

/// Old pods that are not available go first: they serve nobody and would hold up the rollout.
fn drop_unhealthy(rollout: &mut Rollout<'_>, old: &[usize], spare: i32) -> i32 {
    let mut dropped = 0;
    for index in old {
        let set = &rollout.sets[*index];
        let unhealthy = set.replicas() - set.available();
        dropped += shrink(rollout, *index, unhealthy.min(spare - dropped));
    }
    dropped
}

fn drop_any(rollout: &mut Rollout<'_>, old: &[usize], surplus: i32) -> i32 {
    let mut dropped = 0;
    for index in old {
        let replicas = rollout.sets[*index].replicas();
        dropped += shrink(rollout, *index, replicas.min(surplus - dropped));
    }
    dropped
}

fn shrink(rollout: &mut Rollout<'_>, index: usize, by: i32) -> i32 {
    if by <= 0 {
        return 0;
    }
    let replicas = rollout.sets[index].replicas() - by;
    rollout.resize(index, replicas, false);
    by
}

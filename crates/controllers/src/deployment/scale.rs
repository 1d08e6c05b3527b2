//! A change of size in mid-rollout, or while paused: every set keeps its share.

use super::annotations;
use super::sets::Rollout;

/// Sizes the sets for the replicas asked for.
pub(super) fn scale(rollout: &mut Rollout<'_>) {
    let wanted = rollout.fence.replicas;
    let active: Vec<usize> =
        (0..rollout.sets.len()).filter(|index| rollout.sets[*index].replicas() > 0).collect();
    match active.as_slice() {
        [] => {
            let newest = rollout.newest.or_else(|| rollout.sets.len().checked_sub(1));
            newest.into_iter().for_each(|index| {
                rollout.resize(index, wanted, false);
            });
        }
        [only] => {
            rollout.resize(*only, wanted, false);
        }
        _ if is_saturated(rollout) => {
            for index in active.into_iter().filter(|index| Some(*index) != rollout.newest).collect::<Vec<_>>()
            {
                rollout.resize(index, 0, false);
            }
        }
        _ if rollout.fence.is_rolling => share_out(rollout, active),
        _ => {}
    }
}

/// Tells whether the newest set has, and was sized for, all replicas, and all are available.
fn is_saturated(rollout: &Rollout<'_>) -> bool {
    let wanted = rollout.fence.replicas;
    rollout.new_set().is_some_and(|set| {
        let available = set.status().available_replicas.unwrap_or(0);
        set.replicas() == wanted && annotations::desired(set.meta()) == Some(wanted) && available == wanted
    })
}

/// Shares what is to be added or removed among the sets, in proportion to their sizes.
fn share_out(rollout: &mut Rollout<'_>, mut active: Vec<usize>) {
    let allowed = if rollout.fence.replicas > 0 { rollout.fence.most() } else { 0 };
    let change = allowed - rollout.total();
    // The largest first; of one size the youngest when growing, the oldest when shrinking.
    active.sort_by_key(|index| {
        let age = i64::try_from(*index).unwrap_or(i64::MAX);
        (-i64::from(rollout.sets[*index].replicas()), if change > 0 { -age } else { age })
    });
    let mut changed = 0;
    let mut sizes = Vec::with_capacity(active.len());
    for index in active {
        let share = if change == changed { 0 } else { share(rollout, index, change - changed) };
        changed += share;
        sizes.push((index, rollout.sets[index].replicas() + share));
    }
    if let Some((_, largest)) = sizes.first_mut() {
        *largest = (*largest + change - changed).max(0);
    }
    for (index, size) in sizes {
        rollout.resize(index, size, true);
    }
}

/// The share of one set in what is left to add (positive) or remove (negative).
fn share(rollout: &Rollout<'_>, index: usize, left: i32) -> i32 {
    let fraction = fraction(rollout, index);
    if left > 0 { fraction.min(left) } else { fraction.max(left) }
}

fn fraction(rollout: &Rollout<'_>, index: usize) -> i32 {
    let set = &rollout.sets[index];
    let (has, fence) = (set.replicas(), &rollout.fence);
    if fence.replicas == 0 {
        return -has;
    }
    let status = rollout.observed.deployment.status.as_ref();
    let before =
        annotations::most(set.meta()).or_else(|| status.and_then(|status| status.replicas)).unwrap_or(0);
    if before == 0 {
        return 0;
    }
    // Round half away from zero, in whole numbers: sizes are never negative.
    let (scaled, before) = (i64::from(has) * i64::from(fence.most()), i64::from(before));
    let size = (2 * scaled + before) / (2 * before);
    i32::try_from(size).unwrap_or(i32::MAX) - has
}

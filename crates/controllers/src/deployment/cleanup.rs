//! The history: old ReplicaSets beyond the limit go, the oldest revisions first.

use super::annotations;
use super::sets::Rollout;

/// Dooms the old sets beyond the limit that have no pods any more.
pub(super) fn cleanup(rollout: &mut Rollout<'_>) {
    let Some(limit) = rollout.spec.revision_history_limit.filter(|limit| *limit != i32::MAX) else { return };
    let mut old = rollout.old_sets();
    old.retain(|index| rollout.sets[*index].meta().deletion_timestamp.is_none());
    old.sort_by_key(|index| annotations::revision(rollout.sets[*index].meta()));
    let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    for index in old.into_iter().take(surplus) {
        let set = &mut rollout.sets[index];
        let status = set.status();
        let is_observed = set.meta().generation <= status.observed_generation;
        if set.replicas() == 0 && status.replicas == 0 && is_observed {
            set.doom();
        }
    }
}

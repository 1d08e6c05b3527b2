//! What a Deployment notes on its ReplicaSets: revision, history, sizes, and its own annotations.

use std::collections::BTreeMap;

use api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::fence::Fence;

/// The place of a ReplicaSet in the history of its Deployment.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
/// The revisions that a ReplicaSet had before it was rolled back to.
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// The replicas of the Deployment when the ReplicaSet was last sized.
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The same, surge included.
const MOST: &str = "deployment.kubernetes.io/max-replicas";
/// What a Deployment keeps to itself.
const PRIVATE: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MOST,
];
/// The longest history, in characters: about a hundred revisions.
const LONGEST_HISTORY: usize = 2000;

/// Returns the revision; 0 without one.
pub(super) fn revision(meta: &ObjectMeta) -> i64 {
    text(meta, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Returns the replicas of the Deployment that the ReplicaSet was last sized for.
pub(super) fn desired(meta: &ObjectMeta) -> Option<i32> {
    number(meta, DESIRED)
}

/// Returns the greatest size of the Deployment when the ReplicaSet was last sized.
pub(super) fn most(meta: &ObjectMeta) -> Option<i32> {
    number(meta, MOST).filter(|most| *most != 0)
}

/// Copies the Deployment's annotations (the change cause among them) to its new ReplicaSet.
pub(super) fn copy(from: &ObjectMeta, to: &mut ObjectMeta) {
    let public = from.annotations.iter().flatten().filter(|(name, _)| !PRIVATE.contains(&name.as_str()));
    for (name, value) in public {
        annotations(to).insert(name.clone(), value.clone());
    }
}

/// Gives the new ReplicaSet its place at the end of the history, unless it is there already.
pub(super) fn set_revision(meta: &mut ObjectMeta, newest: i64) {
    let Ok(before) = text(meta, REVISION).unwrap_or("0").parse::<i64>() else { return };
    if before >= newest {
        return;
    }
    if text(meta, REVISION).is_some() {
        let history = lengthened(text(meta, REVISION_HISTORY).unwrap_or_default(), &before.to_string());
        annotations(meta).insert(REVISION_HISTORY.to_owned(), history);
    }
    annotations(meta).insert(REVISION.to_owned(), newest.to_string());
}

/// Notes for what size of the Deployment the ReplicaSet is sized.
pub(super) fn set_sizes(meta: &mut ObjectMeta, fence: &Fence) {
    annotations(meta).insert(DESIRED.to_owned(), fence.replicas.to_string());
    annotations(meta).insert(MOST.to_owned(), fence.most().to_string());
}

/// Adds a revision to a history, and drops the oldest ones where it grows too long.
fn lengthened(history: &str, revision: &str) -> String {
    let mut revisions: Vec<&str> = history.split(',').filter(|text| !text.is_empty()).collect();
    revisions.push(revision);
    let mut start = 0;
    while start < revisions.len() && revisions[start..].join(",").len() > LONGEST_HISTORY {
        start += 1;
    }
    revisions[start..].join(",")
}

fn annotations(meta: &mut ObjectMeta) -> &mut BTreeMap<String, String> {
    meta.annotations.get_or_insert_default()
}

fn text<'a>(meta: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(name).map(String::as_str)
}

fn number(meta: &ObjectMeta, name: &str) -> Option<i32> {
    text(meta, name)?.parse().ok().filter(|number| *number >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(pairs: &[(&str, &str)]) -> ObjectMeta {
        let annotations =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ObjectMeta { annotations: Some(annotations), ..ObjectMeta::default() }
    }

    #[test]
    fn a_set_that_is_rolled_back_to_keeps_the_revisions_it_had() {
        let mut set = meta(&[(REVISION, "1")]);
        set_revision(&mut set, 3);
        set_revision(&mut set, 5);
        assert_eq!(set, meta(&[(REVISION, "5"), (REVISION_HISTORY, "1,3")]));
    }

    #[test]
    fn a_revision_never_goes_down() {
        let mut set = meta(&[(REVISION, "7")]);
        set_revision(&mut set, 4);
        assert_eq!(set, meta(&[(REVISION, "7")]));
    }

    #[test]
    fn a_long_history_forgets_its_beginning() {
        let history = lengthened(&"12345,".repeat(400), "6");
        assert!(history.len() <= LONGEST_HISTORY && history.ends_with(",6"));
    }

    #[test]
    fn the_change_cause_is_copied_and_private_notes_are_not() {
        let deployment = meta(&[("kubernetes.io/change-cause", "why"), (REVISION, "9")]);
        let mut set = ObjectMeta::default();
        copy(&deployment, &mut set);
        assert_eq!(set, meta(&[("kubernetes.io/change-cause", "why")]));
    }
}

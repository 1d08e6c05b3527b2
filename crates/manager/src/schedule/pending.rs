//! The pods that wait for a node: which comes next, and which were refused and wait for a change.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use client::Key;
use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;

/// A refused pod is tried again when something has changed, but not sooner than that: the pause
/// doubles with each refusal.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The order: by priority, then by age, then by name.
type Rank = (Reverse<i32>, Option<String>, Key);

/// The pods that wait for a node.
#[derive(Default)]
pub(super) struct Pending {
    /// Pods to be tried now.
    ready: BTreeSet<Rank>,
    ranks: HashMap<Key, Rank>,
    refused: HashMap<Key, Refused>,
    /// Refused pods for which something has changed, by the end of their pause.
    timers: BTreeSet<(Instant, Key)>,
}

struct Refused {
    attempts: u32,
    not_before: Instant,
    /// What was refused: a pod that has itself changed is tried at once.
    version: Option<String>,
}

impl Pending {
    /// Takes a pod in. One that was refused goes on waiting unless its spec has changed.
    pub(super) fn add(&mut self, key: Key, pod: &Pod) {
        let generation = version(pod);
        if self.refused.get(&key).is_some_and(|refused| refused.version == generation) {
            return;
        }
        let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0.to_string());
        let priority = pod.spec.as_ref().and_then(|spec| spec.priority).unwrap_or(0);
        let rank = (Reverse(priority), created, key.clone());
        if let Some(before) = self.ranks.insert(key, rank.clone()) {
            self.ready.remove(&before);
        }
        self.ready.insert(rank);
    }

    /// Forgets a pod: it has a node, or is gone.
    pub(super) fn remove(&mut self, key: &Key) {
        if let Some(rank) = self.ranks.remove(key) {
            self.ready.remove(&rank);
        }
        if let Some(refused) = self.refused.remove(key) {
            self.timers.remove(&(refused.not_before, key.clone()));
        }
    }

    /// Takes the next pod out.
    pub(super) fn take(&mut self, now: Instant) -> Option<Key> {
        while let Some((due, key)) = self.timers.first().cloned().filter(|(due, _)| *due <= now) {
            self.timers.remove(&(due, key.clone()));
            if let Some(rank) = self.ranks.get(&key) {
                self.ready.insert(rank.clone());
            }
        }
        self.ready.pop_first().map(|(_, _, key)| key)
    }

    /// Notes that a pod has been refused.
    pub(super) fn refused(&mut self, key: Key, pod: &Pod, now: Instant) {
        let refused =
            self.refused.entry(key).or_insert(Refused { attempts: 0, not_before: now, version: None });
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(refused.attempts)).min(LONGEST_PAUSE);
        refused.attempts += 1;
        refused.not_before = now + pause;
        refused.version = version(pod);
    }

    /// Lets refused pods be tried again, since something has changed.
    pub(super) fn cluster_changed(&mut self) {
        let timers: BTreeMap<_, _> =
            self.refused.iter().map(|(key, it)| (key.clone(), it.not_before)).collect();
        self.timers.extend(timers.into_iter().map(|(key, due)| (due, key)));
    }

    /// Returns when the next refused pod may be tried again.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }
}

/// What changes with the spec and not with the status.
fn version(pod: &Pod) -> Option<String> {
    let gates = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref()).map_or(0, Vec::len);
    Some(format!("{:?}/{:?}/{gates}", pod.metadata.uid, pod.metadata.generation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::PodSpec;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    fn pod(name: &str, priority: i32) -> (Key, Pod) {
        let metadata =
            ObjectMeta { name: Some(name.into()), uid: Some(name.into()), ..ObjectMeta::default() };
        let spec = PodSpec { priority: Some(priority), ..PodSpec::default() };
        (Key::new("", name), Pod { metadata, spec: Some(spec), status: None })
    }

    #[test]
    fn the_more_important_pod_comes_first() {
        let mut pending = Pending::default();
        for (key, pod) in [pod("a", 0), pod("b", 10)] {
            pending.add(key, &pod);
        }
        let now = Instant::now();
        assert_eq!(pending.take(now), Some(Key::new("", "b")));
        assert_eq!(pending.take(now), Some(Key::new("", "a")));
        assert_eq!(pending.take(now), None);
    }

    #[test]
    fn a_refused_pod_waits_for_a_change_and_for_its_pause() {
        let mut pending = Pending::default();
        let (key, pod) = pod("a", 0);
        let now = Instant::now();
        pending.add(key.clone(), &pod);
        assert_eq!(pending.take(now), Some(key.clone()));
        pending.refused(key.clone(), &pod, now);
        pending.add(key.clone(), &pod);
        assert_eq!((pending.take(now), pending.next_timer()), (None, None));
        pending.cluster_changed();
        assert_eq!(pending.take(now), None);
        assert_eq!(pending.take(now + FIRST_PAUSE), Some(key));
    }
}

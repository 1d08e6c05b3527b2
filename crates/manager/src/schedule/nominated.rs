//! The pods for which room is being made: until they have it, nobody less important takes it.

use std::collections::HashMap;
use std::sync::Arc;

use client::Key;
use k8s_openapi::api::core::v1::Pod;

/// The pods that wait for others to leave a node.
#[derive(Default)]
pub(super) struct Nominated {
    by_key: HashMap<Key, (Arc<Pod>, String)>,
}

impl Nominated {
    /// Notes for which node a pod is meant.
    pub(super) fn add(&mut self, pod: &Arc<Pod>, node: &str) {
        self.by_key.insert(Key::of(&pod.metadata), (pod.clone(), node.to_owned()));
    }

    /// Notes what the API says of a pod that waits.
    pub(super) fn take_in(&mut self, pod: &Arc<Pod>) {
        let node = pod.status.as_ref().and_then(|status| status.nominated_node_name.as_deref());
        if let Some(node) = node.filter(|node| !node.is_empty()) {
            self.add(pod, node);
        }
    }

    /// Forgets a pod: it has a node, or is gone.
    pub(super) fn remove(&mut self, key: &Key) {
        self.by_key.remove(key);
    }

    /// Returns the others whose room `pod` must leave to them, with their nodes.
    pub(super) fn before(&self, pod: &Pod) -> Vec<(Arc<Pod>, String)> {
        let matters =
            |other: &Pod| other.metadata.uid != pod.metadata.uid && priority(other) >= priority(pod);
        self.by_key.values().filter(|(other, _)| matters(other)).cloned().collect()
    }
}

fn priority(pod: &Pod) -> i32 {
    pod.spec.as_ref().and_then(|spec| spec.priority).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, priority: i32, nominated: &str) -> Arc<Pod> {
        let pod = json!({"metadata": {"name": name, "uid": name}, "spec": {"priority": priority, "containers": []},
            "status": {"nominatedNodeName": nominated}});
        Arc::new(serde_json::from_value(pod).expect("a pod"))
    }

    #[test]
    fn the_less_important_leave_room() {
        let mut nominated = Nominated::default();
        let urgent = pod("urgent", 5, "n1");
        nominated.take_in(&urgent);
        nominated.take_in(&pod("other", 9, ""));
        let before = |nominated: &Nominated, pod: &Pod| -> Vec<String> {
            nominated.before(pod).into_iter().map(|(_, node)| node).collect()
        };
        assert_eq!(before(&nominated, &pod("plain", 1, "")), ["n1"]);
        assert_eq!(before(&nominated, &pod("equal", 5, "")), ["n1"]);
        assert_eq!(before(&nominated, &pod("higher", 6, "")), [""; 0]);
        assert_eq!(before(&nominated, &urgent), [""; 0], "it does not wait for itself");
        nominated.remove(&Key::of(&urgent.metadata));
        assert_eq!(before(&nominated, &pod("plain", 1, "")), [""; 0]);
    }
}

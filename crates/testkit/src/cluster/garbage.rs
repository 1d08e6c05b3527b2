//! The garbage collector's decider on the whole cluster, seen without delay.

use controllers::garbage::{self, Item, Observed, Owner};
use controllers::{Action, Kind, Target};
use serde_json::Value;

use super::Cluster;
use crate::server::{Place, place_of};

impl Cluster {
    /// Decides on every object once.
    pub(super) fn collect_garbage(&mut self) {
        let items: Vec<Item> = self.server.objects().map(|(place, object)| item(place, object)).collect();
        for item in &items {
            let owners = item.owners.iter().map(|reference| {
                let found = items.iter().find(|other| other.uid == reference.uid);
                found.map_or_else(
                    || {
                        Owner::Absent(Target {
                            kind: item.kind.clone(),
                            namespace: String::new(),
                            name: reference.name.clone(),
                            uid: reference.uid.clone(),
                            version: None,
                        })
                    },
                    |owner| Owner::Present { waits: owner.waits() },
                )
            });
            let is_dependent = |other: &&Item| other.owners.iter().any(|owner| owner.uid == item.uid);
            let dependents = items.iter().filter(is_dependent).collect();
            let plan = garbage::reconcile(&Observed { item, owners: owners.collect(), dependents });
            for action in plan.actions {
                self.collect(action);
            }
        }
    }

    fn collect(&mut self, action: Action) {
        match action {
            Action::Delete(delete) => {
                let at = place_of(&delete.target.kind, &delete.target.namespace, &delete.target.name);
                let _ = self.server.delete(&at, Some(&delete.target.uid), delete.grace);
            }
            Action::Patch(patch) => {
                let at = place_of(&patch.target.kind, &patch.target.namespace, &patch.target.name);
                let _ = self.server.patch(&at, patch.part, &patch.patch, (None, None));
            }
            _ => {}
        }
    }
}

fn item(place: &Place, object: &Value) -> Item {
    let kind =
        Kind { api_version: String::new(), kind: String::new(), plural: place.0.clone(), namespaced: true };
    let meta = serde_json::from_value(object["metadata"].clone()).unwrap_or_default();
    Item::new(kind, &meta)
}

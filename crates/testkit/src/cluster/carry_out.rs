//! Carries plans out against the simulated server, by the rules of the real executor.

use std::collections::BTreeMap;

use controllers::{Action, Event, Key, Plan, Target, Told};
use serde_json::{Value, json};

use super::Cluster;
use crate::checks;
use crate::server::{Place, Refused, place_of};

impl Cluster {
    /// Carries out at most `limit` actions: beyond it the manager has been cut off.
    pub(super) fn carry_out(&mut self, index: usize, key: &Key, plan: Plan, limit: usize) {
        let id = (index, key.clone());
        let is_cut = plan.actions.len() > limit;
        let mut own = BTreeMap::new();
        for action in plan.actions.into_iter().take(limit) {
            match self.act(index, key, action, &mut own) {
                Ok(()) => {}
                Err(refused) => {
                    if let Refused::Forbidden(message) = refused {
                        self.failures.insert(id.clone(), message);
                    }
                    self.queue.insert(id);
                    return;
                }
            }
        }
        self.failures.remove(&id);
        if is_cut {
            self.queue.insert(id);
        }
    }

    fn act(
        &mut self,
        index: usize,
        key: &Key,
        action: Action,
        own: &mut BTreeMap<Place, (String, String)>,
    ) -> Result<(), Refused> {
        match action {
            Action::Create(create) => {
                let plural = create.kind.plural.clone();
                let result = self.server.create(&plural, create.object);
                self.answered(&plural, &result);
                self.told(&create.told, result.map(drop))
            }
            Action::Patch(patch) => {
                let at = at(&patch.target);
                let mut version = patch.target.version.clone();
                if let (Some(version), Some((before, after))) = (&mut version, own.get(&at))
                    && version == before
                {
                    version.clone_from(after);
                }
                let uid = Some(patch.target.uid.as_str()).filter(|_| version.is_none());
                let result = self.server.patch(&at, patch.part, &patch.patch, (version.as_deref(), uid));
                self.answered(&patch.target.kind.plural, &result);
                if let (Ok(object), Some(before)) = (&result, &patch.target.version) {
                    let after = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
                    own.insert(at, (before.clone(), after.to_owned()));
                }
                self.told(&patch.told, result.map(drop))
            }
            Action::Delete(delete) => {
                let at = at(&delete.target);
                checks::assert_may_delete(self, self.controllers[index].name, key, &delete.target);
                let result = self.server.delete(&at, Some(&delete.target.uid), delete.grace);
                if let Ok(object) = &result {
                    let stays = self
                        .server
                        .at(&at)
                        .is_some_and(|left| left["metadata"]["uid"] == object["metadata"]["uid"]);
                    match (self.reads_own_writes, stays) {
                        (true, true) => self.observer.assume(&at.0, object),
                        (true, false) => self.observer.assume_gone(&at.0, object),
                        (false, _) => {}
                    }
                }
                match result {
                    Err(Refused::NotFound | Refused::Conflict) => Ok(()),
                    result => self.told(&delete.told, result.map(drop)),
                }
            }
            Action::Confirm(target) => {
                let object = self.server.at(&at(&target)).filter(|object| is(object, &target));
                let is_alive = object.is_some_and(|object| object["metadata"]["deletionTimestamp"].is_null());
                if is_alive { Ok(()) } else { Err(Refused::Conflict) }
            }
            Action::ConfirmGone(target) => {
                let is_there = self.server.at(&at(&target)).is_some_and(|object| is(object, &target));
                if is_there { Err(Refused::Conflict) } else { Ok(()) }
            }
            Action::DeleteAll { .. } | Action::Finalize { .. } => Ok(()),
            Action::Event(event) => {
                self.tell_event(&event);
                Ok(())
            }
        }
    }

    fn answered(&self, plural: &str, result: &Result<Value, Refused>) {
        if let (Ok(object), true) = (result, self.reads_own_writes) {
            self.observer.assume(plural, object);
        }
    }

    fn told(&mut self, told: &Told, result: Result<(), Refused>) -> Result<(), Refused> {
        match &result {
            Ok(()) => told.done.iter().for_each(|event| self.tell_event(event)),
            Err(Refused::Forbidden(cause)) => {
                if let Some(event) = &told.failed {
                    self.tell(format!("{} {}: {cause}", event.reason, event.message));
                }
            }
            Err(Refused::NotFound | Refused::AlreadyExists | Refused::Conflict) => {}
        }
        result
    }

    fn tell_event(&mut self, event: &Event) {
        self.tell(format!("{} {}", event.reason, event.message));
    }
}

fn at(target: &Target) -> Place {
    place_of(&target.kind, &target.namespace, &target.name)
}

fn is(object: &Value, target: &Target) -> bool {
    target.uid.is_empty() || object["metadata"]["uid"] == json!(target.uid)
}

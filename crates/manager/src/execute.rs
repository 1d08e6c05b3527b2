//! Carries a plan out: the one place that turns actions into requests.
//!
//! Actions go in order and stop at the first that fails, because later ones were decided in the
//! belief that earlier ones succeed. A run of creations goes side by side in batches that double
//! as long as all succeed; a run of deletions side by side.

mod failure;
mod request;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use client::{EventType, Recorder};
use controllers::{Action, Create, Delete, Event, Kind, Part, Patch, Target, Told};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;

pub(crate) use failure::Failure;
use request::Answer;

use crate::kinds::Kinds;

/// Requests of one plan that are under way at once.
const SIDE_BY_SIDE: usize = 32;
/// How often a creation is repeated while its outcome is unknown, and the pauses between.
const REPEATS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(50);

/// Carries plans out in the name of one controller.
pub(crate) struct Executor {
    client: kube::Client,
    kinds: Arc<Kinds>,
    recorder: Recorder,
}

/// The versions of objects after this plan's own writes: a later action on the same object was
/// decided on the version before, and is valid for the one that the plan itself has made.
type OwnWrites = HashMap<(String, String, String), (String, String)>;

/// What is read of any object that the API answers with.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    metadata: WrittenMeta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenMeta {
    resource_version: Option<String>,
    uid: Option<String>,
    deletion_timestamp: Option<String>,
    deletion_grace_period_seconds: Option<i64>,
    #[serde(default)]
    finalizers: Vec<String>,
}

impl Executor {
    pub(crate) fn new(client: kube::Client, kinds: Arc<Kinds>, recorder: Recorder) -> Self {
        Self { client, kinds, recorder }
    }

    /// Carries the actions out.
    pub(crate) async fn carry_out(&self, actions: Vec<Action>) -> Result<(), Failure> {
        let mut own = OwnWrites::new();
        let mut actions = actions.into_iter().peekable();
        while let Some(action) = actions.next() {
            match action {
                Action::Create(first) => {
                    let mut run = vec![*first];
                    while let Some(Action::Create(next)) =
                        actions.next_if(|next| matches!(next, Action::Create(_)))
                    {
                        run.push(*next);
                    }
                    self.create_all(run).await?;
                }
                Action::Delete(first) => {
                    let mut run = vec![*first];
                    while let Some(Action::Delete(next)) =
                        actions.next_if(|next| matches!(next, Action::Delete(_)))
                    {
                        run.push(*next);
                    }
                    self.delete_all(run).await?;
                }
                Action::Patch(patch) => self.patch(*patch, &mut own).await?,
                Action::Confirm(target) => self.confirm(&target).await?,
                Action::ConfirmGone(target) => self.confirm_gone(&target).await?,
                Action::DeleteAll { kind, namespace } => {
                    match request::delete_all(&self.client, &kind, &namespace).await {
                        // A kind that cannot be deleted at once has nothing in it, or holds the
                        // namespace up, which then tells.
                        Err(failure) if failure.is_not_found() => {}
                        result => drop(result?),
                    }
                }
                Action::Finalize { namespace, kinds } => self.finalize(&namespace, &kinds).await?,
                Action::Event(event) => self.tell(&event),
            }
        }
        Ok(())
    }

    async fn create_all(&self, creates: Vec<Create>) -> Result<(), Failure> {
        let mut creates = creates.into_iter();
        let mut batch = 1;
        while creates.len() > 0 {
            let results = join_all(creates.by_ref().take(batch).map(|create| self.create(create))).await;
            results.into_iter().collect::<Result<(), Failure>>()?;
            batch = (batch * 2).min(SIDE_BY_SIDE);
        }
        Ok(())
    }

    async fn delete_all(&self, deletes: Vec<Delete>) -> Result<(), Failure> {
        let mut deletes = deletes.into_iter();
        let mut failure = Ok(());
        while deletes.len() > 0 {
            let results =
                join_all(deletes.by_ref().take(SIDE_BY_SIDE).map(|delete| self.delete(delete))).await;
            failure = results.into_iter().fold(failure, Result::and);
        }
        failure
    }

    async fn create(&self, create: Create) -> Result<(), Failure> {
        let result = match self.create_surely(&create).await {
            Ok(answer) => {
                self.assume(&create.kind, &answer);
                Ok(())
            }
            Err(failure) => Err(failure),
        };
        self.tell_outcome(&create.told, result)
    }

    /// Creates; where the outcome stays unknown (the connection broke), repeats under the same
    /// name until it is known, so that no object is ever made twice.
    async fn create_surely(&self, create: &Create) -> Result<Answer, Failure> {
        let mut pause = PAUSE;
        let mut result = request::create(&self.client, create).await;
        for _ in 0..REPEATS {
            if !matches!(&result, Err(failure) if failure.is_uncertain()) {
                return result;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            result = match request::create(&self.client, create).await {
                Err(failure) if failure.is_already_exists() => {
                    // This very attempt's name: names are drawn anew for each plan.
                    request::get(&self.client, &create.kind, &create.namespace, &create.name).await
                }
                result => result,
            };
        }
        result
    }

    async fn patch(&self, patch: Patch, own: &mut OwnWrites) -> Result<(), Failure> {
        let target = &patch.target;
        let id = (target.kind.plural.clone(), target.namespace.clone(), target.name.clone());
        let mut version = target.version.clone();
        if let (Some(version), Some((before, after))) = (&mut version, own.get(&id))
            && version == before
        {
            version.clone_from(after);
        }
        let result = request::patch(&self.client, &patch, version.as_deref()).await;
        let result = result.map(|answer| {
            // a Scale is not the object: the watch brings that
            if patch.part != Part::Scale {
                self.assume(&target.kind, &answer);
            }
            let after = meta(&answer).resource_version.unwrap_or_default();
            if let Some(version) = &target.version {
                own.insert(id, (version.clone(), after));
            }
        });
        self.tell_outcome(&patch.told, result)
    }

    async fn delete(&self, delete: Delete) -> Result<(), Failure> {
        let target = &delete.target;
        let result = match request::delete(&self.client, &delete).await {
            Ok(answer) => {
                self.assume_deleted(target, &answer);
                Ok(())
            }
            // Gone already, or another object has taken the name: nothing is left to delete, and
            // nothing to tell.
            Err(failure) if failure.is_not_found() || failure.is_conflict() => return Ok(()),
            Err(failure) => Err(failure),
        };
        self.tell_outcome(&delete.told, result)
    }

    async fn confirm(&self, target: &Target) -> Result<(), Failure> {
        let answer = request::get(&self.client, &target.kind, &target.namespace, &target.name).await?;
        let meta = meta(&answer);
        let is_alive = meta.uid.as_deref() == Some(target.uid.as_str()) && meta.deletion_timestamp.is_none();
        if is_alive { Ok(()) } else { Err(Failure::stale("the object has been deleted meanwhile")) }
    }

    async fn confirm_gone(&self, target: &Target) -> Result<(), Failure> {
        match request::get(&self.client, &target.kind, &target.namespace, &target.name).await {
            Ok(answer)
                if meta(&answer).uid.as_deref() == Some(target.uid.as_str()) || target.uid.is_empty() =>
            {
                Err(Failure::stale("the object is there after all"))
            }
            Ok(_) => Ok(()),
            Err(failure) if failure.is_not_found() => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    async fn finalize(&self, namespace: &Target, kinds: &[Kind]) -> Result<(), Failure> {
        for kind in kinds {
            match request::is_empty(&self.client, kind, &namespace.name).await {
                Ok(true) => {}
                Ok(false) => return Err(Failure::stale("the namespace is not empty")),
                Err(failure) if failure.is_not_found() => {}
                Err(failure) => return Err(failure),
            }
        }
        let answer = request::finalize(&self.client, namespace).await;
        match answer {
            Err(failure) if failure.is_not_found() => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Binds a pod to a node.
    pub(crate) async fn bind(&self, pod: &Pod, node: &str) -> Result<(), Failure> {
        let result = request::bind(&self.client, pod, node).await.map(drop);
        let id = client::Key::of(&pod.metadata);
        let done = Event::about(pod, false, "Scheduled", format!("Successfully assigned {id} to {node}"));
        let failed = Event::about(pod, true, "FailedScheduling", format!("failed to bind pod to {node}"));
        self.tell_outcome(&Told { done: Some(done), failed: Some(failed) }, result)
    }

    fn assume(&self, kind: &Kind, answer: &Answer) {
        self.kinds.get(kind).into_iter().for_each(|kind| kind.assume(answer));
    }

    /// An object with a period of grace or finalizers stays for a while; others are gone at once.
    fn assume_deleted(&self, target: &Target, answer: &Answer) {
        let meta = meta(answer);
        let stays = meta.deletion_timestamp.is_some()
            && (meta.deletion_grace_period_seconds.unwrap_or(0) > 0 || !meta.finalizers.is_empty());
        match self.kinds.get(&target.kind) {
            Some(kind) if stays => kind.assume(answer),
            Some(kind) => kind.assume_gone(&target.namespace, &target.name, &target.uid),
            None => {}
        }
    }

    fn tell_outcome(&self, told: &Told, result: Result<(), Failure>) -> Result<(), Failure> {
        match &result {
            Ok(()) => told.done.iter().for_each(|event| self.tell(event)),
            Err(failure) => {
                if let (Some(event), Some(cause)) = (&told.failed, failure.told()) {
                    let message = format!("{}: {cause}", event.message);
                    self.tell(&Event { message, ..event.clone() });
                }
            }
        }
        result
    }

    fn tell(&self, event: &Event) {
        let event_type = if event.warning { EventType::Warning } else { EventType::Normal };
        self.recorder.record(event.regarding.clone(), event_type, event.reason, &event.message);
    }
}

fn meta(answer: &Answer) -> WrittenMeta {
    serde_json::from_slice::<Written>(answer).map(|written| written.metadata).unwrap_or_default()
}

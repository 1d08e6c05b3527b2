//! The ReplicaSets of one Deployment, and what becomes of them in one pass.

use std::sync::Arc;

use api::k8s::api::apps::v1::{
    Deployment, DeploymentCondition, DeploymentSpec, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus,
};
use api::k8s::api::core::v1::PodTemplateSpec;
use api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use api::pod_template;

use super::Observed;
use super::annotations;
use super::fence::Fence;
use super::template::{HASH, is_same};
use crate::condition;
use crate::owner::{self, controller_reference, is_controlled_by};
use crate::plan::{Action, Event, Part, Plan, Told};

/// The longest name of a ReplicaSet.
const LONGEST_NAME: usize = 253;

/// One ReplicaSet, as it was and as it is to be.
pub(super) struct Draft {
    /// `None` for one that is to be created.
    before: Option<Arc<ReplicaSet>>,
    pub(super) after: ReplicaSet,
    event: Option<Event>,
    is_doomed: bool,
}

/// One pass over a Deployment: what was observed, and what it has come to so far.
pub(super) struct Rollout<'a> {
    pub(super) observed: &'a Observed<'a>,
    pub(super) spec: &'a DeploymentSpec,
    pub(super) fence: Fence,
    /// The Deployment as it is to be.
    pub(super) after: Deployment,
    /// From the oldest to the youngest.
    pub(super) sets: Vec<Draft>,
    /// Which of them has the Deployment's template.
    pub(super) newest: Option<usize>,
    pub(super) plan: Plan,
}

impl Draft {
    fn of(set: Arc<ReplicaSet>) -> Self {
        let after = set.as_ref().clone();
        Self { before: Some(set), after, event: None, is_doomed: false }
    }

    /// Replicas asked for.
    pub(super) fn replicas(&self) -> i32 {
        self.after.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
    }

    pub(super) fn status(&self) -> ReplicaSetStatus {
        self.after.status.clone().unwrap_or_default()
    }

    /// Pods that are there or are about to be: after a scaling down, until it is carried out,
    /// those that are still there. `None` until the set has noticed its latest size: till then it
    /// may still be making pods by an earlier one.
    pub(super) fn pods(&self) -> Option<i32> {
        let status = self.status();
        let has_noticed =
            self.before.is_none() || status.observed_generation >= self.after.metadata.generation;
        has_noticed.then(|| self.replicas().max(status.replicas))
    }

    /// Available pods, those that a scaling down has condemned left out.
    pub(super) fn available(&self) -> i32 {
        self.status().available_replicas.unwrap_or(0).min(self.replicas())
    }

    pub(super) fn name(&self) -> &str {
        owner::name(&self.after.metadata)
    }

    pub(super) fn meta(&self) -> &ObjectMeta {
        &self.after.metadata
    }

    pub(super) fn doom(&mut self) {
        self.is_doomed = true;
    }

    fn into_action(self, deployment: &Deployment) -> Option<Action> {
        let Some(before) = self.before else {
            let failed =
                format!("Failed to create new replica set \"{}\"", owner::name(&self.after.metadata));
            let failed = Event::about(deployment, true, "ReplicaSetCreateError", failed);
            return Some(Action::create(&self.after, Told { done: self.event, failed: Some(failed) }));
        };
        if self.is_doomed {
            return Some(Action::delete(before.as_ref(), Told::nothing()));
        }
        Action::update(Part::Object, before.as_ref(), &self.after, Told { done: self.event, failed: None })
    }
}

impl<'a> Rollout<'a> {
    pub(super) fn new(
        observed: &'a Observed<'a>,
        spec: &'a DeploymentSpec,
        owned: Vec<Arc<ReplicaSet>>,
    ) -> Self {
        let mut sets: Vec<Draft> = owned.into_iter().map(Draft::of).collect();
        sets.sort_by(|a, b| age(a).cmp(&age(b)));
        let template = spec_template(spec);
        let is_new = |draft: &Draft| {
            draft
                .after
                .spec
                .as_ref()
                .and_then(|it| it.template.as_ref())
                .is_some_and(|it| is_same(it, &template))
        };
        let newest = sets.iter().position(is_new);
        let after = observed.deployment.clone();
        Self { observed, spec, fence: Fence::of(spec), after, sets, newest, plan: Plan::default() }
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.observed.deployment.metadata.deletion_timestamp.is_some()
    }

    pub(super) fn new_set(&self) -> Option<&Draft> {
        self.newest.map(|index| &self.sets[index])
    }

    /// The indexes of all but the newest, from the oldest to the youngest.
    pub(super) fn old_sets(&self) -> Vec<usize> {
        (0..self.sets.len()).filter(|index| Some(*index) != self.newest).collect()
    }

    /// Tells whether the number of replicas has been changed since the sets were last sized.
    pub(super) fn was_scaled(&self) -> bool {
        let active = self.sets.iter().filter(|draft| draft.replicas() > 0);
        let mut sizes = active.filter_map(|draft| annotations::desired(draft.meta()));
        sizes.any(|desired| desired != self.fence.replicas)
    }

    /// Gives the newest set, if there is one, its revision and the Deployment's annotations.
    pub(super) fn sync_revision(&mut self) {
        let Some(index) = self.newest else { return };
        let revision = self.last_revision() + 1;
        let set = &mut self.sets[index];
        annotations::copy(&self.observed.deployment.metadata, &mut set.after.metadata);
        annotations::set_revision(&mut set.after.metadata, revision);
        if let Some(spec) = &mut set.after.spec {
            // 0 and absent are one.
            if spec.min_ready_seconds.unwrap_or(0) != self.spec.min_ready_seconds.unwrap_or(0) {
                spec.min_ready_seconds = self.spec.min_ready_seconds;
            }
        }
        let (revision, name) =
            (annotations::revision(self.sets[index].meta()), self.sets[index].name().to_owned());
        self.note_revision(revision);
        if self.has_deadline() && self.condition("Progressing").is_none() {
            self.progressing("True", "FoundNewReplicaSet", format!("Found new replica set \"{name}\""));
        }
    }

    /// Makes sure that there is a newest set.
    pub(super) fn ensure_new_set(&mut self) -> bool {
        if self.newest.is_some() {
            self.sync_revision();
            return true;
        }
        let template = spec_template(self.spec);
        let status = self.observed.deployment.status.clone().unwrap_or_default();
        let hash = pod_template::hash(&template, status.collision_count);
        let name = set_name(owner::name(&self.observed.deployment.metadata), &hash);
        if self.is_taken(&name) {
            // Another template has the same hash, or somebody else the name: try the next one.
            let status = self.after.status.get_or_insert_default();
            status.collision_count = Some(status.collision_count.unwrap_or(0) + 1);
            return false;
        }
        let set = self.new_replica_set(template, &hash, name);
        self.sets.push(set);
        self.newest = Some(self.sets.len() - 1);
        self.size_created();
        true
    }

    fn new_replica_set(&self, mut template: PodTemplateSpec, hash: &str, name: String) -> Draft {
        let deployment = self.observed.deployment;
        let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
        labels.insert(HASH.to_owned(), hash.to_owned());
        let labels = labels.clone();
        let mut selector = self.spec.selector.clone();
        selector.match_labels.get_or_insert_default().insert(HASH.to_owned(), hash.to_owned());
        let metadata = ObjectMeta {
            name: Some(name),
            namespace: deployment.metadata.namespace.clone(),
            labels: Some(labels),
            owner_references: Some(vec![controller_reference(deployment)]),
            ..ObjectMeta::default()
        };
        let spec = ReplicaSetSpec {
            replicas: Some(0),
            min_ready_seconds: self.spec.min_ready_seconds,
            selector,
            template: Some(template),
        };
        let after = ReplicaSet { metadata, spec: Some(spec), status: None };
        Draft { before: None, after, event: None, is_doomed: false }
    }

    /// Sizes the set that is about to be created, and tells of it.
    fn size_created(&mut self) {
        let Some(index) = self.newest else { return };
        let replicas = super::rolling::room_for(self, index);
        let revision = self.last_revision() + 1;
        let deployment = self.observed.deployment;
        let set = &mut self.sets[index];
        set.after.spec.get_or_insert_default().replicas = Some(replicas);
        annotations::copy(&deployment.metadata, &mut set.after.metadata);
        annotations::set_revision(&mut set.after.metadata, revision);
        annotations::set_sizes(&mut set.after.metadata, &self.fence);
        let name = set.name().to_owned();
        if replicas > 0 {
            let message = format!("Scaled up replica set {name} from 0 to {replicas}");
            set.event = Some(Event::about(deployment, false, "ScalingReplicaSet", message));
        }
        self.note_revision(revision);
        if !self.has_deadline() {
            return;
        }
        match self.observed.env.failure {
            Some(failure) => {
                let message = format!("Failed to create new replica set \"{name}\": {failure}");
                self.progressing("False", "ReplicaSetCreateError", message);
            }
            None => self.progressing(
                "True",
                "NewReplicaSetCreated",
                format!("Created new replica set \"{name}\""),
            ),
        }
    }

    /// Sets the size of a set; `force` renews its notes though the size stays. True if it moved.
    pub(super) fn resize(&mut self, index: usize, replicas: i32, force: bool) -> bool {
        let deployment = self.observed.deployment;
        let set = &mut self.sets[index];
        let before = set.replicas();
        if before == replicas && !force {
            return false;
        }
        annotations::set_sizes(&mut set.after.metadata, &self.fence);
        if before == replicas {
            return false;
        }
        set.after.spec.get_or_insert_default().replicas = Some(replicas);
        let way = if before < replicas { "up" } else { "down" };
        // A set may move twice in one pass; people are told of the whole way.
        let from = set.before.as_ref().and_then(|set| set.spec.as_ref()?.replicas).unwrap_or(before);
        let message = format!("Scaled {way} replica set {} from {from} to {replicas}", set.name());
        set.event = Some(Event::about(deployment, false, "ScalingReplicaSet", message));
        true
    }

    /// Replicas asked for, over all sets.
    pub(super) fn total(&self) -> i32 {
        self.sets.iter().map(Draft::replicas).sum()
    }

    pub(super) fn has_deadline(&self) -> bool {
        // The greatest number means: never.
        self.spec.progress_deadline_seconds.is_some_and(|seconds| seconds != i32::MAX)
    }

    /// The condition as it is to be.
    pub(super) fn condition(&self, kind: &str) -> Option<&DeploymentCondition> {
        condition::find(self.after.status.as_ref().and_then(|status| status.conditions.as_ref()), kind)
    }

    pub(super) fn progressing(&mut self, status: &str, reason: &str, message: String) {
        let condition = self.new_condition("Progressing", status, reason, message);
        condition::set(&mut self.after.status.get_or_insert_default().conditions, condition);
    }

    pub(super) fn new_condition(
        &self,
        kind: &str,
        status: &str,
        reason: &str,
        message: String,
    ) -> DeploymentCondition {
        let now = Some(Time(self.observed.env.now));
        DeploymentCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message),
            last_transition_time: now.clone(),
            last_update_time: now,
        }
    }

    /// Turns what the pass has come to into actions.
    pub(super) fn finish(self, mut plan: Plan) -> Plan {
        let deployment = self.observed.deployment;
        let mut noted = deployment.clone();
        noted.metadata.annotations.clone_from(&self.after.metadata.annotations);
        // The newest set comes first: if it cannot be made, the old ones stay as they are.
        let mut sets = self.sets;
        if let Some(newest) = self.newest {
            sets[..=newest].rotate_right(1);
        }
        let actions: Vec<Action> = sets.into_iter().filter_map(|set| set.into_action(deployment)).collect();
        // A set that could not be created has to be told of before it is tried again.
        let is_retry = self.observed.env.failure.is_some();
        // As in Kubernetes the notes go along with the status: they are no new generation.
        let status =
            Action::update(Part::Status, deployment, &with_status(&noted, &self.after), Told::nothing());
        let (first, last) = if is_retry { (status, None) } else { (None, status) };
        plan.actions.extend(first);
        plan.actions.extend(actions);
        plan.actions.extend(last);
        plan.waiting.extend(self.plan.waiting);
        self.plan.recheck.into_iter().for_each(|wait| plan.look_again(wait));
        plan
    }

    /// The highest revision among the old sets.
    fn last_revision(&self) -> i64 {
        self.old_sets()
            .into_iter()
            .map(|index| annotations::revision(self.sets[index].meta()))
            .max()
            .unwrap_or(0)
    }

    fn note_revision(&mut self, revision: i64) {
        let noted = self.after.metadata.annotations.get_or_insert_default();
        noted.insert(annotations::REVISION.to_owned(), revision.to_string());
    }

    /// Tells whether the name belongs to a set that is not this Deployment's with this template.
    fn is_taken(&self, name: &str) -> bool {
        let uid = owner::uid(&self.observed.deployment.metadata);
        let template = spec_template(self.spec);
        self.observed.replica_sets.iter().filter(|set| owner::name(&set.metadata) == name).any(|set| {
            let its = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
            !is_controlled_by(&set.metadata, uid) || !its.is_some_and(|its| is_same(its, &template))
        })
    }
}

fn with_status(deployment: &Deployment, after: &Deployment) -> Deployment {
    Deployment { status: after.status.clone(), ..deployment.clone() }
}

/// The oldest first; of one second, by name.
fn age(draft: &Draft) -> (Option<&Time>, &str) {
    (draft.after.metadata.creation_timestamp.as_ref(), draft.name())
}

fn spec_template(spec: &DeploymentSpec) -> PodTemplateSpec {
    spec.template.clone()
}

fn set_name(deployment: &str, hash: &str) -> String {
    let mut end = deployment.len().min(LONGEST_NAME - 1 - hash.len());
    while !deployment.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}-{hash}", &deployment[..end])
}

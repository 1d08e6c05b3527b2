//! StatefulSet: pods with a name, a place in order and claims of their own.
//!
//! The ordinary use is covered: ordered and parallel management, rolling updates by partition,
//! claims from templates and their retention. One ordinal is one name, so a pod is never made twice.

mod claims;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::k8s::api::apps::v1::{ControllerRevision, StatefulSet, StatefulSetSpec};
use api::k8s::api::core::v1::{PersistentVolumeClaim, Pod, PodTemplateSpec};
use api::selector::LabelSelector;

use crate::claim::claim;
use crate::controller::{Controller, Env, Watch};
use crate::owner::{self, controller_of};
use crate::plan::{Action, Event, Part, Plan, Told};
use crate::pods::{self, Availability};
use crate::revisions::{self, HASH, Revisions, STATEFUL_HASH};
use crate::view::{Key, View};

const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// What a StatefulSet is decided on.
pub struct Observed<'a> {
    /// The StatefulSet.
    pub stateful_set: &'a StatefulSet,
    /// The pods of its namespace.
    pub pods: Vec<Arc<Pod>>,
    /// The claims of its namespace.
    pub claims: Vec<Arc<PersistentVolumeClaim>>,
    /// The revisions of its namespace.
    pub revisions: Vec<Arc<ControllerRevision>>,
    /// The time.
    pub env: &'a Env<'a>,
}

/// The pods of a set by ordinal: a name holds one pod.
type Members = BTreeMap<i32, Arc<Pod>>;

/// What one pass works with.
struct Pass<'a> {
    observed: &'a Observed<'a>,
    spec: &'a StatefulSetSpec,
    members: Members,
    revisions: Revisions,
    /// The revision that pods below the partition have.
    current: String,
    wanted: std::ops::Range<i32>,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let set = observed.stateful_set;
    let spec = set.spec.clone().unwrap_or_default();
    let Ok(selector) = LabelSelector::from_k8s(&spec.selector) else { return plan };
    if selector.is_empty() {
        return plan;
    }
    let name = owner::name(&set.metadata).to_owned();
    let candidates = observed.pods.iter().filter(|pod| ordinal(&name, pod).is_some()).cloned();
    let owned = claim(&mut plan, set, &selector, candidates);
    let members: Members = owned.into_iter().filter_map(|pod| Some((ordinal(&name, &pod)?, pod))).collect();
    let revisions = revisions::sync(&mut plan, set, &spec.template, STATEFUL_HASH, &observed.revisions);
    let first = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or(0);
    let wanted = first..first + spec.replicas.unwrap_or(1).max(0);
    let current = set.status.as_ref().and_then(|status| status.current_revision.clone());
    let current = current.filter(|current| !current.is_empty()).unwrap_or_else(|| revisions.update.clone());
    let pass = Pass { observed, spec: &spec, members, revisions, current, wanted };
    if set.metadata.deletion_timestamp.is_some() {
        return plan;
    }
    claims::retain(&mut plan, &pass);
    let before = plan.actions.len();
    pass.manage(&mut plan);
    let scaling = plan.actions.split_off(before);
    if scaling.is_empty() || observed.env.failure.is_some() {
        let (after, wait) = status::after(&pass);
        plan.actions.extend(Action::update(Part::Status, set, &after, Told::nothing()));
        wait.into_iter().for_each(|wait| plan.look_again(wait));
        let used: Vec<String> = pass.members.values().filter_map(|pod| hash(pod)).collect();
        let current = pass.current.clone();
        pass.revisions.trim(&mut plan, spec.revision_history_limit, |hash| {
            used.iter().any(|known| known.ends_with(hash)) || current.ends_with(hash)
        });
    }
    plan.actions.extend(scaling);
    plan
}

/// Returns the ordinal in a pod's name.
fn ordinal(set: &str, pod: &Pod) -> Option<i32> {
    owner::name(&pod.metadata).strip_prefix(set)?.strip_prefix('-')?.parse().ok()
}

/// The revision a pod was made by, as its label has it: the whole name.
fn hash(pod: &Pod) -> Option<String> {
    pod.metadata.labels.as_ref()?.get(HASH).cloned()
}

impl Pass<'_> {
    fn is_parallel(&self) -> bool {
        self.spec.pod_management_policy.as_deref() == Some("Parallel")
    }

    fn is_available(&self, pod: &Pod) -> bool {
        let seconds = self.spec.min_ready_seconds.unwrap_or(0);
        !pods::is_leaving(pod)
            && pods::phase(pod) == "Running"
            && pods::availability(pod, seconds, self.observed.env.now) == Availability::Now
    }

    fn partition(&self) -> i32 {
        let rolling =
            self.spec.update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
        rolling.and_then(|rolling| rolling.partition).unwrap_or(0)
    }

    /// The revision a new pod of an ordinal is made by.
    fn revision_of(&self, ordinal: i32) -> (&str, PodTemplateSpec) {
        let update = (self.revisions.update.as_str(), self.spec.template.clone());
        let is_new = ordinal - self.wanted.start >= self.partition() || self.current == self.revisions.update;
        if is_new {
            return update;
        }
        self.revisions.template(&self.current).map_or(update, |template| (self.current.as_str(), template))
    }

    /// One step, or, in parallel, all steps: up from the first ordinal, down from the last.
    fn manage(&self, plan: &mut Plan) {
        let set = self.observed.stateful_set;
        for ordinal in self.wanted.clone() {
            match self.members.get(&ordinal) {
                None => self.create(plan, ordinal),
                Some(pod) if pods::is_leaving(pod) => {}
                Some(pod) if pods::has_ended(pod) => plan.act(pods::delete(set, pod)),
                Some(pod) if self.is_available(pod) || self.is_parallel() => continue,
                Some(_) => {}
            }
            if !self.is_parallel() {
                plan.wait("InOrder", format!("waiting for pod {ordinal} to be available"));
                return;
            }
        }
        let surplus = || self.members.iter().filter(|(ordinal, _)| !self.wanted.contains(ordinal));
        let first_ailing = surplus().find(|(_, pod)| !self.is_available(pod)).map(|(ordinal, _)| *ordinal);
        let mut shrinks = false;
        for (ordinal, pod) in surplus().rev() {
            shrinks = true;
            // Two members that ail at once may be all that is left of what they keep.
            let is_held = !self.is_available(pod) && first_ailing != Some(*ordinal);
            if is_held && !pods::is_leaving(pod) && !self.is_parallel() {
                plan.wait("InOrder", format!("waiting for pod {ordinal} to be available before it goes"));
                return;
            }
            if !pods::is_leaving(pod) {
                plan.act(self.delete(pod));
            }
            if !self.is_parallel() {
                return;
            }
        }
        if !shrinks && plan.actions.is_empty() {
            self.update(plan);
        }
    }

    /// Pods of an older revision go one by one, from the last ordinal down.
    fn update(&self, plan: &mut Plan) {
        let strategy = self.spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
        if strategy == Some("OnDelete") {
            return;
        }
        let first = self.wanted.start + self.partition();
        for (_, pod) in self.members.range(first..).rev() {
            if hash(pod).as_deref() != Some(&self.revisions.update) {
                if !pods::is_leaving(pod) {
                    plan.act(self.delete(pod));
                }
                return;
            }
            if !self.is_available(pod) {
                return;
            }
        }
    }

    fn create(&self, plan: &mut Plan, ordinal: i32) {
        let set = self.observed.stateful_set;
        let name = format!("{}-{ordinal}", owner::name(&set.metadata));
        let (revision, template) = self.revision_of(ordinal);
        let mut pod = pods::from_template(set, &template, name.clone());
        pod.metadata.generate_name = Some(format!("{}-", owner::name(&set.metadata)));
        let labels = pod.metadata.labels.get_or_insert_default();
        labels.insert(POD_NAME.to_owned(), name.clone());
        labels.insert(POD_INDEX.to_owned(), ordinal.to_string());
        labels.insert(HASH.to_owned(), revision.to_owned());
        let spec = pod.spec.get_or_insert_default();
        spec.hostname = Some(name.clone());
        spec.subdomain = self.spec.service_name.clone().filter(|name| !name.is_empty());
        if !claims::provide(plan, self, &mut pod) {
            return;
        }
        let of_set = owner::name(&set.metadata);
        let done = format!("Create Pod {name} in StatefulSet {of_set} successful");
        let told = Told {
            done: Some(Event::about(set, false, "SuccessfulCreate", done)),
            failed: Some(Event::about(
                set,
                true,
                "FailedCreate",
                format!("Create Pod {name} in StatefulSet {of_set} failed error"),
            )),
        };
        plan.act(Action::create(&pod, told));
    }

    fn delete(&self, pod: &Pod) -> Action {
        let set = self.observed.stateful_set;
        let (name, of_set) = (owner::name(&pod.metadata), owner::name(&set.metadata));
        let done = format!("Delete Pod {name} in StatefulSet {of_set} successful");
        let told = Told {
            done: Some(Event::about(set, false, "SuccessfulDelete", done)),
            failed: Some(Event::about(
                set,
                true,
                "FailedDelete",
                format!("Delete Pod {name} in StatefulSet {of_set} failed error"),
            )),
        };
        Action::delete(pod, told)
    }
}

/// Returns how the StatefulSets of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "statefulset-controller",
        watches: vec![
            Watch::on_self::<StatefulSet>(),
            Watch::on::<Pod>(of_pod),
            Watch::on::<PersistentVolumeClaim>(of_claim),
            Watch::on::<ControllerRevision>(|_, old, new| {
                let revision = new.or(old).and_then(|it| owner::controller_key::<StatefulSet>(&it.metadata));
                revision.into_iter().collect()
            }),
        ],
        reconcile: |view, key, env| {
            let Some(stateful_set) = view.at::<StatefulSet>(key) else { return Plan::default() };
            reconcile(&Observed {
                stateful_set: &stateful_set,
                pods: view.list_in(&key.namespace),
                claims: view.list_in(&key.namespace),
                revisions: view.list_in(&key.namespace),
                env,
            })
        },
    }
}

/// A claim that has gone is made anew; one whose owners were put right lets the pods go on.
fn of_claim(
    view: &View,
    old: Option<&PersistentVolumeClaim>,
    new: Option<&PersistentVolumeClaim>,
) -> Vec<Key> {
    let Some(claim) = new.or(old) else { return Vec::new() };
    let owners = |claim: &PersistentVolumeClaim| claim.metadata.owner_references.clone();
    if old.map(owners) == new.map(owners) {
        return Vec::new();
    }
    let sets = view.list_in::<StatefulSet>(claim.metadata.namespace.as_deref().unwrap_or_default());
    sets.iter().filter(|set| claims::is_of(set, claim)).map(|set| Key::of(&set.metadata)).collect()
}

fn of_pod(view: &View, old: Option<&Pod>, new: Option<&Pod>) -> Vec<Key> {
    let pods = [old, new].into_iter().flatten();
    let mut keys: Vec<Key> =
        pods.filter_map(|pod| owner::controller_key::<StatefulSet>(&pod.metadata)).collect();
    if let Some(orphan) = new.filter(|pod| controller_of(&pod.metadata).is_none()) {
        let namespace = orphan.metadata.namespace.as_deref().unwrap_or_default();
        let might_adopt = |set: &Arc<StatefulSet>| ordinal(owner::name(&set.metadata), orphan).is_some();
        let adopters = view.list_in::<StatefulSet>(namespace).into_iter().filter(might_adopt);
        keys.extend(adopters.map(|set| Key::of(&set.metadata)));
    }
    keys.dedup();
    keys
}

//! The history of a template, kept as ControllerRevisions by DaemonSets and StatefulSets.

use std::sync::Arc;

use api::k8s::api::apps::v1::ControllerRevision;
use api::k8s::api::core::v1::PodTemplateSpec;
use api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use api::k8s::apimachinery::pkg::runtime::RawExtension;
use api::pod_template;
use serde_json::json;

use crate::kind::Known;
use crate::owner::{self, controller_reference, is_controlled_by, uid};
use crate::plan::{Action, Part, Plan, Told};

/// The label that tells by which revision a pod was made; DaemonSets' revisions have it too.
pub const HASH: &str = "controller-revision-hash";

/// The label of StatefulSets' revisions.
pub const STATEFUL_HASH: &str = "controller.kubernetes.io/hash";

/// The revisions of one owner.
pub struct Revisions {
    /// From the oldest to the youngest.
    pub all: Vec<Arc<ControllerRevision>>,
    /// The name of the one that has the owner's template; it may only be about to be made.
    pub update: String,
    /// The value of the label of its pods.
    pub hash: String,
}

/// Finds the revision of the owner's template; if there is none it is made, with its hash in `label`, if it is not
/// the youngest it becomes so.
pub fn sync<K: Known>(
    plan: &mut Plan,
    owner: &K,
    template: &PodTemplateSpec,
    label: &str,
    candidates: &[Arc<ControllerRevision>],
) -> Revisions
where
    K::Scope: 'static,
{
    let own = uid(owner.metadata());
    let mut all: Vec<_> =
        candidates.iter().filter(|it| is_controlled_by(&it.metadata, own)).cloned().collect();
    all.sort_by(|a, b| (a.revision, &a.metadata.name).cmp(&(b.revision, &b.metadata.name)));
    let hash = pod_template::hash(template, None);
    let update = format!("{}-{hash}", owner::name(owner.metadata()));
    let newest = all.last().map_or(0, |it| it.revision);
    match all.iter().find(|it| owner::name(&it.metadata) == update) {
        Some(known) if known.revision == newest => {}
        Some(known) => {
            let after = ControllerRevision { revision: newest + 1, ..known.as_ref().clone() };
            plan.actions.extend(Action::update(Part::Object, known.as_ref(), &after, Told::nothing()));
        }
        None => {
            let mut made = made(owner, template, &update, newest + 1);
            made.metadata.labels.get_or_insert_default().insert(label.to_owned(), hash.clone());
            plan.act(Action::create(&made, Told::nothing()));
        }
    }
    Revisions { all, update, hash }
}

/// What `kubectl rollout undo` applies to the owner: the template, replacing the one it has.
fn made<K: Known>(owner: &K, template: &PodTemplateSpec, name: &str, revision: i64) -> ControllerRevision {
    let mut template_value = serde_json::to_value(template).unwrap_or_default();
    template_value["$patch"] = json!("replace");
    ControllerRevision {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: owner.metadata().namespace.clone(),
            labels: template.metadata.as_ref().and_then(|meta| meta.labels.clone()),
            annotations: owner.metadata().annotations.clone(),
            owner_references: Some(vec![controller_reference(owner)]),
            ..ObjectMeta::default()
        },
        data: Some(RawExtension(json!({ "spec": { "template": template_value } }))),
        revision,
    }
}

impl Revisions {
    /// Deletes the oldest revisions beyond `limit`; those in use stay, and do not count.
    pub fn trim(&self, plan: &mut Plan, limit: Option<i32>, is_used: impl Fn(&str) -> bool) {
        let limit = usize::try_from(limit.unwrap_or(10)).unwrap_or(0);
        let hash = |it: &ControllerRevision| {
            let labels = it.metadata.labels.as_ref()?;
            labels.get(STATEFUL_HASH).or_else(|| labels.get(HASH)).cloned()
        };
        let unused = |it: &&Arc<ControllerRevision>| {
            owner::name(&it.metadata) != self.update && !hash(it).is_some_and(|hash| is_used(&hash))
        };
        let unused: Vec<_> = self.all.iter().filter(unused).collect();
        let surplus = unused.len().saturating_sub(limit);
        plan.actions
            .extend(unused.into_iter().take(surplus).map(|it| Action::delete(it.as_ref(), Told::nothing())));
    }

    /// Returns the template of the pods of one revision.
    #[must_use]
    pub fn template(&self, name: &str) -> Option<PodTemplateSpec> {
        let revision = self.all.iter().find(|it| owner::name(&it.metadata) == name)?;
        let mut template = revision.data.as_ref()?.0["spec"]["template"].clone();
        template.as_object_mut()?.remove("$patch");
        serde_json::from_value(template).ok()
    }
}

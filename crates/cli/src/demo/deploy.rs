//! What the demo does to the cluster, through the public API as any client would.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

/// The manifests, as they stand in the repository.
const MANIFESTS: [&str; 4] = [
    include_str!("../../../../examples/jokemeter/10-config.yaml"),
    include_str!("../../../../examples/jokemeter/20-deployment.yaml"),
    include_str!("../../../../examples/jokemeter/30-service.yaml"),
    include_str!("../../../../examples/jokemeter/40-ingress.yaml"),
];

const NAME: &str = "jokemeter";
const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";
const REVISION: &str = "deployment.kubernetes.io/revision";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The deployment of the story.
pub(crate) struct Deployed {
    client: kube::Client,
    deployments: Api<Deployment>,
    pods: Api<Pod>,
    replica_sets: Api<ReplicaSet>,
}

impl Deployed {
    /// Names it; touches nothing.
    pub(crate) fn new(client: kube::Client) -> Self {
        Self {
            deployments: Api::namespaced(client.clone(), "default"),
            pods: Api::namespaced(client.clone(), "default"),
            replica_sets: Api::namespaced(client.clone(), "default"),
            client,
        }
    }

    /// Creates what the manifests say, marked as `kubectl apply` marks it, so that a later one goes on from here.
    pub(crate) async fn apply(&self) -> Result<Vec<String>> {
        let mut applied = Vec::new();
        for manifest in MANIFESTS {
            let mut object: Value =
                serde_saphyr::from_str(manifest).context("an example manifest is no YAML")?;
            let text = format!("{object}\n");
            object["metadata"]["annotations"][LAST_APPLIED] = json!(text);
            let object: DynamicObject =
                serde_json::from_value(object).context("an example manifest is no object")?;
            let types = object.types.clone().context("an example manifest has no kind")?;
            let kind = GroupVersionKind::try_from(&types).context("an example manifest has no kind")?;
            let api = Api::<DynamicObject>::namespaced_with(
                self.client.clone(),
                "default",
                &ApiResource::from_gvk(&kind),
            );
            let name = object.name_any();
            let parameters =
                PostParams { field_manager: Some("pinnace-demo".to_owned()), ..PostParams::default() };
            api.create(&parameters, &object)
                .await
                .with_context(|| format!("failed to create {} `{name}`", kind.kind))?;
            applied.push(kind.kind);
        }
        Ok(applied)
    }

    /// Waits until the deployment's last change is rolled out.
    pub(crate) async fn rolled_out(&self, patience: Duration) -> Result<()> {
        let config = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
        let mut changes =
            watcher(self.deployments.clone(), config).default_backoff().applied_objects().boxed();
        let wait = async {
            while let Some(deployment) = changes.try_next().await? {
                if is_rolled_out(&deployment) {
                    return Ok(());
                }
            }
            bail!("the watch of the deployment ended")
        };
        match tokio::time::timeout(patience, wait).await {
            Ok(result) => result,
            Err(_) => bail!(
                "the rollout did not end in {} s: `kubectl describe pods` tells why",
                patience.as_secs()
            ),
        }
    }

    /// Changes the image and says why.
    pub(crate) async fn set_image(&self, image: &str, cause: &str) -> Result<()> {
        let patch = json!({
            "metadata": {"annotations": {CHANGE_CAUSE: cause}},
            "spec": {"template": {"spec": {"containers": [{"name": "model", "image": image}]}}},
        });
        self.patch(&Patch::Strategic(patch)).await
    }

    async fn patch(&self, patch: &Patch<Value>) -> Result<()> {
        let patched = self.deployments.patch(NAME, &PatchParams::default(), patch).await;
        patched.map(drop).context("failed to change the deployment")
    }

    /// Waits until a pod with this image is refused; returns the reason and message.
    pub(crate) async fn refused(&self, image: &str, patience: Duration) -> Result<String> {
        let config = watcher::Config::default().labels("app=jokemeter");
        let mut changes = watcher(self.pods.clone(), config).default_backoff().applied_objects().boxed();
        let wait = async {
            while let Some(pod) = changes.try_next().await? {
                if let Some(reason) = refusal(&pod, image) {
                    return Ok(reason);
                }
            }
            bail!("the watch of the pods ended")
        };
        match tokio::time::timeout(patience, wait).await {
            Ok(result) => result,
            Err(_) => bail!("the broken image was not refused in {} s", patience.as_secs()),
        }
    }

    /// The images of the ready pods, in words.
    pub(crate) async fn serving(&self) -> Result<String> {
        let pods = self.pods.list(&ListParams::default().labels("app=jokemeter")).await?;
        let ready = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && is_ready(pod));
        let mut images: Vec<&str> =
            ready.filter_map(|pod| pod.spec.as_ref()?.containers.first()?.image.as_deref()).collect();
        images.sort_unstable();
        let count = images.len();
        images.dedup();
        Ok(format!("{count} ready pods run `{}`", images.join("`, `")))
    }

    /// Goes back to the revision before, as `kubectl rollout undo` does: its template becomes the deployment's.
    pub(crate) async fn undo(&self) -> Result<()> {
        let sets = self.replica_sets.list(&ListParams::default().labels("app=jokemeter")).await?;
        let revision = |set: &ReplicaSet| set.annotations().get(REVISION)?.parse::<u64>().ok();
        let mut sets: Vec<ReplicaSet> = sets.items;
        sets.sort_by_key(|set| std::cmp::Reverse(revision(set)));
        let before = sets.get(1).context("there is no revision to go back to")?;
        let template = before
            .spec
            .as_ref()
            .and_then(|spec| spec.template.clone())
            .context("the revision has no template")?;
        let mut template = serde_json::to_value(template).context("failed to encode the template")?;
        if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
            labels.remove("pod-template-hash");
        }
        let mut operations = vec![json!({"op": "replace", "path": "/spec/template", "value": template})];
        if let Some(cause) = before.annotations().get(CHANGE_CAUSE) {
            operations.push(json!({"op": "replace", "path": "/metadata/annotations/kubernetes.io~1change-cause", "value": cause}));
        }
        let patch = serde_json::from_value(Value::Array(operations)).context("failed to encode the patch")?;
        self.patch(&Patch::Json(patch)).await
    }
}

fn is_rolled_out(deployment: &Deployment) -> bool {
    let (Some(spec), Some(status)) = (&deployment.spec, &deployment.status) else { return false };
    let wanted = spec.replicas.unwrap_or(1);
    let is_observed = status.observed_generation >= deployment.metadata.generation;
    is_observed
        && status.updated_replicas.unwrap_or(0) == wanted
        && status.replicas.unwrap_or(0) == wanted
        && status.available_replicas.unwrap_or(0) == wanted
}

fn refusal(pod: &Pod, image: &str) -> Option<String> {
    let has_image =
        pod.spec.as_ref()?.containers.iter().any(|container| container.image.as_deref() == Some(image));
    let states = pod.status.as_ref()?.container_statuses.as_ref()?;
    let waiting = states.iter().find_map(|status| status.state.as_ref()?.waiting.as_ref())?;
    let reason = waiting.reason.as_deref()?;
    (has_image && matches!(reason, "ErrImagePull" | "ImagePullBackOff")).then(|| reason.to_owned())
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| {
        all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    })
}

//! The changes of a Deployment and of what belongs to it, as one stream.

use std::fmt::Debug;

use anyhow::{Context, Error, Result};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use insight::timeline::Change;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Event as Told, Pod};
use kube::core::Selector;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// The label that ties a pod to the template it was made from.
const HASH_LABEL: &str = "pod-template-hash";

/// Returns the changes; it ends by an error when the cluster refuses to tell.
///
/// # Errors
/// When the Deployment's selector can't be read.
pub(super) fn changes(
    client: &Client,
    namespace: &str,
    deployment: &Deployment,
) -> Result<BoxStream<'static, Result<Change>>> {
    let name = deployment.name_any();
    let selector = deployment.spec.as_ref().map(|spec| spec.selector.clone()).unwrap_or_default();
    let selector = Selector::try_from(selector).context("failed to read the selector of the Deployment")?;
    let selected = Config::default().labels_from(&selector);
    let named = Config::default().fields(&format!("metadata.name={name}"));
    let about_pods = Config::default().fields("involvedObject.kind=Pod");

    let deployments = applied(Api::<Deployment>::namespaced(client.clone(), namespace), named);
    let sets = applied(Api::<ReplicaSet>::namespaced(client.clone(), namespace), selected.clone());
    let pods = pods(Api::namespaced(client.clone(), namespace), selected, name.clone());
    let events = applied(Api::<Told>::namespaced(client.clone(), namespace), about_pods);
    let prefix = format!("{name}-");
    let is_ours = move |event: &Told| {
        event.involved_object.name.as_deref().is_some_and(|about| about.starts_with(&prefix))
    };
    Ok(stream::select_all([
        deployments.map(|item| item.map(|it| Change::Deployment(Box::new(it)))).boxed(),
        sets.map(|item| item.map(|it| Change::ReplicaSet(Box::new(it)))).boxed(),
        pods.boxed(),
        events
            .filter(move |item| std::future::ready(item.as_ref().map_or(true, &is_ours)))
            .map(|item| item.map(|it| Change::Event(Box::new(it))))
            .boxed(),
    ])
    .boxed())
}

fn watched<K>(api: Api<K>, config: Config) -> impl Stream<Item = Result<Event<K>>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    // A watch that breaks is taken up again by itself; a cluster that refuses to list never tells anything.
    watcher(api, config).default_backoff().filter_map(|item| {
        std::future::ready(match item {
            Ok(event) => Some(Ok(event)),
            Err(watcher::Error::InitialListFailed(error @ kube::Error::Api(_))) => {
                Some(Err(Error::new(error).context("the cluster refused to list what is to be watched")))
            }
            Err(_) => None,
        })
    })
}

fn applied<K>(api: Api<K>, config: Config) -> impl Stream<Item = Result<K>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watched(api, config).filter_map(|item| {
        std::future::ready(match item {
            Ok(Event::Apply(object) | Event::InitApply(object)) => Some(Ok(object)),
            Ok(Event::Init | Event::InitDone | Event::Delete(_)) => None,
            Err(error) => Some(Err(error)),
        })
    })
}

/// The pods of a Deployment: first all of them at once, then each change.
fn pods(
    api: Api<Pod>,
    config: Config,
    deployment: String,
) -> impl Stream<Item = Result<Change>> + Send + 'static {
    let mut listed = Vec::new();
    watched(api, config).filter_map(move |item| {
        let change = match item {
            Ok(Event::Init) => {
                listed.clear();
                None
            }
            Ok(Event::InitApply(pod)) => {
                listed.extend(belongs(&pod, &deployment).then_some(pod));
                None
            }
            Ok(Event::InitDone) => Some(Ok(Change::Pods(std::mem::take(&mut listed)))),
            Ok(Event::Apply(pod)) => belongs(&pod, &deployment).then(|| Ok(Change::Pod(Box::new(pod)))),
            Ok(Event::Delete(pod)) => belongs(&pod, &deployment).then(|| Ok(Change::PodGone(Box::new(pod)))),
            Err(error) => Some(Err(error)),
        };
        std::future::ready(change)
    })
}

/// Tells whether a pod is of a ReplicaSet of this Deployment: other pods may have the same labels.
fn belongs(pod: &Pod, deployment: &str) -> bool {
    let Some(hash) = pod.labels().get(HASH_LABEL) else { return false };
    let set = format!("{deployment}-{hash}");
    pod.owner_references().iter().any(|owner| owner.kind == "ReplicaSet" && owner.name == set)
}

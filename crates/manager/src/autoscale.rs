//! Drives the autoscalers: measures every fifteen seconds, as long as there are any.

mod custom;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use api::selector::LabelSelector;
use client::{Caches, Key};
use controllers::autoscaler::{self, History, Observed, PodMetrics, Scaled};
use controllers::{Known, Target, pods};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1;
use serde::Deserialize;

use crate::execute::Executor;

/// Kubernetes' own period: what is measured does not change faster.
const PERIOD: Duration = Duration::from_secs(15);

/// Autoscales until cancelled.
pub(crate) async fn run(client: kube::Client, caches: Caches, executor: Executor) {
    let autoscalers = caches.of::<HorizontalPodAutoscaler>();
    autoscalers.wait_synced().await;
    let mut changes = autoscalers.subscribe();
    let mut histories: HashMap<Key, History> = HashMap::new();
    loop {
        if autoscalers.is_empty() {
            histories.clear();
            // Nothing is measured while nobody asks.
            if changes.next().await.is_none() {
                return;
            }
            continue;
        }
        let pass = Pass { client: &client, caches: &caches, executor: &executor };
        for autoscaler in autoscalers.list() {
            let key = Key::of(&autoscaler.metadata);
            pass.decide(&autoscaler, histories.entry(key).or_default()).await;
        }
        histories.retain(|key, _| autoscalers.get(&key.namespace, &key.name).is_some());
        tokio::time::sleep(PERIOD).await;
        while changes.take().is_some() {}
    }
}

struct Pass<'a> {
    client: &'a kube::Client,
    caches: &'a Caches,
    executor: &'a Executor,
}

impl Pass<'_> {
    async fn decide(&self, autoscaler: &Arc<HorizontalPodAutoscaler>, history: &mut History) {
        let namespace = autoscaler.metadata.namespace.clone().unwrap_or_default();
        let (scaled, selector) = match self.find(autoscaler, &namespace) {
            Some((scaled, selector)) => (Ok(scaled), Some(selector)),
            None => (Err("the target was not found".to_owned()), None),
        };
        let pods_of = selector.as_ref().and_then(|selector| LabelSelector::from_k8s(selector).ok());
        let is_meant = |pod: &Arc<Pod>| {
            let labels = pod.metadata.labels.clone().unwrap_or_default();
            !pods::has_ended(pod) && pods_of.as_ref().is_some_and(|selector| selector.matches(&labels))
        };
        let pods = self.caches.of::<Pod>().list_in(&namespace).into_iter().filter(is_meant).collect();
        let metrics = self.measure(&namespace).await;
        let custom = custom::read(self.client, autoscaler, &namespace, selector.as_ref()).await;
        let now = Timestamp::now();
        let decision =
            autoscaler::reconcile(&Observed { autoscaler, scaled, pods, metrics, custom, history, now });
        match self.executor.carry_out(decision.plan.actions).await {
            Ok(()) => history.note(decision.recommendation, decision.change, now),
            Err(failure) => tracing::debug!(%failure, "an autoscaler will try again"),
        }
    }

    /// Returns the object an autoscaler scales, and the selector of its pods.
    fn find(
        &self,
        autoscaler: &HorizontalPodAutoscaler,
        namespace: &str,
    ) -> Option<(Scaled, v1::LabelSelector)> {
        let reference = &autoscaler.spec.scale_target_ref;
        let name = &reference.name;
        match reference.kind.as_str() {
            "Deployment" => {
                let it = self.caches.of::<Deployment>().get(namespace, name)?;
                let (spec, status) = (it.spec.as_ref()?, it.status.as_ref());
                let current = status.and_then(|status| status.replicas);
                Some((scaled(it.as_ref(), spec.replicas, current), spec.selector.clone()))
            }
            "ReplicaSet" => {
                let it = self.caches.of::<ReplicaSet>().get(namespace, name)?;
                let spec = it.spec.as_ref()?;
                let current = it.status.as_ref().map(|status| status.replicas);
                Some((scaled(it.as_ref(), spec.replicas, current), spec.selector.clone()))
            }
            "StatefulSet" => {
                let it = self.caches.of::<StatefulSet>().get(namespace, name)?;
                let spec = it.spec.as_ref()?;
                let current = it.status.as_ref().map(|status| status.replicas);
                Some((scaled(it.as_ref(), spec.replicas, current), spec.selector.clone()))
            }
            _ => None,
        }
    }

    /// Asks what the pods of a namespace use.
    async fn measure(&self, namespace: &str) -> Result<Vec<PodMetrics>, String> {
        let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods");
        let request = http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
        let list: List = self.client.request(request).await.map_err(|error| match error {
            kube::Error::Api(status) => status.message.clone(),
            error => error.to_string(),
        })?;
        Ok(list.items.into_iter().map(Item::read).collect())
    }
}

fn scaled<K: Known>(object: &K, replicas: Option<i32>, current: Option<i32>) -> Scaled
where
    K::Scope: 'static,
{
    Scaled { target: Target::of(object), replicas: replicas.unwrap_or(1), current: current.unwrap_or(0) }
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: v1::ObjectMeta,
    timestamp: Option<v1::Time>,
    window: Option<String>,
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    name: String,
    #[serde(default)]
    usage: HashMap<String, String>,
}

impl Item {
    fn read(self) -> PodMetrics {
        let milli = |text: &str| {
            let quantity = text.parse::<api::quantity::Quantity>();
            quantity.map_or(0, |quantity| i64::try_from(quantity.milli()).unwrap_or(i64::MAX))
        };
        let usage = |container: Container| {
            let usage = container.usage.into_iter().map(|(name, amount)| (name, milli(&amount)));
            (container.name, usage.collect())
        };
        let window = self.window.as_deref().and_then(|window| window.parse::<jiff::SignedDuration>().ok());
        PodMetrics {
            pod: self.metadata.name.unwrap_or_default(),
            at: self.timestamp.map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            window_seconds: window.map_or(30, |window| window.as_secs()),
            usage: self.containers.into_iter().map(usage).collect(),
        }
    }
}

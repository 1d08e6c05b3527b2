//! Listens to the caches that the rules are computed from.

use std::sync::Arc;

use client::{Cache, Caches, Change, Notice, Subscription};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, NetworkPolicy};

use crate::pod_ports;

/// Every cache, and what has changed in it since the last pass.
pub(super) struct Changes {
    caches: Kinds,
    services: Subscription<Service>,
    slices: Subscription<EndpointSlice>,
    pods: Subscription<Pod>,
    ingresses: Subscription<Ingress>,
    classes: Subscription<IngressClass>,
    secrets: Subscription<Secret>,
    policies: Subscription<NetworkPolicy>,
    namespaces: Subscription<Namespace>,
}

/// The caches by kind.
#[derive(Clone)]
pub(super) struct Kinds {
    pub(super) services: Cache<Service>,
    pub(super) slices: Cache<EndpointSlice>,
    pub(super) pods: Cache<Pod>,
    pub(super) ingresses: Cache<Ingress>,
    pub(super) classes: Cache<IngressClass>,
    pub(super) secrets: Cache<Secret>,
    pub(super) policies: Cache<NetworkPolicy>,
    pub(super) namespaces: Cache<Namespace>,
}

impl Kinds {
    pub(super) fn of(caches: &Caches) -> Self {
        Self {
            services: caches.of(),
            slices: caches.of(),
            pods: caches.of(),
            ingresses: caches.of(),
            classes: caches.of(),
            secrets: caches.of(),
            policies: caches.of(),
            namespaces: caches.of(),
        }
    }
}

impl Changes {
    pub(super) fn subscribe(caches: &Caches) -> Self {
        let caches = Kinds::of(caches);
        Self {
            services: caches.services.subscribe(),
            slices: caches.slices.subscribe(),
            pods: caches.pods.subscribe(),
            ingresses: caches.ingresses.subscribe(),
            classes: caches.classes.subscribe(),
            secrets: caches.secrets.subscribe(),
            policies: caches.policies.subscribe(),
            namespaces: caches.namespaces.subscribe(),
            caches,
        }
    }

    pub(super) async fn wait_synced(&self) {
        tokio::join!(
            self.caches.services.wait_synced(),
            self.caches.slices.wait_synced(),
            self.caches.pods.wait_synced(),
            self.caches.ingresses.wait_synced(),
            self.caches.classes.wait_synced(),
            self.caches.secrets.wait_synced(),
            self.caches.policies.wait_synced(),
            self.caches.namespaces.wait_synced()
        );
    }

    /// Waits for a change that matters. May be cancelled.
    pub(super) async fn next(&mut self) {
        loop {
            let matters = tokio::select! {
                _ = self.services.next() => true,
                _ = self.slices.next() => true,
                _ = self.ingresses.next() => true,
                _ = self.classes.next() => true,
                notice = self.secrets.next() => notice.is_none_or(|notice| is_tls(&notice)),
                _ = self.policies.next() => true,
                _ = self.namespaces.next() => self.has_policies(),
                notice = self.pods.next() => notice.is_none_or(|notice| {
                    ends(&notice) || is_exposed(&notice) || (self.has_policies() && is_another(&notice))
                }),
            };
            if matters {
                return;
            }
        }
    }

    fn has_policies(&self) -> bool {
        !self.caches.policies.list().is_empty()
    }

    /// Drops the notices that are there: the pass that follows sees what they tell of.
    pub(super) fn take_all(&mut self) {
        while self.services.take().is_some() {}
        while self.slices.take().is_some() {}
        while self.pods.take().is_some() {}
        while self.ingresses.take().is_some() {}
        while self.classes.take().is_some() {}
        while self.secrets.take().is_some() {}
        while self.policies.take().is_some() {}
        while self.namespaces.take().is_some() {}
    }
}

/// Most changes of pods are none of a proxy's business: their slices tell of readiness. Only the
/// beginning of their end is.
fn ends(notice: &Notice<Pod>) -> bool {
    let is_ending =
        |pod: &Option<Arc<Pod>>| pod.as_ref().is_none_or(|pod| pod.metadata.deletion_timestamp.is_some());
    match notice {
        Notice::Changed(Change { old, new, .. }) => is_ending(new) != is_ending(old),
        Notice::Resync => true,
    }
}

/// A pod with ports of its node matters when it gets its address, ends or goes.
fn is_exposed(notice: &Notice<Pod>) -> bool {
    match notice {
        Notice::Changed(Change { old, new, .. }) => old.iter().chain(new).any(|pod| pod_ports::has_any(pod)),
        Notice::Resync => true,
    }
}

/// Policies find pods by their labels, and mean their addresses.
fn is_another(notice: &Notice<Pod>) -> bool {
    let seen = |pod: &Option<Arc<Pod>>| {
        let pod = pod.as_ref()?;
        let status = pod.status.as_ref()?;
        Some((pod.metadata.labels.clone(), status.pod_ip.clone()?, status.phase.clone()))
    };
    match notice {
        Notice::Changed(Change { old, new, .. }) => seen(old) != seen(new),
        Notice::Resync => true,
    }
}

fn is_tls(notice: &Notice<Secret>) -> bool {
    let is_tls = |secret: &Arc<Secret>| secret.type_.as_deref() == Some("kubernetes.io/tls");
    match notice {
        Notice::Changed(Change { old, new, .. }) => old.iter().chain(new).any(is_tls),
        Notice::Resync => true,
    }
}

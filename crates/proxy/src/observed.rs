//! What the rules are computed from: one moment of the caches.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The label by which a slice names its service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// One moment of the caches.
#[derive(Default)]
pub struct Observed {
    /// Every service.
    pub services: Vec<Arc<Service>>,
    /// Every slice, by namespace and service.
    pub slices: HashMap<(String, String), Vec<Arc<EndpointSlice>>>,
    /// Every Ingress.
    pub ingresses: Vec<Arc<Ingress>>,
    /// Every class of Ingress.
    pub classes: Vec<Arc<IngressClass>>,
    /// The secrets that Ingresses name.
    pub secrets: HashMap<(String, String), Arc<Secret>>,
    /// The pods that have ports of their node.
    pub exposed: Vec<Arc<Pod>>,
    /// Pods that are ending, or gone, by namespace and name.
    pub is_ending: Option<Box<IsEnding>>,
}

/// Says of a pod, by namespace and name, whether it is ending or gone.
pub type IsEnding = dyn Fn(&str, &str) -> bool + Send + Sync;

impl Observed {
    /// Returns slices by the service they belong to.
    #[must_use]
    pub fn by_service(slices: Vec<Arc<EndpointSlice>>) -> HashMap<(String, String), Vec<Arc<EndpointSlice>>> {
        let mut by_service: HashMap<(String, String), Vec<Arc<EndpointSlice>>> = HashMap::new();
        for slice in slices {
            let labels = slice.metadata.labels.as_ref();
            let Some(service) = labels.and_then(|labels| labels.get(SERVICE_NAME)) else { continue };
            let key = (namespace(&slice.metadata).to_owned(), service.clone());
            by_service.entry(key).or_default().push(slice);
        }
        by_service
    }

    /// Returns the service of that name.
    #[must_use]
    pub fn service(&self, of: &str, called: &str) -> Option<&Arc<Service>> {
        self.services
            .iter()
            .find(|service| namespace(&service.metadata) == of && name(&service.metadata) == called)
    }

    /// Returns the slices of a service.
    #[must_use]
    pub fn slices_of(&self, service: &Service) -> &[Arc<EndpointSlice>] {
        let key = (namespace(&service.metadata).to_owned(), name(&service.metadata).to_owned());
        self.slices.get(&key).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn ends(&self, namespace: &str, pod: &str) -> bool {
        self.is_ending.as_ref().is_some_and(|is_ending| is_ending(namespace, pod))
    }
}

pub(crate) fn namespace(metadata: &ObjectMeta) -> &str {
    metadata.namespace.as_deref().unwrap_or_default()
}

pub(crate) fn name(metadata: &ObjectMeta) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}

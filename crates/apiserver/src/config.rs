//! What an API server is built from.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use store::Store;

use crate::{
    measure::{CustomMetrics, ResourceMetrics},
    streams::NodeStreams,
};

/// Plain data and the two dependencies of an API server.
#[derive(Clone)]
pub struct Config {
    /// Where every object is kept.
    pub store: Store,
    /// Logs, exec, attach and port-forward of pods.
    pub node_streams: Arc<dyn NodeStreams>,
    /// What nodes and pods use; without it `metrics.k8s.io` answers 503.
    pub resource_metrics: Option<Arc<dyn ResourceMetrics>>,
    /// Other metrics; without it `/metrics` is empty and `custom.metrics.k8s.io` answers 503.
    pub custom_metrics: Option<Arc<dyn CustomMetrics>>,
    /// The key that signs service-account tokens: a P-256 private key, PKCS#8 DER.
    pub service_account_key: Vec<u8>,
    /// The certificate authority that pods and users trust, PEM.
    pub certificate_authority: String,
    /// Where the API is reached inside the cluster; the endpoint of the Service `kubernetes`.
    pub endpoint: Option<(Ipv4Addr, u16)>,
    /// The address printed for the API in `/api`, `127.0.0.1:6443`.
    pub advertised: String,
    /// First address and prefix length of the range of cluster IPs.
    pub service_range: (Ipv4Addr, u8),
    /// The ports that NodePort services get.
    pub node_ports: std::ops::RangeInclusive<u16>,
    /// How long events are kept.
    pub event_lifetime: Duration,
}

impl Config {
    /// Returns a configuration with Kubernetes' own defaults for everything but the dependencies.
    #[must_use]
    pub fn new(store: Store, node_streams: Arc<dyn NodeStreams>, service_account_key: Vec<u8>) -> Self {
        Self {
            store,
            node_streams,
            resource_metrics: None,
            custom_metrics: None,
            service_account_key,
            certificate_authority: String::new(),
            endpoint: None,
            advertised: "127.0.0.1:6443".to_owned(),
            service_range: (Ipv4Addr::new(10, 96, 0, 0), 16),
            node_ports: 30000..=32767,
            event_lifetime: Duration::from_secs(3600),
        }
    }
}

/// Why an API server could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The signing key is not a P-256 key in PKCS#8.
    #[error("the service account key is not usable: {0}")]
    ServiceAccountKey(String),
    /// The objects every cluster starts with could not be written.
    #[error("failed to write the cluster's first objects")]
    Bootstrap(#[source] api::status::ApiError),
}

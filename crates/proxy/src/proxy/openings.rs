//! Opens the ports of the host that services want, and says in their status and events what came
//! of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use api::reference::reference;
use client::{Cache, EventType, Recorder};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Api;
use kube::api::{Patch, PatchParams};
use network::{HostPort, HostPorts};
use serde_json::json;

use super::Dependencies;
use crate::host_ports::{self, Claim};
use crate::observed::{Observed, name, namespace};
use crate::pod_ports;

/// The pause before a port that the host refused is tried again: somebody has to stop a program
/// meanwhile. A change of any service tries at once.
const RETRY: Duration = Duration::from_secs(10);

/// The component that events come from, as in Kubernetes.
const COMPONENT: &str = "service-controller";

/// The ports of the host that are open for services.
pub(super) struct Openings {
    ports: HostPorts,
    services: Cache<Service>,
    client: kube::Client,
    recorder: Recorder,
    /// What was asked for last.
    wanted: Vec<HostPort>,
    /// The ports that the host refused then.
    failed: Vec<(HostPort, std::io::Error)>,
    /// What has been said of which service (its uid), so that it is said once.
    told: HashSet<(Option<String>, String)>,
}

impl Openings {
    pub(super) fn new(dependencies: &Dependencies) -> Self {
        let client = dependencies.caches.client().clone();
        Self {
            ports: dependencies.host_ports.clone(),
            services: dependencies.caches.of(),
            recorder: Recorder::new(client.clone(), COMPONENT, ""),
            client,
            wanted: Vec::new(),
            failed: Vec::new(),
            told: HashSet::new(),
        }
    }

    /// Opens what is wanted now and closes the rest.
    pub(super) async fn apply(&mut self, observed: &Observed) {
        let mut claims = host_ports::claims(observed);
        let mut wanted = host_ports::wanted(&claims);
        // A service that has a port keeps it.
        let has = |port: &HostPort| {
            wanted.iter().any(|known| (known.listen, known.protocol) == (port.listen, port.protocol))
        };
        let of_pods: Vec<HostPort> =
            pod_ports::openings(&observed.exposed).into_iter().filter(|port| !has(port)).collect();
        wanted.extend(of_pods);
        if wanted != self.wanted || !self.failed.is_empty() {
            self.failed = self.ports.set(&wanted).await;
            self.wanted = wanted;
        }
        host_ports::refuse(&mut claims, &self.failed);
        self.tell(&claims, &observed.exposed);
        for (service, address) in host_ports::wrong_addresses(observed, &claims) {
            let shown = address.map(|address| json!([{ "ip": address }]));
            self.show(&service, &json!({ "status": { "loadBalancer": { "ingress": shown } } }));
        }
    }

    /// Completes when a port that was refused should be tried again.
    pub(super) async fn retry(&self) {
        if self.failed.is_empty() {
            std::future::pending().await
        } else {
            tokio::time::sleep(RETRY).await;
        }
    }

    fn tell(&mut self, claims: &[Claim], exposed: &[Arc<Pod>]) {
        let mut told = HashSet::new();
        for (port, error) in &self.failed {
            let Some(pod) = pod_ports::owner(exposed, port) else { continue };
            let key =
                (pod.metadata.uid.clone(), format!("{} was not opened on the host: {error}", port.listen));
            if !self.told.contains(&key) {
                self.recorder.record(reference(&*pod), EventType::Warning, "HostPortUnavailable", &key.1);
            }
            told.insert(key);
        }
        for claim in claims {
            let Some(advice) = claim.advice() else { continue };
            let key = (claim.service.metadata.uid.clone(), advice);
            if !self.told.contains(&key) && !told.contains(&key) {
                let about = reference(&*claim.service);
                self.recorder.record(about, EventType::Warning, claim.reason(), &key.1);
            }
            told.insert(key);
        }
        self.told = told;
    }

    /// A write that fails is made again at the next pass.
    fn show(&self, service: &Service, status: &serde_json::Value) {
        let services: Api<Service> = Api::namespaced(self.client.clone(), namespace(&service.metadata));
        let called = name(&service.metadata).to_owned();
        let status = Patch::Merge(status.clone());
        let known = self.services.clone();
        tokio::spawn(async move {
            match services.patch_status(&called, &PatchParams::default(), &status).await {
                Ok(written) => known.assume(written),
                Err(error) => {
                    tracing::warn!(service = called, %error, "the Service's status was not written")
                }
            }
        });
    }
}

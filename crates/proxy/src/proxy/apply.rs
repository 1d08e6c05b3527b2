//! One pass: computes everything and applies it.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::{Patch, PatchParams};
use network::dns::Zone;
use network::ingress::{Certificate, Routes};
use network::{Policies, ServiceRule, Services};
use serde_json::json;

use super::changes::Kinds;
use super::faults::Faults;
use super::openings::Openings;
use super::{Config, Dependencies};
use crate::certificates::Certificates;
use crate::observed::{Observed, name, namespace};
use crate::{ingress, pod_ports, policies, services, zone};

/// The pause before something that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Computes and applies.
pub(super) struct Applier {
    config: Config,
    kinds: Kinds,
    client: kube::Client,
    services: Services,
    policies: Policies,
    dns: network::dns::DnsServer,
    ingress: network::ingress::IngressProxy,
    openings: Openings,
    faults: Faults,
    certificates: Certificates,
    /// The rules in force; `None` before the first pass, while those of an earlier process hold.
    rules: Option<Vec<ServiceRule>>,
    /// The addresses that services lead to by them.
    served: HashSet<IpAddr>,
    has_failed: bool,
    /// The policies were not applied.
    policies_failed: bool,
}

impl Applier {
    pub(super) fn new(config: Config, dependencies: &Dependencies) -> Self {
        Self {
            config,
            kinds: Kinds::of(&dependencies.caches),
            openings: Openings::new(dependencies),
            faults: Faults::new(dependencies),
            client: dependencies.caches.client().clone(),
            services: dependencies.services.clone(),
            policies: dependencies.policies.clone(),
            dns: dependencies.dns.clone(),
            ingress: dependencies.ingress.clone(),
            certificates: Certificates::default(),
            rules: None,
            served: HashSet::new(),
            has_failed: false,
            policies_failed: false,
        }
    }

    /// Makes the network as the caches are now; returns every address that a route leads to.
    pub(super) async fn pass(&mut self) -> HashSet<IpAddr> {
        // Before anything new leads anywhere.
        self.apply_policies().await;
        let observed = self.observe();
        // The fastest first: an endpoint that is gone is gone for new requests at once.
        let routes = self.routes(&observed);
        let mut addresses = route_addresses(&routes);
        self.ingress.set(routes);
        let zone = zone::zone(&observed, &self.config.domain);
        addresses.extend(zone_addresses(&zone));
        self.dns.set(zone);
        let mut rules = services::rules(&observed, &self.config.nodes);
        // A pod's own ports lead to it until it is gone, so that they do not hold up its drain.
        let of_services: HashSet<IpAddr> = rules.iter().flat_map(rule_addresses).collect();
        rules.extend(pod_ports::rules(&observed.exposed));
        if self.apply_rules(rules).await {
            self.served = of_services;
        }
        addresses.extend(self.served.iter().copied());
        self.openings.apply(&observed).await;
        self.show_addresses(&observed);
        self.faults.note(ingress::faults(&observed, |secret| self.certificates.fault(secret)));
        addresses
    }

    /// Completes when something that failed should be tried again.
    pub(super) async fn retry(&self) {
        if self.has_failed || self.policies_failed {
            tokio::time::sleep(RETRY).await;
        } else {
            tokio::select! {
                () = self.openings.retry() => {}
                () = self.faults.due() => {}
            }
        }
    }

    fn observe(&self) -> Observed {
        let kinds = &self.kinds;
        let pods = kinds.pods.clone();
        let is_ending = move |namespace: &str, name: &str| {
            pods.get(namespace, name).is_none_or(|pod| pod.metadata.deletion_timestamp.is_some())
        };
        let mut observed = Observed {
            services: kinds.services.list(),
            slices: Observed::by_service(kinds.slices.list()),
            ingresses: kinds.ingresses.list(),
            classes: kinds.classes.list(),
            secrets: HashMap::new(),
            exposed: kinds.pods.list().into_iter().filter(|pod| pod_ports::has_any(pod)).collect(),
            is_ending: Some(Box::new(is_ending)),
        };
        for tls in ingress::certificates(&observed) {
            if let Some(secret) = kinds.secrets.get(&tls.secret.0, &tls.secret.1) {
                observed.secrets.insert(tls.secret, secret);
            }
        }
        observed
    }

    fn routes(&mut self, observed: &Observed) -> Routes {
        let mut routes = ingress::routes(observed);
        let wanted = ingress::certificates(observed);
        self.certificates.keep(|key| wanted.iter().any(|tls| tls.secret == *key));
        for tls in wanted {
            let secret: Option<&Secret> = observed.secrets.get(&tls.secret).map(AsRef::as_ref);
            if let Some(key) = self.certificates.get(&tls.secret, secret) {
                routes.certificates.push(Certificate { hosts: tls.hosts, key });
            }
        }
        routes.default_certificate.clone_from(&self.config.default_certificate);
        routes
    }

    async fn apply_policies(&mut self) {
        let kinds = &self.kinds;
        let policies = kinds.policies.list();
        let pods = if policies.is_empty() { Vec::new() } else { kinds.pods.list() };
        let namespaces = kinds.namespaces.list();
        let inputs = policies::Inputs { policies, pods, namespaces, dns: self.config.dns_address };
        let applied = self.policies.apply(policies::rules(&inputs)).await;
        self.policies_failed = applied.is_err();
        if let Err(error) = applied {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "network policies were not applied, the earlier ones stay");
        }
    }

    /// Returns whether the rules are in force.
    async fn apply_rules(&mut self, rules: Vec<ServiceRule>) -> bool {
        if self.rules.as_ref() == Some(&rules) && !self.has_failed {
            return true;
        }
        match self.services.apply(rules.clone()).await {
            Ok(()) => {
                self.rules = Some(rules);
                self.has_failed = false;
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "service rules were not applied, the earlier ones stay");
                self.has_failed = true;
            }
        }
        !self.has_failed
    }

    /// Says in the status of Ingresses where they are reached. A write that fails is made again
    /// when the Ingress changes next; nothing depends on it.
    fn show_addresses(&self, observed: &Observed) {
        for ingress in ingress::without_address(observed, &self.config.ingress_address) {
            let ingresses: Api<Ingress> = Api::namespaced(self.client.clone(), namespace(&ingress.metadata));
            let called = name(&ingress.metadata).to_owned();
            let address = &self.config.ingress_address;
            let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": address }] } } });
            let known = self.kinds.ingresses.clone();
            tokio::spawn(async move {
                match ingresses.patch_status(&called, &PatchParams::default(), &Patch::Merge(status)).await {
                    Ok(written) => known.assume(written),
                    Err(error) => {
                        tracing::warn!(ingress = called, %error, "the Ingress's status was not written")
                    }
                }
            });
        }
    }
}

fn route_addresses(routes: &Routes) -> HashSet<IpAddr> {
    routes.backends.values().flatten().map(std::net::SocketAddr::ip).collect()
}

fn zone_addresses(zone: &Zone) -> impl Iterator<Item = IpAddr> {
    zone.addresses.values().flatten().map(|address| IpAddr::V4(*address))
}

fn rule_addresses(rule: &ServiceRule) -> impl Iterator<Item = IpAddr> {
    rule.backends.iter().map(|backend| IpAddr::V4(*backend.ip()))
}

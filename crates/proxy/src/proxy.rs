//! The loop: wake up when a cache changed, take in all that has, compute, apply.

mod apply;
mod changes;
mod faults;
mod openings;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use client::Caches;
use network::dns::DnsServer;
use network::ingress::IngressProxy;
use network::{HostPorts, Policies, Services};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::services::Node;
use apply::Applier;
use changes::Changes;

/// The longest that requests under way are waited for; callers bound the wait themselves.
const QUIESCENCE: Duration = Duration::from_secs(30);

/// How long connections through services are waited for: what requests are under way on them nobody can see,
/// so that a client that keeps its connection would hold up every pod.
const SETTLING: Duration = Duration::from_millis(500);

/// How often connections from the host are asked to leave a pod.
const LEAVING_INTERVAL: Duration = Duration::from_millis(20);

/// What a proxy needs to know before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// The cluster's domain, without a trailing dot.
    pub domain: String,
    /// Where the cluster's DNS answers.
    pub dns_address: Ipv4Addr,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The address that Ingresses are reached at, as their status shows it.
    pub ingress_address: String,
    /// The certificate of hosts that no TLS secret is for.
    pub default_certificate: Option<Arc<CertifiedKey>>,
}

/// What a proxy works with.
pub struct Dependencies {
    /// The watch caches of the process.
    pub caches: Caches,
    /// Virtual addresses.
    pub services: Services,
    /// Ports of the host that lead to services.
    pub host_ports: HostPorts,
    /// What pods may exchange.
    pub policies: Policies,
    /// Names.
    pub dns: DnsServer,
    /// Hosts and paths from outside.
    pub ingress: IngressProxy,
}

/// Keeps services, names and routes as the API has them. Cheap to clone.
#[derive(Clone)]
pub struct Proxy {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    dependencies: Dependencies,
    /// Counts the questions whether a route leads somewhere.
    asked: watch::Sender<u64>,
    applied: watch::Sender<Applied>,
}

/// What was in force after a pass.
#[derive(Debug, Clone, Default)]
struct Applied {
    /// The questions that had been asked when the pass began.
    asked: u64,
    /// Every address that a route leads to.
    addresses: HashSet<IpAddr>,
}

impl Proxy {
    /// Puts a proxy together. Nothing happens until [`Proxy::run`].
    #[must_use]
    pub fn build(config: Config, dependencies: Dependencies) -> Self {
        let inner = Inner {
            config,
            dependencies,
            asked: watch::Sender::new(0),
            applied: watch::Sender::new(Applied::default()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Applies every change until `shutdown` completes. What is in force then stays in force.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = self.apply_changes() => {}
            () = shutdown => {}
        }
    }

    async fn apply_changes(&self) {
        let inner = &self.inner;
        let mut changes = Changes::subscribe(&inner.dependencies.caches);
        changes.wait_synced().await;
        let mut applier = Applier::new(inner.config.clone(), &inner.dependencies);
        let mut asked = inner.asked.subscribe();
        loop {
            // In this order: a question that comes later than this is answered by the next pass.
            let question = *asked.borrow_and_update();
            changes.take_all();
            let addresses = applier.pass().await;
            inner.applied.send_replace(Applied { asked: question, addresses });
            tokio::select! {
                () = changes.next() => {}
                _ = asked.changed() => {}
                () = applier.retry() => {}
            }
        }
    }

    /// Returns what the ingress has counted since the start.
    #[must_use]
    pub fn metrics(&self) -> network::ingress::Metrics {
        self.inner.dependencies.ingress.metrics()
    }

    /// Completes when no service, name or route leads to `address` any more, no request of the ingress to
    /// it is under way, and short connections through services have ended. Meant for a pod that has just been marked as deleted: whatever
    /// the caches of this process knew when this was called has been applied when it completes.
    pub async fn drained(&self, address: IpAddr) {
        let mut question = 0;
        self.inner.asked.send_modify(|asked| {
            *asked += 1;
            question = *asked;
        });
        let is_out = |applied: &Applied| applied.asked >= question && !applied.addresses.contains(&address);
        // The sender lives in `self`, so the wait cannot end without a value.
        let _ = self.inner.applied.subscribe().wait_for(is_out).await;
        let Dependencies { ingress, services, host_ports, .. } = &self.inner.dependencies;
        let settle = async {
            if let IpAddr::V4(address) = address {
                tokio::join!(services.settled(address, SETTLING), all_left(host_ports, address));
            }
        };
        tokio::join!(ingress.quiesced(address, QUIESCENCE), settle);
    }
}

/// Waits until the connections from the host have left a pod. They are asked again and again: one may have been
/// on its way when the routes changed.
async fn all_left(host_ports: &HostPorts, address: Ipv4Addr) {
    while host_ports.leave(address).await > 0 {
        tokio::time::sleep(LEAVING_INTERVAL).await;
    }
}

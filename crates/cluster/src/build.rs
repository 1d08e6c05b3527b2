//! Builds the servers, wires them, serves until told to stop, drains.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use apiserver::{ApiServer, Identity};
use client::Caches;
use k8s_openapi::api::core::v1::Node;
use kubelet::Drain;
use network::dns::DnsServer;
use network::ingress::IngressProxy;
use network::machine::Machine;
use network::pods::Range;
use network::{Egress, HostPorts, PodNetwork, Policies, Services};
use proxy::Proxy;
use store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Home;
use crate::addresses;
use crate::bootstrap;
use crate::capacity::Capacity;
use crate::kubeconfig;
use crate::meter::Meter;
use crate::nodes::{self, Nodes};
use crate::pki::Pki;
use crate::record::ClusterFolder;
use crate::scrape::Scraper;
use crate::settings::{Listeners, Ready, Settings};
use crate::sign;
use crate::streams::Streams;
use crate::tls;

/// The port of the API inside the cluster, behind the Service `kubernetes`.
const API_PORT: u16 = 6443;

/// The cluster's domain.
pub(crate) const DOMAIN: &str = "cluster.local";

/// How long pods may take to end at `down`: they are told that everything ends, not that one of them does.
const DOWN_GRACE: Duration = Duration::from_secs(5);

/// Longest wait for nodes to become ready.
const READY_PATIENCE: Duration = Duration::from_secs(30);

/// All that the start order has made.
pub(crate) struct Parts<'a> {
    pub(crate) home: &'a Home,
    pub(crate) settings: &'a Settings,
    pub(crate) folder: &'a ClusterFolder,
    pub(crate) pki: &'a Pki,
    pub(crate) listeners: Listeners,
    pub(crate) machine: Machine,
    pub(crate) capacity: Capacity,
}

/// Serves until SIGTERM or SIGINT, then stops the pods. `on_ready` is called once all nodes are ready.
pub(crate) async fn serve(parts: Parts<'_>, on_ready: impl FnOnce(&Ready) -> Result<()>) -> Result<()> {
    let Parts { home, settings, folder, pki, listeners, machine, capacity } = parts;
    let told = stop_signal()?;
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();

    let network = Network::start(&machine, settings).await?;
    let streams = Arc::new(Streams::default());
    let meter = Arc::new(Meter::default());
    let scraper = Arc::new(Scraper::default());
    let nodes = NodeSide { streams: streams.clone(), meter: meter.clone(), scraper: scraper.clone() };
    let api = start_api(folder, pki, settings, nodes).await?;
    let inside =
        TcpListener::bind((addresses::node(0), API_PORT)).await.context("failed to listen for the API")?;
    let outside = TcpListener::from_std(listeners.api).context("failed to use the API's listener")?;
    for listener in [outside, inside] {
        let (api, tls, stop) = (api.clone(), tls::api(pki)?, stop.clone());
        tasks.spawn(async move {
            if let Err(error) = api.serve(listener, tls, stop.cancelled()).await {
                tracing::error!(%error, "the API's listener failed");
            }
        });
    }

    // Tools that look at managed fields know who writes by these names.
    let client_of = |name| client::in_process(api.service(Identity::master("system:pinnace")).named(name));
    let client = client_of("kube-controller-manager");
    let names = node_names(settings);
    bootstrap::run(&client, &names).await.context("failed to write the cluster's first objects")?;
    let caches = Caches::new(client.clone());
    let adopted_pods = network.pods.list().await.context("failed to list the pods' links")?.len();
    let proxy = network.proxy(&caches, settings, pki, listeners.http, listeners.https)?;
    scraper.connect(&proxy);
    let drain: Arc<dyn Drain> = Arc::new(Routes(proxy.clone()));
    let plan = Nodes {
        home,
        folder,
        machine: &machine,
        capacity,
        caches: &caches,
        client: client_of("kubelet"),
        network: &network.pods,
    };
    let (kubelets, warnings) = plan.build(&names, &drain)?;
    streams.connect(&kubelets);
    meter.connect(&kubelets);

    let stop_proxy = stop.clone();
    tasks.spawn(async move { proxy.run(stop_proxy.cancelled()).await });
    let mut config = manager::Config::default();
    config.settings.root_ca = Some(pki.ca_certificate.clone());
    tasks.spawn(sign::run(client.clone(), caches.clone(), pki.clone(), stop.clone()));
    tasks.spawn(manager::run(config, client, caches.clone(), stop.clone().cancelled_owned()));
    for kubelet in &kubelets {
        tasks.spawn(nodes::keep(kubelet.clone(), caches.clone(), stop.clone()));
    }

    nodes_ready(&caches, &names).await?;
    on_ready(&Ready { context: kubeconfig::context_name(&settings.name), adopted_pods, warnings })?;
    tracing::info!(cluster = settings.name, nodes = names.len(), adopted_pods, "ready");

    told.await;
    tracing::info!("told to stop");
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    let ends = kubelets.iter().map(|kubelet| kubelet.stop_pods(DOWN_GRACE));
    futures::future::join_all(ends).await;
    plan.dismantle().await;
    Ok(())
}

/// The first node has the cluster's name, the others a number behind it.
fn node_names(settings: &Settings) -> Vec<String> {
    let name =
        |number| if number == 1 { settings.name.clone() } else { format!("{}-{number}", settings.name) };
    (1..=settings.nodes).map(name).collect()
}

/// Resolves at the first SIGTERM or SIGINT; listens at once. Call it inside a tokio runtime.
///
/// # Errors
/// When the handlers can't be installed.
pub fn stop_signal() -> Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// What the API asks of the nodes.
struct NodeSide {
    streams: Arc<Streams>,
    meter: Arc<Meter>,
    scraper: Arc<Scraper>,
}

async fn start_api(
    folder: &ClusterFolder,
    pki: &Pki,
    settings: &Settings,
    nodes: NodeSide,
) -> Result<ApiServer> {
    let store = Store::open(&folder.store(), store::Options::default())
        .context("failed to open the cluster's store")?;
    let config = apiserver::Config {
        certificate_authority: pki.ca_certificate.clone(),
        endpoint: Some((addresses::node(0), API_PORT)),
        advertised: format!("127.0.0.1:{}", settings.api_port),
        service_range: addresses::SERVICE_RANGE,
        resource_metrics: Some(nodes.meter),
        custom_metrics: Some(nodes.scraper),
        ..apiserver::Config::new(store, nodes.streams, tls::service_account_key(pki)?)
    };
    ApiServer::build(config).await.context("failed to build the API")
}

/// The cluster's network, and what serves in it.
struct Network {
    pods: PodNetwork,
    services: Services,
    policies: Policies,
    dns: DnsServer,
    host_ports: HostPorts,
    _egress: Egress,
}

impl Network {
    async fn start(machine: &Machine, settings: &Settings) -> Result<Self> {
        // the first address is also where the API, the DNS and the way out listen, be there nodes or not
        let count = u8::try_from(settings.nodes).context("too many nodes")?;
        let range = |(address, prefix)| Range { address, prefix };
        let pod_range = range(addresses::POD_RANGE);
        let service_range = range(addresses::SERVICE_RANGE);
        let node_address = addresses::node(0);
        let pods = PodNetwork::start(network::pods::Config {
            node_addresses: (0..count.max(1)).map(addresses::node).collect(),
            run_directory: network::machine::RUN_DIRECTORY.into(),
        })
        .await
        .context("failed to start the pods' network")?;
        let dns = (addresses::DNS_SERVICE, 53);
        let services = Services::start(network::services::Config {
            node_address,
            service_range,
            served_here: [network::Protocol::Udp, network::Protocol::Tcp].map(|p| (dns.0, p, dns.1)).to_vec(),
        })
        .await
        .context("failed to start the services' network")?;
        let policies =
            Policies::start().await.context("failed to start the rules of what pods may exchange")?;
        let dns_config = network::dns::Config { bind: dns.into(), domain: DOMAIN.to_owned() };
        let dns = DnsServer::start(dns_config, machine.host.clone())
            .await
            .context("failed to start the cluster's DNS")?;
        let egress_config = network::egress::Config {
            node_address,
            pod_range,
            cluster_ranges: vec![pod_range, service_range],
        };
        let egress = Egress::start(egress_config, machine.host.clone())
            .await
            .context("failed to open the pods' way out")?;
        let host_ports = HostPorts::new(machine.host.clone());
        Ok(Self { pods, services, policies, dns, host_ports, _egress: egress })
    }

    /// The proxy, with the Ingress listening already: until the routes are known it answers 404.
    fn proxy(
        &self,
        caches: &Caches,
        settings: &Settings,
        pki: &Pki,
        http: std::net::TcpListener,
        https: std::net::TcpListener,
    ) -> Result<Proxy> {
        let ingress = IngressProxy::new(network::ingress::Config::default());
        ingress.serve(http).context("failed to serve the Ingress over HTTP")?;
        ingress.serve_tls(https).context("failed to serve the Ingress over HTTPS")?;
        let count = u8::try_from(settings.nodes).context("too many nodes")?;
        let place = |(number, name)| {
            let (first, prefix) = addresses::pod_range(number);
            let pods = Range::new(first, prefix);
            proxy::services::Node { name, address: addresses::node(number), pods }
        };
        let config = proxy::Config {
            domain: DOMAIN.to_owned(),
            dns_address: addresses::DNS_SERVICE,
            nodes: (0..count.max(1)).zip(node_names(settings)).map(place).collect(),
            ingress_address: std::net::Ipv4Addr::LOCALHOST.to_string(),
            default_certificate: Some(tls::ingress(pki)?),
        };
        let dependencies = proxy::Dependencies {
            caches: caches.clone(),
            services: self.services.clone(),
            policies: self.policies.clone(),
            host_ports: self.host_ports.clone(),
            dns: self.dns.clone(),
            ingress,
        };
        Ok(Proxy::build(config, dependencies))
    }
}

/// Tells kubelets when no route leads to a pod any more.
struct Routes(Proxy);

impl Drain for Routes {
    fn drained(&self, address: IpAddr) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.0.drained(address))
    }
}

/// Waits until the API shows every node as ready.
async fn nodes_ready(caches: &Caches, names: &[String]) -> Result<()> {
    let nodes = caches.of::<Node>();
    let mut changes = nodes.subscribe();
    let all_ready = || names.iter().all(|name| nodes.get("", name).is_some_and(|node| is_ready(&node)));
    let wait = async {
        while !all_ready() {
            changes.next().await;
        }
    };
    tokio::time::timeout(READY_PATIENCE, wait)
        .await
        .with_context(|| format!("the nodes were not ready in {} s", READY_PATIENCE.as_secs()))
}

/// Whether the node says that it can run pods.
pub(crate) fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| {
        all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    })
}

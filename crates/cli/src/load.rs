//! `load`: sends requests to a server, counts every answer and how long it took.
//!
//! [`run`] sends them, each when its time has come or when the one before is answered; [`tally`]
//! counts into a [`histogram`]; [`report`] tells, [`generator`] watches the generator itself;
//! [`bodies`] makes up what to post; [`threshold`] fails a run that breaks a bound.

mod bodies;
mod connection;
mod generator;
mod histogram;
mod report;
mod run;
mod tally;
mod threshold;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use cluster::HostNetwork;
use http::Uri;

pub(crate) use run::Load;
pub(crate) use threshold::Threshold;

use crate::args::Load as Args;
use crate::output;
use connection::Connection;
use generator::Usage;
use report::Report;

/// What to send, where, and how fast.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// `http://127.0.0.1:8080/api/v1/predict`
    pub(crate) url: Uri,
    /// The `Host` header, where it differs from the address.
    pub(crate) host: Option<String>,
    /// Bodies to post in turn; a GET when there are none.
    pub(crate) bodies: Arc<[Bytes]>,
    /// What the bodies are.
    pub(crate) content_type: &'static str,
    /// Connections kept open.
    pub(crate) connections: usize,
    /// As many again are opened afresh for each request.
    pub(crate) mixed: bool,
    /// None is kept.
    pub(crate) fresh: bool,
    /// HTTP/2 without TLS, known beforehand.
    pub(crate) is_http2: bool,
    /// Requests per second in all; as fast as the answers come when `None`.
    pub(crate) rate: Option<f64>,
    /// How long an answer may take before it counts as failed.
    pub(crate) timeout: Duration,
    /// Resolves names and connects.
    pub(crate) network: HostNetwork,
}

/// Sends one request on a connection of its own; the error says in words what went wrong.
pub(crate) async fn once(target: &Target) -> Result<Bytes, String> {
    let exchange = async {
        let mut connection = Connection::open(target).await?;
        connection.send(target, target.bodies.first().cloned()).await
    };
    let no_answer = |_| Err(format!("no answer in {}", output::span(target.timeout)));
    tokio::time::timeout(target.timeout, exchange).await.unwrap_or_else(no_answer)
}

/// A server in this process, and the thread it runs on.
struct InProcess {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    url: String,
    bodies: Vec<Bytes>,
}

impl Drop for InProcess {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().into_iter().for_each(|thread| drop(thread.join()));
    }
}

/// Sends requests for a while and prints the count.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
        bail!("`--rate` must be above zero");
    }
    let in_process = if is_url(&args.url) { None } else { Some(serve(Path::new(&args.url))?) };
    let url = in_process.as_ref().map_or(args.url.as_str(), |server| &server.url);
    let mut target = target(args, url)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name(generator::THREADS)
        .enable_all()
        .build()
        .context("failed to start threads")?;
    let report = runtime.block_on(async {
        if target.bodies.is_empty() && !args.get {
            let made_up = in_process.as_ref().map(|server| server.bodies.clone());
            target.bodies = describe(&target, made_up).await.into();
        }
        let stop = cluster::stop_signal()?;
        anyhow::Ok(measure(args, &target, stop, in_process.is_some()).await)
    })?;
    drop(in_process);
    if args.json {
        output::data(format!("{:#}", report.json()));
    } else {
        report.lines().into_iter().for_each(output::data);
    }
    conclude(args, &report)
}

/// Sends, from the warm-up to the end.
async fn measure(
    args: &Args,
    target: &Target,
    stop: impl Future<Output = ()>,
    is_in_process: bool,
) -> Report {
    let load = Load::bounded(target, args.warm_up, args.requests);
    let mut stop = std::pin::pin!(stop);
    let mut before = Usage::look();
    let mut begun = Instant::now();
    let mut is_over = false;
    if !args.warm_up.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(args.warm_up) => {}
            () = &mut stop => is_over = true,
        }
        (before, begun) = (Usage::look(), Instant::now());
    }
    // a number of requests without a duration takes as long as it takes
    let duration = args.duration.or(args.requests.is_none().then_some(Duration::from_secs(10)));
    if !is_over {
        tokio::select! {
            () = async { match duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            } } => {}
            () = load.reached() => {}
            () = &mut stop => {}
        }
    }
    let elapsed = begun.elapsed();
    let threads = tokio::runtime::Handle::current().metrics().num_workers();
    let busy = Usage::look().since(&before, threads);
    let tally = load.finish().await;
    let connections = target.connections.max(1) * if target.mixed { 2 } else { 1 };
    Report { tally, elapsed, rate_asked: target.rate, connections, busy, is_in_process }
}

/// Fails when a threshold is broken; without thresholds when a request failed.
fn conclude(args: &Args, report: &Report) -> Result<()> {
    let tally = &report.tally;
    let broken: Vec<String> = args.fail_on.iter().filter_map(|threshold| threshold.broken(report)).collect();
    if !broken.is_empty() {
        bail!("{}", broken.join("; "));
    }
    if tally.total() == 0 {
        bail!("no request was answered in time: nothing was measured");
    }
    if args.fail_on.is_empty() && tally.failed() > 0 {
        bail!("{} of {} requests failed", tally.failed(), tally.total());
    }
    Ok(())
}

fn is_url(text: &str) -> bool {
    text.contains("://")
}

fn target(args: &Args, url: &str) -> Result<Target> {
    let mut bodies: Vec<Bytes> = args.data.iter().map(|text| Bytes::from(text.clone())).collect();
    for path in &args.body {
        bodies.extend(bodies::of_file(path)?);
    }
    let mut url: Uri = url.parse().with_context(|| format!("`{url}` is no URL"))?;
    if url.scheme_str() != Some("http") || url.host().is_none() {
        bail!("`{url}` is no URL to send to: use `http://host:port/path`");
    }
    if url.path() == "/" && url.query().is_none() {
        let authority = url.authority().map(ToString::to_string).unwrap_or_default();
        url = format!("http://{authority}{PREDICT}").parse().context("the URL has no host")?;
    }
    Ok(Target {
        url,
        host: args.host.clone(),
        bodies: bodies.into(),
        content_type: "application/json",
        connections: args.connections,
        mixed: args.mixed,
        fresh: args.fresh,
        is_http2: args.http2,
        rate: args.rate,
        timeout: args.timeout,
        network: HostNetwork::spawn().context("failed to start a thread")?,
    })
}

/// Where predictions are asked for, when the URL does not say.
const PREDICT: &str = "/api/v1/predict";

/// What to post when nobody said: what the server's own description asks for, else what is made up; a GET if nothing is.
async fn describe(target: &Target, made_up: Option<Vec<Bytes>>) -> Vec<Bytes> {
    let authority = target.url.authority().map(ToString::to_string).unwrap_or_default();
    let described = async {
        let url = format!("http://{authority}/openapi.json").parse().ok()?;
        let asked = Target { url, bodies: Arc::new([]), ..target.clone() };
        let document = serde_json::from_slice(&once(&asked).await.ok()?).ok()?;
        bodies::of_description(&document, target.url.path())
    };
    match (made_up, described.await) {
        (Some(made_up), _) => made_up,
        (None, Some(body)) => {
            output::note(format!("posting {} as the server's OpenAPI document describes", shortened(&body)));
            vec![body]
        }
        (None, None) => Vec::new(),
    }
}

fn shortened(body: &Bytes) -> String {
    let text = String::from_utf8_lossy(body);
    if text.chars().count() > 80 { text.chars().take(80).chain(['…']).collect() } else { text.into_owned() }
}

/// Serves a model inside of this process, on a runtime of its own.
fn serve(path: &Path) -> Result<InProcess> {
    let config = inference::Config {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        drain: Duration::ZERO,
        ..inference::Config::new(path.to_owned())
    };
    let model = engine::Model::open(path)?;
    output::note(format!("serving `{}` ({}) in this process", model.name(), model.kind()));
    let server = inference::Server::with_model(config, &model)?;
    let url = format!("http://{}{PREDICT}", server.address());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::Builder::new().name("serve".to_owned()).spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.thread_name("serve").worker_threads(2).enable_all().build();
        let served = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
            let stopped = async { drop(stopped.await) };
            runtime.block_on(server.run(stopped)).map_err(anyhow::Error::from)
        });
        served.unwrap_or_else(|error| output::error(&error));
    });
    let thread = thread.context("failed to start a thread")?;
    Ok(InProcess { stop: Some(stop), thread: Some(thread), url, bodies: bodies::of_model(&model) })
}

#[expect(clippy::cast_precision_loss, reason = "a count of requests")]
fn float(count: u64) -> f64 {
    count as f64
}

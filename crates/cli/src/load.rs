//! `load`: sends requests over kept and over fresh connections, and counts every answer.

mod connection;
mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use cluster::HostNetwork;
use http::Uri;
use tokio::task::JoinSet;

pub(crate) use tally::Tally;

use crate::args::Load as Args;
use crate::output;
use connection::Connection;

/// What to send, where, and how fast.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// `http://127.0.0.1:8080/api/v1/predict`
    pub(crate) url: Uri,
    /// The `Host` header, where it differs from the address.
    pub(crate) host: Option<String>,
    /// Bodies to post in turn, as JSON; a GET when there are none.
    pub(crate) bodies: Arc<[Bytes]>,
    /// Connections kept open; as many again are opened afresh for each request.
    pub(crate) connections: usize,
    /// None is kept.
    pub(crate) fresh: bool,
    /// Requests per second in all; as fast as the answers come when `None`.
    pub(crate) rate: Option<f64>,
    /// How long an answer may take before it counts as failed.
    pub(crate) timeout: Duration,
    /// Resolves names and connects.
    pub(crate) network: HostNetwork,
}

/// Requests under way in the background.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    workers: JoinSet<Tally>,
    tally: Arc<tally::Live>,
}

impl Load {
    /// Starts sending.
    pub(crate) fn start(target: &Target) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tally = Arc::new(tally::Live::default());
        let count = target.connections.max(1) * 2;
        #[expect(clippy::cast_precision_loss, reason = "a handful of connections")]
        let pause = target.rate.map(|rate| Duration::from_secs_f64(count as f64 / rate.max(0.001)));
        let mut workers = JoinSet::new();
        for number in 0..count {
            let worker = Worker {
                target: target.clone(),
                is_kept: number % 2 == 0 && !target.fresh,
                pause,
                stop: stop.clone(),
                live: tally.clone(),
                turn: number,
            };
            workers.spawn(worker.run());
        }
        Self { stop, workers, tally }
    }

    /// Requests answered and failed so far.
    pub(crate) fn so_far(&self) -> (u64, u64) {
        self.tally.read()
    }

    /// Lets the requests under way finish, and counts.
    pub(crate) async fn finish(mut self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut total = Tally::default();
        while let Some(part) = self.workers.join_next().await {
            if let Ok(part) = part {
                total.add(part);
            }
        }
        total
    }
}

struct Worker {
    target: Target,
    is_kept: bool,
    pause: Option<Duration>,
    stop: Arc<AtomicBool>,
    live: Arc<tally::Live>,
    turn: usize,
}

impl Worker {
    async fn run(mut self) -> Tally {
        let mut tally = Tally::default();
        let mut connection = None;
        let mut next = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            if let Some(pause) = self.pause {
                tokio::time::sleep_until(next.into()).await;
                // A slow answer must not be made up for by a burst.
                next = (next + pause).max(Instant::now());
            }
            let started = Instant::now();
            let sent = tokio::time::timeout(self.target.timeout, self.send(&mut connection)).await;
            let outcome =
                sent.unwrap_or_else(|_| Err(format!("no answer in {}", output::span(self.target.timeout))));
            self.live.count(outcome.is_ok());
            if outcome.is_err() || !self.is_kept {
                connection = None;
            }
            tally.record(started.elapsed(), outcome);
        }
        tally
    }

    /// Sends one request; the error says in words what went wrong.
    async fn send(&mut self, connection: &mut Option<Connection>) -> Result<Bytes, String> {
        // The server may close a kept connection between requests: that is no failure, a new one is opened.
        let is_open = match connection {
            Some(kept) => kept.is_open().await,
            None => false,
        };
        let mut ready = match connection.take().filter(|_| is_open) {
            Some(kept) => kept,
            None => Connection::open(&self.target).await?,
        };
        self.turn += 1;
        let body = match self.target.bodies.as_ref() {
            [] => None,
            bodies => Some(bodies[self.turn % bodies.len()].clone()),
        };
        let answer = ready.send(&self.target, body).await?;
        *connection = Some(ready);
        Ok(answer)
    }
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

/// Sends requests for a while and prints the count.
pub(crate) fn run(args: &Args) -> Result<()> {
    let target = Target {
        url: args.url.parse().with_context(|| format!("`{}` is no URL", args.url))?,
        host: args.host.clone(),
        bodies: args.data.iter().map(|text| Bytes::from(text.clone())).collect(),
        connections: args.connections,
        fresh: args.fresh,
        rate: args.rate,
        timeout: Duration::from_secs(10),
        network: HostNetwork::spawn().context("failed to start a thread")?,
    };
    if target.url.scheme_str() != Some("http") || target.url.host().is_none() {
        bail!("`{}` is no URL to send to: use `http://host:port/path`", args.url);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start threads")?;
    let tally = runtime.block_on(async {
        let stop = cluster::stop_signal()?;
        let load = Load::start(&target);
        tokio::select! {
            () = tokio::time::sleep(args.duration) => {}
            () = stop => {}
        }
        anyhow::Ok(load.finish().await)
    })?;
    for line in tally.lines() {
        output::data(line);
    }
    if tally.failed() > 0 {
        bail!("{} of {} requests failed", tally.failed(), tally.total());
    }
    Ok(())
}

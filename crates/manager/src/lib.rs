//! Drives the deciders: observes through the caches, lets them decide, carries out what they
//! plan, records what happened. The same against the embedded cluster and any other Kubernetes.
//!
//! In reading order:
//! - [`Config`], [`run`]: what is set, and the whole
//! - `kinds`: the kinds there are, each with its cache
//! - `queue`, `drive`: which key is worked on when
//! - `date`: since when the machine's date has run evenly
//! - `execute`: carries a plan out
//! - `schedule`: binds pods to nodes
//! - `autoscale`: sizes workloads by what they use
//! - `inventory`: the kinds the API serves, whatever they are
//! - `collect`: deletes what nobody owns any more, empties namespaces that are to go, counts for quotas
//!
//! It decides nothing itself, polls nothing, and writes no files.

mod autoscale;
mod collect;
mod date;
mod drive;
mod execute;
mod inventory;
mod kinds;
mod queue;
mod schedule;

use std::sync::Arc;

use client::{Caches, Recorder};
pub use controllers::Settings;
use tokio::task::JoinSet;

use crate::execute::Executor;

/// What is set for one manager.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the cluster's administrator has set.
    pub settings: Settings,
    /// Whether to bind pods to nodes. Off where another scheduler does.
    pub schedules: bool,
}

impl Default for Config {
    fn default() -> Self {
        let zone = |name: &str| jiff::tz::TimeZone::get(name).ok();
        Self { settings: Settings { zone, ..Settings::default() }, schedules: true }
    }
}

/// Runs every controller until `shutdown` resolves. Work under way is then dropped: every
/// decision follows from the state, so the next run goes on where this one stopped.
pub async fn run(
    config: Config,
    client: kube::Client,
    caches: Caches,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut tasks = JoinSet::new();
    let recorder = Recorder::new(client.clone(), "", "");
    let kinds = Arc::new(kinds::Kinds::new(&caches));
    let settings = Arc::new(config.settings);
    let executor = |name: &str| Executor::new(client.clone(), kinds.clone(), recorder.named(name));
    for controller in controllers::all() {
        let executor = executor(controller.name);
        drive::start(&mut tasks, controller, &kinds, executor, settings.clone());
    }
    if config.schedules {
        tasks.spawn(schedule::run(caches.clone(), executor("default-scheduler")));
    }
    tasks.spawn(autoscale::run(client.clone(), caches.clone(), executor("horizontal-pod-autoscaler")));
    let collector = executor("garbage-collector-controller");
    tasks.spawn(collect::run(client.clone(), caches.clone(), kinds.clone(), collector));
    tokio::select! {
        () = shutdown => {}
        () = watch_over(&mut tasks) => {}
    }
    tasks.shutdown().await;
}

/// Waits for the tasks, which never end by themselves: one that does has panicked, and says so.
async fn watch_over(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a controller has failed");
        }
    }
    std::future::pending::<()>().await;
}

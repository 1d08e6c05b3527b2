//! One cluster in one process, from the claim on its folder to the last pod's end.
//!
//! The order matters, and each step is undone when a later one fails: claim the folder, bind the host's
//! listeners, make the keys, enter the namespaces (single-threaded), start the threads, build, serve, drain.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use network::machine::{self, Machine};

use crate::Home;
use crate::advice::Advice;
use crate::build::{self, Parts};
use crate::capacity::Capacity;
use crate::kubeconfig;
use crate::lifecycle::forget;
use crate::pki::Pki;
use crate::record::{Claim, ClusterFolder, ProcessId, Record};
use crate::settings::{Listeners, Ready, Settings};

/// More threads than this bring nothing: the control plane of one machine is not that busy.
const THREAD_LIMIT: usize = 4;

/// Runs a cluster until SIGTERM or SIGINT, then stops its pods.
///
/// Call it before any thread exists. `on_ready` is called once every node is ready and the kubeconfig is
/// written.
///
/// # Errors
/// When the cluster is up already, or a step of the start fails; what was begun is then undone.
pub fn run(home: &Home, settings: &Settings, on_ready: &mut dyn FnMut(&Ready)) -> Result<()> {
    let capacity = Capacity::of_each_node(settings)?;
    let folder = ClusterFolder::new(home.cluster(&settings.name)?);
    let is_new = !folder.exists();
    let Some(_claim) = claim(&folder)? else {
        return Err(Advice::error(
            format!("cluster `{}` is up already", settings.name),
            "`pinnace status` shows it, `pinnace down` stops it, `--name` starts another beside it",
        ));
    };
    let started = Listeners::bind(settings).and_then(|listeners| {
        start_log(&folder)?;
        Ok((listeners, Pki::load_or_create(&folder.pki())?))
    });
    let (listeners, pki) = match started {
        Ok(started) => started,
        Err(error) => {
            if is_new {
                // Nothing of this cluster is worth keeping yet.
                let _ = std::fs::remove_dir_all(folder.path());
            }
            return Err(error);
        }
    };
    let earlier = folder.record()?;
    let holder = earlier.as_ref().and_then(|record| record.holder).filter(|holder| holder.is_alive());
    let machine = enter(&folder, holder.map(|holder| holder.pid))?;
    let mut record = new_record(settings, &machine, earlier.as_ref())?;
    // From here on `down` finds the holder, whatever happens to this process.
    folder.write_record(&record)?;
    let (holder, is_joined) = (machine.holder, machine.joined);
    let parts = Parts { home, settings, folder: &folder, pki: &pki, listeners, machine, capacity };
    let served = tokio_runtime()?.block_on(build::serve(parts, |ready| {
        let previous = kubeconfig::merge(&settings.kubeconfig, &settings.name, settings.api_port, &pki)?;
        record.previous_context = previous.or(record.previous_context.take());
        folder.write_record(&record)?;
        on_ready(ready);
        Ok(())
    }));
    if is_joined && served.is_err() {
        // Pods of an earlier main process run on: the next `up` or `down` finds them as this one did.
        return served;
    }
    let stopped = stop_holder(&folder, holder);
    let forgotten = forget(&settings.name, &folder, &record);
    served.and(stopped).and(forgotten)
}

/// Claims the folder. The kernel takes a moment to bury a killed process, and its claim with it: that is waited for.
fn claim(folder: &ClusterFolder) -> Result<Option<Claim>> {
    const BURIAL: Duration = Duration::from_secs(2);
    let deadline = Instant::now() + BURIAL;
    loop {
        let claim = folder.claim()?;
        let is_dead = || folder.record().ok().flatten().is_some_and(|record| !record.main.is_alive());
        if claim.is_some() || Instant::now() > deadline || !is_dead() {
            return Ok(claim);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Enters the namespaces of the holder that an earlier main process left, or new ones.
pub(crate) fn enter(folder: &ClusterFolder, join: Option<i32>) -> Result<Machine> {
    let options = machine::Options { name: folder.name().to_owned(), join, ..machine::Options::default() };
    machine::enter(options).map_err(|error| match error.hint() {
        Some(hint) => Advice::because(error, "failed to enter the cluster's namespaces", hint),
        None => anyhow::Error::new(error).context("failed to enter the cluster's namespaces"),
    })
}

/// Ends the process that keeps the cluster's namespaces.
pub(crate) fn stop_holder(folder: &ClusterFolder, holder: i32) -> Result<()> {
    machine::stop_holder(holder, folder.name()).context("failed to end the cluster's holder process")
}

fn new_record(settings: &Settings, machine: &Machine, earlier: Option<&Record>) -> Result<Record> {
    let process = |pid: i32| ProcessId::of(pid).with_context(|| format!("process {pid} is gone"));
    let own = i32::try_from(std::process::id()).context("our process number is out of range")?;
    Ok(Record {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        main: process(own)?,
        holder: Some(process(machine.holder)?),
        nodes: settings.nodes,
        api_port: settings.api_port,
        http_port: settings.http_port,
        https_port: settings.https_port,
        kubeconfig: settings.kubeconfig.clone(),
        previous_context: earlier.and_then(|record| record.previous_context.clone()),
    })
}

/// Sends the servers' log to the cluster's folder. Kept from one start to the next, one predecessor besides.
fn start_log(folder: &ClusterFolder) -> Result<()> {
    /// A log longer than this is set aside at the next start.
    const LOG_LIMIT: u64 = 10 << 20;
    let path = folder.log();
    if std::fs::metadata(&path).is_ok_and(|log| log.len() > LOG_LIMIT) {
        let _ = std::fs::rename(&path, path.with_extension("log.old"));
    }
    let log = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("failed to open `{}`", path.display()))?;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,kube_client=warn,kube_runtime=warn"));
    // A second call in one process (a test) keeps the first log.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Mutex::new(log))
        .with_ansi(false)
        .try_init();
    Ok(())
}

/// The runtime of every command that talks to a cluster.
pub(crate) fn tokio_runtime() -> Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(THREAD_LIMIT))
        .enable_all()
        .build()
        .context("failed to start threads")
}

/// Where the run-time state of nodes is, one folder each.
pub(crate) const NODES_FOLDER: &str = "/run/pinnace/nodes";

/// Where containers of a node run. The same for every main process, so that each finds the others' pods.
pub(crate) fn runtime_config(folder: &ClusterFolder, machine: &Machine, node: &str) -> container::Config {
    container::Config {
        run_dir: PathBuf::from(NODES_FOLDER).join(node).join("pods"),
        executable: PathBuf::from("/proc/self/exe"),
        rootless: machine.rootless,
        cgroup_parent: Some(format!("/pinnace/{}", folder.name())),
        scratch_dir: Some(folder.node(node).join("scratch")),
    }
}

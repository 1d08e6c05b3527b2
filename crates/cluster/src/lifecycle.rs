//! What other commands do with a cluster that runs, or ran: look, stop, clean up.

use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use container::Runtime;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Home;
use crate::advice::Advice;
use crate::kubeconfig;
use crate::record::{ClusterFolder, Record};
use crate::run::{NODES_FOLDER, runtime_config, tokio_runtime};

/// Longest wait for a main process to stop its pods: their grace periods are cut to less.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// How a cluster stands.
#[derive(Debug, Clone)]
pub enum Standing {
    /// Its main process runs.
    Up(Record),
    /// Its main process was killed; pods run on.
    Orphaned(Record),
    /// Nothing of it runs.
    Down,
}

/// What [`stop`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// A running cluster.
    Running,
    /// Pods, or a context, that a killed main process left.
    Remains,
    /// Nothing.
    Nothing,
}

/// Tells how a cluster stands.
///
/// # Errors
/// When the name is invalid or the cluster's record is damaged.
pub fn standing(home: &Home, name: &str) -> Result<Standing> {
    let folder = ClusterFolder::new(home.cluster(name)?);
    let Some(record) = folder.record()? else { return Ok(Standing::Down) };
    if folder.is_running() {
        return Ok(Standing::Up(record));
    }
    let has_holder = record.holder.is_some_and(crate::record::ProcessId::is_alive);
    Ok(if has_holder { Standing::Orphaned(record) } else { Standing::Down })
}

/// True when the cluster keeps anything on disk.
///
/// # Errors
/// When the name is invalid.
pub fn exists(home: &Home, name: &str) -> Result<bool> {
    Ok(ClusterFolder::new(home.cluster(name)?).exists())
}

/// Removes all that a stopped cluster keeps.
///
/// # Errors
/// When it runs or a file can't be removed.
pub fn purge(home: &Home, name: &str) -> Result<()> {
    ClusterFolder::new(home.cluster(name)?).purge()
}

/// Stops a cluster: its pods, its processes, its context in the kubeconfig. Its state stays.
///
/// # Errors
/// When the main process does not end, or what a killed one left can't be cleaned up.
pub fn stop(home: &Home, name: &str) -> Result<Stopped> {
    let folder = ClusterFolder::new(home.cluster(name)?);
    let Some(record) = folder.record()? else { return Ok(Stopped::Nothing) };
    let was_running = folder.is_running();
    if was_running {
        stop_main(&folder, &record)?;
    }
    // A main process that was told to stop takes its record along; one that was killed, just now perhaps, does not.
    let Some(record) = folder.record()? else { return Ok(Stopped::Running) };
    if let Some(holder) = record.holder.filter(|holder| holder.is_alive()) {
        let executable = std::env::current_exe().context("failed to find the running program")?;
        let status = Command::new(executable)
            .arg("__cleanup")
            .arg(holder.pid.to_string())
            .arg(folder.path())
            .status()
            .context("failed to start the clean-up")?;
        if !status.success() {
            bail!("failed to clean up after the cluster's main process");
        }
    }
    forget(name, &folder, &record)?;
    Ok(if was_running { Stopped::Running } else { Stopped::Remains })
}

/// Takes the context out of the kubeconfig and the record out of the folder.
pub(crate) fn forget(name: &str, folder: &ClusterFolder, record: &Record) -> Result<()> {
    kubeconfig::remove(&record.kubeconfig, name, record.previous_context.as_deref())?;
    folder.remove_record()
}

fn stop_main(folder: &ClusterFolder, record: &Record) -> Result<()> {
    let main = record.main;
    if main.is_alive() {
        kill(Pid::from_raw(main.pid), Signal::SIGTERM).map_err(|error| {
            let message = format!("failed to stop process {}", main.pid);
            Advice::because(error, message, "run `pinnace down` as the user who ran `pinnace up`")
        })?;
    }
    let deadline = Instant::now() + STOP_PATIENCE;
    while folder.is_running() || main.is_alive() {
        if Instant::now() > deadline {
            return Err(Advice::error(
                format!("process {} did not stop in {} s", main.pid, STOP_PATIENCE.as_secs()),
                format!(
                    "`{}` tells what it does; `kill -9 {}` and `pinnace down` end it",
                    folder.log().display(),
                    main.pid
                ),
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Is the body of `pinnace __cleanup HOLDER FOLDER`: joins what a killed main process left, ends its pods
/// and its holder. A process of its own, because it must be single-threaded when it joins.
///
/// # Errors
/// When the namespaces can't be joined or a pod can't be ended.
pub fn cleanup_main(words: &[OsString]) -> Result<()> {
    let [holder, folder] = words else { bail!("`__cleanup` is for `pinnace down` alone") };
    let holder: i32 = holder.to_str().and_then(|text| text.parse().ok()).context("no process number")?;
    let folder = ClusterFolder::new(folder.into());
    let machine = crate::run::enter(&folder, Some(holder))?;
    tokio_runtime()?.block_on(end_pods(&folder, &machine))?;
    crate::run::stop_holder(&folder, holder)
}

/// Ends every pod of every node.
async fn end_pods(folder: &ClusterFolder, machine: &network::machine::Machine) -> Result<()> {
    let Ok(nodes) = std::fs::read_dir(NODES_FOLDER) else { return Ok(()) };
    for node in nodes.flatten() {
        let runtime = Runtime::new(runtime_config(folder, machine, &node.file_name().to_string_lossy()))?;
        for sandbox in runtime.adopt().await {
            sandbox.destroy().await?;
        }
        runtime.dismantle().await;
    }
    Ok(())
}

//! `up`: starts a cluster, in the foreground or in the background.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cluster::{Home, Ready, Settings};

use crate::args::Up;
use crate::output;

/// What the process in the background says to its parent when the cluster is ready.
const READY: &str = "pinnace-ready";

/// Starts a cluster.
pub(crate) fn run(args: &Up) -> Result<()> {
    if args.detach { detach(args) } else { run_here(args) }
}

fn run_here(args: &Up) -> Result<()> {
    let started = Instant::now();
    let home = Home::find()?;
    let settings = settings(args)?;
    if !args.report_ready {
        crate::model::init_log();
    }
    cluster::run(&home, &settings, &mut |ready| {
        announce(args, ready, started);
        if args.report_ready {
            report_ready();
        } else {
            output::note("press Ctrl-C to stop the cluster; `-d` would have sent it to the background");
        }
    })
}

fn settings(args: &Up) -> Result<Settings> {
    Ok(Settings {
        name: args.name.clone(),
        nodes: args.nodes,
        node_cpu: args.node_cpu.clone(),
        node_memory: args.node_memory.clone(),
        pids_limit: args.pids_limit,
        api_port: args.api_port,
        http_port: args.http_port,
        https_port: args.https_port,
        kubeconfig: cluster::kubeconfig::default_path()?,
    })
}

fn announce(args: &Up, ready: &Ready, started: Instant) {
    let nodes = if args.nodes == 1 { "1 node".to_owned() } else { format!("{} nodes", args.nodes) };
    output::note(format!(
        "cluster `{}` is ready: {nodes}, in {}",
        args.name,
        output::span(started.elapsed())
    ));
    if ready.adopted_pods > 0 {
        output::note(format!("  adopted  {} running pods", ready.adopted_pods));
    }
    output::note(format!(
        "  API      https://127.0.0.1:{} (context `{}` is current)",
        args.api_port, ready.context
    ));
    output::note(format!(
        "  Ingress  http://127.0.0.1:{}, https://127.0.0.1:{}",
        args.http_port, args.https_port
    ));
    for warning in &ready.warnings {
        output::note(format!("  note     {warning}"));
    }
}

/// Says to the parent that the cluster is ready, and lets go of the terminal.
fn report_ready() {
    let _ = writeln!(std::io::stderr(), "{READY}");
    if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stderr(null);
    }
}

/// Starts the same command in the background and waits until its cluster is ready.
fn detach(args: &Up) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let executable = std::env::current_exe().context("failed to find the running program")?;
    let words = std::env::args_os().skip(1).filter(|word| word != "-d" && word != "--detach");
    let mut child = Command::new(executable)
        .args(words)
        .arg("--report-ready")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("failed to start the cluster's process")?;
    let Some(stderr) = child.stderr.take() else { bail!("the cluster's process has no output") };
    for line in BufReader::new(stderr).lines() {
        let line = line.context("failed to read from the cluster's process")?;
        if line == READY {
            output::note(format!("stop it with `pinnace down{}`", name_flag(&args.name)));
            return Ok(());
        }
        output::note(line);
    }
    let status = child.wait().context("failed to wait for the cluster's process")?;
    // It has told why.
    std::process::exit(status.code().unwrap_or(2));
}

/// ` --name x`, or nothing for the cluster with the usual name.
pub(crate) fn name_flag(name: &str) -> String {
    if name == "pinnace" { String::new() } else { format!(" --name {name}") }
}

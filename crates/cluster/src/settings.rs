//! What `up` is told, and what it tells when it is done.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::advice::Advice;

/// How to run a cluster: plain data.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// Number of nodes, 1 to [`crate::addresses::NODE_LIMIT`].
    pub nodes: u32,
    /// CPU each node offers, a quantity; the machine's when absent.
    pub node_cpu: Option<String>,
    /// Memory each node offers, a quantity; the machine's when absent.
    pub node_memory: Option<String>,
    /// How many processes and threads a container may have.
    pub pids_limit: u64,
    /// Host port of the API.
    pub api_port: u16,
    /// Host port of the Ingress, HTTP.
    pub http_port: u16,
    /// Host port of the Ingress, HTTPS.
    pub https_port: u16,
    /// The kubeconfig to add the context to.
    pub kubeconfig: PathBuf,
}

/// What there is to tell once the cluster is ready.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The context in the kubeconfig.
    pub context: String,
    /// Pods that ran on from an earlier main process.
    pub adopted_pods: usize,
    /// What does not hold on this machine, in words.
    pub warnings: Vec<String>,
}

/// The sockets on the host, bound before anything else so that a taken port stops `up` early.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) api: TcpListener,
    pub(crate) http: TcpListener,
    pub(crate) https: TcpListener,
}

impl Listeners {
    pub(crate) fn bind(settings: &Settings) -> Result<Self> {
        Ok(Self {
            api: bind(settings.api_port, "api-port")?,
            http: bind(settings.http_port, "http-port")?,
            https: bind(settings.https_port, "https-port")?,
        })
    }
}

/// Only the loopback: a cluster on a laptop is nobody else's business.
fn bind(port: u16, flag: &str) -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        let message = format!("failed to listen on 127.0.0.1:{port}");
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("the port is in use: free it, or choose another with `--{flag}`")
            }
            std::io::ErrorKind::PermissionDenied => {
                format!("ports below 1024 are for root: choose another with `--{flag}`")
            }
            _ => format!("choose another port with `--{flag}`"),
        };
        Advice::because(error, message, hint)
    })?;
    listener.set_nonblocking(true).context("failed to prepare a listener")?;
    Ok(listener)
}

//! The model server: one model behind HTTP, with probes and metrics.
//!
//! Config (plain data) -> build (opens the model, reserves the port) -> run -> drain.
//! It never touches the control plane, prints nothing (it logs by `tracing`), writes no file.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Config {
    /// The model file.
    pub model_path: PathBuf,
    /// The application's version, as `GET /api/v1/version` tells it.
    pub version: String,
    /// The address to listen on.
    pub address: IpAddr,
    /// The port to listen on; 0 picks a free one.
    pub port: u16,
    /// How long the server refuses connections at first, to try out a slow start.
    pub startup_delay: Duration,
    /// How long after the start readiness and health begin to answer 500, to try out probes.
    pub fail_after: Option<Duration>,
    /// How long the server goes on accepting after it was told to stop, so that whoever routes
    /// to it has time to notice; requests in flight are always finished.
    pub drain: Duration,
    /// The largest request body in bytes.
    pub max_body: usize,
    /// The largest number of requests under way; more are answered 503 at once.
    pub max_concurrent: usize,
    /// How long a request's head or body may take to arrive.
    pub read_timeout: Duration,
}

impl Config {
    /// The defaults: all interfaces, port 8000, bodies up to 1 MiB.
    pub fn new(model_path: PathBuf) -> Self {
        Config {
            model_path,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 8000,
            startup_delay: Duration::ZERO,
            fail_after: None,
            drain: Duration::from_secs(2),
            max_body: 1 << 20,
            max_concurrent: 256,
            read_timeout: Duration::from_secs(10),
        }
    }
}

/// Why a server could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The model could not be opened.
    #[error("failed to load the model to serve")]
    Model(#[source] engine::OpenError),
    /// The port is taken or not allowed.
    #[error("failed to reserve `{address}`")]
    Reserve {
        /// The address asked for.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Why a server stopped other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Listening failed.
    #[error("failed to listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// A server with its model loaded and its port reserved, not yet listening.
pub struct Server {
    address: SocketAddr,
}

impl Server {
    /// Opens the model and reserves the port.
    ///
    /// # Errors
    /// When the model cannot be opened or the port is taken.
    pub fn build(config: Config) -> Result<Self, BuildError> {
        unimplemented!("{config:?}")
    }

    /// The address reserved.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The model being served.
    pub fn model(&self) -> &engine::Model {
        unimplemented!()
    }

    /// Serves until `shutdown` resolves, then drains: finishes what is under way and returns.
    ///
    /// # Errors
    /// When listening fails.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), RunError> {
        shutdown.await;
        unimplemented!()
    }
}

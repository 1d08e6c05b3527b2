//! How to serve, as plain data.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::source::SourceConfig;
use crate::telemetry::Telemetry;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Config {
    /// The model file, an MLflow folder, or a folder of models and versions.
    pub model_path: PathBuf,
    /// The application's version, as `GET /api/v1/version` tells it.
    pub version: String,
    /// The address to listen on.
    pub address: IpAddr,
    /// The port to listen on; 0 picks a free one.
    pub port: u16,
    /// How long the server refuses connections at first, to try out a slow start: a program that
    /// is still fetching its model has not opened its port, so probes see a refused connection.
    pub startup_delay: Duration,
    /// How long after the port opened readiness and health begin to answer 500, to try out
    /// probes. Predictions go on: traffic stops because the probes stop it.
    pub fail_after: Option<Duration>,
    /// How long the server goes on accepting after it was told to stop, so that whoever routes
    /// to it has time to notice. Readiness answers 503 and HTTP/1 connections are closed after
    /// their next answer meanwhile; requests under way are always finished.
    pub drain: Duration,
    /// What bounds requests.
    pub limits: Limits,
    /// How often the model's files are looked at for changes; `None`: never.
    pub poll: Option<Duration>,
    /// What is told of requests, and to whom.
    pub telemetry: Telemetry,
    /// What to log, in the language of `RUST_LOG`: whoever composes the program applies it.
    pub log: String,
    /// How a model that is elsewhere is fetched.
    pub source: SourceConfig,
}

/// What bounds requests; every one of them is there so that strangers cannot take what others need.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest request body in bytes, unpacked.
    pub max_body: usize,
    /// The most rows of one request.
    pub max_rows: usize,
    /// The most requests for predictions under way; more are answered 429 at once.
    pub max_concurrent: usize,
    /// The most requests that wait for a worker thread.
    pub max_queue: usize,
    /// The most open connections; more wait in the kernel's backlog.
    pub max_connections: usize,
    /// How long a request's head or body may take to arrive.
    pub read_timeout: Duration,
    /// How long a prediction may take, waiting included; what is not done by then is answered 504.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            // a thousand rows of a hundred numbers, with room
            max_body: 8 << 20,
            max_rows: 100_000,
            // each may hold a body: 256 KiB with usual texts
            max_concurrent: 256,
            // a queue longer than the threads can work off in a second or so only adds waiting
            max_queue: 1024,
            // each costs about 10 KiB
            max_connections: 16_384,
            read_timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// The defaults: all interfaces, port 8000, bodies up to 8 MiB, a drain of two seconds.
    pub fn new(model_path: PathBuf) -> Self {
        Config {
            model_path,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 8000,
            startup_delay: Duration::ZERO,
            fail_after: None,
            // endpoint changes reach usual proxies within a second
            drain: Duration::from_secs(2),
            limits: Limits::default(),
            poll: Some(Duration::from_secs(1)),
            telemetry: Telemetry::default(),
            log: "warn,inference::source=info".to_owned(),
            source: SourceConfig::default(),
        }
    }
}

//! Where models come from: files, web servers, buckets, registries; brought into a folder on this machine.
//!
//! In reading order: [`location`] is an address, parsed once; [`origin`] is what every kind of store can do, [`http`]
//! and [`bucket`] are two kinds, others are given by whoever composes the program; [`fetch`] brings a file here:
//! bounded, verified, tried again and resumed; [`sink`] is where its bytes go, [`cache`] where they stay;
//! [`progress`] tells how far it is, for the log and for whoever asks for readiness.
//!
//! It writes below the cache's folder only. Without one that takes a file, the model is held in memory: a full or
//! read-only disk does not keep a server from its model.

mod bucket;
mod cache;
mod fetch;
mod http;
mod location;
mod origin;
mod progress;
mod sink;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use fetch::{FetchError, Fetched, Fetcher};
pub use location::{Location, LocationError, Sha256};
pub use origin::{BoxFuture, ByteStream, Entry, Opened, Origin, OriginError, Part};
pub use progress::Progress;

/// How to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceConfig {
    /// The SHA-256 that the model's file must have, as 64 hexadecimal digits.
    pub sha256: Option<Sha256>,
    /// The most bytes of one file.
    pub max_bytes: usize,
    /// Where files stay; none holds them in memory.
    pub cache: Option<PathBuf>,
    /// A store that sends nothing for so long is asked again.
    pub stall: Duration,
    /// How long to try without any progress before giving up; without it, for ever.
    pub give_up: Option<Duration>,
    /// Settings of buckets as `key=value` beside what the environment says, such as `aws_endpoint=http://minio:9000`.
    pub options: Vec<String>,
    /// What a web server is sent as `Authorization`.
    pub authorization: Option<String>,
}

impl Default for SourceConfig {
    fn default() -> Self {
        SourceConfig {
            sha256: None,
            // more than any model of these kinds, less than what a node's disk takes
            max_bytes: 8 << 30,
            cache: default_cache(),
            stall: Duration::from_secs(20),
            give_up: None,
            options: Vec::new(),
            authorization: None,
        }
    }
}

/// `$XDG_CACHE_HOME/pinnace/models`, else `~/.cache/pinnace/models`.
fn default_cache() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // `/` is the home of users that have none
    let home = absolute("HOME").filter(|home| home.parent().is_some()).map(|home| home.join(".cache"));
    Some(absolute("XDG_CACHE_HOME").or(home)?.join("pinnace/models"))
}

/// Opens a location of a scheme that this crate does not know itself, such as `oci`.
pub type OpenOrigin = Arc<dyn Fn(&str) -> Result<Arc<dyn Origin>, OriginError> + Send + Sync>;

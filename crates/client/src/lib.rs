//! Access to a Kubernetes API, the embedded one or somebody else's: a client, shared watch
//! caches and an event recorder.
//!
//! In reading order:
//! - [`connect`]: a [`kube::Client`] over HTTPS or straight into a service of this process
//! - [`key`]: what names an object within its kind
//! - [`cache`]: what a process knows of one kind, and how it learns of changes
//! - [`subscription`]: the changes of one cache, as one listener takes them
//! - [`caches`]: one cache per kind per process
//! - [`recorder`]: events (`kubectl describe` shows them), aggregated and counted
//!
//! It never reads the store, never decides anything, and writes no files.

pub mod cache;
pub mod caches;
pub mod connect;
mod feed;
pub mod key;
pub mod recorder;
pub mod subscription;

pub use cache::{Cache, Kept};
pub use caches::{Caches, Metadata};
pub use connect::{ConnectError, from_kubeconfig, in_process};
pub use key::Key;
pub use recorder::{EventType, Recorder};
pub use subscription::{Change, Notice, Subscription};

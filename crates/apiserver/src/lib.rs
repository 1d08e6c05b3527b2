//! Serves the Kubernetes API over the store: generic verbs over the resource table.
//!
//! Modules, in reading order: [`config`] (plain data in), [`identity`] (who asks), [`streams`] (what
//! the node side must offer for logs, exec and port-forward), [`server`] (the handle: build, serve,
//! call in process).
//!
//! It never runs a controller and never touches a node: it checks, admits, stores, lists and streams.
//! It writes no files of its own; everything it keeps goes through the store.

pub mod config;
pub mod identity;
pub mod server;
pub mod streams;

pub use config::{BuildError, Config};
pub use identity::Identity;
pub use server::{ApiServer, Body, Service};
pub use streams::NodeStreams;

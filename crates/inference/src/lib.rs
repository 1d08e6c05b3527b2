//! The model server: models behind HTTP, in every protocol that clients of model servers speak.
//!
//! In reading order:
//! - [`Config`] is plain data; [`Server::build`] opens models and reserves the port, [`Server::run`] serves, then drains.
//! - [`repository`]: a folder or a file becomes named models with versions ([`Served`]), a default version, aliases,
//!   weights and a shadow; they are replaced while requests go on.
//! - The neutral middle, which knows no protocol: [`Signature`] (what a model takes and gives), [`Rows`] (what a
//!   request brings), [`Core`] (chooses a version, predicts, bounds, tells the observers), [`Reply`] (what comes out),
//!   [`Refusal`] (what is wrong, in which field, what was expected).
//! - [`Observer`]: the one place where metrics, drift, logs and traces look on.
//! - `wire`: bytes of JSON, CSV and their like to rows and back, by the signature; `routes`: one table of paths, one
//!   module per protocol; `problem`: refusals as problem documents (RFC 9457).
//! - [`settings`]: one table of settings, from flags, environment and file; [`source`]: fetches models that are
//!   elsewhere. Neither is joined to the server yet.
//! - `health` knows what the probes say, `body` takes in what strangers send. `metrics` counts and watches drift,
//!   `telemetry` follows requests: trace contexts, spans, the access log, the prediction log.
//!
//! A protocol's module does three things: choose a model by its name ([`Core::choose`]), make [`Rows`] of what came by
//! that model's signature, and write the [`Reply`] of [`Core::predict`] in its own words.
//!
//! The crate never touches the control plane, prints nothing (it logs by `tracing`), writes no file but
//! the prediction log, where one is asked for, and what [`source`] fetches.

pub mod repository;
pub mod settings;
pub mod source;

mod body;
mod config;
mod core;
mod health;
mod metrics;
mod observer;
mod problem;
mod refusal;
mod reply;
mod routes;
mod rows;
mod server;
mod signature;
mod telemetry;
mod watched;
mod wire;

pub use self::core::{Call, Core, Place};
pub use config::{Config, Limits};
pub use observer::{Answered, Observer, Predicted, Protocol};
pub use refusal::{Refusal, RefusalKind};
pub use reply::{Reply, Timing};
pub use repository::{LoadError, Repository, Served, Target};
pub use rows::Rows;
pub use server::{BuildError, RunError, Server};
pub use signature::{Column, ColumnKind, Output, Signature};
pub use telemetry::{
    AccessLog, EndpointError, JournalConfig, JournalError, JournalSink, SpanConfig, Telemetry,
};

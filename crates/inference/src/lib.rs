//! The model server: one model behind HTTP, with probes and metrics.
//!
//! In reading order: [`Config`] (plain data) -> [`Server::build`] (opens the model, reserves the
//! port) -> [`Server::run`] -> drain; `routes` answers a request, `predict` speaks the JSON of
//! `/api/v1/predict`, `body` takes in what strangers send, `health` knows what the probes say,
//! `metrics` counts.
//!
//! It never touches the control plane, prints nothing (it logs by `tracing`), writes no file.

mod body;
mod config;
mod health;
mod metrics;
mod predict;
mod routes;
mod server;

pub use config::Config;
pub use server::{BuildError, RunError, Server};

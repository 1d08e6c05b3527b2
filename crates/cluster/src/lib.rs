//! Wires the servers into one process: config -> build -> running cluster -> drain.
//!
//! In reading order:
//! - [`home`]: where everything lives on disk; [`record`]: what a running cluster leaves in its folder for
//!   other commands; [`addresses`]: the address plan inside.
//! - [`pki`], [`kubeconfig`]: the cluster's certificates, and the user's context.
//! - [`settings`], `capacity`: what `up` is told; `run`: the start order; `build`, `bootstrap`,
//!   `nodes`, [`registry`], `streams`, `meter`, `scrape`, `sign`, `tls`: the wiring.
//! - [`lifecycle`], [`access`]: what `status`, `down` and other commands do with a cluster.
//!
//! Never prints, and holds no behaviour of its own: what a cluster does is in the crates it joins.
//! Writes `<home>/clusters/<name>/` and the user's kubeconfig.

pub mod access;
pub mod addresses;
pub mod advice;
mod bootstrap;
mod build;
mod capacity;
pub mod home;
pub mod kubeconfig;
pub mod lifecycle;
mod meter;
mod nodes;
pub mod pki;
pub mod record;
pub mod registry;
mod run;
mod scrape;
pub mod settings;
mod sign;
mod streams;
mod tls;

pub use access::{Overview, connect, overview, switch_node};
pub use advice::Advice;
pub use api::discovery::VERSION as KUBERNETES_VERSION;
pub use build::stop_signal;
pub use home::Home;
pub use lifecycle::{Standing, Stopped, cleanup_main, exists, purge, standing, stop};
pub use network::HostNetwork;
pub use network::machine::holder_main;
pub use run::run;
pub use settings::{Ready, Settings};

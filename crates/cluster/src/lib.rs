//! Wires the servers into one process: config -> build -> running cluster -> drain.
//!
//! In reading order:
//! - [`home`]: where everything lives on disk.
//! - [`record`]: what a running cluster leaves in its folder for other commands.
//! - [`pki`], [`kubeconfig`]: the cluster's certificates, and the user's context.
//! - [`addresses`]: the address plan inside.
//!
//! Never prints, and holds no behaviour of its own: what a cluster does is in the crates it joins.
//! Writes `<home>/clusters/<name>/` and, when told to, the user's kubeconfig.

pub mod addresses;
pub mod home;
pub mod kubeconfig;
pub mod pki;
pub mod record;

pub use home::Home;

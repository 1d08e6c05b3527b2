//! A simulated cluster, and the properties that every decider must have in it.
//!
//! In reading order:
//! - [`server`]: an API without a network: versions, preconditions, finalizers, grace
//! - [`observer`]: what a manager sees of it: late, and in any order between kinds
//! - [`machine`]: nodes that run pods, as far as their status tells
//! - [`cluster`]: the server, the controllers and the scheduler, one step at a time
//! - [`checks`]: what must hold at every step
//! - [`objects`]: builders of objects
//!
//! The controllers are the real ones, driven by the real table and seen through the real cache.
//! Everything follows from one seed. Nothing here is part of the product. It writes no files.

pub mod checks;
pub mod cluster;
pub mod machine;
pub mod objects;
pub mod observer;
pub mod server;

pub use cluster::{Cluster, Step};
pub use server::Server;

//! The controllers as pure deciders: from what was observed to what should be done.
//!
//! In reading order:
//! - [`kind`], [`view`], [`plan`], [`controller`]: the words a decider speaks in
//! - [`claim`], [`owner`], [`condition`], [`naming`], [`percent`], [`pods`], [`placement`],
//!   [`revisions`]: what deciders share
//! - one module per controller, each with its `reconcile`
//! - [`all`]: the table of all of them
//!
//! Nothing here does I/O, reads a clock or draws randomness: time, seeds and failures are
//! arguments. Every decision is level-triggered: it follows from the state, not from the event
//! that called for it. It writes no files.

pub mod claim;
pub mod condition;
pub mod controller;
pub mod kind;
pub mod naming;
pub mod owner;
pub mod percent;
pub mod placement;
pub mod plan;
pub mod pods;
pub mod revisions;
pub mod view;

pub mod autoscaler;
pub mod claim_protection;
pub mod cluster_role;
pub mod cron_job;
pub mod daemon_set;
pub mod deployment;
pub mod disruption;
pub mod endpoint_slice;
pub mod endpoints;
pub mod ephemeral_volume;
pub mod garbage;
pub mod job;
pub mod namespace;
pub mod node;
pub mod persistent_volume;
pub mod pod_garbage;
pub mod replica_set;
pub mod resource_quota;
pub mod root_ca;
pub mod service_account;
pub mod stateful_set;
pub mod taint_eviction;
pub mod volume_claim;

pub use controller::{Controller, Env, Settings, Watch};
pub use kind::{Kind, Known};
pub use plan::{Action, Create, Delete, Event, Part, Patch, Plan, Propagation, Target, Told, Waiting};
pub use view::{Key, Lister, View};

/// Returns every controller that looks at kinds known beforehand. [`garbage`] and [`namespace`]
/// look at all kinds there are, [`autoscaler`] at measurements: they are driven by themselves.
#[must_use]
pub fn all() -> Vec<Controller> {
    vec![
        deployment::controller(),
        replica_set::controller(),
        replica_set::replication_controller(),
        endpoint_slice::controller(),
        endpoints::controller(),
        service_account::controller(),
        root_ca::controller(),
        node::controller(),
        taint_eviction::controller(),
        pod_garbage::controller(),
        job::controller(),
        cron_job::controller(),
        daemon_set::controller(),
        stateful_set::controller(),
        disruption::controller(),
        volume_claim::controller(),
        persistent_volume::controller(),
        claim_protection::controller(),
        ephemeral_volume::controller(),
        cluster_role::controller(),
    ]
}

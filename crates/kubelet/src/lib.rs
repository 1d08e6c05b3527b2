//! The node agent: makes one node match the pods that are bound to it.
//!
//! A pod has one worker. The worker observes (the pod as the API has it, what the runtime says,
//! what probes say), asks the pure decider [`plan::plan`], computes the pod's [`status`], and acts.
//! It wakes up when something happened, never to look whether something did.
//!
//! Modules in reading order:
//! - [`config`]: what a kubelet needs to know before it starts;
//! - [`observed`]: what is known of a pod at one moment;
//! - [`admission`]: whether a pod can stay, a pure function of it and the node;
//! - [`plan`], [`back_off`], [`resize`]: what to do next, pure functions of it;
//! - [`status`]: the pod's status, a pure function of it;
//! - [`spec`], [`resources`], [`security`], `signals`: questions about a pod's specification;
//! - [`fields`], [`environment`], [`files`]: what a container is told of its pod;
//! - [`volumes`]: files that containers share and follow;
//! - [`images`], `pulls`, `collector`: images at hand, pulled, refused, removed;
//! - `container_spec`: all of it put together for the runtime;
//! - `clock`: the time by which waits are counted;
//! - `probe`, `hooks`: asking and telling containers;
//! - [`drain`]: how a pod leaves traffic before it is told to stop;
//! - `worker`: one pod's worker and the tasks it starts;
//! - [`logs`]: reading what containers wrote;
//! - `node`, `addresses`, `registration`: the node itself;
//! - `provisioner`: folders for claims; `eviction`: too much on the disk;
//! - [`kubelet`]: workers for the node's pods, and streams into them.
//!
//! It never reads or writes the store, never decides where a pod runs, and does nothing to pods of
//! other nodes. Several kubelets may live in one process.
//!
//! Files it writes: pod directories, logs, folders of claims and the record of pulled images under
//! [`config::Directories`].

mod addresses;
pub mod admission;
pub mod back_off;
mod clock;
mod collector;
pub mod config;
mod container_spec;
pub mod drain;
pub mod environment;
mod eviction;
pub mod fields;
pub mod files;
mod hooks;
pub mod images;
pub mod kubelet;
pub mod logs;
mod node;
pub mod observed;
pub mod plan;
mod probe;
mod provisioner;
mod pulls;
mod registration;
pub mod resize;
pub mod resources;
pub mod security;
mod signals;
pub mod spec;
pub mod status;
pub mod volumes;
mod worker;

pub use config::Config;
pub use drain::Drain;
pub use kubelet::{Dependencies, Kubelet, PodUsage, StreamError};

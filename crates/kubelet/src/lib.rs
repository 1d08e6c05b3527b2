//! The node agent: makes one node match the pods that are bound to it.
//!
//! A pod has one worker. The worker observes (the pod as the API has it, what the runtime says,
//! what probes say), asks the pure decider [`plan`], computes the pod's status, and acts. It wakes
//! up when something happened, never to look whether something did.
//!
//! Modules in reading order:
//! - [`config`]: what a kubelet needs to know before it starts;
//! - [`drain`]: how a pod leaves traffic before it is told to stop.
//!
//! It never reads or writes the store, never decides where a pod runs, and does nothing to pods of
//! other nodes. Several kubelets may live in one process.
//!
//! Files it writes: pod directories and logs under [`config::Directories`].

pub mod config;
pub mod drain;

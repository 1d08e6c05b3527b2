//! The Kubernetes vocabulary: every kind once, as one row of a table, and the pure rules over it.
//!
//! Modules in reading order: [`time`], [`quantity`], [`names`], [`selector`], [`cron`], [`field`] and
//! [`status`] are the words; [`meta`] reads object metadata; [`resource`] is the table; [`schema`]
//! the facts about every type, and [`decode`] the check of what a client wrote; [`patch`] and
//! [`apply`] change objects; [`table`], [`discovery`] and [`openapi`] describe them to clients;
//! [`certificates`] is what a signing request keeps to; [`quota`] and [`limit_range`] measure objects against a
//! namespace's bounds; [`mod@reference`] names an object; [`root_ca`] is the bundle of every namespace; [`pod_template`] and [`storage`] hold what deciders share.
//!
//! This crate does no I/O, reads no clock, draws no randomness and knows no tokio: times, ids and
//! seeds are arguments. It writes no files. Nothing in it panics on hostile input.

#![cfg_attr(
    test,
    expect(clippy::needless_pass_by_value, reason = "tables of tests read better with plain values")
)]

pub mod apply;
pub mod certificates;
pub mod cron;
pub mod decode;
pub mod discovery;
pub mod field;
pub mod limit_range;
pub mod meta;
pub mod names;
pub mod openapi;
pub mod patch;
pub mod pod_template;
pub mod quantity;
pub mod quota;
pub mod reference;
pub mod resource;
pub mod root_ca;
mod rules;
pub mod schema;
pub mod selector;
pub mod status;
pub mod storage;
pub mod table;
pub mod time;

pub use k8s_openapi as k8s;

/// The wire form of an object: a JSON map.
pub type Object = serde_json::Map<String, serde_json::Value>;

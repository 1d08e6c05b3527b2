//! What the objects of a cluster tell a person: why something waits, and how a rollout went.
//!
//! In reading order:
//! - [`why`]: from what was observed to one answer in words, with the evidence and the next step
//! - [`timeline`]: from the changes of a rollout to one lane per pod, its limits and its counts
//!
//! Both are deciders: no I/O, no clock, no randomness; `now` and every arrival time are arguments. They read
//! objects as any Kubernetes hands them out, and never panic on partial ones. It writes no files.

pub mod timeline;
pub mod why;

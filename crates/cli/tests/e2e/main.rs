//! The whole path, driven as a user drives it: stock `kubectl` and `curl` against the real program.
//!
//! Each test has a home folder, a kubeconfig, ports and a cluster of its own, and removes them. As root, the
//! tests of a cluster run twice: as root and as an ordinary user.
#![expect(unreachable_pub, clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod adoption;
mod autoscaling;
mod bad_input;
mod bounds;
mod contained;
mod course;
mod debug;
mod deployments;
mod experiments;
mod faults;
mod guides;
mod isolation;
mod jobs;
mod kubectl;
mod model_image;
mod network;
mod pods;
mod probes;
mod real_data;
mod recorder;
mod refusals;
mod replicasets;
mod resize;
mod resources;
mod rollouts;
mod stock;
mod story;
mod support;
mod terminal;
mod timeline;
mod toolbox;
mod volumes;
mod why;

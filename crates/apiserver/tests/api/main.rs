//! The server as its clients see it: in process, and over real connections.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    reason = "tests panic where they fail, say why they skip, and hand over what they made"
)]

mod support;

mod access;
mod bounds;
mod connections;
mod deletes;
mod inside;
mod lists;
mod metrics;
mod objects;
mod pods;
mod services;
mod streams;
mod watches;

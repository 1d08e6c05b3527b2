//! The HTTP proxy against clients and applications of every manner, on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod endings;
mod hostile;
mod passing;
mod routing;
mod support;
mod tls;

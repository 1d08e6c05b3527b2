//! The HTTP proxy against clients and applications of every manner, on loopback.

mod endings;
mod hostile;
mod passing;
mod routing;
mod support;
mod tls;

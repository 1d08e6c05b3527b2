//! The server over real connections.
mod support;

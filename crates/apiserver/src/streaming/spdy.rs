//! SPDY/3.1 as Kubernetes uses it: many streams on one connection, without flow control.
//!
//! Reading order: `frame` (the bytes), `headers` (their compressed blocks), `session` (streams).

mod frame;
mod headers;
mod session;

pub(super) use session::{Session, Stream, StreamWriter};

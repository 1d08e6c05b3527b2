//! Who looks on: the one place where metrics, drift, logs and traces learn what happens.

use std::time::Duration;

use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::repository::Served;
use crate::rows::Rows;

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `/api/v1`.
    Native,
    /// Open Inference Protocol, version 2, over REST.
    OpenInference,
    /// KServe's version 1.
    KServe,
    /// Open Inference Protocol, version 2, over gRPC.
    Grpc,
}

/// A prediction that was made.
#[derive(Debug)]
pub struct Predicted<'a> {
    /// What was asked.
    pub rows: &'a Rows,
    /// What was said, by which model, and how long it took.
    pub reply: &'a Reply,
    /// How the request came.
    pub protocol: Protocol,
    /// The request's id, if the client or the server gave it one.
    pub request_id: Option<&'a str>,
    /// Of a shadow's prediction, for how many rows it says another class than the version that answered.
    pub shadow_disagrees: Option<usize>,
}

/// A request of HTTP that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The route as the table of paths has it, never what a stranger wrote; `other` of unknown paths.
    pub route: &'static str,
    /// The method.
    pub method: &'a http::Method,
    /// The status.
    pub status: u16,
    /// From the request's head to the answer.
    pub took: Duration,
}

/// Looks on; called on the thread that answers, so it must be quick and must not wait.
pub trait Observer: Send + Sync + 'static {
    /// A prediction was made.
    fn predicted(&self, _: &Predicted<'_>) {}

    /// A prediction was refused by the model or for want of time or room.
    fn refused(&self, _: &Served, _: Protocol, _: &Refusal) {}

    /// A request was answered, whatever it was.
    fn answered(&self, _: &Answered<'_>) {}

    /// A version was opened and is ready.
    fn loaded(&self, _: &Served) {}

    /// A version could not be opened; what served before goes on.
    fn load_failed(&self, _model: &str, _version: &str, _reason: &str) {}

    /// A version is no longer served; requests under way finish on it.
    fn unloaded(&self, _model: &str, _version: &str) {}
}

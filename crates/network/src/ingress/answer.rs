//! Answers that the proxy makes itself.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::body::ProxyBody;

/// Why a request got no answer of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The request is not HTTP as it should be.
    Malformed(&'static str),
    /// The client did not send its body in time.
    SlowBody,
    /// Tunnels to anywhere are not on offer.
    Connect,
    NoRoute,
    NoEndpoint,
    /// No endpoint took the connection, or it broke before an answer.
    Broken(String),
    TimedOut(String),
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::Connect => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::NoEndpoint => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken(_) => StatusCode::BAD_GATEWAY,
            Self::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// What the client is told. Addresses of the cluster are not its business.
    fn text(&self) -> &'static str {
        match self {
            Self::Malformed(text) => text,
            Self::SlowBody => "the request's body did not come in time",
            Self::Connect => "this is no forward proxy",
            Self::NoRoute => "no Ingress rule matches this host and path",
            Self::NoEndpoint => "no pod is ready to answer",
            Self::Broken(_) => "the pod did not answer",
            Self::TimedOut(_) => "the pod did not answer in time",
        }
    }

    /// What the log is told.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Broken(reason) | Self::TimedOut(reason) => reason,
            Self::Malformed(_) | Self::SlowBody | Self::Connect | Self::NoRoute | Self::NoEndpoint => {
                self.text()
            }
        }
    }

    pub(super) fn response(&self) -> Response<ProxyBody> {
        let status = self.status();
        let reason = status.canonical_reason().unwrap_or_default();
        let text = format!("{} {reason}: {}\n", status.as_u16(), self.text());
        let mut response = Response::new(ProxyBody::Own(Some(Bytes::from(text))));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(self, Self::NoEndpoint) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if matches!(self, Self::SlowBody) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

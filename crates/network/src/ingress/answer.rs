//! Answers that the proxy makes itself.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{body::ProxyBody, http1};

/// Why a request got no answer of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The request is not HTTP as it should be.
    Malformed(&'static str),
    /// The client did not send its body in time.
    SlowBody,
    HeadTooLong,
    /// More than the route allows.
    TooLarge,
    /// This route is for HTTPS only: where to ask instead.
    ToHttps(String),
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
            Self::HeadTooLong => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ToHttps(_) => StatusCode::PERMANENT_REDIRECT,
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
            Self::HeadTooLong => "the request's head is too long",
            Self::TooLarge => "the request's body is longer than the Ingress allows",
            Self::ToHttps(_) => "ask by HTTPS",
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
            Self::Malformed(_)
            | Self::SlowBody
            | Self::HeadTooLong
            | Self::TooLarge
            | Self::ToHttps(_)
            | Self::Connect
            | Self::NoRoute
            | Self::NoEndpoint => self.text(),
        }
    }

    fn body(&self) -> String {
        let status = self.status();
        let reason = status.canonical_reason().unwrap_or_default();
        format!("{} {reason}: {}\n", status.as_u16(), self.text())
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(self, Self::NoEndpoint) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Self::ToHttps(location) = self
            && let Ok(location) = HeaderValue::from_str(location)
        {
            headers.insert(header::LOCATION, location);
        }
        headers
    }

    pub(super) fn response(&self) -> Response<ProxyBody> {
        let mut response = Response::new(ProxyBody::Own(Some(Bytes::from(self.body()))));
        *response.status_mut() = self.status();
        *response.headers_mut() = self.headers();
        response
    }

    /// Writes the answer as HTTP/1.1 has it.
    pub(super) fn write(&self, output: &mut Vec<u8>, goes_on: bool, has_body: bool) {
        let (status, body) = (self.status(), self.body());
        let reason = status.canonical_reason().unwrap_or_default();
        output.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).as_bytes());
        for (name, value) in &self.headers() {
            output.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        http1::with_date(|date| output.extend_from_slice(&[b"date: ", date, b"\r\n"].concat()));
        if !goes_on {
            output.extend_from_slice(b"connection: close\r\n");
        }
        output.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        if has_body {
            output.extend_from_slice(body.as_bytes());
        }
    }
}

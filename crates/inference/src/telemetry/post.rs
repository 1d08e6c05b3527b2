//! Sends a body to an endpoint of HTTP, once.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long an endpoint may take; meanwhile other things queue up, and are dropped beyond a bound.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 64 << 10;

/// An address that nothing can be sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{address}` is no endpoint to send to: use `http://host:port/path`; for TLS send to a collector beside this server"
)]
pub struct EndpointError {
    /// The address.
    pub address: String,
}

/// Where to send.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    uri: Uri,
    authority: String,
    content_type: &'static str,
}

impl Endpoint {
    /// Reads an address; `path` is added if it has none.
    pub(super) fn new(address: &str, path: &str, content_type: &'static str) -> Result<Self, EndpointError> {
        let refused = || EndpointError { address: address.chars().take(200).collect() };
        let uri: Uri = address.trim().parse().map_err(|_| refused())?;
        let is_plain = uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty());
        let authority = uri.authority().filter(|_| is_plain).ok_or_else(refused)?.to_string();
        let uri = match uri.path().trim_end_matches('/') {
            "" => format!("http://{authority}{path}").parse().map_err(|_| refused())?,
            _ => uri,
        };
        Ok(Endpoint { uri, authority, content_type })
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Sends; an error says in words why the body did not arrive.
    pub(super) async fn post(&self, body: Bytes) -> Result<(), String> {
        let sent = tokio::time::timeout(TIMEOUT, self.exchange(body)).await;
        sent.unwrap_or_else(|_| Err(format!("no answer within {} s", TIMEOUT.as_secs())))
    }

    async fn exchange(&self, body: Bytes) -> Result<(), String> {
        let host = self.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, self.uri.port_u16().unwrap_or(80)));
        let stream = stream.await.map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let connection = tokio::spawn(connection);
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::post(path)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, self.content_type)
            .header(header::CONNECTION, "close")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string());
        let status = match answer {
            Ok(answer) => {
                let status = answer.status();
                // what it says does not matter, but a half-read answer would look like a fault to it
                let _ = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
                Ok(status)
            }
            Err(error) => Err(error),
        };
        connection.abort();
        match status? {
            status if status.is_success() => Ok(()),
            status => Err(format!("status {}", status.as_u16())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed_or_refused() {
        let of = |address| {
            Endpoint::new(address, "/v1/traces", "text/plain").map(|endpoint| endpoint.uri.to_string())
        };
        assert_eq!(of("http://collector:4318").unwrap(), "http://collector:4318/v1/traces");
        assert_eq!(of("http://collector:4318/").unwrap(), "http://collector:4318/v1/traces");
        assert_eq!(of(" http://[::1]:4318/own ").unwrap(), "http://[::1]:4318/own");
        for address in ["", "collector:4318", "https://collector", "http://", "grpc://a:1", "http:///v1"] {
            assert!(of(address).is_err(), "{address}");
        }
    }
}

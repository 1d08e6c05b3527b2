//! One HTTP/1.1 connection, without a pool in between that would hide what happens.

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::Target;

/// An open connection.
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    /// Connects; the error says in words what went wrong.
    pub(crate) async fn open(target: &Target) -> Result<Self, String> {
        let (host, port) = (target.url.host().unwrap_or_default(), target.url.port_u16().unwrap_or(80));
        let stream = cluster::registry::connect(&target.network, host, port).await;
        let stream = stream.map_err(|error| format!("connect: {error}"))?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| format!("connect: {error}"))?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// True while another request can be sent.
    pub(crate) async fn is_open(&mut self) -> bool {
        self.0.ready().await.is_ok()
    }

    /// Sends one request and reads the whole answer, which must be a success.
    pub(crate) async fn send(&mut self, target: &Target, body: Option<Bytes>) -> Result<Bytes, String> {
        let path = target.url.path_and_query().map_or("/", |path| path.as_str());
        let host = target.host.clone().or_else(|| target.url.authority().map(ToString::to_string));
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host.unwrap_or_default())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| format!("request: {error}"))?;
        let answer =
            self.0.send_request(request).await.map_err(|error| format!("send: {}", chain(&error)))?;
        let status = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(|error| format!("read: {}", chain(&error)))?
            .to_bytes();
        if status.is_success() { Ok(body) } else { Err(format!("status {}", status.as_u16())) }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

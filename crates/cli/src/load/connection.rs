//! One connection, without a pool in between that would hide what happens.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::Target;

/// An open connection.
pub(crate) enum Connection {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Connects; the error says in words what went wrong.
    pub(crate) async fn open(target: &Target) -> Result<Self, String> {
        let (host, port) = (target.url.host().unwrap_or_default(), target.url.port_u16().unwrap_or(80));
        let stream = cluster::registry::connect(&target.network, host, port).await;
        let stream = stream.map_err(|error| format!("connect: {error}"))?;
        let _ = stream.set_nodelay(true);
        let told = |error: hyper::Error| format!("connect: {}", chain(&error));
        if target.is_http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            let (sender, connection) =
                builder.timer(TokioTimer::new()).handshake(TokioIo::new(stream)).await.map_err(told)?;
            tokio::spawn(connection);
            return Ok(Self::Two(sender));
        }
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
        tokio::spawn(connection);
        Ok(Self::One(sender))
    }

    /// True while another request can be sent.
    pub(crate) async fn is_open(&mut self) -> bool {
        match self {
            Self::One(sender) => sender.ready().await.is_ok(),
            Self::Two(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Sends one request and reads the whole answer, which must be a success.
    pub(crate) async fn send(&mut self, target: &Target, body: Option<Bytes>) -> Result<Bytes, String> {
        let (status, body) = self.exchange(target, body).await?;
        if status.is_success() { Ok(body) } else { Err(format!("status {}", status.as_u16())) }
    }

    /// Sends one request and reads the whole answer, whatever it is.
    pub(crate) async fn exchange(
        &mut self,
        target: &Target,
        body: Option<Bytes>,
    ) -> Result<(StatusCode, Bytes), String> {
        let path = target.url.path_and_query().map_or("/", |path| path.as_str());
        let authority = target.url.authority().map(ToString::to_string);
        let host = target.host.clone().or(authority).unwrap_or_default();
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let request = Request::builder().method(method).header(header::CONTENT_TYPE, target.content_type);
        let request = match self {
            Self::One(_) => request.uri(path).header(header::HOST, host),
            Self::Two(_) => request.uri(format!("http://{host}{path}")),
        };
        let request = request.body(Full::new(body.unwrap_or_default()));
        let request = request.map_err(|error| format!("request: {error}"))?;
        let answer = match self {
            Self::One(sender) => sender.send_request(request).await,
            Self::Two(sender) => sender.send_request(request).await,
        };
        let answer = answer.map_err(|error| format!("send: {}", chain(&error)))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| format!("read: {}", chain(&error)))?;
        Ok((status, body.to_bytes()))
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

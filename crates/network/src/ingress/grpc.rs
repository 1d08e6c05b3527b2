//! HTTP/2 all the way: gRPC, known by its content type, so that nobody needs to say so; and endpoints
//! of which it is said that they speak it. All requests to one endpoint share a connection.

use std::{io, net::SocketAddr, sync::Mutex, time::Duration};

use http::{HeaderValue, Request, Response, Uri, Version, header, uri::Scheme};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{net::TcpStream, time};

use super::{
    answer::Refusal,
    body::ProxyBody,
    connection::{Outgoing, chain, was_too_large},
    forward::{Attempts, Place},
    headers,
};

/// Calls at once on one connection are bounded by the endpoint; frames by us, for throughput.
const WINDOW_BYTES: u32 = 1 << 20;

/// The connection to one endpoint, made when first needed.
#[derive(Debug, Default)]
pub(super) struct Shared {
    sender: Mutex<Option<SendRequest<Outgoing>>>,
}

impl Shared {
    pub(super) fn close(&self) {
        crate::lock(&self.sender).take();
    }

    async fn get(&self, address: SocketAddr, patience: Duration) -> io::Result<SendRequest<Outgoing>> {
        let present = crate::lock(&self.sender).clone().filter(|sender| !sender.is_closed());
        if let Some(sender) = present {
            return Ok(sender);
        }
        let stream = time::timeout(patience, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        let (sender, driver) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(driver);
        *crate::lock(&self.sender) = Some(sender.clone());
        Ok(sender)
    }
}

/// Says whether a request is a gRPC call.
pub(super) fn is_call<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    request.version() == Version::HTTP_2
        && kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Sends a call to an endpoint; to another one only if nothing of it was sent.
pub(super) async fn forward(
    place: &Place,
    authority: &str,
    mut request: Request<Outgoing>,
) -> Result<Response<ProxyBody>, Refusal> {
    let config = &place.shared.config;
    request.headers_mut().remove(header::HOST);
    request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
    *request.uri_mut() = absolute_form(request.uri(), authority)?;
    let mut attempts = Attempts::new(config.retry_time);
    loop {
        let destination = place.destination()?;
        let backend = &destination.backend;
        let treatment = &destination.treatment;
        let in_flight = backend.pick(attempts.tried()).ok_or(Refusal::NoEndpoint)?;
        let endpoint = in_flight.endpoint().clone();
        if endpoint.is_retired() {
            continue;
        }
        let mut sender = match endpoint
            .http2
            .get(endpoint.address(), treatment.connect_timeout.unwrap_or(config.connect_timeout))
            .await
        {
            Ok(sender) => sender,
            Err(error) => {
                endpoint.avoid();
                attempts.no_connection(backend, endpoint.address(), &error).await?;
                continue;
            }
        };
        let patience = treatment.response_timeout.unwrap_or(config.response_timeout);
        match time::timeout(patience, sender.try_send_request(request)).await {
            Ok(Ok(mut response)) => {
                headers::for_client(response.headers_mut());
                return Ok(response.map(|body| ProxyBody::Call { body, _in_flight: in_flight }));
            }
            Ok(Err(mut error)) => {
                if was_too_large(error.error()) {
                    return Err(Refusal::TooLarge);
                }
                let reason = format!("{}: {}", endpoint.address(), chain(error.error()));
                let Some(unsent) = error.take_message() else { return Err(Refusal::Broken(reason)) };
                request = unsent;
                endpoint.http2.close();
                attempts.broke(backend, endpoint.address(), true, reason)?;
            }
            Err(_) => return Err(Refusal::TimedOut(format!("{}: no answer to a call", endpoint.address()))),
        }
    }
}

fn absolute_form(uri: &Uri, authority: &str) -> Result<Uri, Refusal> {
    let mut parts = headers::origin_form(uri).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    let malformed = Refusal::Malformed("the request's host is no host");
    parts.authority = Some(authority.parse().map_err(|_| malformed.clone())?);
    Uri::from_parts(parts).map_err(|_| malformed)
}

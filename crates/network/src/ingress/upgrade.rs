//! Requests that change the protocol (WebSocket and the like): after the endpoint's 101, bytes both
//! ways.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{io::copy_bidirectional, net::TcpStream, time};

use super::{
    accept::Client,
    answer::Refusal,
    body::ProxyBody,
    connection::chain,
    endpoint::{Backend, InFlight},
    forward::{Attempts, Place},
    headers,
};

/// Sends the request on a connection of its own and, when the endpoint agrees, joins both ends.
pub(super) async fn forward(
    place: &Place,
    client: &Arc<Client>,
    mut request: Request<Incoming>,
    protocol: HeaderValue,
) -> Result<Response<ProxyBody>, Refusal> {
    let config = &place.shared.config;
    let (in_flight, stream) = connect(place).await?;
    let broken = |error: &dyn std::error::Error| Refusal::Broken(chain(error));
    let handshake = http1::Builder::new().handshake(TokioIo::new(stream)).await;
    let (mut sender, driver) = handshake.map_err(|error| broken(&error))?;
    tokio::spawn(driver.with_upgrades());

    let client_end = hyper::upgrade::on(&mut request);
    let mut outgoing = Request::new(Empty::<Bytes>::new());
    *outgoing.method_mut() = request.method().clone();
    *outgoing.uri_mut() = headers::origin_form(request.uri());
    *outgoing.headers_mut() = std::mem::take(request.headers_mut());
    headers::put_upgrade(outgoing.headers_mut(), protocol);
    let answered = time::timeout(config.response_timeout, sender.send_request(outgoing)).await;
    let mut response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(broken(&error)),
        Err(_) => return Err(Refusal::TimedOut("no answer to a change of protocol".to_owned())),
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return decline(response).await;
    }
    let endpoint_end = hyper::upgrade::on(&mut response);
    let client = client.clone();
    tokio::spawn(async move {
        // The client's connection counts until the tunnel ends. The request does not: a tunnel may last
        // for days, and its application wants to hear that it should end rather than be waited for.
        let _held = (client, sender);
        drop(in_flight);
        if let (Ok(client_end), Ok(endpoint_end)) = tokio::join!(client_end, endpoint_end) {
            let (mut one, mut other) = (TokioIo::new(client_end), TokioIo::new(endpoint_end));
            // Either side may break off at any time: that is how many tunnels end.
            copy_bidirectional(&mut one, &mut other).await.ok();
        }
    });
    let (mut parts, _) = response.into_parts();
    let agreed = parts.headers.get(header::UPGRADE).cloned();
    headers::for_client(&mut parts.headers);
    if let Some(protocol) = agreed {
        headers::put_upgrade(&mut parts.headers, protocol);
    }
    Ok(Response::from_parts(parts, ProxyBody::Own(None)))
}

async fn connect(place: &Place) -> Result<(InFlight, TcpStream), Refusal> {
    let config = &place.shared.config;
    let mut attempts = Attempts::new(config.retry_time);
    loop {
        let backend: Arc<Backend> = place.backend()?;
        let in_flight = backend.pick(attempts.tried()).ok_or(Refusal::NoEndpoint)?;
        if in_flight.endpoint().is_retired() {
            continue;
        }
        let address = in_flight.endpoint().address();
        let connected = time::timeout(config.connect_timeout, TcpStream::connect(address)).await;
        match connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                stream.set_nodelay(true).ok();
                crate::keep_alive(&stream);
                return Ok((in_flight, stream));
            }
            Err(error) => {
                in_flight.endpoint().avoid();
                attempts.no_connection(&backend, address, &error).await?;
            }
        }
    }
}

/// The endpoint answers as to any request: "no", mostly, and briefly.
async fn decline(response: Response<Incoming>) -> Result<Response<ProxyBody>, Refusal> {
    use http_body_util::{BodyExt, Limited};
    const MAX_BYTES: usize = 1 << 20;

    let (mut parts, body) = response.into_parts();
    let body = Limited::new(body, MAX_BYTES).collect().await;
    let body = body.map_err(|error| Refusal::Broken(chain(&*error)))?.to_bytes();
    headers::for_client(&mut parts.headers);
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, ProxyBody::Own(Some(body))))
}

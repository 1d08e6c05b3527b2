//! Clients' connections, from the listener to the last request on them.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::BytesMut;
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::OwnedSemaphorePermit,
    time,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Shared, forward,
    http1::{self, Begun, Patience},
    prefixed::Prefixed,
    worker::Assigned,
};

/// The header list of a request may be this long (nginx: 4 times 8 KiB).
const MAX_HEAD_BYTES: u32 = 32 << 10;

/// Requests that one HTTP/2 connection may have under way (nginx: 128).
const MAX_STREAMS: u32 = 128;

const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// When the process is out of descriptors, accepting fails until some connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

const TIDY_INTERVAL: Duration = Duration::from_secs(2);

/// What a client of HTTP/2 says first (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    pub(super) scheme: &'static str,
    /// The port that was connected to.
    pub(super) port: u16,
    /// What endpoints are told of it, as lines of a head.
    told: Vec<u8>,
    /// The connection counts against the bound until all that came of it is gone.
    _permit: Option<OwnedSemaphorePermit>,
    _assigned: Option<Assigned>,
}

impl Client {
    pub(super) fn new(address: SocketAddr, scheme: &'static str, port: u16) -> Self {
        let ip = address.ip().to_canonical();
        let told = format!(
            "x-forwarded-for: {ip}\r\nx-real-ip: {ip}\r\nx-forwarded-port: {port}\r\nx-forwarded-proto: {scheme}\r\n"
        );
        Self { address, scheme, port, told: told.into_bytes(), _permit: None, _assigned: None }
    }

    pub(super) fn told(&self) -> &[u8] {
        &self.told
    }
}

#[cfg(test)]
impl Client {
    pub(super) fn for_test(address: SocketAddr, scheme: &'static str, port: u16) -> Self {
        Self::new(address, scheme, port)
    }
}

/// Where connections come in.
pub(super) struct Listener {
    pub(super) listener: std::net::TcpListener,
    pub(super) tls: Option<TlsAcceptor>,
}

/// A connection that has come in.
pub(super) struct Arrival {
    stream: Stream,
    client: Client,
    tls: Option<TlsAcceptor>,
}

enum Stream {
    /// It is of this thread's event loop.
    Here(TcpStream),
    /// It is of nobody's.
    Loose(std::net::TcpStream),
}

impl Arrival {
    /// Makes it fit to go to another thread.
    pub(super) fn loosen(self) -> io::Result<Self> {
        let stream = match self.stream {
            Stream::Here(stream) => Stream::Loose(stream.into_std()?),
            loose @ Stream::Loose(_) => loose,
        };
        Ok(Self { stream, ..self })
    }
}

/// Accepts until the proxy drains or ends. Several threads do this on one listener: whichever has time.
pub(super) async fn accept(shared: Arc<Shared>, listener: Listener) {
    let Listener { listener, tls } = listener;
    let mut draining = shared.draining.subscribe();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let port = listener.local_addr().map_or(0, |address| address.port());
    // Linux hands both on to every connection.
    setsockopt(&listener, sockopt::TcpNoDelay, &true).ok();
    crate::keep_alive(&listener);
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the ingress cannot listen");
            return;
        }
    };
    loop {
        let next = async {
            let accepted = listener.accept().await;
            // One that finds no room waits here, the rest in the listener.
            (accepted, shared.connections.clone().acquire_owned().await.ok())
        };
        let (accepted, permit) = tokio::select! {
            next = next => next,
            _ = draining.wait_for(|draining| *draining) => return,
        };
        match accepted {
            Ok((stream, address)) => {
                let arrival = |assigned| {
                    let client = Client {
                        _permit: permit,
                        _assigned: Some(assigned),
                        ..Client::new(address, scheme, port)
                    };
                    Arrival { stream: Stream::Here(stream), client, tls: tls.clone() }
                };
                if let Some(arrival) = shared.workers().and_then(|workers| workers.assign(arrival)) {
                    tokio::spawn(start(shared.clone(), arrival));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the ingress was not accepted");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves a connection on this thread.
pub(super) async fn start(shared: Arc<Shared>, arrival: Arrival) {
    let Arrival { stream, client, tls } = arrival;
    let client = Arc::new(client);
    let stream = match stream {
        Stream::Here(stream) => Ok(stream),
        Stream::Loose(stream) => TcpStream::from_std(stream),
    };
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "a connection to the ingress cannot be served");
            return;
        }
    };
    match tls {
        None => talk(shared, stream, client).await,
        Some(tls) => match time::timeout(HANDSHAKE_PATIENCE, Box::pin(tls.accept(stream))).await {
            // Apart, so that the state of a plain connection stays small: it is moved when it begins.
            Ok(Ok(stream)) => Box::pin(talk(shared, stream, client)).await,
            Ok(Err(error)) => tracing::debug!(client = %client.address, %error, "no TLS with a client"),
            Err(_) => tracing::debug!(client = %client.address, "a client was too slow with TLS"),
        },
    }
}

/// Finds out which version of HTTP a client speaks, by its first bytes, and speaks it.
async fn talk<S>(shared: Arc<Shared>, mut stream: S, client: Arc<Client>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut draining = shared.draining.subscribe();
    let mut patience = Patience::new(shared.config.idle_timeout);
    let mut input = BytesMut::with_capacity(http1::READ_BYTES);
    let first_bytes = async {
        // Most say enough at once.
        while input.is_empty() || (PREFACE.starts_with(&input) && input.len() < PREFACE.len()) {
            match stream.read_buf(&mut input).await {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => return false,
            }
        }
        true
    };
    let says_something = tokio::select! {
        biased;
        said = patience.bound(shared.config.idle_timeout, first_bytes) => said == Ok(true),
        _ = draining.wait_for(|draining| *draining) => false,
    };
    if !says_something {
        return;
    }
    if input.starts_with(PREFACE) {
        Box::pin(talk_http2(shared, Prefixed::new(input, stream), client)).await;
    } else {
        http1::serve(shared, client, Begun { stream, input, patience, draining }).await;
    }
}

async fn talk_http2<S>(shared: Arc<Shared>, stream: S, client: Arc<Client>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut draining = shared.draining.subscribe();
    let idle_timeout = shared.config.idle_timeout;
    let address = client.address;
    let service = service_fn(move |request| forward::handle(shared.clone(), client.clone(), request));
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES)
        .keep_alive_interval(idle_timeout)
        .keep_alive_timeout(HANDSHAKE_PATIENCE);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut is_draining = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(client = %address, %error, "a client's connection broke");
                }
                return;
            }
            _ = draining.wait_for(|draining| *draining), if !is_draining => {
                is_draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Closes what endpoints keep for too long, until the proxy ends.
pub(super) async fn tidy(shared: Weak<Shared>) {
    let mut interval = time::interval(TIDY_INTERVAL);
    loop {
        interval.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let endpoints: Vec<_> = crate::lock(&shared.registry).endpoints.values().cloned().collect();
        for endpoint in endpoints {
            endpoint.tidy();
        }
    }
}

//! Clients' connections, from the listener to the last request on them.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::OwnedSemaphorePermit,
    time,
};
use tokio_rustls::TlsAcceptor;

use super::{Shared, forward};

/// A request's head may be this long (nginx: 4 times 8 KiB); more is answered with 431.
const MAX_HEAD_BYTES: usize = 32 << 10;

/// Requests that one HTTP/2 connection may have under way (nginx: 128).
const MAX_STREAMS: u32 = 128;

const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// When the process is out of descriptors, accepting fails until some connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

const TIDY_INTERVAL: Duration = Duration::from_secs(2);

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    pub(super) scheme: &'static str,
    /// The port that was connected to.
    pub(super) port: u16,
    /// The connection counts against the bound until all that came of it is gone.
    _permit: Option<OwnedSemaphorePermit>,
}

#[cfg(test)]
impl Client {
    pub(super) fn for_test(address: SocketAddr, scheme: &'static str, port: u16) -> Self {
        Self { address, scheme, port, _permit: None }
    }
}

pub(super) fn serve(
    shared: Arc<Shared>,
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    tokio::spawn(tidy(Arc::downgrade(&shared)));
    tokio::spawn(accept(shared, listener, tls));
    Ok(())
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    let mut draining = shared.draining.subscribe();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let port = listener.local_addr().map_or(0, |address| address.port());
    loop {
        let next = async {
            let permit = shared.connections.clone().acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            next = next => next,
            _ = draining.wait_for(|draining| *draining) => return,
        };
        match accepted {
            Ok((stream, address)) => {
                let client = Arc::new(Client { address, scheme, port, _permit: permit });
                tokio::spawn(start(shared.clone(), stream, client, tls.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the ingress was not accepted");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn start(shared: Arc<Shared>, stream: TcpStream, client: Arc<Client>, tls: Option<TlsAcceptor>) {
    stream.set_nodelay(true).ok();
    crate::keep_alive(&stream);
    match tls {
        None => talk(shared, stream, client).await,
        Some(tls) => match time::timeout(HANDSHAKE_PATIENCE, tls.accept(stream)).await {
            Ok(Ok(stream)) => talk(shared, stream, client).await,
            Ok(Err(error)) => tracing::debug!(client = %client.address, %error, "no TLS with a client"),
            Err(_) => tracing::debug!(client = %client.address, "a client was too slow with TLS"),
        },
    }
}

async fn talk<S>(shared: Arc<Shared>, stream: S, client: Arc<Client>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut draining = shared.draining.subscribe();
    let idle_timeout = shared.config.idle_timeout;
    let has_asked = Arc::new(AtomicBool::new(false));
    let address = client.address;
    let asked = has_asked.clone();
    let service = service_fn(move |request| {
        asked.store(true, Ordering::Relaxed);
        forward::handle(shared.clone(), client.clone(), request)
    });
    let builder = builder(idle_timeout);
    let mut connection =
        std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut first_request = std::pin::pin!(time::sleep(idle_timeout));
    let mut is_draining = false;
    let mut is_watched = true;
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
            // Until the first bytes tell HTTP/1 from 2, nobody else watches the time.
            () = first_request.as_mut(), if is_watched => {
                is_watched = false;
                if !has_asked.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    }
}

fn builder(idle_timeout: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(idle_timeout)
        .keep_alive_timeout(HANDSHAKE_PATIENCE);
    builder
}

async fn tidy(shared: Weak<Shared>) {
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

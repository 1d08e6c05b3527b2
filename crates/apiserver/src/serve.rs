//! Connections: TLS, HTTP/1.1 and HTTP/2, bounds, draining.

use std::{convert::Infallible, future::Future, io, sync::Arc, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{
    Identity, authenticate,
    core::Core,
    dispatch::{self, Caller},
};

/// Bounds memory: a cluster of one machine has tens of clients, each with a few connections.
const MAX_CONNECTIONS: usize = 2048;
/// Kubernetes' own number.
const MAX_STREAMS: u32 = 250;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Also ends idle connections, so it is long enough for clients that keep one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// A dead peer is noticed after a period and the library's 20 s.
const PING_PERIOD: Duration = Duration::from_secs(30);
/// How long requests may take to end when the server drains.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait when the system has no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until `shutdown`, then ends long answers and waits for short ones.
pub(crate) async fn run(
    core: &Arc<Core>,
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(tls);
    let graceful = Arc::new(GracefulShutdown::new());
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let draining = CancellationToken::new();
    tokio::pin!(shutdown);
    loop {
        let permit = tokio::select! {
            () = &mut shutdown => break,
            permit = Arc::clone(&connections).acquire_owned() => permit.map_err(io::Error::other)?,
        };
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) if is_passing(&error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let connection = Connection {
            core: Arc::clone(core),
            acceptor: acceptor.clone(),
            draining: draining.clone(),
            graceful: Arc::clone(&graceful),
        };
        tokio::spawn(async move {
            connection.serve(stream).await;
            drop(permit);
        });
    }
    drop(listener);
    draining.cancel();
    drain(graceful).await;
    Ok(())
}

async fn drain(graceful: Arc<GracefulShutdown>) {
    // connections still shaking hands hold a clone; they end by their own timeout
    let Some(graceful) = Arc::into_inner(graceful) else { return };
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still busy when the time to drain was over");
    }
}

/// Errors of one connection or of a moment, not of the listener.
fn is_passing(error: &io::Error) -> bool {
    // EMFILE and ENFILE have no kinds of their own
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    ) || matches!(error.raw_os_error(), Some(23 | 24))
}

struct Connection {
    core: Arc<Core>,
    acceptor: TlsAcceptor,
    draining: CancellationToken,
    graceful: Arc<GracefulShutdown>,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        // small frames of watches and streams must not wait for more
        let _ = stream.set_nodelay(true);
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.acceptor.accept(stream));
        let stream = match handshake.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                return;
            }
            Err(_) => return,
        };
        let user = peer(&stream).map(Arc::new);
        let Self { core, draining, graceful, .. } = self;
        let service = service_fn(move |request| {
            let caller = Caller::Connection(user.clone());
            let answer = dispatch::handle(Arc::clone(&core), caller, draining.clone(), request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        // the handshake has agreed on the protocol: nobody waits for a client to show it
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let builder = auto::Builder::new(TokioExecutor::new());
        let mut builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_PERIOD)
            .max_concurrent_streams(MAX_STREAMS);
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let watched = graceful.watch(connection);
        drop(graceful);
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection ended");
        }
    }
}

fn peer(stream: &TlsStream<TcpStream>) -> Option<Identity> {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates()?.first()?;
    authenticate::from_certificate(certificate.as_ref())
}

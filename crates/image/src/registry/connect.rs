//! From a host's name to a connection: sockets from the caller, TLS from here.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificates::Certificates;
use super::proxy::{Proxies, Proxy};

/// How long a connection may take to come about, TLS included.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(30);

/// What [`Connect::connect`] returns.
pub type ConnectFuture = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// Opens TCP connections to registries: where from (which network namespace) is the caller's business.
pub trait Connect: Send + Sync + 'static {
    /// Connects to a host by name or address.
    fn connect(&self, host: &str, port: u16) -> ConnectFuture;
}

/// Connects from the network namespace that the program is in.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectConnect;

impl Connect for DirectConnect {
    fn connect(&self, host: &str, port: u16) -> ConnectFuture {
        let host = host.to_owned();
        Box::pin(async move { TcpStream::connect((host, port)).await })
    }
}

/// Why a host could not be reached.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host is unknown, refuses, or is not reachable.
    #[error("failed to connect to `{host}`")]
    Tcp {
        /// Host and port.
        host: String,
        /// The system's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// The host does not answer.
    #[error("`{host}` does not answer within {} s", CONNECT_TIME_MAX.as_secs())]
    Timeout {
        /// Host and port.
        host: String,
    },
    /// The host speaks something else than TLS.
    #[error("`{host}` does not speak HTTPS")]
    NotTls {
        /// Host and port.
        host: String,
        /// What TLS says.
        #[source]
        source: Arc<io::Error>,
    },
    /// The host can't prove that it is who it is.
    #[error("the certificate of `{host}` can't be trusted")]
    Tls {
        /// Host and port.
        host: String,
        /// What TLS says.
        #[source]
        source: Arc<io::Error>,
    },
    /// The proxy on the way does not let us through.
    #[error("the proxy `{proxy}` does not connect us to `{host}`")]
    Proxy {
        /// Host and port.
        host: String,
        /// The proxy's host and port.
        proxy: String,
        /// What it says.
        #[source]
        source: Arc<io::Error>,
    },
    /// The host's name is no name.
    #[error("`{host}` is no name of a host")]
    Name {
        /// What was given.
        host: String,
    },
}

/// Makes connections for hyper.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) connect: Arc<dyn Connect>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) proxies: Arc<Proxies>,
}

impl tower::Service<Uri> for Dialer {
    type Response = TokioIo<Stream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Stream>, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move {
            let host = uri.authority().map(ToString::to_string).unwrap_or_default();
            let dialed = tokio::time::timeout(CONNECT_TIME_MAX, dialer.dial(&uri, &host)).await;
            let stream = dialed.map_err(|_| ConnectError::Timeout { host })?;
            Ok(TokioIo::new(stream?))
        })
    }
}

impl Dialer {
    async fn dial(&self, uri: &Uri, host: &str) -> Result<Stream, ConnectError> {
        let is_https = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let name = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let tcp = match self.proxies.for_host(name).filter(|_| is_https) {
            Some(proxy) => self.dial_through(proxy, name, port).await?,
            None => self.dial_tcp(name, port).await?,
        };
        // The last bytes of a request must not wait for an acknowledgement; if that can't be had,
        // it is only slower.
        let _ = tcp.set_nodelay(true);
        if !is_https {
            return Ok(Stream::Plain(tcp));
        }
        let server_name = ServerName::try_from(name.to_owned());
        let server_name = server_name.map_err(|_| ConnectError::Name { host: host.to_owned() })?;
        let connector = TlsConnector::from(self.certificates.for_host(host));
        match connector.connect(server_name, tcp).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(source) => Err(tls_error(host, source)),
        }
    }

    async fn dial_tcp(&self, name: &str, port: u16) -> Result<TcpStream, ConnectError> {
        let tcp = self.connect.connect(name, port).await;
        tcp.map_err(|source| ConnectError::Tcp { host: format!("{name}:{port}"), source: Arc::new(source) })
    }

    async fn dial_through(&self, proxy: &Proxy, name: &str, port: u16) -> Result<TcpStream, ConnectError> {
        let mut tcp = self.dial_tcp(&proxy.host, proxy.port).await?;
        let target = if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") };
        match proxy.tunnel(&mut tcp, &target).await {
            Ok(()) => Ok(tcp),
            Err(source) => {
                let proxy = format!("{}:{}", proxy.host, proxy.port);
                Err(ConnectError::Proxy { host: target, proxy, source: Arc::new(source) })
            }
        }
    }
}

/// A server that answers in plain text is told from one whose certificate is not good.
fn tls_error(host: &str, source: io::Error) -> ConnectError {
    let host = host.to_owned();
    let reason = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let is_not_tls = match reason {
        Some(error) => matches!(error, rustls::Error::InvalidMessage(_)),
        None => true,
    };
    let source = Arc::new(source);
    if is_not_tls { ConnectError::NotTls { host, source } } else { ConnectError::Tls { host, source } }
}

/// A connection, with or without TLS.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

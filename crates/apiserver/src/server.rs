//! The handle: build, call in process, serve.

use std::{
    convert::Infallible,
    future::Future,
    io,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use tokio::net::TcpListener;

use crate::{BuildError, Config, Identity, streams::BoxFuture};

/// The body of every answer.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>;

/// The API, shared by every connection and every in-process client.
#[derive(Clone)]
pub struct ApiServer {
    _config: Arc<Config>,
}

impl ApiServer {
    /// Builds the server and writes the objects every cluster starts with.
    ///
    /// # Errors
    /// When the key is unusable or the store refuses.
    #[expect(clippy::unused_async, reason = "the bootstrap awaits the store")]
    pub async fn build(config: Config) -> Result<Self, BuildError> {
        Ok(Self { _config: Arc::new(config) })
    }

    /// Returns the API as a service for calls from this process, made by `identity`.
    #[must_use]
    pub fn service(&self, identity: Identity) -> Service {
        Service { server: self.clone(), identity: Arc::new(identity) }
    }

    /// Serves HTTPS on a listener until `shutdown` resolves, then drains. May run several times beside
    /// each other for several listeners.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(
        &self,
        _listener: TcpListener,
        _tls: Arc<rustls::ServerConfig>,
        _shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        unimplemented!()
    }
}

/// The API for one user of this process.
#[derive(Clone)]
pub struct Service {
    server: ApiServer,
    identity: Arc<Identity>,
}

impl<B> tower::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<B>) -> Self::Future {
        let _ = (&self.server, &self.identity);
        unimplemented!()
    }
}

//! The handle: build, call in process, serve.

use std::{
    convert::Infallible,
    future::Future,
    io,
    sync::Arc,
    task::{Context, Poll},
};

use api::resource::Registry;
use bytes::Bytes;
use http::header::{Entry, HeaderValue, USER_AGENT};
use http::{Request, Response};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    BuildError, Config, Identity,
    allocate::Allocations,
    bootstrap,
    core::Core,
    dispatch::{self, Caller},
    expiry,
    quota::Quotas,
    rbac::Rbac,
    serve,
    streams::BoxFuture,
    tokens::Tokens,
};

/// Kubernetes' own numbers added up: 400 reads and 200 writes. Each may hold a body of 3 MiB.
const MAX_IN_FLIGHT: usize = 600;

/// The body of every answer.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>;

/// The API, shared by every connection and every in-process client.
#[derive(Clone)]
pub struct ApiServer {
    core: Arc<Core>,
    /// Ends the removal of old events with the last clone.
    _expiry: Arc<DropGuard>,
}

impl ApiServer {
    /// Builds the server, writes the objects every cluster starts with, and begins to remove old events.
    /// Must run inside a tokio runtime.
    ///
    /// # Errors
    /// When the key is unusable or the store refuses.
    pub async fn build(config: Config) -> Result<Self, BuildError> {
        let core = Arc::new(Core {
            registry: Registry::builtin(),
            rbac: Rbac::default(),
            services: Allocations::default(),
            quotas: Quotas::default(),
            tokens: Tokens::new(&config.service_account_key)?,
            in_flight: Semaphore::new(MAX_IN_FLIGHT),
            config,
        });
        bootstrap::run(&core).await.map_err(BuildError::Bootstrap)?;
        let stop = CancellationToken::new();
        tokio::spawn(expiry::run(Arc::clone(&core), stop.clone()));
        Ok(Self { core, _expiry: Arc::new(stop.drop_guard()) })
    }

    /// Returns the API as a service for calls from this process, made by `identity`. It needs no
    /// connection, so streams that take one over (exec, attach, port-forward) are refused.
    #[must_use]
    pub fn service(&self, identity: Identity) -> Service {
        Service { server: self.clone(), identity: Arc::new(identity), agent: None }
    }

    /// Serves HTTPS on a listener until `shutdown` resolves, then drains. May run several times beside
    /// each other for several listeners. [`crate::tls::server_config`] makes a fitting configuration.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(
        &self,
        listener: TcpListener,
        tls: Arc<rustls::ServerConfig>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        serve::run(&self.core, listener, tls, shutdown).await
    }
}

/// The API for one user of this process.
#[derive(Clone)]
pub struct Service {
    server: ApiServer,
    identity: Arc<Identity>,
    agent: Option<HeaderValue>,
}

impl Service {
    /// Names the program that calls, where a request does not: managed fields tell it.
    #[must_use]
    pub fn named(self, agent: &'static str) -> Self {
        Self { agent: Some(HeaderValue::from_static(agent)), ..self }
    }
}

impl<B> tower::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let (Some(agent), Entry::Vacant(entry)) = (&self.agent, request.headers_mut().entry(USER_AGENT)) {
            entry.insert(agent.clone());
        }
        let core = Arc::clone(&self.server.core);
        let caller = Caller::Process(Arc::clone(&self.identity));
        Box::pin(async move { Ok(dispatch::handle(core, caller, CancellationToken::new(), request).await) })
    }
}

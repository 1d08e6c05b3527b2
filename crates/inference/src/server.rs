//! Build, run, drain.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use engine::Model;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::Config;
use crate::core::Core;
use crate::metrics::Metrics;
use crate::observer::Observer;
use crate::repository::{LoadError, Repository};
use crate::routes::App;
use crate::telemetry::{EndpointError, Follower, Journal, JournalError};

/// Connections the kernel may hold ready for us.
const BACKLOG: u32 = 1024;

/// Streams one HTTP/2 connection may have open.
const MAX_STREAMS: u32 = 128;

/// After a failed accept (no file descriptors left, usually) the loop pauses instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a server could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The model could not be opened.
    #[error("failed to load the model to serve")]
    Model(#[source] LoadError),
    /// There can be no prediction log.
    #[error("failed to begin the prediction log")]
    Journal(#[from] JournalError),
    /// The port is taken or not allowed.
    #[error("failed to reserve `{address}`")]
    Reserve {
        /// The address asked for.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Why a server stopped other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Spans cannot be sent where they should.
    #[error("failed to send spans")]
    Spans(#[from] EndpointError),
    /// Listening failed.
    #[error("failed to listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// A server with its model loaded and its port reserved, not yet listening.
pub struct Server {
    config: Config,
    core: Core,
    metrics: Arc<Metrics>,
    journal: Option<Arc<Journal>>,
    socket: TcpSocket,
    address: SocketAddr,
}

impl Server {
    /// Opens the model and reserves the port.
    ///
    /// The port is bound but not listened on: nobody else gets it, and connections are refused
    /// until [`Server::run`] and the start-up delay are through.
    ///
    /// # Errors
    /// When no model can be opened or the port is taken.
    pub fn build(config: Config) -> Result<Self, BuildError> {
        Self::assemble(config, |config, observers| {
            Repository::open(&config.model_path, observers).map_err(BuildError::Model)
        })
    }

    /// Like [`Server::build`] with a model already at hand; `config.model_path` is not read.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn with_model(config: Config, model: &Model) -> Result<Self, BuildError> {
        Self::assemble(config, |_, observers| Ok(Repository::of_model(model, observers)))
    }

    fn assemble(
        config: Config,
        open: impl FnOnce(&Config, Vec<Arc<dyn Observer>>) -> Result<Repository, BuildError>,
    ) -> Result<Self, BuildError> {
        let metrics = Arc::new(Metrics::default());
        let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::clone(&metrics) as Arc<dyn Observer>];
        let journal = config.telemetry.predictions.as_ref().map(Journal::open).transpose()?.map(Arc::new);
        observers.extend(journal.iter().map(|journal| Arc::clone(journal) as Arc<dyn Observer>));
        let repository = open(&config, observers.clone())?;
        let address = SocketAddr::new(config.address, config.port);
        let (socket, address) = reserve(address).map_err(|source| BuildError::Reserve { address, source })?;
        let core = Core::new(Arc::new(repository), observers, config.limits.clone());
        Ok(Server { config, core, metrics, journal, socket, address })
    }

    /// The address reserved.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The models being served.
    pub fn repository(&self) -> &Repository {
        self.core.repository()
    }

    /// Serves until `shutdown` resolves, then drains: goes on accepting for `config.drain`,
    /// finishes what is under way and returns.
    ///
    /// # Errors
    /// When listening fails.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), RunError> {
        let Server { config, core, metrics, journal, socket, address } = self;
        let mut shutdown = pin!(shutdown);
        if !config.startup_delay.is_zero() {
            tracing::info!(delay = ?config.startup_delay, "the start is delayed");
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                () = tokio::time::sleep(config.startup_delay) => {}
            }
        }
        let listener = socket.listen(BACKLOG).map_err(|source| RunError::Listen { address, source })?;
        tracing::info!(%address, "serving");
        let drain = config.drain;
        let watching = watch(core.repository(), config.poll);
        let names = core.repository().states();
        let service = names.first().map_or("pinnace", |state| &state.model);
        let follower = Follower::new(&config.telemetry, service)?;
        let app = App::new(config, core, metrics, follower, journal);
        let acceptor = Acceptor::new(listener, Arc::clone(&app));
        tokio::select! {
            () = acceptor.accept() => {}
            () = &mut shutdown => {}
        }
        tracing::info!(?drain, "draining");
        app.health.begin_draining();
        tokio::select! {
            () = acceptor.accept() => {}
            () = tokio::time::sleep(drain) => {}
        }
        acceptor.finish().await;
        watching.abort();
        tracing::info!("stopped");
        Ok(())
    }
}

/// Looks at the models' files again and again.
fn watch(repository: &Arc<Repository>, poll: Option<Duration>) -> JoinHandle<()> {
    let repository = Arc::clone(repository);
    tokio::spawn(async move {
        let Some(poll) = poll else { return };
        loop {
            tokio::time::sleep(poll).await;
            let repository = Arc::clone(&repository);
            let look = tokio::task::spawn_blocking(move || repository.refresh());
            if let Err(panic) = look.await {
                tracing::error!(%panic, "failed to look for changed models");
            }
        }
    })
}

fn reserve(address: SocketAddr) -> std::io::Result<(TcpSocket, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // a restarted server must get its port back although old connections linger in TIME_WAIT
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// Takes connections and keeps count of them.
struct Acceptor {
    listener: TcpListener,
    app: Arc<App>,
    places: Arc<Semaphore>,
    graceful: GracefulShutdown,
}

impl Acceptor {
    fn new(listener: TcpListener, app: Arc<App>) -> Self {
        let places = Arc::new(Semaphore::new(app.core.limits().max_connections));
        Acceptor { listener, app, places, graceful: GracefulShutdown::new() }
    }

    /// Accepts without end; may be dropped at any time and called again.
    async fn accept(&self) {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => self.serve(stream, place),
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, place: tokio::sync::OwnedSemaphorePermit) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "failed to set TCP_NODELAY");
        }
        let app = Arc::clone(&self.app);
        let service = service_fn(move |request| {
            let app = Arc::clone(&app);
            async move { Ok::<_, Infallible>(app.answer(request).await) }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.app.config.limits.read_timeout);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended early");
            }
            drop(place);
        });
    }

    /// Stops listening and waits until every request under way is answered.
    async fn finish(self) {
        drop(self.listener);
        self.graceful.shutdown().await;
    }
}

//! A [`kube::Client`] over HTTPS, or straight into a service of this process.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Request, Response};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tower::{BoxError, Service};

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig is absent, unreadable or not a kubeconfig.
    #[error("failed to read kubeconfig `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the reader met.
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// The context is absent or names a cluster or user that is.
    #[error("failed to use the context of kubeconfig `{path}`")]
    Context {
        /// The file.
        path: PathBuf,
        /// What is missing.
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// Certificates or keys are unusable.
    #[error("failed to prepare a connection by kubeconfig `{path}`")]
    Prepare {
        /// The file.
        path: PathBuf,
        /// What the TLS layer refused.
        #[source]
        source: Box<kube::Error>,
    },
}

/// Returns a client whose requests are calls of `service`: no socket, no TLS, the same API.
///
/// Must be called inside a tokio runtime: the client queues on a task of its own.
pub fn in_process<S, B>(service: S) -> kube::Client
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    kube::Client::new(service, "default")
}

/// Returns a client over HTTPS as `context` of the kubeconfig at `path` says; `None` takes the
/// current context.
///
/// # Errors
/// When the file, its context or its certificates are unusable. Nothing is sent yet.
pub async fn from_kubeconfig(path: &Path, context: Option<&str>) -> Result<kube::Client, ConnectError> {
    let at = || path.to_path_buf();
    let kubeconfig = Kubeconfig::read_from(path)
        .map_err(|source| ConnectError::Read { path: at(), source: Box::new(source) })?;
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|source| ConnectError::Context { path: at(), source: Box::new(source) })?;
    kube::Client::try_from(config)
        .map_err(|source| ConnectError::Prepare { path: at(), source: Box::new(source) })
}

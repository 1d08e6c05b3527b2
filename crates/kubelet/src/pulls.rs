//! Pulls images for the node's containers, each image once at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use image::{Credentials, Image, ImageStore, Reference, Registry, TransferOptions};
use k8s_openapi::api::core::v1::{Pod, Secret};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::environment::Sources;
use crate::images::{self, ImageError, chain};
use crate::observed::RefusalReason;
use crate::spec;

/// The pulls of a node.
#[derive(Default)]
pub(crate) struct Pulls {
    registry: OnceLock<Arc<Registry>>,
    under_way: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Pulls {
    /// Lets images be pulled. Later calls change nothing.
    pub(crate) fn connect(&self, registry: Arc<Registry>) {
        let _ = self.registry.set(registry);
    }

    /// Returns whether images can be pulled at all.
    pub(crate) fn are_possible(&self) -> bool {
        self.registry.get().is_some()
    }

    /// Pulls an image; if another container's pull of it is under way, its result is used. May be
    /// cancelled: the next pull goes on where this one was.
    pub(crate) async fn pull(
        &self,
        store: &ImageStore,
        name: &str,
        is_at_hand: bool,
        credentials: Credentials,
    ) -> Result<Image, ImageError> {
        let Some(registry) = self.registry.get() else {
            return Err(images::missing(name, images::PullPolicy::IfNotPresent));
        };
        let reference = Reference::parse(name).map_err(|error| failed(&error))?;
        let turn = self.turn(name);
        let _turn = turn.lock().await;
        if let (false, Some(image)) = (is_at_hand, look(store, name).await?) {
            return Ok(image);
        }
        let (registry, store) = (registry.clone(), store.clone());
        let options = TransferOptions { credentials, ..TransferOptions::default() };
        let stop = CancellationToken::new();
        // If this future is dropped, so is the pull.
        let _guard = stop.clone().drop_guard();
        let runtime = Handle::current();
        // On a thread of its own: a pull hashes and writes as much as it waits.
        let pull = move || {
            runtime.block_on(async {
                tokio::select! {
                    pulled = registry.pull(&store, &reference, &options) => pulled.map_err(|error| failed(&error)),
                    () = stop.cancelled() => Err(missing("the pull was given up")),
                }
            })
        };
        let pulled = tokio::task::spawn_blocking(pull).await.map_err(|error| failed(&error))?;
        pulled.map_err(|error| if is_at_hand { error } else { with_advice(&error) })
    }

    fn turn(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody holds are over.
        under_way.retain(|_, turn| Arc::strong_count(turn) > 1);
        under_way.entry(name.to_owned()).or_default().clone()
    }
}

/// Finds an image at hand.
pub(crate) async fn look(store: &ImageStore, name: &str) -> Result<Option<Image>, ImageError> {
    let (store, name) = (store.clone(), name.to_owned());
    let found = tokio::task::spawn_blocking(move || images::find(&store, &name)).await;
    found.map_err(|error| failed(&error))?
}

/// Most images that cannot be pulled here were meant to be built here.
fn with_advice(error: &ImageError) -> ImageError {
    let message =
        format!("{}; nor is it among the local images, which `pinnace image ls` lists", error.message);
    ImageError { reason: error.reason, message }
}

fn missing(message: &str) -> ImageError {
    ImageError { reason: RefusalReason::ErrImagePull, message: message.to_owned() }
}

fn failed(error: &dyn std::error::Error) -> ImageError {
    ImageError { reason: RefusalReason::ErrImagePull, message: chain(error) }
}

/// Returns what proves to registries that the pod may pull: its secrets, then what the user who
/// runs the cluster is logged in with. Blocks on the disk.
pub(crate) fn credentials(sources: &dyn Sources, pod: &Pod) -> Credentials {
    let mut credentials = Credentials::default();
    for reference in spec::spec(pod).image_pull_secrets.iter().flatten() {
        let found = sources.secret(spec::namespace(pod), &reference.name);
        match found.as_deref().map(from_secret) {
            Some(Some(known)) => credentials.extend(known),
            // As Kubernetes: the pull is tried without, and fails if it needed the secret.
            Some(None) | None => {
                tracing::warn!(
                    pod = spec::name(pod),
                    secret = reference.name,
                    "an image pull secret is unusable"
                );
            }
        }
    }
    match Credentials::of_user() {
        Ok(known) => credentials.extend(known),
        Err(error) => tracing::warn!(error = chain(&error), "the user's registry log-ins do not read"),
    }
    credentials
}

fn from_secret(secret: &Secret) -> Option<Credentials> {
    let data = secret.data.as_ref()?;
    if let Some(value) = data.get(".dockerconfigjson") {
        return Credentials::from_docker_config(&value.0).ok();
    }
    Credentials::from_docker_cfg(&data.get(".dockercfg")?.0).ok()
}

//! Images for containers: at hand, pulled, or refused in Kubernetes' words.

use std::path::PathBuf;

use image::{Image, ImageStore, Ownership, ResolveError};

use crate::observed::RefusalReason;

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    /// At every start. An image that is at hand and cannot be pulled is used all the same, and one
    /// without a registry in its name is not asked for: on one machine `web:latest` is what was
    /// just built there, not what somebody on Docker Hub gave that name.
    Always,
    /// When it is not at hand.
    IfNotPresent,
    /// Never.
    Never,
}

impl PullPolicy {
    /// Returns the policy of a container; the API has put in the default, which depends on the tag.
    #[must_use]
    pub fn of(container: &k8s_openapi::api::core::v1::Container) -> Self {
        Self::named(container.image_pull_policy.as_deref())
    }

    /// Returns the policy that a word of the API means.
    #[must_use]
    pub fn named(word: Option<&str>) -> Self {
        match word {
            Some("Always") => Self::Always,
            Some("Never") => Self::Never,
            Some(_) | None => Self::IfNotPresent,
        }
    }

    /// Returns whether an image is asked for at its registry though it is at hand.
    #[must_use]
    pub fn asks_again(self, name: &str) -> bool {
        let has_registry = name
            .split_once('/')
            .is_some_and(|(registry, _)| registry == "localhost" || registry.contains(['.', ':']));
        self == Self::Always && has_registry
    }
}

/// An image ready to be run.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Its configuration.
    pub config: image::Config,
    /// What `imageID` shows.
    pub id: String,
    /// Its unpacked layers, the topmost first.
    pub layers: Vec<PathBuf>,
}

/// Why there is no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ImageError {
    /// The reason, as the container's status shows it.
    pub reason: RefusalReason,
    /// More, for people.
    pub message: String,
}

/// Finds an image. Blocks on the disk.
///
/// # Errors
/// Its name is no name, or the store cannot be read.
pub fn find(store: &ImageStore, name: &str) -> Result<Option<Image>, ImageError> {
    store.resolve(name).map_err(|error| match error {
        ResolveError::Name { ref name, ref source } => ImageError {
            reason: RefusalReason::InvalidImageName,
            message: format!(
                "Failed to apply default image tag \"{name}\": couldn't parse image name \"{name}\": {source}"
            ),
        },
        ResolveError::Platform { .. } | ResolveError::Inconsistent { .. } | ResolveError::Store(_) => {
            ImageError { reason: RefusalReason::ErrImagePull, message: chain(&error) }
        }
    })
}

/// Returns what is said of an image that is not at hand.
#[must_use]
pub fn missing(name: &str, policy: PullPolicy) -> ImageError {
    match policy {
        PullPolicy::Never => ImageError {
            reason: RefusalReason::ErrImageNeverPull,
            message: format!("Container image \"{name}\" is not present with pull policy of Never"),
        },
        PullPolicy::Always | PullPolicy::IfNotPresent => ImageError {
            reason: RefusalReason::ErrImagePull,
            message: format!(
                "not found among the local images (`pinnace image ls` lists them, `pinnace image build -t {name} …` \
                 makes it)"
            ),
        },
    }
}

/// Unpacks an image, or finds it unpacked. Blocks on the disk.
///
/// # Errors
/// A layer is damaged, or the disk is full.
pub fn unpack(store: &ImageStore, image: &Image, snapshots: &std::path::Path) -> Result<Ready, ImageError> {
    let layers = store.unpack(image, snapshots, Ownership::detect()).map_err(|error| ImageError {
        reason: RefusalReason::ErrImagePull,
        message: format!("failed to unpack image: {}", chain(&error)),
    })?;
    let reference = image.reference.as_ref().map(ToString::to_string);
    let repository = reference.as_deref().map(repository).unwrap_or_default();
    let id = if repository.is_empty() {
        image.digest.to_string()
    } else {
        format!("{repository}@{}", image.digest)
    };
    Ok(Ready { config: image.config.clone(), id, layers })
}

/// Returns a reference without tag and digest.
fn repository(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    match name.rsplit_once(':') {
        // A colon before the last slash belongs to a port.
        Some((name, tag)) if !tag.contains('/') => name,
        Some(_) | None => name,
    }
}

/// Returns an error with its causes, as one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

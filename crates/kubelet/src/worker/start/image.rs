//! The image of a container that is being started: at hand, pulled, or refused.

use std::time::{Duration, Instant};

use image::Image;
use k8s_openapi::api::core::v1::Volume;

use super::{Request, note, warn};
use crate::collector;
use crate::images::{self, ImageError, PullPolicy, Ready};
use crate::observed::RefusalReason;
use crate::pulls;
use crate::spec;
use crate::volumes;

/// Finds or pulls the container's image, and unpacks it.
pub(super) async fn find(request: &Request) -> Result<Ready, ImageError> {
    let name = request.container.image.clone().unwrap_or_default();
    find_named(request, &name, PullPolicy::of(&request.container)).await
}

/// Mounts the images that the container has as volumes.
pub(super) async fn mount_volumes(request: &Request) -> Result<(), ImageError> {
    let volumes = spec::spec(&request.pod).volumes.iter().flatten();
    let is_mounted = |volume: &&Volume| {
        request.container.volume_mounts.iter().flatten().any(|mount| mount.name == volume.name)
    };
    for volume in volumes.filter(is_mounted) {
        let Some(source) = &volume.image else { continue };
        let name = source.reference.clone().unwrap_or_default();
        let policy = PullPolicy::named(source.pull_policy.as_deref());
        let ready = find_named(request, &name, policy).await?;
        let (node, uid, volume) =
            (request.node.clone(), spec::uid(&request.pod).to_owned(), volume.name.clone());
        let mount = move || volumes::mount_image(&node.config, &uid, &volume, &ready.layers);
        let mounted = tokio::task::spawn_blocking(mount).await;
        let mounted = mounted.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        mounted.map_err(|error| {
            let message = format!("failed to mount the image \"{name}\": {error}");
            ImageError { reason: RefusalReason::CreateContainerError, message }
        })?;
    }
    Ok(())
}

async fn find_named(request: &Request, name: &str, policy: PullPolicy) -> Result<Ready, ImageError> {
    let store = &request.node.images;
    let found = match pulls::look(store, name).await {
        Ok(found) => found,
        Err(error) if error.reason == RefusalReason::InvalidImageName => {
            warn(request, "InspectFailed", &error.message);
            return Err(error);
        }
        Err(error) => return Err(failed(request, name, error)),
    };
    let image = match found {
        Some(image) if !(policy.asks_again(name) && request.node.pulls.are_possible()) => {
            note(request, "Pulled", &format!("Container image \"{name}\" already present on machine"));
            image
        }
        Some(image) => pull(request, name, true).await.unwrap_or(image),
        None if policy == PullPolicy::Never => {
            let missing = images::missing(name, policy);
            warn(request, "ErrImageNeverPull", &missing.message);
            return Err(missing);
        }
        None if request.pull_wait.is_some() => return Err(waiting(request, name)),
        None => pull(request, name, false).await?,
    };
    unpack(request, name, image).await
}

async fn pull(request: &Request, name: &str, is_at_hand: bool) -> Result<Image, ImageError> {
    note(request, "Pulling", &format!("Pulling image \"{name}\""));
    let begin = Instant::now();
    let (node, pod) = (request.node.clone(), request.pod.clone());
    let credentials = tokio::task::spawn_blocking(move || pulls::credentials(&*node, &pod)).await;
    let credentials = credentials.unwrap_or_default();
    let pulled = request.node.pulls.pull(&request.node.images, name, is_at_hand, credentials).await;
    match pulled {
        Ok(image) => {
            let (node, of, pulled) = (request.node.clone(), name.to_owned(), image.clone());
            // The record is for the collector: an image that is not in it stays.
            let _ = tokio::task::spawn_blocking(move || collector::note_pulled(&node, &of, &pulled)).await;
            let took = go_seconds(begin.elapsed());
            let size = image.size;
            let message = format!(
                "Successfully pulled image \"{name}\" in {took} ({took} including waiting). Image size: {size} bytes."
            );
            note(request, "Pulled", &message);
            Ok(image)
        }
        Err(error) => Err(failed(request, name, error)),
    }
}

async fn unpack(request: &Request, name: &str, image: Image) -> Result<Ready, ImageError> {
    let (store, snapshots) = (request.node.images.clone(), request.node.config.directories.snapshots.clone());
    let unpacked = tokio::task::spawn_blocking(move || images::unpack(&store, &image, &snapshots)).await;
    let unpacked = unpacked.unwrap_or_else(|error| {
        Err(ImageError { reason: RefusalReason::ErrImagePull, message: error.to_string() })
    });
    unpacked.map_err(|error| failed(request, name, error))
}

/// Says that an image could not be had just now.
fn failed(request: &Request, name: &str, error: ImageError) -> ImageError {
    warn(request, "Failed", &format!("Failed to pull image \"{name}\": {}", error.message));
    warn(request, "Failed", "Error: ErrImagePull");
    error
}

/// Says that an image could not be had a while ago, and that the next attempt is not due.
fn waiting(request: &Request, name: &str) -> ImageError {
    let cause = request.pull_wait.as_ref().map(|(_, cause)| cause.as_str()).unwrap_or_default();
    note(request, "BackOff", &format!("Back-off pulling image \"{name}\""));
    warn(request, "Failed", "Error: ImagePullBackOff");
    let message = format!("Back-off pulling image \"{name}\": ErrImagePull: {cause}");
    ImageError { reason: RefusalReason::ImagePullBackOff, message }
}

/// Writes a short time as Go does: `12ms`, `1.204s`.
fn go_seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{}ms", time.as_millis())
    } else {
        format!("{:.3}s", time.as_secs_f64())
    }
}

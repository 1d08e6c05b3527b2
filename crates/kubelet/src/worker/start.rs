//! Starts one container: image, configuration, process, `postStart` hook.

mod image;

use std::net::IpAddr;
use std::sync::Arc;

use client::EventType;
use container::Sandbox;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use tokio_util::sync::CancellationToken;

use crate::back_off::{BackOff, Wait};
use crate::clock;
use crate::container_spec::{self, Prepared};
use crate::hooks;
use crate::images::{self, ImageError, chain};
use crate::node::Node;
use crate::observed::{Exit, RefusalReason};

/// Everything a start needs.
pub(super) struct Request {
    pub(super) node: Arc<Node>,
    pub(super) pod: Arc<Pod>,
    pub(super) container: Container,
    /// The run whose processes an ephemeral container sees, or the name of a container that does not run.
    pub(super) target: Option<Result<String, String>>,
    pub(super) restarts: u32,
    pub(super) back_off: BackOff,
    pub(super) sandbox: Sandbox,
    pub(super) address: Option<IpAddr>,
    /// The wait after a failed pull that is not over, and why it failed.
    pub(super) pull_wait: Option<(Wait, String)>,
    /// Says that the container is not wanted any more.
    pub(super) given_up: CancellationToken,
}

/// What became of a start.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The process runs. If its hook failed it has to go.
    Running { id: String, at: Timestamp, image_id: String, hook_failed: bool },
    /// The process could not be started: that counts as a run.
    Failed { exit: Exit, image_id: Option<String> },
    /// There is no sandbox any more.
    SandboxGone,
    /// There is nothing to run yet: that does not count.
    Refused { reason: RefusalReason, message: String },
}

pub(super) async fn start(request: &Request) -> Outcome {
    let found = tokio::select! {
        found = find_images(request) => found,
        () = request.given_up.cancelled() => Err(given_up()),
    };
    let image = match found {
        Ok(image) => image,
        Err(ImageError { reason, message }) => return Outcome::Refused { reason, message },
    };
    let image_id = image.id.clone();
    let prepared = match prepare(request, image).await {
        Ok(prepared) => prepared,
        Err((reason, message)) => {
            warn(request, "Failed", &format!("Error: {message}"));
            return Outcome::Refused { reason, message };
        }
    };
    forget_older(request).await;
    note(request, "Created", &format!("Created container: {}", request.container.name));
    let id = prepared.spec.id.clone();
    match request.sandbox.start(prepared.spec).await {
        Ok(started) => {
            note(request, "Started", &format!("Started container {}", request.container.name));
            let at = Timestamp::try_from(started.at).unwrap_or_else(|_| Timestamp::now());
            let hook_failed = !run_post_start(request, &id).await;
            Outcome::Running { id, at, image_id, hook_failed }
        }
        Err(container::Error::Command { message, .. }) => {
            warn(
                request,
                "Failed",
                &format!("Error: failed to start container \"{}\": {message}", request.container.name),
            );
            Outcome::Failed { exit: start_error(id, message), image_id: Some(image_id) }
        }
        Err(container::Error::ShimGone(_)) => Outcome::SandboxGone,
        Err(error) => {
            let message = chain(&error);
            warn(request, "Failed", &format!("Error: {message}"));
            Outcome::Refused { reason: RefusalReason::CreateContainerError, message }
        }
    }
}

/// The container's own image, and those it has as volumes.
async fn find_images(request: &Request) -> Result<images::Ready, ImageError> {
    let own = image::find(request).await?;
    image::mount_volumes(request).await?;
    Ok(own)
}

/// What a pod that ends while its image is on the way shows to nobody.
fn given_up() -> ImageError {
    ImageError { reason: RefusalReason::ErrImagePull, message: "the pod is ending".to_owned() }
}

/// Kubernetes' runtimes report a command that cannot be executed as a run that ended with 128.
fn start_error(id: String, message: String) -> Exit {
    Exit {
        id,
        code: 128,
        signal: None,
        reason: "StartError".to_owned(),
        message: Some(message),
        started_at: None,
        finished_at: Timestamp::now(),
        ended: clock::now(),
    }
}

async fn prepare(request: &Request, image: images::Ready) -> Result<Prepared, (RefusalReason, String)> {
    let (node, pod, container) = (request.node.clone(), request.pod.clone(), request.container.clone());
    let (restarts, back_off, address) = (request.restarts, request.back_off, request.address);
    let target = request.target.clone().transpose();
    let target = target.map_err(|name| {
        (RefusalReason::CreateContainerError, format!("target container \"{name}\" is not running"))
    })?;
    let make = move || {
        let inputs = container_spec::Inputs {
            node: &node,
            pod: &pod,
            container: &container,
            target,
            restarts,
            back_off,
            address,
            image: &image,
        };
        container_spec::prepare(&inputs)
    };
    match tokio::task::spawn_blocking(make).await {
        Ok(Ok(prepared)) => Ok(prepared),
        Ok(Err(error)) => Err((error.reason(), chain(&error))),
        Err(error) => Err((RefusalReason::CreateContainerError, error.to_string())),
    }
}

/// Keeps the run before this one, for its log and its end, and removes the one before that.
async fn forget_older(request: &Request) {
    let Some(older) = request.restarts.checked_sub(2) else { return };
    let name = &request.container.name;
    if let Err(error) = request.sandbox.remove(&container_spec::run_id(name, older)).await {
        tracing::debug!(container = name, error = chain(&error), "an old container stays");
    }
    let log = container_spec::log_path(&request.node, &request.pod, name, older);
    let _ = tokio::fs::remove_file(log).await;
}

async fn run_post_start(request: &Request, id: &str) -> bool {
    let hook = request.container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref());
    let Some(hook) = hook else { return true };
    let target = hooks::Target {
        sandbox: &request.sandbox,
        container_id: id,
        container: &request.container,
        address: request.address,
    };
    let ended = tokio::select! {
        ended = hooks::run(hook, &target) => ended,
        // The pod is ending: it is stopped with its hook half-way.
        () = request.given_up.cancelled() => Ok(()),
    };
    match ended {
        Ok(()) => true,
        Err(message) => {
            warn(request, "FailedPostStartHook", &format!("PostStartHook failed: {message}"));
            false
        }
    }
}

fn note(request: &Request, reason: &str, message: &str) {
    let container = &request.container.name;
    request.node.container_event(&request.pod, container, EventType::Normal, (reason, message));
}

fn warn(request: &Request, reason: &str, message: &str) {
    let container = &request.container.name;
    request.node.container_event(&request.pod, container, EventType::Warning, (reason, message));
}

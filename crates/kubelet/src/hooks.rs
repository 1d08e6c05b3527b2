//! Lifecycle hooks: a command, a request or a pause.

use std::net::IpAddr;
use std::time::Duration;

use container::Sandbox;
use k8s_openapi::api::core::v1::{Container, LifecycleHandler};

use crate::probe::{self, Outcome};

/// Requests of hooks get as long as Kubernetes gives them.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

/// The container run that a hook belongs to.
pub(crate) struct Target<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) container_id: &'a str,
    pub(crate) container: &'a Container,
    pub(crate) address: Option<IpAddr>,
}

/// Runs a hook to its end. May be cancelled.
///
/// # Errors
/// Why it failed, for an event.
pub(crate) async fn run(hook: &LifecycleHandler, target: &Target<'_>) -> Result<(), String> {
    if let Some(action) = &hook.exec {
        let command = action.command.clone().unwrap_or_default();
        let ended = probe::run_command(target.sandbox, target.container_id, &command, None).await;
        return match ended {
            Ok(Some((0, _)) | None) => Ok(()),
            Ok(Some((code, output))) => Err(format!("command {command:?} exited with {code}: {output}")),
            Err(error) => Err(error.to_string()),
        };
    }
    if let Some(action) = &hook.http_get {
        let address = target.address.ok_or("the pod has no address")?;
        let request = probe::http_target(action, target.container, address)?;
        return match probe::http_check(&request, HTTP_TIMEOUT).await {
            Outcome::Success => Ok(()),
            Outcome::Refused(message) | Outcome::Failure(message) => Err(message),
        };
    }
    if let Some(action) = &hook.sleep {
        tokio::time::sleep(Duration::from_secs(u64::try_from(action.seconds).unwrap_or(0))).await;
    }
    Ok(())
}

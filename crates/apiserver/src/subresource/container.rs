//! Which container of which pod a stream is about.

use api::status::ApiError;
use serde_json::Value;

use crate::{
    core::{Call, Core},
    streams::{PodRef, StreamError},
};

/// Finds the pod a stream is about and the node it is bound to.
pub(crate) fn bound_pod(core: &Core, call: &Call) -> Result<(Value, PodRef), ApiError> {
    let pod = core.find(&call.target)?.object;
    let name = call.target.name()?;
    let node = pod["spec"]["nodeName"].as_str().filter(|node| !node.is_empty());
    let Some(node) = node else {
        return Err(ApiError::bad_request(format!("pod {name} does not have a host assigned")));
    };
    let reference = PodRef {
        namespace: call.target.namespace().unwrap_or_default().to_owned(),
        name: name.to_owned(),
        uid: api::meta::uid(&pod).unwrap_or_default().to_owned(),
        node: node.to_owned(),
    };
    Ok((pod, reference))
}

/// Returns the container a request names, or the only one.
pub(crate) fn container(pod: &Value, asked: Option<&str>) -> Result<String, ApiError> {
    let name = api::meta::name(pod).unwrap_or_default();
    let of = |field: &str| -> Vec<String> {
        let all = pod["spec"][field].as_array().into_iter().flatten();
        all.filter_map(|container| container["name"].as_str().map(str::to_owned)).collect()
    };
    let (main, init, ephemeral) = (of("containers"), of("initContainers"), of("ephemeralContainers"));
    if let Some(asked) = asked {
        let is_there = [&main, &init, &ephemeral].into_iter().any(|all| all.iter().any(|one| one == asked));
        if is_there {
            return Ok(asked.to_owned());
        }
        return Err(ApiError::bad_request(format!("container {asked} is not valid for pod {name}")));
    }
    let annotated = pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    if let Some(annotated) = annotated.filter(|annotated| main.iter().any(|one| one == annotated)) {
        return Ok(annotated.to_owned());
    }
    match main.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(ApiError::bad_request(format!("a container name must be specified for pod {name}"))),
        all => {
            let mut message = format!(
                "a container name must be specified for pod {name}, choose one of: [{}]",
                all.join(" ")
            );
            if !init.is_empty() {
                message.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
            }
            Err(ApiError::bad_request(message))
        }
    }
}

/// Returns the status of a container, if it has one yet.
pub(crate) fn status<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
        .into_iter()
        .filter_map(|field| pod["status"][field].as_array())
        .flatten()
        .find(|status| status["name"] == container)
}

/// Says a failure of the node side in a `Status`.
pub(crate) fn refused(error: &StreamError) -> ApiError {
    match error {
        StreamError::NotFound(message) => {
            ApiError { code: 404, reason: "NotFound", message: message.clone(), details: None }
        }
        StreamError::Refused(message) => ApiError::bad_request(message.clone()),
        StreamError::NotStarted(message) => ApiError::internal(message.clone()),
        StreamError::Failed { message, source } => ApiError::internal(format!("{message}: {source}")),
    }
}

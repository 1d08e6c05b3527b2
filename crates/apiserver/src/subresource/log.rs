//! `log`: what a container wrote.

use api::status::ApiError;
use futures::StreamExt;
use http::Response;
use jiff::SignedDuration;
use serde_json::Value;

use crate::{
    Body,
    core::{Call, Core},
    respond,
    streams::LogOptions,
    subresource::container,
};

/// Serves `get`.
pub(crate) async fn get(core: &Core, call: &Call) -> Result<Response<Body>, ApiError> {
    let (pod, reference) = container::bound_pod(core, call)?;
    let options = options(call, &pod)?;
    check_started(&pod, &options)?;
    let streams = &core.config.node_streams;
    let chunks = streams.logs(reference, options).await.map_err(|error| container::refused(&error))?;
    // a log that is followed ends with the server
    let ended = call.draining.clone().cancelled_owned();
    Ok(respond::stream("text/plain", chunks.take_until(ended)))
}

fn options(call: &Call, pod: &Value) -> Result<LogOptions, ApiError> {
    let query = &call.query;
    let natural = |name: &str, least: i64| -> Result<Option<u64>, ApiError> {
        match query.number(name)? {
            Some(number) if number < least => Err(ApiError::bad_request(format!(
                "{name}: Invalid value: {number}: must be greater than or equal to {least}"
            ))),
            number => Ok(number.map(i64::unsigned_abs)),
        }
    };
    let seconds = natural("sinceSeconds", 1)?;
    let time = query
        .get("sinceTime")
        .map(|text| {
            api::time::parse(text).ok_or_else(|| {
                ApiError::bad_request(format!("sinceTime: Invalid value: \"{text}\": must be RFC 3339"))
            })
        })
        .transpose()?;
    if seconds.is_some() && time.is_some() {
        return Err(ApiError::bad_request("at most one of `sinceTime` or `sinceSeconds` may be specified"));
    }
    let ago = |seconds: u64| {
        let seconds = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        call.now.saturating_sub(seconds).unwrap_or(jiff::Timestamp::MIN)
    };
    Ok(LogOptions {
        container: container::container(pod, query.get("container"))?,
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        since: time.or(seconds.map(ago)),
        tail_lines: natural("tailLines", 0)?,
        limit_bytes: natural("limitBytes", 1)?,
        stream: query.get("stream").filter(|stream| *stream != "All").map(str::to_owned),
    })
}

/// A container that never ran has no log; the reason it waits is the better answer.
fn check_started(pod: &Value, options: &LogOptions) -> Result<(), ApiError> {
    let name = api::meta::name(pod).unwrap_or_default();
    let container = &options.container;
    let status = container::status(pod, container);
    let has_ended_before = status.is_some_and(|status| status["lastState"]["terminated"].is_object());
    if options.previous && !has_ended_before {
        return Err(ApiError::bad_request(format!(
            "previous terminated container \"{container}\" in pod \"{name}\" not found"
        )));
    }
    let waiting = status.and_then(|status| status["state"]["waiting"]["reason"].as_str());
    if let Some(reason) = waiting.filter(|_| !has_ended_before) {
        let doing = match reason {
            "ContainerCreating" | "PodInitializing" => String::new(),
            _ => "trying and failing to pull image".to_owned(),
        };
        let is_pull =
            matches!(reason, "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull");
        let what = if is_pull { doing } else { reason.to_owned() };
        return Err(ApiError::bad_request(format!(
            "container \"{container}\" in pod \"{name}\" is waiting to start: {what}"
        )));
    }
    Ok(())
}

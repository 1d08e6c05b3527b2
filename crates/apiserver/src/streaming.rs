//! Streams that take a connection over: exec, attach and port-forward, by WebSocket and by SPDY; logs and watches
//! for clients that know nothing but WebSocket.
//!
//! Reading order: `upgrade` (the handshakes), `carry` (an answer in messages), `remote_command` (a process and its client, whatever lies
//! between), `channels` (WebSocket messages), `spdy` (frames and streams), `spdy_command` and `forward`
//! (what runs over them), `tunnel` (SPDY inside WebSocket).

mod carry;
mod channels;
mod forward;
mod remote_command;
mod spdy;
mod spdy_command;
mod tunnel;
mod upgrade;

use std::sync::Arc;

use api::resource::Subresource;
use api::status::ApiError;
use http::Response;
use tokio_util::sync::CancellationToken;

use crate::{
    Body,
    core::{Call, Core},
    streams::{ExecOptions, NodeStreams, PodRef},
    subresource::container,
};

pub(crate) use carry::{Pieces, carried};
pub(crate) use upgrade::Upgrade;

/// What a taken-over connection works with.
#[derive(Clone)]
struct Context {
    node: Arc<dyn NodeStreams>,
    pod: PodRef,
    draining: CancellationToken,
}

/// Serves exec, attach or port-forward: checks, then answers with the switch of protocols and goes on beside.
pub(crate) fn serve(
    core: &Core,
    call: &Call,
    part: Subresource,
    upgrade: Option<hyper::upgrade::OnUpgrade>,
) -> Result<Response<Body>, ApiError> {
    let (pod, reference) = container::bound_pod(core, call)?;
    let context = Context {
        node: Arc::clone(&core.config.node_streams),
        pod: reference,
        draining: call.draining.clone(),
    };
    if part == Subresource::PortForward {
        let upgrade = Upgrade::read(&call.headers, upgrade, &forward::PROTOCOLS)?;
        return forward::serve(context, upgrade, &call.query);
    }
    let options = options(call, &pod, part)?;
    let upgrade = Upgrade::read(&call.headers, upgrade, &remote_command::PROTOCOLS)?;
    let is_exec = part == Subresource::Exec;
    Ok(remote_command::serve(context, upgrade, options, is_exec))
}

fn options(call: &Call, pod: &serde_json::Value, part: Subresource) -> Result<ExecOptions, ApiError> {
    let query = &call.query;
    let tty = query.flag("tty");
    let options = ExecOptions {
        container: container::container(pod, query.get("container"))?,
        command: query.all("command").map(str::to_owned).collect(),
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        // a terminal has one output
        stderr: query.flag("stderr") && !tty,
        tty,
    };
    if part == Subresource::Exec && options.command.is_empty() {
        return Err(ApiError::bad_request("you must specify at least one command for the container"));
    }
    if !(options.stdin || options.stdout || options.stderr) {
        return Err(ApiError::bad_request("you must specify at least one of stdin, stdout, stderr"));
    }
    Ok(options)
}

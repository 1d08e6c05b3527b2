//! A process and its client, whatever lies between them.

use api::status::ApiError;
use bytes::{Bytes, BytesMut};
use http::Response;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use super::{
    Context, channels, spdy_command,
    upgrade::{Kind, Protocols, Upgrade},
};
use crate::{
    Body,
    streams::{ExecOptions, Process, Reader, StreamError, TerminalSize, Writer},
};

pub(super) const PROTOCOLS: Protocols = Protocols {
    websocket: &[channels::V5, channels::V4, channels::V4_BASE64, channels::V1, channels::V1_BASE64],
    spdy: &[spdy_command::V4, spdy_command::V3, spdy_command::V2, spdy_command::V1],
};

/// One read of output; what `kubectl` uses as well.
const CHUNK: usize = 32 << 10;
/// A child may keep the output open after the process ended; after this much silence nobody waits for it.
const LINGER: Duration = Duration::from_secs(1);

/// Where output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Stdout,
    Stderr,
}

/// What is sent to the client, in order.
#[derive(Debug)]
pub(super) enum Output {
    Data(Channel, Bytes),
    /// How it ended; the last thing sent.
    Status(Value),
}

/// The client's side of a process.
pub(super) struct Client {
    /// Ends with the end of input.
    pub(super) stdin: Option<mpsc::Receiver<Bytes>>,
    pub(super) resize: mpsc::Receiver<TerminalSize>,
    pub(super) output: mpsc::Sender<Output>,
}

/// Answers with the switch of protocols and runs the process on the connection.
pub(super) fn serve(
    context: Context,
    upgrade: Upgrade,
    options: ExecOptions,
    is_exec: bool,
) -> Response<Body> {
    let (kind, protocol) = (upgrade.kind.clone(), upgrade.protocol);
    let (response, connection) = upgrade.accept();
    tokio::spawn(async move {
        let draining = context.draining.clone();
        let session = async move {
            let Some(connection) = connection.await else { return };
            match kind {
                Kind::WebSocket(_) => channels::serve(context, connection, protocol, options, is_exec).await,
                Kind::Spdy => spdy_command::serve(context, connection, protocol, options, is_exec).await,
            }
        };
        tokio::select! {
            () = session => {}
            () = draining.cancelled() => {}
        }
    });
    response
}

/// Runs a process for a client until both are done. Ends early, and leaves the process, when the client goes.
pub(super) async fn run(context: &Context, options: ExecOptions, is_exec: bool, client: Client) {
    let opened = if is_exec {
        context.node.exec(context.pod.clone(), options)
    } else {
        context.node.attach(context.pod.clone(), options)
    };
    let Client { stdin, resize, output } = client;
    let status = match opened.await {
        Ok(process) => connect(process, stdin, resize, &output).await,
        Err(error) => failure(&error),
    };
    // a client that left needs no status
    let _ = output.send(Output::Status(status)).await;
}

async fn connect(
    process: Process,
    stdin: Option<mpsc::Receiver<Bytes>>,
    resize: mpsc::Receiver<TerminalSize>,
    output: &mpsc::Sender<Output>,
) -> Value {
    let Process { stdin: input, stdout, stderr, resize: sizes, exit } = process;
    let (activity, mut active) = mpsc::channel(1);
    let outputs = async {
        tokio::join!(
            copy_out(stdout, Channel::Stdout, output, &activity),
            copy_out(stderr, Channel::Stderr, output, &activity)
        );
    };
    let inputs = async {
        tokio::join!(copy_in(stdin, input), forward_sizes(resize, sizes));
        // input that ended says nothing about the process
        std::future::pending::<()>().await;
    };
    tokio::pin!(outputs, exit);
    let mut has_drained = false;
    tokio::pin!(inputs);
    let code = loop {
        tokio::select! {
            code = &mut exit => break code,
            () = &mut outputs, if !has_drained => has_drained = true,
            () = &mut inputs => {}
            () = output.closed() => return Value::Null,
            Some(()) = active.recv() => {}
        }
    };
    while !has_drained {
        tokio::select! {
            () = &mut outputs => has_drained = true,
            () = output.closed() => return Value::Null,
            heard = tokio::time::timeout(LINGER, active.recv()) => has_drained = heard.is_err(),
        }
    }
    match code {
        Ok(0) => json!({"metadata": {}, "status": "Success"}),
        Ok(code) => exit_code(code),
        Err(error) => failure(&error),
    }
}

async fn copy_out(
    source: Option<Reader>,
    channel: Channel,
    output: &mpsc::Sender<Output>,
    activity: &mpsc::Sender<()>,
) {
    let Some(mut source) = source else { return };
    let mut buffer = BytesMut::with_capacity(CHUNK);
    loop {
        buffer.reserve(CHUNK);
        match source.read_buf(&mut buffer).await {
            // an output that breaks has ended; the exit says how
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if output.send(Output::Data(channel, buffer.split().freeze())).await.is_err() {
            return;
        }
        // one note is enough, so a full channel is fine
        let _ = activity.try_send(());
    }
}

async fn copy_in(stdin: Option<mpsc::Receiver<Bytes>>, input: Option<Writer>) {
    let (Some(mut stdin), Some(mut input)) = (stdin, input) else { return };
    while let Some(bytes) = stdin.recv().await {
        if input.write_all(&bytes).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
    // the process may have ended before its input did
    let _ = input.shutdown().await;
}

async fn forward_sizes(mut resize: mpsc::Receiver<TerminalSize>, sizes: Option<mpsc::Sender<TerminalSize>>) {
    let Some(sizes) = sizes else { return };
    while let Some(size) = resize.recv().await {
        if sizes.send(size).await.is_err() {
            return;
        }
    }
}

fn exit_code(code: i32) -> Value {
    json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]}})
}

fn failure(error: &StreamError) -> Value {
    let message = format!("Internal error occurred: error executing command in container: {error}");
    ApiError { code: 500, reason: "InternalError", message, details: None }.to_json()
}

/// Reads the size a client sends as JSON.
pub(super) fn parse_size(bytes: &[u8]) -> Option<TerminalSize> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let side = |name: &str| u16::try_from(value[name].as_u64()?).ok();
    Some(TerminalSize { width: side("Width")?, height: side("Height")? })
}

/// The text of a status for protocols without structured errors; empty for success.
pub(super) fn plain_status(status: &Value) -> String {
    if status["status"] == "Success" {
        return String::new();
    }
    status["message"].as_str().unwrap_or_default().to_owned()
}

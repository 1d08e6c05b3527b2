//! A process over SPDY: one stream each for input, output, errors, sizes and the end.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{
    Context,
    remote_command::{self, Channel, Client, Output},
    spdy::{Session, Stream, StreamWriter},
    upgrade::Connection,
};
use crate::streams::{ExecOptions, TerminalSize};

pub(super) const V4: &str = "v4.channel.k8s.io";
pub(super) const V3: &str = "v3.channel.k8s.io";
pub(super) const V2: &str = "v2.channel.k8s.io";
pub(super) const V1: &str = "channel.k8s.io";

/// Kubernetes waits as long for a client to open its streams.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const QUEUE: usize = 16;

/// The client's streams by their kind.
#[derive(Default)]
struct Opened {
    error: Option<Stream>,
    stdin: Option<Stream>,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    resize: Option<Stream>,
}

/// Runs a process on a SPDY connection.
pub(super) async fn serve(
    context: Context,
    connection: Connection,
    protocol: &'static str,
    options: ExecOptions,
    is_exec: bool,
) {
    let Ok(mut session) = Session::start(connection) else { return };
    let has_sizes = matches!(protocol, V4 | V3);
    let opening = tokio::time::timeout(OPEN_TIMEOUT, open(&mut session, &options, has_sizes));
    let Ok(Some(opened)) = opening.await else { return };
    let (output, outputs) = mpsc::channel(QUEUE);
    let (sizes, resize) = mpsc::channel(QUEUE);
    let Opened { error, stdin, stdout, stderr, resize: size_stream } = opened;
    let client = Client { stdin: stdin.map(|stream| stream.incoming), resize, output };
    let writers = Writers {
        error: error.map(|stream| stream.writer),
        stdout: stdout.map(|stream| stream.writer),
        stderr: stderr.map(|stream| stream.writer),
        has_status: protocol == V4,
    };
    let process = remote_command::run(&context, options, is_exec, client);
    let read_sizes = async {
        if let Some(stream) = size_stream {
            forward_sizes(stream, sizes).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = async { tokio::join!(writers.write(outputs), process) } => {}
        () = read_sizes => {}
        // no further stream comes; the end of the connection does
        () = until_closed(&mut session) => return,
    }
    // the client closes once it has read everything
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, until_closed(&mut session)).await;
    session.finish().await;
}

async fn until_closed(session: &mut Session) {
    while session.accept().await.is_some() {}
}

/// Waits for the streams that the options announce.
async fn open(session: &mut Session, options: &ExecOptions, has_sizes: bool) -> Option<Opened> {
    let mut opened = Opened::default();
    let wants_resize = options.tty && has_sizes;
    let is_complete = |opened: &Opened| {
        opened.error.is_some()
            && opened.stdin.is_some() >= options.stdin
            && opened.stdout.is_some() >= options.stdout
            && opened.stderr.is_some() >= options.stderr
            && opened.resize.is_some() >= wants_resize
    };
    while !is_complete(&opened) {
        let stream = session.accept().await?;
        let place = match stream.header("streamtype") {
            Some("error") => &mut opened.error,
            Some("stdin") => &mut opened.stdin,
            Some("stdout") => &mut opened.stdout,
            Some("stderr") => &mut opened.stderr,
            Some("resize") => &mut opened.resize,
            _ => {
                stream.writer.reset().await.ok()?;
                continue;
            }
        };
        *place = Some(stream);
    }
    Some(opened)
}

/// Sizes come as JSON texts, one after the other, cut anywhere.
async fn forward_sizes(mut stream: Stream, sizes: mpsc::Sender<TerminalSize>) {
    let mut text = Vec::new();
    while let Some(bytes) = stream.incoming.recv().await {
        text.extend_from_slice(&bytes);
        while let Some(end) = text.iter().position(|byte| *byte == b'}') {
            let rest = text.split_off(end + 1);
            if let Some(size) = remote_command::parse_size(&text) {
                // a size that is not taken is out of date anyway
                let _ = sizes.try_send(size);
            }
            text = rest;
        }
        // no size is that long
        if text.len() > 1024 {
            return;
        }
    }
}

struct Writers {
    error: Option<StreamWriter>,
    stdout: Option<StreamWriter>,
    stderr: Option<StreamWriter>,
    has_status: bool,
}

impl Writers {
    async fn write(self, mut outputs: mpsc::Receiver<Output>) {
        while let Some(output) = outputs.recv().await {
            let (writer, data) = match output {
                Output::Data(Channel::Stdout, data) => (&self.stdout, data),
                Output::Data(Channel::Stderr, data) => (&self.stderr, data),
                Output::Status(status) if self.has_status => (&self.error, Bytes::from(status.to_string())),
                Output::Status(status) => (&self.error, Bytes::from(remote_command::plain_status(&status))),
            };
            if let Some(writer) = writer
                && !data.is_empty()
                && writer.send(data).await.is_err()
            {
                return;
            }
        }
        for writer in [&self.stdout, &self.stderr, &self.error].into_iter().flatten() {
            if writer.finish().await.is_err() {
                return;
            }
        }
    }
}

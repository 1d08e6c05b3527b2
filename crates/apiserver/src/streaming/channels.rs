//! A process over WebSocket: the first byte of each message names its channel.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::{
    Context,
    remote_command::{self, Channel, Client, Output},
    upgrade::{self, Connection, Socket},
};
use crate::streams::{ExecOptions, TerminalSize};

pub(super) const V5: &str = "v5.channel.k8s.io";
pub(super) const V4: &str = "v4.channel.k8s.io";
pub(super) const V4_BASE64: &str = "v4.base64.channel.k8s.io";
pub(super) const V1: &str = "channel.k8s.io";
pub(super) const V1_BASE64: &str = "base64.channel.k8s.io";

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// In version 5: the client has no more for the channel named next.
const CLOSE: u8 = 255;

/// Pieces on their way in either direction; each is at most a message.
const QUEUE: usize = 16;
/// How long the client may take to answer the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How messages are written.
#[derive(Clone, Copy)]
pub(super) struct Framing {
    pub(super) is_base64: bool,
    /// Whether the end is told in JSON.
    has_status: bool,
}

impl Framing {
    pub(super) fn of(protocol: &str) -> Self {
        Self {
            is_base64: matches!(protocol, V4_BASE64 | V1_BASE64),
            has_status: matches!(protocol, V5 | V4 | V4_BASE64),
        }
    }

    pub(super) fn encode(self, channel: u8, data: &[u8]) -> Message {
        if self.is_base64 {
            return Message::text(format!("{channel}{}", BASE64.encode(data)));
        }
        let mut message = BytesMut::with_capacity(data.len() + 1);
        message.put_u8(channel);
        message.put_slice(data);
        Message::binary(message.freeze())
    }

    /// Returns channel and data; `None` for what is no data.
    pub(super) fn decode(self, message: Message) -> Option<(u8, Bytes)> {
        let mut bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => Bytes::from(text),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return None,
        };
        if bytes.is_empty() {
            return None;
        }
        let channel = bytes.split_to(1)[0];
        if !self.is_base64 {
            return Some((channel, bytes));
        }
        Some((channel.checked_sub(b'0')?, Bytes::from(BASE64.decode(&bytes).ok()?)))
    }
}

/// Runs a process on a WebSocket connection.
pub(super) async fn serve(
    context: Context,
    connection: Connection,
    protocol: &'static str,
    options: ExecOptions,
    is_exec: bool,
) {
    let framing = Framing::of(protocol);
    let (sink, source) = upgrade::socket(connection).await.split();
    let (stdin, stdin_receiver) = mpsc::channel(QUEUE);
    let (resize, resize_receiver) = mpsc::channel(QUEUE);
    let (output, outputs) = mpsc::channel(QUEUE);
    let client = Client { stdin: options.stdin.then_some(stdin_receiver), resize: resize_receiver, output };
    let first = if options.stdout {
        STDOUT
    } else if options.stderr {
        STDERR
    } else {
        ERROR
    };
    let inputs = Inputs { source, framing, is_v5: protocol == V5, stdin: Some(stdin), resize };
    let process = remote_command::run(&context, options, is_exec, client);
    let mut reader = tokio::spawn(inputs.read());
    let (mut sink, ()) = tokio::select! {
        both = async { tokio::join!(write(sink, framing, first, outputs), process) } => both,
        // the client has gone: dropping the process's future disconnects from it
        _ = &mut reader => return,
    };
    let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let _ = sink.send(Message::Close(Some(close))).await;
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, &mut reader).await;
    reader.abort();
}

/// Writes what comes until the status is out.
async fn write(
    mut sink: SplitSink<Socket, Message>,
    framing: Framing,
    first: u8,
    mut outputs: mpsc::Receiver<Output>,
) -> SplitSink<Socket, Message> {
    // tells the client that the connection stands, as Kubernetes does
    let mut is_open = sink.send(framing.encode(first, &[])).await.is_ok();
    while is_open && let Some(output) = outputs.recv().await {
        let message = match output {
            Output::Data(Channel::Stdout, data) => framing.encode(STDOUT, &data),
            Output::Data(Channel::Stderr, data) => framing.encode(STDERR, &data),
            Output::Status(status) if framing.has_status => {
                framing.encode(ERROR, status.to_string().as_bytes())
            }
            Output::Status(status) => framing.encode(ERROR, remote_command::plain_status(&status).as_bytes()),
        };
        is_open = sink.send(message).await.is_ok();
    }
    sink
}

/// What the client sends.
struct Inputs {
    source: SplitStream<Socket>,
    framing: Framing,
    is_v5: bool,
    stdin: Option<mpsc::Sender<Bytes>>,
    resize: mpsc::Sender<TerminalSize>,
}

impl Inputs {
    /// Reads until the client closes or breaks off.
    async fn read(mut self) {
        while let Some(Ok(message)) = self.source.next().await {
            if matches!(message, Message::Close(_)) {
                return;
            }
            let Some((channel, data)) = self.framing.decode(message) else { continue };
            match channel {
                STDIN if !data.is_empty() => {
                    if let Some(stdin) = &self.stdin
                        && stdin.send(data).await.is_err()
                    {
                        // the process takes no more input; its output still matters
                        self.stdin = None;
                    }
                }
                RESIZE => {
                    if let Some(size) = remote_command::parse_size(&data) {
                        // a size that is not taken is out of date anyway
                        let _ = self.resize.try_send(size);
                    }
                }
                CLOSE if self.is_v5 && data.first() == Some(&STDIN) => self.stdin = None,
                _ => {}
            }
        }
    }
}

//! Port-forward: connections to a pod's ports, over SPDY (plain or in a WebSocket) or WebSocket channels.

use std::{collections::HashMap, sync::Arc};

use api::status::ApiError;
use bytes::{Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use http::Response;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    task::JoinSet,
};
use tokio_tungstenite::tungstenite::Message;

use super::{
    Context,
    channels::{self, Framing},
    spdy::{Session, Stream, StreamWriter},
    tunnel,
    upgrade::{self, Connection, Kind, Protocols, Upgrade},
};
use crate::{Body, query::Query, streams::StreamError};

const SPDY: &str = "portforward.k8s.io";
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

pub(super) const PROTOCOLS: Protocols =
    Protocols { websocket: &[TUNNEL, channels::V4, channels::V4_BASE64], spdy: &[SPDY] };

const CHUNK: usize = 32 << 10;
/// Pieces on their way to the client, and to each port.
const QUEUE: usize = 16;
/// Each port takes two channels of 256.
const MAX_PORTS: usize = 64;
/// Connections of one client at once.
const MAX_CONNECTIONS: usize = 256;

/// Answers with the switch of protocols and forwards on the connection.
pub(super) fn serve(context: Context, upgrade: Upgrade, query: &Query) -> Result<Response<Body>, ApiError> {
    let (kind, protocol) = (upgrade.kind.clone(), upgrade.protocol);
    let by_channels = matches!(kind, Kind::WebSocket(_)) && protocol != TUNNEL;
    let ports = if by_channels { ports(query)? } else { Vec::new() };
    let (response, connection) = upgrade.accept();
    tokio::spawn(async move {
        let draining = context.draining.clone();
        let session = async move {
            let Some(connection) = connection.await else { return };
            match kind {
                Kind::Spdy => forward_streams(&context, connection).await,
                Kind::WebSocket(_) if protocol == TUNNEL => {
                    let bytes = tunnel::open(upgrade::socket(connection).await);
                    forward_streams(&context, bytes).await;
                }
                Kind::WebSocket(_) => forward_channels(&context, connection, protocol, ports).await,
            }
        };
        tokio::select! {
            () = session => {}
            () = draining.cancelled() => {}
        }
    });
    Ok(response)
}

fn ports(query: &Query) -> Result<Vec<u16>, ApiError> {
    let texts: Vec<&str> = query.all("ports").flat_map(|text| text.split(',')).collect();
    let ports: Option<Vec<u16>> =
        texts.iter().map(|text| text.parse().ok().filter(|port| *port > 0)).collect();
    match ports {
        Some(ports) if !ports.is_empty() && ports.len() <= MAX_PORTS => Ok(ports),
        _ => {
            Err(ApiError::bad_request(format!("query parameter \"ports\" must name 1 to {MAX_PORTS} ports")))
        }
    }
}

fn describe(error: &StreamError, context: &Context, port: u16) -> String {
    let pod = &context.pod;
    format!("error forwarding port {port} to pod {}/{}: {error}", pod.namespace, pod.name)
}

/// Each connection is a pair of streams with one request id.
async fn forward_streams<C>(context: &Context, connection: C)
where
    C: AsyncRead + AsyncWrite + Send + 'static,
{
    let Ok(mut session) = Session::start(connection) else { return };
    let context = Arc::new(context.clone());
    let mut waiting: HashMap<String, Stream> = HashMap::new();
    // dropped with this future, which ends the connections as well
    let mut connections = JoinSet::new();
    while let Some(stream) = session.accept().await {
        while connections.try_join_next().is_some() {}
        let Some(pair) = pair(&mut waiting, stream) else { continue };
        if connections.len() >= MAX_CONNECTIONS || waiting.len() >= MAX_CONNECTIONS {
            // both ends: the client sees its connection close
            let _ = tokio::join!(pair.data.writer.reset(), pair.error.writer.reset());
            continue;
        }
        let context = Arc::clone(&context);
        connections.spawn(async move { forward_pair(&context, pair).await });
    }
}

/// Both streams of a connection and the port they are for.
struct Pair {
    port: u16,
    data: Stream,
    error: Stream,
}

fn pair(waiting: &mut HashMap<String, Stream>, stream: Stream) -> Option<Pair> {
    let port: u16 = stream.header("port")?.parse().ok()?;
    // clients of old send no id, but then open error and data of a port together
    let id = stream.header("requestid").unwrap_or_default();
    let key = format!("{port}/{id}");
    let is_error = |stream: &Stream| stream.header("streamtype") == Some("error");
    match waiting.remove(&key) {
        Some(other) if is_error(&other) != is_error(&stream) => {
            let (error, data) = if is_error(&stream) { (stream, other) } else { (other, stream) };
            Some(Pair { port, data, error })
        }
        _ => {
            waiting.insert(key, stream);
            None
        }
    }
}

async fn forward_pair(context: &Context, pair: Pair) {
    let Pair { port, data, error } = pair;
    match context.node.port_forward(context.pod.clone(), port).await {
        Ok(pod) => {
            let (mut read, write) = tokio::io::split(pod);
            let inward = copy_in(data.incoming, write);
            let outward = async {
                copy_out(&mut read, &data.writer).await;
                let _ = data.writer.finish().await;
            };
            tokio::join!(inward, outward);
        }
        Err(failure) => {
            let _ = error.writer.send(Bytes::from(describe(&failure, context, port))).await;
            let _ = data.writer.reset().await;
        }
    }
    let _ = error.writer.finish().await;
}

async fn copy_in(mut incoming: mpsc::Receiver<Bytes>, mut write: impl AsyncWrite + Unpin) {
    while let Some(bytes) = incoming.recv().await {
        if write.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = write.shutdown().await;
}

async fn copy_out(read: &mut (impl AsyncRead + Unpin), writer: &StreamWriter) {
    let mut buffer = BytesMut::with_capacity(CHUNK);
    loop {
        buffer.reserve(CHUNK);
        match read.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if writer.send(buffer.split().freeze()).await.is_err() {
            return;
        }
    }
}

/// Port `i` of the query has its data on channel `2i` and its errors on `2i + 1`, each begun by the port.
async fn forward_channels(context: &Context, connection: Connection, protocol: &str, ports: Vec<u16>) {
    let framing = Framing::of(protocol);
    let (mut sink, mut source) = upgrade::socket(connection).await.split();
    let (output, mut outputs) = mpsc::channel::<(u8, Bytes)>(QUEUE);
    let mut inputs = Vec::new();
    let mut connections = JoinSet::new();
    for (channel, port) in (0_u8..).step_by(2).zip(ports) {
        let (input, incoming) = mpsc::channel(QUEUE);
        inputs.push(Some(input));
        let (context, output) = (context.clone(), output.clone());
        connections.spawn(async move { forward_channel(&context, port, channel, incoming, output).await });
    }
    drop(output);
    let read = async {
        while let Some(Ok(message)) = source.next().await {
            if matches!(message, Message::Close(_)) {
                return;
            }
            let Some((channel, data)) = framing.decode(message) else { continue };
            let input = inputs.get_mut(usize::from(channel / 2)).filter(|_| channel % 2 == 0);
            if let Some(slot) = input
                && let Some(input) = slot
                && input.send(data).await.is_err()
            {
                *slot = None;
            }
        }
    };
    let write = async {
        while let Some((channel, data)) = outputs.recv().await {
            if sink.send(framing.encode(channel, &data)).await.is_err() {
                return;
            }
        }
        let _ = sink.send(Message::Close(None)).await;
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}

async fn forward_channel(
    context: &Context,
    port: u16,
    channel: u8,
    incoming: mpsc::Receiver<Bytes>,
    output: mpsc::Sender<(u8, Bytes)>,
) {
    let named = Bytes::copy_from_slice(&port.to_le_bytes());
    for which in [channel, channel + 1] {
        if output.send((which, named.clone())).await.is_err() {
            return;
        }
    }
    let pod = match context.node.port_forward(context.pod.clone(), port).await {
        Ok(pod) => pod,
        Err(error) => {
            let _ = output.send((channel + 1, Bytes::from(describe(&error, context, port)))).await;
            return;
        }
    };
    let (mut read, write) = tokio::io::split(pod);
    let outward = async {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        loop {
            buffer.reserve(CHUNK);
            match read.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if output.send((channel, buffer.split().freeze())).await.is_err() {
                return;
            }
        }
    };
    // these clients cannot close one direction, so the pod's end is the end
    tokio::select! {
        () = outward => {}
        () = async { copy_in(incoming, write).await; std::future::pending::<()>().await } => {}
    }
}

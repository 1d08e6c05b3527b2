//! Packets in and out.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hickory_proto::op::{Message, ResponseCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    time,
};

use super::{
    Shared,
    answer::{self, Verdict, decide, encode},
    forward,
};

/// Questions under way to the host's name servers; each takes a socket. More are answered with
/// "server failure", after which clients try again.
const MAX_FORWARDS: usize = 256;

/// Connections at once (RFC 7766 leaves the number to us).
const MAX_CONNECTIONS: usize = 128;

/// A connection at rest is closed after this (RFC 7766: some seconds).
const IDLE_TIME: Duration = Duration::from_secs(10);

/// Queries are short; EDNS options make them at most this long.
const MAX_QUERY: usize = 4096;

const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

pub(super) async fn serve_udp(shared: Arc<Shared>, socket: UdpSocket) {
    let socket = Arc::new(socket);
    let permits = Arc::new(Semaphore::new(MAX_FORWARDS));
    let mut buffer = vec![0; MAX_QUERY];
    loop {
        // Errors here are about earlier answers that could not be delivered.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let packet = &buffer[..length];
        let limit = usize::from(answer::udp_limit(packet));
        match local(&shared, packet) {
            Verdict::Ignore => {}
            Verdict::Answer(message) => send(&socket, encode(*message, limit), from).await,
            verdict @ (Verdict::Follow(..) | Verdict::Forward) => {
                let Ok(permit) = permits.clone().try_acquire_owned() else {
                    send(&socket, failure(packet), from).await;
                    continue;
                };
                let (shared, socket, packet) = (shared.clone(), socket.clone(), packet.to_vec());
                tokio::spawn(async move {
                    send(&socket, remote(&shared, verdict, &packet, limit, false).await, from).await;
                    drop(permit);
                });
            }
        }
    }
}

async fn send(socket: &UdpSocket, answer: Option<Vec<u8>>, to: SocketAddr) {
    if let Some(answer) = answer
        && let Err(error) = socket.send_to(&answer, to).await
    {
        tracing::debug!(%error, %to, "an answer was not delivered");
    }
}

pub(super) async fn serve_tcp(shared: Arc<Shared>, listener: TcpListener) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    // Any error is the end of that client's connection.
                    talk(&shared, stream).await.ok();
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection for DNS was not accepted");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn talk(shared: &Shared, mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let mut packet = vec![0; usize::from(time::timeout(IDLE_TIME, stream.read_u16()).await??)];
        time::timeout(IDLE_TIME, stream.read_exact(&mut packet)).await??;
        let limit = usize::from(u16::MAX);
        let answer = match local(shared, &packet) {
            Verdict::Ignore => return Ok(()),
            Verdict::Answer(message) => encode(*message, limit),
            verdict @ (Verdict::Follow(..) | Verdict::Forward) => {
                remote(shared, verdict, &packet, limit, true).await
            }
        };
        let Some(answer) = answer else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(std::io::Error::other)?;
        time::timeout(IDLE_TIME, stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat()))
            .await??;
    }
}

fn local(shared: &Shared, packet: &[u8]) -> Verdict {
    let zone = shared.zone();
    match decide(&zone, packet) {
        Verdict::Answer(message) if message.metadata.response_code == ResponseCode::NXDomain => {
            let version =
                Message::from_vec(packet).ok().and_then(|query| answer::version(&query, &shared.domain));
            Verdict::Answer(version.map_or(message, Box::new))
        }
        verdict => verdict,
    }
}

async fn remote(
    shared: &Shared,
    verdict: Verdict,
    packet: &[u8],
    limit: usize,
    whole: bool,
) -> Option<Vec<u8>> {
    match verdict {
        Verdict::Follow(mut message, name, kind) => {
            match forward::follow(&shared.host, name, kind).await {
                Ok(rest) => {
                    message.metadata.response_code = rest.metadata.response_code;
                    message.add_answers(rest.answers);
                }
                Err(error) => {
                    tracing::debug!(%error, "an alias to outside was not followed");
                    message.metadata.response_code = ResponseCode::ServFail;
                }
            }
            encode(*message, limit)
        }
        Verdict::Forward => match forward::ask(&shared.host, packet, whole).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::debug!(%error, "the host's name servers gave no answer");
                failure(packet)
            }
        },
        Verdict::Ignore | Verdict::Answer(_) => None,
    }
}

/// Says "server failure" to a query.
fn failure(packet: &[u8]) -> Option<Vec<u8>> {
    let query = Message::from_vec(packet).ok()?;
    let mut answer = Message::error_msg(query.metadata.id, query.metadata.op_code, ResponseCode::ServFail);
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.add_queries(query.queries);
    answer.to_vec().ok()
}

//! Questions to the host's name servers.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RecordType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UdpSocket,
    time,
};

use super::answer;
use crate::host::HostNetwork;

/// One name server's time for one try (`resolv.conf(5)`: 5 s and two rounds; clients of ours give up
/// after 5 s altogether).
const TRY_TIME: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;

const MAX_ANSWER: usize = 65_535;
const TRUNCATED: u8 = 0x02;

/// Asks the host's name servers in turn. Query and answer are packets as they are on the wire; the
/// answer has the query's id. With `whole`, an answer that UDP cut short is asked for again by TCP.
///
/// # Errors
/// When none answers.
pub(crate) async fn ask(host: &HostNetwork, query: &[u8], whole: bool) -> io::Result<Vec<u8>> {
    let id: [u8; 2] = *query.first_chunk().ok_or(io::ErrorKind::InvalidInput)?;
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    let resolvers = host.resolvers().await;
    for resolver in resolvers.iter().cycle().take(resolvers.len() * ROUNDS) {
        // Nobody outside shall know our clients' ids, and guess answers.
        let mut sent = query.to_vec();
        sent[..2].copy_from_slice(&random_id());
        let tried = time::timeout(TRY_TIME, ask_one(host, *resolver, &sent, whole)).await;
        match tried.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(mut answer) => {
                answer[..2].copy_from_slice(&id);
                return Ok(answer);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Two bytes that a stranger cannot foresee: the standard library seeds its hash keys from the kernel.
fn random_id() -> [u8; 2] {
    use std::hash::{BuildHasher, RandomState};
    let [a, b, ..] = RandomState::new().hash_one(0).to_ne_bytes();
    [a, b]
}

async fn ask_one(host: &HostNetwork, resolver: SocketAddr, query: &[u8], whole: bool) -> io::Result<Vec<u8>> {
    let any: IpAddr =
        if resolver.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = host.udp((any, 0).into()).await?;
    socket.connect(resolver).await?;
    socket.send(query).await?;
    let answer = receive(&socket, query).await?;
    if whole && answer[2] & TRUNCATED != 0 {
        return ask_by_tcp(host, resolver, query).await;
    }
    Ok(answer)
}

/// Waits for the answer to this very question; strays and forgeries are passed over.
async fn receive(socket: &UdpSocket, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; MAX_ANSWER];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if is_answer(&buffer[..length], query) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

async fn ask_by_tcp(host: &HostNetwork, resolver: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = host.connect(resolver).await?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    if is_answer(&answer, query) { Ok(answer) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn is_answer(answer: &[u8], query: &[u8]) -> bool {
    let is_response = answer.len() >= 12 && answer[2] & 0x80 != 0 && answer[..2] == query[..2];
    is_response
        && match (question(answer), question(query)) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
            // A refusal may come without the question.
            (None, _) => answer[4..6] == [0, 0],
            (Some(_), None) => false,
        }
}

/// Finds the bytes of the first question: a name, a type and a class.
fn question(packet: &[u8]) -> Option<&[u8]> {
    if packet.get(4..6)? == [0, 0] {
        return None;
    }
    let mut at = 12;
    loop {
        match *packet.get(at)? {
            0 => break,
            // A first name has nothing before it to point to.
            length if length >= 64 => return None,
            length => at += usize::from(length) + 1,
        }
    }
    packet.get(12..at + 5)
}

/// Follows a name out of the cluster.
pub(super) async fn follow(host: &HostNetwork, name: Name, kind: RecordType) -> io::Result<Message> {
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name, kind));
    let packet = query.to_vec().map_err(io::Error::other)?;
    let packet = ask(host, &packet, true).await?;
    Message::from_vec(&packet).map_err(io::Error::other)
}

/// Finds a name's addresses, IPv4 first.
pub(crate) async fn lookup(host: &HostNetwork, name: &str) -> io::Result<Vec<IpAddr>> {
    let mut name = Name::from_utf8(name).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    name.set_fqdn(true);
    let (four, six) =
        tokio::join!(follow(host, name.clone(), RecordType::A), follow(host, name, RecordType::AAAA));
    let four = four?;
    let mut found = answer::addresses(&four);
    found.extend(six.iter().flat_map(answer::addresses));
    match four.metadata.response_code {
        _ if !found.is_empty() => Ok(found),
        ResponseCode::NoError | ResponseCode::NXDomain => {
            Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
        }
        code => Err(io::Error::other(format!("the name server answered {code}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(id: u8, flags: u8, name: &[u8]) -> Vec<u8> {
        [&[0, id, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0], name, &[0, 0, 1, 0, 1]].concat()
    }

    #[test]
    fn only_the_answer_to_the_question_is_taken() {
        let query = packet(7, 1, b"\x01a\x02bc");
        assert!(is_answer(&packet(7, 0x81, b"\x01A\x02bc"), &query));
        assert!(!is_answer(&packet(8, 0x81, b"\x01a\x02bc"), &query), "another id");
        assert!(!is_answer(&packet(7, 0x01, b"\x01a\x02bc"), &query), "no response");
        assert!(!is_answer(&packet(7, 0x81, b"\x01x\x02bc"), &query), "another question");
        for end in 0..query.len() {
            assert!(!is_answer(&packet(7, 0x81, b"\x01a\x02bc")[..end], &query), "cut at {end}");
        }
    }
}

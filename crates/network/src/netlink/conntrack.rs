//! Connection tracking (`nfnetlink_conntrack.h`): makes it forget exchanges whose other end is gone, and
//! asks it which connections go on.

use std::{
    collections::HashSet,
    io,
    net::{Ipv4Addr, SocketAddrV4},
};

use nix::sys::socket::SockProtocol;

use super::{
    Message, Socket,
    message::{self, ACK, DUMP},
};

const SUBSYSTEM: u16 = 1;
const GET: u16 = 1;
const DELETE: u16 = 2;
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const IP_SOURCE: u16 = 1;
const IP_DESTINATION: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const PROTOCOL_SOURCE: u16 = 2;
const PROTOCOL_DESTINATION: u16 = 3;
/// `struct nfgenmsg` for IPv4.
const HEADER: [u8; 4] = [2, 0, 0, 0];
const TCP: u8 = 6;
const UDP: u8 = 17;
const PROTOCOL_INFO: u16 = 4;
const INFO_TCP: u16 = 1;
const TCP_STATE: u16 = 1;
/// `TCP_CONNTRACK_SYN_SENT` to `TCP_CONNTRACK_ESTABLISHED`: nobody has said that it ends.
const GOES_ON: std::ops::RangeInclusive<u8> = 1..=3;

/// A UDP exchange whose destination was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Redirected {
    /// Where the client sends to.
    pub(crate) asked: SocketAddrV4,
    /// Where that goes.
    pub(crate) answers: SocketAddrV4,
}

/// Forgets the exchanges that `is_stale` names: their next packet passes the rules anew.
pub(crate) fn forget_udp(is_stale: impl Fn(Redirected) -> bool) -> io::Result<()> {
    let mut socket = Socket::open(SockProtocol::NetlinkNetFilter)?;
    let mut stale: Vec<Vec<u8>> = Vec::new();
    let request = Message::new(SUBSYSTEM << 8 | GET, DUMP).fixed(&HEADER);
    socket.dump(&request, |body| {
        let body = body.get(HEADER.len()..).unwrap_or_default();
        if let Some((redirected, original)) = redirected(body)
            && is_stale(redirected)
        {
            stale.push(original.to_vec());
        }
    })?;
    for original in stale {
        let delete = Message::new(SUBSYSTEM << 8 | DELETE, ACK)
            .fixed(&HEADER)
            .nest(TUPLE_ORIGINAL, |tuple| tuple.put_raw(&original));
        match socket.transact(&[delete]) {
            Err(refused) if refused.error.raw_os_error() != Some(libc::ENOENT) => return Err(refused.error),
            // It ended by itself meanwhile.
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// A TCP connection whose destination was changed, by its client's end and where that connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    pub(crate) client: SocketAddrV4,
    pub(crate) asked: SocketAddrV4,
}

/// Returns the connections to `address` that went through a service and that neither side has ended.
pub(crate) fn connections_to(address: Ipv4Addr) -> io::Result<HashSet<Connection>> {
    let mut socket = Socket::open(SockProtocol::NetlinkNetFilter)?;
    let mut found = HashSet::new();
    let request = Message::new(SUBSYSTEM << 8 | GET, DUMP).fixed(&HEADER);
    socket.dump(&request, |body| {
        found.extend(connection(body.get(HEADER.len()..).unwrap_or_default(), address));
    })?;
    Ok(found)
}

fn connection(entry: &[u8], address: Ipv4Addr) -> Option<Connection> {
    let (original, reply) = (find(entry, TUPLE_ORIGINAL)?, find(entry, TUPLE_REPLY)?);
    if find(find(original, TUPLE_PROTOCOL)?, PROTOCOL_NUMBER)?.first() != Some(&TCP) {
        return None;
    }
    let asked = end(original, IP_DESTINATION, PROTOCOL_DESTINATION)?;
    let answers = end(reply, IP_SOURCE, PROTOCOL_SOURCE)?;
    let state = find(find(find(entry, PROTOCOL_INFO)?, INFO_TCP)?, TCP_STATE)?.first().copied()?;
    let is_meant = *answers.ip() == address && asked != answers && GOES_ON.contains(&state);
    let client = end(original, IP_SOURCE, PROTOCOL_SOURCE)?;
    is_meant.then_some(Connection { client, asked })
}

fn redirected(entry: &[u8]) -> Option<(Redirected, &[u8])> {
    let original = find(entry, TUPLE_ORIGINAL)?;
    let reply = find(entry, TUPLE_REPLY)?;
    let number = |tuple| find(find(tuple, TUPLE_PROTOCOL)?, PROTOCOL_NUMBER)?.first().copied();
    if number(original)? != UDP {
        return None;
    }
    let asked = end(original, IP_DESTINATION, PROTOCOL_DESTINATION)?;
    let answers = end(reply, IP_SOURCE, PROTOCOL_SOURCE)?;
    Some((Redirected { asked, answers }, original))
}

fn end(tuple: &[u8], address: u16, port: u16) -> Option<SocketAddrV4> {
    let address: [u8; 4] = find(find(tuple, TUPLE_IP)?, address)?.try_into().ok()?;
    let port: [u8; 2] = find(find(tuple, TUPLE_PROTOCOL)?, port)?.try_into().ok()?;
    Some(SocketAddrV4::new(Ipv4Addr::from(address), u16::from_be_bytes(port)))
}

fn find(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    message::attributes(attributes).find(|attribute| attribute.0 == kind).map(|attribute| attribute.1)
}

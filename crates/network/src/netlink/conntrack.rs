//! Connection tracking: makes it forget exchanges whose other end is gone (`nfnetlink_conntrack.h`).

use std::{
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
const UDP: u8 = 17;

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

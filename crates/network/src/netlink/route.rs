//! Links, addresses, routes, neighbours and rules (`rtnetlink(7)`).

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd, BorrowedFd},
};

use nix::sys::socket::SockProtocol;

use super::{
    Message, Socket,
    message::{self, ACK, CREATE, EXCLUSIVE, REPLACE},
};
use crate::pods::Range;

// linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/neighbour.h, linux/fib_rules.h
const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
const NEW_NEIGHBOUR: u16 = 28;
const NEW_RULE: u16 = 32;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_QDISC: u16 = 6;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RTA_TABLE: u16 = 15;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_PERMANENT: u16 = 0x80;
const FRA_FWMARK: u16 = 10;
const FRA_TABLE: u16 = 15;
const RTPROT_STATIC: u8 = 4;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;
const TABLE_MAIN: u8 = 254;
const TABLE_UNSPECIFIED: u8 = 0;
const ACTION_TO_TABLE: u8 = 1;
const INET: u8 = 2;
const IFF_UP: u32 = 1;

/// The loopback link is the first of every network namespace.
pub(crate) const LOOPBACK: u32 = 1;

/// A link's hardware address.
pub(crate) type HardwareAddress = [u8; 6];

pub(crate) fn open() -> io::Result<Socket> {
    Socket::open(SockProtocol::NetlinkRoute)
}

pub(crate) fn raise_loopback(socket: &mut Socket) -> io::Result<()> {
    Ok(socket.transact(&[raise(LOOPBACK)])?)
}

pub(crate) fn raise(link: u32) -> Message {
    Message::new(NEW_LINK, ACK).fixed(&link_header(link, IFF_UP))
}

/// One end of a pair of links.
#[derive(Debug)]
pub(crate) struct End<'a> {
    pub(crate) name: &'a str,
    /// The link's number in its namespace.
    pub(crate) index: u32,
    pub(crate) hardware: HardwareAddress,
}

/// Creates a pair: `near` here, raised, and `far` in `namespace`, to be raised there: the kernel
/// refuses to raise it before it has its other end.
///
/// The two numbers must differ. The kernel takes a link that has its own number at the other end for
/// one without another end, and may let a second pass before packets get through
/// (`linkwatch_urgent_event`).
pub(crate) fn new_pair(near: &End<'_>, far: &End<'_>, namespace: BorrowedFd<'_>) -> Message {
    Message::new(NEW_LINK, ACK | CREATE | EXCLUSIVE)
        .fixed(&link_header(near.index, IFF_UP))
        .text(IFLA_IFNAME, near.name)
        .bytes(IFLA_ADDRESS, &near.hardware)
        .nest(IFLA_LINKINFO, |info| {
            info.put_text(IFLA_INFO_KIND, "veth");
            info.put_nest(IFLA_INFO_DATA, |data| {
                data.put_nest(VETH_INFO_PEER, |peer| {
                    peer.put_raw(&link_header(far.index, 0));
                    peer.put_text(IFLA_IFNAME, far.name);
                    peer.put(IFLA_ADDRESS, &far.hardware);
                    peer.put(IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
                });
            });
        })
}

pub(crate) fn delete_link(name: &str) -> Message {
    Message::new(DELETE_LINK, ACK).fixed(&link_header(0, 0)).text(IFLA_IFNAME, name)
}

/// What is known of a link.
#[derive(Debug)]
pub(crate) struct LinkState {
    /// Packets can leave by it. A raised link gets there a moment after its other end is raised too, by
    /// work that the kernel does later; what is sent before is lost.
    pub(crate) is_ready: bool,
}

/// Looks a link up by name. Since Linux 6.8 looking also makes the kernel do that later work at once.
pub(crate) fn link_state(socket: &mut Socket, name: &str) -> io::Result<LinkState> {
    let mut state = None;
    let message = Message::new(GET_LINK, 0).fixed(&link_header(0, 0)).text(IFLA_IFNAME, name);
    socket.dump(&message, |body| {
        let mut attributes = message::attributes(body.get(16..).unwrap_or_default());
        let queue = attributes.find(|attribute| attribute.0 == IFLA_QDISC);
        state = Some(LinkState { is_ready: queue.is_some_and(|(_, queue)| !queue.starts_with(b"noop\0")) });
    })?;
    state.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Gives a link an address that no other machine shares a subnet with.
pub(crate) fn new_address(link: u32, address: Ipv4Addr) -> Message {
    let mut header = vec![INET, 32, 0, SCOPE_UNIVERSE];
    header.extend(link.to_ne_bytes());
    Message::new(NEW_ADDRESS, ACK | CREATE | REPLACE)
        .fixed(&header)
        .bytes(IFA_LOCAL, &address.octets())
        .bytes(IFA_ADDRESS, &address.octets())
}

/// `ADDRESS dev LINK scope link [src SOURCE]`.
pub(crate) fn on_link_route(link: u32, address: Ipv4Addr, source: Option<Ipv4Addr>) -> Message {
    let message = Message::new(NEW_ROUTE, ACK | CREATE | REPLACE)
        .fixed(&route_header(32, TABLE_MAIN, SCOPE_LINK, RTN_UNICAST))
        .bytes(RTA_DST, &address.octets())
        .bytes(RTA_OIF, &link.to_ne_bytes());
    match source {
        Some(source) => message.bytes(RTA_PREFSRC, &source.octets()),
        None => message,
    }
}

/// Deletes what [`on_link_route`] made.
pub(crate) fn delete_on_link_route(address: Ipv4Addr) -> Message {
    Message::new(DELETE_ROUTE, ACK)
        .fixed(&route_header(32, TABLE_MAIN, SCOPE_LINK, RTN_UNICAST))
        .bytes(RTA_DST, &address.octets())
}

/// `default via GATEWAY dev LINK`.
pub(crate) fn default_route(link: u32, gateway: Ipv4Addr) -> Message {
    Message::new(NEW_ROUTE, ACK | CREATE | REPLACE)
        .fixed(&route_header(0, TABLE_MAIN, SCOPE_UNIVERSE, RTN_UNICAST))
        .bytes(RTA_GATEWAY, &gateway.octets())
        .bytes(RTA_OIF, &link.to_ne_bytes())
}

/// `default dev LINK scope link src SOURCE`.
pub(crate) fn link_default_route(link: u32, source: Ipv4Addr) -> Message {
    Message::new(NEW_ROUTE, ACK | CREATE | REPLACE)
        .fixed(&route_header(0, TABLE_MAIN, SCOPE_LINK, RTN_UNICAST))
        .bytes(RTA_OIF, &link.to_ne_bytes())
        .bytes(RTA_PREFSRC, &source.octets())
}

/// `local RANGE dev lo [src SOURCE] table TABLE`: packets for the range are ours.
pub(crate) fn local_route(range: Range, source: Option<Ipv4Addr>, table: u32) -> Message {
    let message = Message::new(NEW_ROUTE, ACK | CREATE | REPLACE)
        .fixed(&route_header(range.prefix, TABLE_UNSPECIFIED, SCOPE_HOST, RTN_LOCAL))
        .bytes(RTA_TABLE, &table.to_ne_bytes())
        .bytes(RTA_OIF, &LOOPBACK.to_ne_bytes());
    let message = if range.prefix > 0 { message.bytes(RTA_DST, &range.address.octets()) } else { message };
    match source {
        Some(source) => message.bytes(RTA_PREFSRC, &source.octets()),
        None => message,
    }
}

/// The table that the kernel itself keeps for local addresses.
pub(crate) const LOCAL_TABLE: u32 = 255;

/// Says once and for all which hardware address has `address`: nobody needs to ask.
pub(crate) fn permanent_neighbour(link: u32, address: Ipv4Addr, hardware: HardwareAddress) -> Message {
    let mut header = vec![INET, 0, 0, 0];
    header.extend(link.to_ne_bytes());
    header.extend(NUD_PERMANENT.to_ne_bytes());
    header.extend([0, 0]);
    Message::new(NEW_NEIGHBOUR, ACK | CREATE | REPLACE)
        .fixed(&header)
        .bytes(NDA_DST, &address.octets())
        .bytes(NDA_LLADDR, &hardware)
}

/// `fwmark MARK lookup TABLE`.
pub(crate) fn mark_rule(mark: u32, table: u32) -> Message {
    Message::new(NEW_RULE, ACK | CREATE | EXCLUSIVE)
        .fixed(&[INET, 0, 0, 0, TABLE_UNSPECIFIED, 0, 0, ACTION_TO_TABLE, 0, 0, 0, 0])
        .bytes(FRA_FWMARK, &mark.to_ne_bytes())
        .bytes(FRA_TABLE, &table.to_ne_bytes())
}

/// `struct ifinfomsg`.
fn link_header(index: u32, flags: u32) -> Vec<u8> {
    let mut header = vec![0; 4];
    header.extend(index.to_ne_bytes());
    header.extend(flags.to_ne_bytes());
    header.extend(flags.to_ne_bytes());
    header
}

/// `struct rtmsg`.
fn route_header(prefix: u8, table: u8, scope: u8, kind: u8) -> [u8; 12] {
    [INET, prefix, 0, 0, table, RTPROT_STATIC, scope, kind, 0, 0, 0, 0]
}

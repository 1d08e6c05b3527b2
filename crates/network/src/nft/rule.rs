//! Rules: lists of expressions that work on registers.

use std::{net::Ipv4Addr, time::Duration};

use super::{AnonymousMap, FAMILY, LIST_ELEMENT};
use crate::{netlink::Message, pods::Range};

const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_REGISTER: u32 = 0;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const META_MARK: u32 = 3;
const META_IIF: u32 = 4;
const META_OIF: u32 = 5;
const META_L4PROTO: u32 = 16;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const AT_MOST: u32 = 3;
const AT_LEAST: u32 = 5;
const CONNECTION_STATE: u32 = 0;
const CONNECTION_PORT: u32 = 12;
const CONNECTION_ADDRESS: u32 = 20;
/// `NF_CT_STATE_BIT` of `IP_CT_ESTABLISHED` and `IP_CT_RELATED`.
const GOES_ON: u32 = 2 | 4;
const NAT_SOURCE: u32 = 0;
const NAT_DESTINATION: u32 = 1;
const SET_UPDATE: u32 = 1;
const RANDOM: u32 = 1;
const DROP: i32 = 0;
const ACCEPT: i32 = 1;
const RETURN: i32 = -5;

/// One of sixteen registers of four bytes; longer values use the following ones too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Register(pub(crate) u32);

impl Register {
    /// `NFT_REG32_00`: the numbers before name the same space in units of sixteen bytes.
    fn number(self) -> u32 {
        self.0 + 8
    }
}

/// A rule under construction: it acts when each comparison on the way holds.
#[derive(Debug)]
pub(crate) struct Rule {
    expressions: Message,
}

impl Rule {
    pub(crate) fn new() -> Self {
        Self { expressions: Message::new(0, 0) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.expressions.body()
    }

    fn expression(mut self, name: &str, fill: impl FnOnce(&mut Message)) -> Self {
        self.expressions.put_nest(LIST_ELEMENT, |m| {
            m.put_text(EXPRESSION_NAME, name);
            m.put_nest(EXPRESSION_DATA, fill);
        });
        self
    }

    fn payload(self, base: u32, offset: u32, length: u32, into: Register) -> Self {
        self.expression("payload", |m| {
            m.put_be32(1, into.number());
            m.put_be32(2, base);
            m.put_be32(3, offset);
            m.put_be32(4, length);
        })
    }

    fn meta(self, key: u32, into: Register) -> Self {
        self.expression("meta", |m| {
            m.put_be32(1, into.number());
            m.put_be32(2, key);
        })
    }

    fn compare(self, register: Register, operator: u32, value: &[u8]) -> Self {
        self.expression("cmp", |m| {
            m.put_be32(1, register.number());
            m.put_be32(2, operator);
            m.put_nest(3, |m| m.put(DATA_VALUE, value));
        })
    }

    /// Loads the source address.
    pub(crate) fn load_source(self, into: Register) -> Self {
        self.payload(NETWORK_HEADER, 12, 4, into)
    }

    /// Loads the destination address.
    pub(crate) fn load_destination_address(self, into: Register) -> Self {
        self.payload(NETWORK_HEADER, 16, 4, into)
    }

    /// Loads the address that the connection was opened to, before any change of it.
    pub(crate) fn load_first_destination(self, into: Register) -> Self {
        self.connection(CONNECTION_ADDRESS, into)
    }

    /// Loads the port that the packet goes to.
    pub(crate) fn load_port(self, into: Register) -> Self {
        self.payload(TRANSPORT_HEADER, 2, 2, into)
    }

    /// Loads the port that the connection was opened to, before any change of it.
    pub(crate) fn load_first_port(self, into: Register) -> Self {
        self.connection(CONNECTION_PORT, into)
    }

    /// Loads what connection tracking knows of the direction that the connection was opened in.
    fn connection(self, key: u32, into: Register) -> Self {
        self.expression("ct", |m| {
            m.put_be32(1, into.number());
            m.put_be32(2, key);
            m.put(3, &[0]);
        })
    }

    /// Goes on when the packet belongs to a connection that was let through before.
    pub(crate) fn connection_goes_on(self) -> Self {
        let register = Register(0);
        self.expression("ct", |m| {
            m.put_be32(1, register.number());
            m.put_be32(2, CONNECTION_STATE);
        })
        .expression("bitwise", |m| {
            m.put_be32(1, register.number());
            m.put_be32(2, register.number());
            m.put_be32(3, 4);
            m.put_nest(4, |m| m.put(DATA_VALUE, &GOES_ON.to_ne_bytes()));
            m.put_nest(5, |m| m.put(DATA_VALUE, &[0; 4]));
        })
        .compare(register, NOT_EQUAL, &[0; 4])
    }

    /// Goes on when the port in a register is one of these, both ends included.
    pub(crate) fn port_between(self, register: Register, first: u16, last: u16) -> Self {
        if first == last {
            return self.compare(register, EQUAL, &first.to_be_bytes());
        }
        self.compare(register, AT_LEAST, &first.to_be_bytes()).compare(register, AT_MOST, &last.to_be_bytes())
    }

    /// Loads source and destination address, eight bytes.
    pub(crate) fn load_addresses(self, into: Register) -> Self {
        self.payload(NETWORK_HEADER, 12, 8, into)
    }

    /// Loads destination address, protocol and destination port, twelve bytes: see [`destination_key`].
    pub(crate) fn load_destination(self, into: Register) -> Self {
        self.payload(NETWORK_HEADER, 16, 4, into).meta(META_L4PROTO, Register(into.0 + 1)).payload(
            TRANSPORT_HEADER,
            2,
            2,
            Register(into.0 + 2),
        )
    }

    pub(crate) fn protocol_is(self, protocol: u8) -> Self {
        self.meta(META_L4PROTO, Register(0)).compare(Register(0), EQUAL, &[protocol])
    }

    pub(crate) fn source_in(self, range: Range) -> Self {
        self.load_source(Register(0)).address_in(Register(0), range)
    }

    pub(crate) fn destination_in(self, range: Range) -> Self {
        self.load_destination_address(Register(0)).address_in(Register(0), range)
    }

    pub(crate) fn destination_not_in(self, range: Range) -> Self {
        self.load_destination_address(Register(0)).address_not_in(Register(0), range)
    }

    /// Goes on when the address in a register, which is spent, lies in the range.
    pub(crate) fn address_in(self, register: Register, range: Range) -> Self {
        self.masked(register, range).compare(register, EQUAL, &network(range))
    }

    /// The opposite of [`Rule::address_in`].
    pub(crate) fn address_not_in(self, register: Register, range: Range) -> Self {
        self.masked(register, range).compare(register, NOT_EQUAL, &network(range))
    }

    fn masked(self, register: Register, range: Range) -> Self {
        self.expression("bitwise", |m| {
            m.put_be32(1, register.number());
            m.put_be32(2, register.number());
            m.put_be32(3, 4);
            m.put_nest(4, |m| m.put(DATA_VALUE, &range.mask().to_be_bytes()));
            m.put_nest(5, |m| m.put(DATA_VALUE, &[0; 4]));
        })
    }

    pub(crate) fn came_in_by(self, link: u32) -> Self {
        self.meta(META_IIF, Register(0)).compare(Register(0), EQUAL, &link.to_ne_bytes())
    }

    pub(crate) fn leaves_by(self, link: u32) -> Self {
        self.meta(META_OIF, Register(0)).compare(Register(0), EQUAL, &link.to_ne_bytes())
    }

    pub(crate) fn mark_is(self, mark: u32) -> Self {
        self.meta(META_MARK, Register(0)).compare(Register(0), EQUAL, &mark.to_ne_bytes())
    }

    pub(crate) fn set_mark(self, mark: u32) -> Self {
        self.immediate(Register(0), &mark.to_ne_bytes()).expression("meta", |m| {
            m.put_be32(2, META_MARK);
            m.put_be32(3, Register(0).number());
        })
    }

    pub(crate) fn random(self, below: u32, into: Register) -> Self {
        self.expression("numgen", |m| {
            m.put_be32(1, into.number());
            m.put_be32(2, below);
            m.put_be32(3, RANDOM);
        })
    }

    /// Goes on for one packet in so many, at random.
    pub(crate) fn one_in(self, count: u32) -> Self {
        self.random(count, Register(0)).compare(Register(0), EQUAL, &0_u32.to_ne_bytes())
    }

    /// Goes on when the key is in the set.
    pub(crate) fn when_in(self, set: &str, key: Register) -> Self {
        self.expression("lookup", |m| {
            m.put_text(1, set);
            m.put_be32(2, key.number());
        })
    }

    /// Puts the key into a set, or lets it stay there for longer: it leaves it after this time.
    pub(crate) fn remember(self, set: &str, key: Register, time: Duration) -> Self {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.expression("dynset", |m| {
            m.put_text(1, set);
            m.put_be32(3, SET_UPDATE);
            m.put_be32(4, key.number());
            m.put(6, &milliseconds.to_be_bytes());
        })
    }

    /// Acts as the verdict map says; goes on with the next rule when the key is not in it.
    pub(crate) fn verdict_of(self, map: &str, key: Register) -> Self {
        self.expression("lookup", |m| {
            m.put_text(1, map);
            m.put_be32(2, key.number());
            m.put_be32(3, VERDICT_REGISTER);
        })
    }

    /// Loads what the map gives for the key.
    pub(crate) fn look_up(self, map: AnonymousMap, key: Register, into: Register) -> Self {
        self.expression("lookup", |m| {
            m.put_text(1, AnonymousMap::NAME);
            m.put_be32(2, key.number());
            m.put_be32(3, into.number());
            m.put_be32(4, map.id);
        })
    }

    pub(crate) fn immediate(self, into: Register, value: &[u8]) -> Self {
        self.expression("immediate", |m| {
            m.put_be32(1, into.number());
            m.put_nest(2, |m| m.put(DATA_VALUE, value));
        })
    }

    fn verdict(self, code: i32) -> Self {
        self.expression("immediate", |m| {
            m.put_be32(1, VERDICT_REGISTER);
            m.put_nest(2, |m| m.put_nest(DATA_VERDICT, |m| m.put(1, &code.to_be_bytes())));
        })
    }

    pub(crate) fn accept(self) -> Self {
        self.verdict(ACCEPT)
    }

    pub(crate) fn drop_it(self) -> Self {
        self.verdict(DROP)
    }

    /// Goes back to where the chain was jumped to from.
    pub(crate) fn back(self) -> Self {
        self.verdict(RETURN)
    }

    /// Changes the destination to the address and port in two registers.
    pub(crate) fn destination_nat(self, address: Register, port: Register) -> Self {
        self.expression("nat", |m| {
            m.put_be32(1, NAT_DESTINATION);
            m.put_be32(2, FAMILY.into());
            m.put_be32(3, address.number());
            m.put_be32(5, port.number());
        })
    }

    pub(crate) fn destination_nat_to(self, address: Ipv4Addr, port: u16) -> Self {
        self.immediate(Register(0), &address.octets())
            .immediate(Register(1), &port.to_be_bytes())
            .destination_nat(Register(0), Register(1))
    }

    pub(crate) fn source_nat_to(self, address: Ipv4Addr) -> Self {
        self.immediate(Register(0), &address.octets()).expression("nat", |m| {
            m.put_be32(1, NAT_SOURCE);
            m.put_be32(2, FAMILY.into());
            m.put_be32(3, Register(0).number());
        })
    }

    /// Hands the packet to the local transparent socket, its destination unchanged.
    pub(crate) fn transparent_proxy(self, address: Ipv4Addr, port: u16) -> Self {
        self.immediate(Register(0), &address.octets()).immediate(Register(1), &port.to_be_bytes()).expression(
            "tproxy",
            |m| {
                m.put_be32(1, FAMILY.into());
                m.put_be32(2, Register(0).number());
                m.put_be32(3, Register(1).number());
            },
        )
    }

    pub(crate) fn reject_with_reset(self) -> Self {
        self.expression("reject", |m| {
            m.put_be32(1, 1);
            m.put(2, &[0]);
        })
    }

    /// Rejects with an ICMP "unreachable" of a code: 0 network, 3 port, 13 prohibited.
    pub(crate) fn reject_with_unreachable(self, code: u8) -> Self {
        self.expression("reject", |m| {
            m.put_be32(1, 0);
            m.put(2, &[code]);
        })
    }
}

fn network(range: Range) -> [u8; 4] {
    (range.address.to_bits() & range.mask()).to_be_bytes()
}

/// The key that [`Rule::load_destination`] builds: registers hold short values at their start.
pub(crate) fn destination_key(address: Ipv4Addr, protocol: u8, port: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    [address.octets(), [protocol, 0, 0, 0], [high, low, 0, 0]].concat()
}

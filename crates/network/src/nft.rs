//! A small encoder of nftables rules (`linux/netfilter/nf_tables.h`): tables, chains, sets, maps and
//! the expressions we use. One [`Batch`] is one transaction: all of it holds, or nothing does.
//!
//! IPv4 only, as the cluster is.

mod rule;

use std::io;

use nix::sys::socket::SockProtocol;

use crate::netlink::{
    Message, Socket,
    message::{self, APPEND, CREATE, DUMP},
};

pub(crate) use rule::{Register, Rule, destination_key};

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = 0;
const GET_TABLE: u16 = 1;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const DELETE_CHAIN: u16 = 5;
const NEW_RULE: u16 = 6;
const DELETE_RULE: u16 = 8;
const NEW_SET: u16 = 9;
const DELETE_SET: u16 = 11;
const NEW_ELEMENTS: u16 = 12;
const DELETE_ELEMENTS: u16 = 14;
const LIST_ELEMENT: u16 = 1;

const FAMILY: u8 = 2;
const SET_ANONYMOUS: u32 = 1;
const SET_CONSTANT: u32 = 2;
const SET_MAP: u32 = 8;
const SET_TIMEOUT: u32 = 0x10;
/// Rules may add to it.
const SET_DYNAMIC: u32 = 0x20;
const VERDICT_TYPE: u32 = 0xffff_ff00;
/// Only tools that print rules care for the types of keys and values.
const PLAIN_TYPE: u32 = 13;
const JUMP: i32 = -3;
const GOTO: i32 = -4;

/// An unprivileged socket's send buffer is 208 KiB: a larger batch is refused (EMSGSIZE).
pub(crate) const BATCH_BYTES: usize = 192 << 10;

/// An attribute is below 64 KiB; an element takes up to 80 bytes.
const ELEMENTS_PER_MESSAGE: usize = 700;

/// When a chain sees packets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hook {
    pub(crate) kind: &'static str,
    /// `NF_INET_*` (`linux/netfilter.h`).
    pub(crate) number: u32,
    pub(crate) priority: i32,
}

pub(crate) const PREROUTING: u32 = 0;
pub(crate) const INPUT: u32 = 1;
pub(crate) const FORWARD: u32 = 2;
pub(crate) const OUTPUT: u32 = 3;
pub(crate) const POSTROUTING: u32 = 4;

/// One element: its key, and what a map gives for it.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    /// A member of a set.
    None,
    Bytes(Vec<u8>),
    Goto(String),
    /// As [`Value::Goto`], but what the chain leaves undecided goes on behind the map.
    Jump(String),
}

/// What a named set holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Set,
    VerdictMap,
    /// A set that rules add to, for a while ([`Rule::remember`]).
    Memory,
}

/// Opens a conversation about packet rules, in the thread's network namespace.
pub(crate) fn open() -> io::Result<Socket> {
    let socket = Socket::open(SockProtocol::NetlinkNetFilter)?;
    socket.try_send_buffer(2 * BATCH_BYTES);
    Ok(socket)
}

/// Lists the names of our family's tables.
pub(crate) fn tables(socket: &mut Socket) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let request = Message::new(SUBSYSTEM << 8 | GET_TABLE, DUMP).fixed(&header(0));
    socket.dump(&request, |body| {
        let attributes = message::attributes(body.get(4..).unwrap_or_default());
        names.extend(
            attributes
                .filter(|attribute| attribute.0 == 1)
                .map(|(_, text)| String::from_utf8_lossy(text).trim_end_matches('\0').to_owned()),
        );
    })?;
    Ok(names)
}

/// One transaction on one table.
#[derive(Debug)]
pub(crate) struct Batch {
    table: String,
    messages: Vec<Message>,
    bytes: usize,
    next_set: u32,
}

impl Batch {
    pub(crate) fn new(table: &str) -> Self {
        let begin = Message::new(BATCH_BEGIN, 0).fixed(&header(SUBSYSTEM));
        Self { table: table.to_owned(), bytes: begin.len(), messages: vec![begin], next_set: 1 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.len() == 1
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Makes it hold.
    pub(crate) fn commit(mut self, socket: &mut Socket) -> io::Result<()> {
        // The answer to the last message comes after the whole batch has been applied.
        let Some(last) = self.messages.pop().filter(|_| !self.messages.is_empty()) else { return Ok(()) };
        self.messages.push(last.with_answer());
        self.messages.push(Message::new(BATCH_END, 0).fixed(&header(SUBSYSTEM)));
        Ok(socket.transact(&self.messages)?)
    }

    pub(crate) fn add_table(&mut self) {
        let message = self.message(NEW_TABLE, CREATE).text(1, &self.table);
        self.push(message);
    }

    pub(crate) fn delete_table(&mut self, name: &str) {
        let message = self.message(DELETE_TABLE, 0).text(1, name);
        self.push(message);
    }

    pub(crate) fn add_chain(&mut self, name: &str) {
        let message = self.message(NEW_CHAIN, CREATE).text(1, &self.table).text(3, name);
        self.push(message);
    }

    pub(crate) fn add_base_chain(&mut self, name: &str, hook: Hook) {
        let message = self
            .message(NEW_CHAIN, CREATE)
            .text(1, &self.table)
            .text(3, name)
            .nest(4, |m| {
                m.put_be32(1, hook.number);
                m.put(2, &hook.priority.to_be_bytes());
            })
            .text(7, hook.kind);
        self.push(message);
    }

    /// Deletes all rules of a chain.
    pub(crate) fn flush_chain(&mut self, name: &str) {
        let message = self.message(DELETE_RULE, 0).text(1, &self.table).text(2, name);
        self.push(message);
    }

    pub(crate) fn delete_chain(&mut self, name: &str) {
        let message = self.message(DELETE_CHAIN, 0).text(1, &self.table).text(3, name);
        self.push(message);
    }

    pub(crate) fn add_rule(&mut self, chain: &str, rule: &Rule) {
        let message = self
            .message(NEW_RULE, CREATE | APPEND)
            .text(1, &self.table)
            .text(2, chain)
            .nest(4, |m| m.put_raw(rule.bytes()));
        self.push(message);
    }

    pub(crate) fn add_set(&mut self, name: &str, kind: Kind, key_bytes: u32) {
        let id = self.take_set_id();
        let mut message = self.message(NEW_SET, CREATE).text(1, &self.table).text(2, name);
        let flags = match kind {
            Kind::Set => 0,
            Kind::VerdictMap => SET_MAP,
            Kind::Memory => SET_TIMEOUT | SET_DYNAMIC,
        };
        message.put_be32(3, flags);
        message.put_be32(4, PLAIN_TYPE);
        message.put_be32(5, key_bytes);
        if matches!(kind, Kind::VerdictMap) {
            message.put_be32(6, VERDICT_TYPE);
        }
        message.put_be32(10, id);
        self.push(message);
    }

    /// Deletes a set that no rule looks at any more.
    pub(crate) fn delete_set(&mut self, name: &str) {
        let message = self.message(DELETE_SET, 0).text(1, &self.table).text(2, name);
        self.push(message);
    }

    /// Adds a map without a name, to be looked up by one rule of this batch, with which it dies.
    pub(crate) fn add_anonymous_map(
        &mut self,
        key_bytes: u32,
        value_bytes: u32,
        elements: &[Element],
    ) -> AnonymousMap {
        let map = AnonymousMap { id: self.take_set_id() };
        let mut message = self.message(NEW_SET, CREATE).text(1, &self.table).text(2, AnonymousMap::NAME);
        message.put_be32(3, SET_ANONYMOUS | SET_CONSTANT | SET_MAP);
        message.put_be32(4, PLAIN_TYPE);
        message.put_be32(5, key_bytes);
        message.put_be32(6, PLAIN_TYPE);
        message.put_be32(7, value_bytes);
        // Knowing its size, the kernel takes a plain table instead of one that grows.
        let size = u32::try_from(elements.len()).unwrap_or(u32::MAX);
        message.put_nest(9, |description| description.put_be32(1, size));
        message.put_be32(10, map.id);
        self.push(message);
        self.elements(NEW_ELEMENTS, CREATE, AnonymousMap::NAME, Some(map.id), elements);
        map
    }

    pub(crate) fn add_elements(&mut self, set: &str, elements: &[Element]) {
        self.elements(NEW_ELEMENTS, CREATE, set, None, elements);
    }

    /// Deletes elements by their keys.
    pub(crate) fn delete_elements(&mut self, set: &str, elements: &[Element]) {
        self.elements(DELETE_ELEMENTS, 0, set, None, elements);
    }

    fn elements(&mut self, kind: u16, flags: u16, set: &str, id: Option<u32>, elements: &[Element]) {
        for part in elements.chunks(ELEMENTS_PER_MESSAGE) {
            let mut message = self.message(kind, flags).text(1, &self.table).text(2, set);
            if let Some(id) = id {
                message.put_be32(4, id);
            }
            message.put_nest(3, |list| {
                for element in part {
                    list.put_nest(LIST_ELEMENT, |m| put_element(m, element));
                }
            });
            self.push(message);
        }
    }

    fn take_set_id(&mut self) -> u32 {
        self.next_set += 1;
        self.next_set
    }

    fn message(&self, kind: u16, flags: u16) -> Message {
        Message::new(SUBSYSTEM << 8 | kind, flags).fixed(&header(0))
    }

    fn push(&mut self, message: Message) {
        self.bytes += message.len();
        self.messages.push(message);
    }
}

/// A map that belongs to one rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnonymousMap {
    id: u32,
}

impl AnonymousMap {
    const NAME: &'static str = "__map%d";
}

fn put_element(message: &mut Message, element: &Element) {
    message.put_nest(1, |m| m.put(1, &element.key));
    match &element.value {
        Value::None => {}
        Value::Bytes(bytes) => message.put_nest(2, |m| m.put(1, bytes)),
        Value::Goto(chain) => put_verdict(message, GOTO, chain),
        Value::Jump(chain) => put_verdict(message, JUMP, chain),
    }
}

fn put_verdict(message: &mut Message, code: i32, chain: &str) {
    message.put_nest(2, |m| {
        m.put_nest(2, |m| {
            m.put(1, &code.to_be_bytes());
            m.put_text(2, chain);
        });
    });
}

/// `struct nfgenmsg`.
fn header(resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [FAMILY, 0, high, low]
}

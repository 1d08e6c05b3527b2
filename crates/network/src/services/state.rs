//! What the kernel has, and the way from there to what it should have.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    io,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use super::{Config, Protocol, ServiceRule, backends};
use crate::{
    netlink::{
        Socket,
        conntrack::{self, Redirected},
    },
    nft::{
        BATCH_BYTES, Batch, Element, Hook, INPUT, Kind, OUTPUT, POSTROUTING, PREROUTING, Register, Rule,
        Value, destination_key,
    },
    pods::Range,
};

/// Our tables are this and a number: a new one is filled while the old one still works.
const TABLE_PREFIX: &str = "pinnace-services-";
const SERVICES: &str = "services";
const SERVED: &str = "served";
const ITSELF: &str = "itself";
const KEY_BYTES: u32 = 12;
const ICMP_PORT_UNREACHABLE: u8 = 3;

/// `NF_IP_PRI_NAT_DST`, `NF_IP_PRI_FILTER`, `NF_IP_PRI_NAT_SRC`.
const BEFORE_ROUTING: Hook = Hook { kind: "nat", number: PREROUTING, priority: -100 };
const FROM_HERE: Hook = Hook { kind: "nat", number: OUTPUT, priority: -100 };
const TO_HERE: Hook = Hook { kind: "filter", number: INPUT, priority: 0 };
const AFTER_ROUTING: Hook = Hook { kind: "nat", number: POSTROUTING, priority: 100 };

type Key = (Ipv4Addr, Protocol, u16);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) backends: Vec<SocketAddrV4>,
    pub(super) near: Vec<(Range, Vec<SocketAddrV4>)>,
    pub(super) stay: Option<Duration>,
}

type Wanted = BTreeMap<Key, Target>;

#[derive(Debug)]
pub(super) struct State {
    config: Config,
    socket: Socket,
    /// The table in force and what it says; `None` before the first success and after a failure.
    current: Option<(String, Wanted)>,
    /// Tables to replace.
    old: Vec<String>,
    next: u64,
}

impl State {
    pub(super) fn new(config: Config, socket: Socket, tables: &[String]) -> Self {
        let number = |name: &str| name.strip_prefix(TABLE_PREFIX)?.parse::<u64>().ok();
        let old: Vec<String> = tables.iter().filter(|name| number(name).is_some()).cloned().collect();
        let next = old.iter().filter_map(|name| number(name)).max().map_or(0, |last| last + 1);
        Self { config, socket, current: None, old, next }
    }

    pub(super) fn apply(&mut self, rules: Vec<ServiceRule>) -> io::Result<()> {
        let wanted = wanted(rules);
        let Some((table, present)) = self.current.take() else { return self.rebuild(wanted) };
        match update(&mut self.socket, &table, &present, &wanted) {
            Ok(()) => {
                forget_stale_exchanges(&present, &wanted);
                self.current = Some((table, wanted));
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, "rules of services not as expected, building them anew");
                self.old.push(table);
                self.rebuild(wanted)
            }
        }
    }

    /// Fills a new table and, in one transaction, hooks it up and deletes the old.
    fn rebuild(&mut self, wanted: Wanted) -> io::Result<()> {
        let table = format!("{TABLE_PREFIX}{}", self.next);
        self.next += 1;
        let built = self.build(&table, &wanted);
        match built {
            Ok(()) => {
                self.old.clear();
                self.current = Some((table, wanted));
            }
            // Half-filled and hooked up to nothing; to be deleted with the rest if it is there.
            Err(_) => self.discard(&table),
        }
        built
    }

    fn build(&mut self, table: &str, wanted: &Wanted) -> io::Result<()> {
        let mut batch = Batch::new(table);
        batch.add_table();
        batch.add_set(SERVICES, Kind::VerdictMap, KEY_BYTES);
        batch.add_set(SERVED, Kind::Set, KEY_BYTES);
        batch.add_set(ITSELF, Kind::Set, 8);
        let served: Vec<Element> =
            self.config.served_here.iter().map(|key| element(*key, Value::None)).collect();
        batch.add_elements(SERVED, &served);
        batch.commit(&mut self.socket)?;
        update(&mut self.socket, table, &Wanted::new(), wanted)?;

        let mut batch = Batch::new(table);
        self.hook_up(&mut batch);
        for old in &self.old {
            batch.delete_table(old);
        }
        batch.commit(&mut self.socket)
    }

    fn hook_up(&self, batch: &mut Batch) {
        for (chain, hook) in [("before-routing", BEFORE_ROUTING), ("from-here", FROM_HERE)] {
            batch.add_base_chain(chain, hook);
            batch.add_rule(
                chain,
                &Rule::new().load_destination(Register(0)).verdict_of(SERVICES, Register(0)),
            );
        }

        // A pod that reaches itself through a service would answer itself directly, and never see
        // its own answer: it has to come from somewhere else.
        batch.add_base_chain("after-routing", AFTER_ROUTING);
        let itself = Rule::new().load_addresses(Register(0)).when_in(ITSELF, Register(0));
        batch.add_rule("after-routing", &itself.source_nat_to(self.config.node_address));

        // What still is for a service's address found no backend.
        batch.add_base_chain("to-here", TO_HERE);
        let served = Rule::new().load_destination(Register(0)).when_in(SERVED, Register(0));
        batch.add_rule("to-here", &served.accept());
        let to_service = |protocol: Protocol| {
            Rule::new().destination_in(self.config.service_range).protocol_is(protocol.number())
        };
        batch.add_rule("to-here", &to_service(Protocol::Tcp).reject_with_reset());
        batch.add_rule("to-here", &to_service(Protocol::Udp).reject_with_unreachable(ICMP_PORT_UNREACHABLE));
    }

    fn discard(&mut self, table: &str) {
        let mut batch = Batch::new(table);
        batch.delete_table(table);
        if let Err(error) = batch.commit(&mut self.socket) {
            tracing::debug!(%error, table, "a half-filled table was not deleted");
        }
    }
}

/// Sorts and tidies the rules, so that equal ones compare equal.
fn wanted(rules: Vec<ServiceRule>) -> Wanted {
    rules
        .into_iter()
        .map(|rule| {
            let tidy = |mut backends: Vec<SocketAddrV4>| {
                backends.sort_unstable();
                backends.dedup();
                backends
            };
            let target = Target {
                backends: tidy(rule.backends),
                near: rule.near.into_iter().map(|(range, backends)| (range, tidy(backends))).collect(),
                stay: rule.affinity,
            };
            ((rule.address, rule.protocol, rule.port), target)
        })
        .filter(|(_, target)| !target.backends.is_empty())
        .collect()
}

/// Sends the kernel the difference, in batches that each leave a consistent state.
fn update(socket: &mut Socket, table: &str, present: &Wanted, wanted: &Wanted) -> io::Result<()> {
    let mut batch = Batch::new(table);
    update_itself(&mut batch, present, wanted);
    for (key, target) in present.iter().filter(|(key, _)| !wanted.contains_key(key)) {
        let chain = chain_name(key);
        batch.delete_elements(SERVICES, &[element(*key, Value::None)]);
        batch.flush_chain(&chain);
        batch.delete_chain(&chain);
        backends::memories(&chain, target).values().for_each(|memory| batch.delete_set(memory));
        batch = commit_when_full(batch, socket, table)?;
    }
    for (key, target) in wanted {
        let chain = chain_name(key);
        let before = present.get(key);
        if before == Some(target) {
            continue;
        }
        let memories = backends::memories(&chain, target);
        let known = before.map(|before| backends::memories(&chain, before)).unwrap_or_default();
        match before {
            Some(_) => batch.flush_chain(&chain),
            None => batch.add_chain(&chain),
        }
        // Of a backend that stays, its clients do too.
        for (_, memory) in memories.iter().filter(|(backend, _)| !known.contains_key(backend)) {
            batch.add_set(memory, Kind::Memory, 4);
        }
        backends::write(&mut batch, &chain, target);
        for (_, memory) in known.iter().filter(|(backend, _)| !memories.contains_key(backend)) {
            batch.delete_set(memory);
        }
        if before.is_none() {
            batch.add_elements(SERVICES, &[element(*key, Value::Goto(chain))]);
        }
        batch = commit_when_full(batch, socket, table)?;
    }
    if batch.is_empty() { Ok(()) } else { batch.commit(socket) }
}

/// A client of UDP that never pauses would stay with a backend that is gone: its exchange counts as
/// one connection for as long as it goes on.
fn forget_stale_exchanges(present: &Wanted, wanted: &Wanted) {
    let mut gone: HashSet<Redirected> = HashSet::new();
    for ((address, protocol, port), target) in present {
        let is_gone = |backend: &&SocketAddrV4| {
            let now = wanted.get(&(*address, *protocol, *port));
            now.is_none_or(|now| now.backends.binary_search(backend).is_err())
        };
        if *protocol == Protocol::Udp {
            let asked = SocketAddrV4::new(*address, *port);
            gone.extend(
                target.backends.iter().filter(is_gone).map(|answers| Redirected { asked, answers: *answers }),
            );
        }
    }
    if !gone.is_empty()
        && let Err(error) = conntrack::forget_udp(|exchange| gone.contains(&exchange))
    {
        tracing::debug!(%error, "exchanges with backends that are gone were not forgotten");
    }
}

fn commit_when_full(batch: Batch, socket: &mut Socket, table: &str) -> io::Result<Batch> {
    // The rest is room for the part of one more service, with thousands of backends.
    if batch.len() < BATCH_BYTES / 3 * 2 {
        return Ok(batch);
    }
    batch.commit(socket)?;
    Ok(Batch::new(table))
}

/// Keeps the set of pairs of an address with itself, for every backend.
fn update_itself(batch: &mut Batch, present: &Wanted, wanted: &Wanted) {
    let addresses = |rules: &Wanted| -> BTreeSet<Ipv4Addr> {
        rules.values().flat_map(|target| target.backends.iter().map(|backend| *backend.ip())).collect()
    };
    let pairs = |addresses: &mut dyn Iterator<Item = &Ipv4Addr>| -> Vec<Element> {
        addresses.map(|a| Element { key: [a.octets(), a.octets()].concat(), value: Value::None }).collect()
    };
    let (before, after) = (addresses(present), addresses(wanted));
    let gone = pairs(&mut before.difference(&after));
    let new = pairs(&mut after.difference(&before));
    batch.delete_elements(ITSELF, &gone);
    batch.add_elements(ITSELF, &new);
}

fn chain_name((address, protocol, port): &Key) -> String {
    format!("{address}-{}-{port}", protocol.name())
}

fn element((address, protocol, port): Key, value: Value) -> Element {
    Element { key: destination_key(address, protocol.number(), port), value }
}

//! What pods may exchange, by nftables.
//!
//! A pod that is not named in the rules exchanges what it likes. One that is has a chain for each direction
//! that is restricted: a new connection passes when one of its lines lets it, and is dropped otherwise.
//! Connections that exist go on. What comes from the cluster's own process (probes, the Ingress, ports of the
//! host) always passes, as do connections of a pod to itself.
//!
//! Between pods, the addresses are those behind services. What a pod opens to the outside or to the cluster's
//! own process is judged by where it was opened to, before it was redirected.

use std::{
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use crate::{
    netlink::Socket,
    nft::{self, BATCH_BYTES, Batch, Element, FORWARD, Hook, INPUT, Kind, Register, Rule, Value},
    pods::Range,
    services::Protocol,
};

/// Our tables are this and a number: a new one is filled while the old one still works.
const TABLE_PREFIX: &str = "pinnace-policies-";

/// Before `NF_IP_PRI_FILTER`.
const BETWEEN: Hook = Hook { kind: "filter", number: FORWARD, priority: -10 };
const TO_HERE: Hook = Hook { kind: "filter", number: INPUT, priority: -10 };

const OUT: &str = "out";
const OUT_HERE: &str = "out-here";
const IN: &str = "in";

const ADDRESS: Register = Register(0);
const PORT: Register = Register(1);

/// What one pod may exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodPolicy {
    /// The pod's address.
    pub address: Ipv4Addr,
    /// Connections to it; everything when `None`.
    pub incoming: Option<Vec<Allowed>>,
    /// Connections of it; everything when `None`.
    pub outgoing: Option<Vec<Allowed>>,
}

/// Connections that pass: with any of the peers, to any of the ports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    /// The other ends; everyone when `None`.
    pub peers: Option<Vec<Block>>,
    /// The ports; all, of every protocol, when `None`.
    pub ports: Option<Vec<Ports>>,
}

/// A range of addresses without some.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// The range; a single address has 32 fixed bits.
    pub range: Range,
    /// What of it is meant not to be in it.
    pub except: Vec<Range>,
}

/// Ports of a protocol, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    /// The protocol.
    pub protocol: Protocol,
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
}

/// Why rules could not be set.
#[derive(Debug, thiserror::Error)]
#[error("failed to set the rules of what pods may exchange")]
pub struct PoliciesError(#[source] io::Error);

/// The rules in force. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Policies {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    current: Option<Vec<PodPolicy>>,
    old: Vec<String>,
    next: u64,
}

impl Policies {
    /// Prepares; rules of an earlier main process stay in force until the first [`Policies::apply`].
    ///
    /// # Errors
    /// When the kernel lacks nftables.
    pub async fn start() -> Result<Self, PoliciesError> {
        let tables = crate::blocking(|| nft::tables(&mut nft::open()?)).await.map_err(PoliciesError)?;
        let number = |name: &str| name.strip_prefix(TABLE_PREFIX)?.parse::<u64>().ok();
        let old: Vec<String> = tables.into_iter().filter(|name| number(name).is_some()).collect();
        let next = old.iter().filter_map(|name| number(name)).max().map_or(0, |last| last + 1);
        Ok(Self { state: Arc::new(Mutex::new(State { current: None, old, next })) })
    }

    /// Makes exactly `policies` hold, all at once; of two for one address the last one counts. Completes
    /// even when the caller stops waiting.
    ///
    /// # Errors
    /// When the kernel refuses; the rules that held still hold.
    pub async fn apply(&self, policies: Vec<PodPolicy>) -> Result<(), PoliciesError> {
        let state = self.state.clone();
        crate::blocking(move || crate::lock(&state).apply(policies)).await.map_err(PoliciesError)
    }
}

impl State {
    fn apply(&mut self, mut policies: Vec<PodPolicy>) -> io::Result<()> {
        policies.reverse();
        policies.sort_by_key(|policy| policy.address);
        policies.dedup_by_key(|policy| policy.address);
        if self.current.as_ref() == Some(&policies) {
            return Ok(());
        }
        let mut socket = nft::open()?;
        if policies.is_empty() {
            // Packets that nothing restricts pass no rules.
            let mut batch = Batch::new("");
            self.old.iter().for_each(|old| batch.delete_table(old));
            batch.commit(&mut socket)?;
            (self.old, self.current) = (Vec::new(), Some(policies));
            return Ok(());
        }
        let table = format!("{TABLE_PREFIX}{}", self.next);
        self.next += 1;
        if let Err(error) = self.build(&mut socket, &table, &policies) {
            // Half-filled and hooked up to nothing.
            let mut batch = Batch::new(&table);
            batch.delete_table(&table);
            batch.commit(&mut socket).ok();
            return Err(error);
        }
        self.old = vec![table];
        self.current = Some(policies);
        Ok(())
    }

    fn build(&self, socket: &mut Socket, table: &str, policies: &[PodPolicy]) -> io::Result<()> {
        let mut batch = Batch::new(table);
        batch.add_table();
        for map in [OUT, OUT_HERE, IN] {
            batch.add_set(map, Kind::VerdictMap, 4);
        }
        for policy in policies {
            let address = policy.address;
            for (map, side, lines) in [
                (OUT, Side::PeerOf(address), &policy.outgoing),
                (OUT_HERE, Side::CallerOf(address), &policy.outgoing),
                (IN, Side::ServedBy(address), &policy.incoming),
            ] {
                let Some(lines) = lines else { continue };
                let chain = format!("{map}-{address}");
                batch.add_chain(&chain);
                batch = write(batch, socket, table, &chain, &side, lines)?;
                let value = Value::Jump(chain);
                batch.add_elements(map, &[Element { key: address.octets().to_vec(), value }]);
            }
        }
        hook_up(&mut batch);
        for old in &self.old {
            batch.delete_table(old);
        }
        batch.commit(socket)
    }
}

fn hook_up(batch: &mut Batch) {
    for (chain, hook) in [("between", BETWEEN), ("to-here", TO_HERE)] {
        batch.add_base_chain(chain, hook);
        batch.add_rule(chain, &Rule::new().connection_goes_on().accept());
    }
    let by_source = |map| Rule::new().load_source(ADDRESS).verdict_of(map, ADDRESS);
    let by_destination = |map| Rule::new().load_destination_address(ADDRESS).verdict_of(map, ADDRESS);
    batch.add_rule("between", &by_source(OUT));
    batch.add_rule("between", &by_destination(IN));
    batch.add_rule("to-here", &by_source(OUT_HERE));
}

/// Whose connections a chain judges, and so where their other end and port stand in a packet.
enum Side {
    /// Of this pod to another one.
    PeerOf(Ipv4Addr),
    /// Of this pod to the cluster's own process, or outside by way of it.
    CallerOf(Ipv4Addr),
    /// To this pod.
    ServedBy(Ipv4Addr),
}

impl Side {
    fn load_peer(&self, rule: Rule) -> Rule {
        match self {
            Self::PeerOf(_) => rule.load_destination_address(ADDRESS),
            Self::CallerOf(_) => rule.load_first_destination(ADDRESS),
            Self::ServedBy(_) => rule.load_source(ADDRESS),
        }
    }

    fn load_port(&self, rule: Rule) -> Rule {
        match self {
            Self::PeerOf(_) | Self::ServedBy(_) => rule.load_port(PORT),
            Self::CallerOf(_) => rule.load_first_port(PORT),
        }
    }

    fn own(&self) -> Range {
        let (Self::PeerOf(own) | Self::CallerOf(own) | Self::ServedBy(own)) = self;
        Range::new(*own, 32)
    }

    /// Begins a rule for some of the peers; [`Rule::port_between`] and the like follow.
    fn peers_in(&self, range: Range, except: &[Range]) -> Rule {
        let rule = match range.prefix {
            0 => Rule::new(),
            _ => self.load_peer(Rule::new()).address_in(ADDRESS, range),
        };
        except.iter().fold(rule, |rule, except| self.load_peer(rule).address_not_in(ADDRESS, *except))
    }
}

/// Writes a pod's chain for one direction.
fn write(
    mut batch: Batch,
    socket: &mut Socket,
    table: &str,
    chain: &str,
    side: &Side,
    lines: &[Allowed],
) -> io::Result<Batch> {
    batch.add_rule(chain, &side.peers_in(side.own(), &[]).back());
    for (number, line) in lines.iter().enumerate() {
        // Single addresses, of which there may be hundreds, are looked up in one step.
        let (single, ranges): (Vec<&Block>, Vec<&Block>) = line
            .peers
            .iter()
            .flatten()
            .partition(|block| block.range.prefix == 32 && block.except.is_empty());
        let mut starts: Vec<Box<dyn Fn() -> Rule>> = Vec::new();
        if line.peers.is_none() {
            starts.push(Box::new(Rule::new));
        }
        if !single.is_empty() {
            let set = format!("{chain}-{number}");
            let key = |block: &&Block| block.range.address.octets().to_vec();
            let mut keys: Vec<Vec<u8>> = single.iter().map(key).collect();
            keys.sort();
            keys.dedup();
            let elements: Vec<Element> =
                keys.into_iter().map(|key| Element { key, value: Value::None }).collect();
            batch.add_set(&set, Kind::Set, 4);
            batch.add_elements(&set, &elements);
            starts.push(Box::new(move || side.load_peer(Rule::new()).when_in(&set, ADDRESS)));
        }
        for block in ranges {
            starts.push(Box::new(move || side.peers_in(block.range, &block.except)));
        }
        for start in &starts {
            for rule in with_ports(side, start.as_ref(), line.ports.as_deref()) {
                batch.add_rule(chain, &rule.back());
                batch = commit_when_full(batch, socket, table)?;
            }
        }
    }
    batch.add_rule(chain, &Rule::new().drop_it());
    commit_when_full(batch, socket, table)
}

fn with_ports(side: &Side, start: &dyn Fn() -> Rule, ports: Option<&[Ports]>) -> Vec<Rule> {
    let Some(ports) = ports else { return vec![start()] };
    let rule = |ports: &Ports| {
        let rule = side.load_port(start().protocol_is(ports.protocol.number()));
        rule.port_between(PORT, ports.first, ports.last)
    };
    ports.iter().map(rule).collect()
}

fn commit_when_full(batch: Batch, socket: &mut Socket, table: &str) -> io::Result<Batch> {
    if batch.len() < BATCH_BYTES / 3 * 2 {
        return Ok(batch);
    }
    batch.commit(socket)?;
    Ok(Batch::new(table))
}

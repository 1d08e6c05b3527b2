//! How a service's chain picks a backend.

use std::{collections::BTreeMap, net::SocketAddrV4, time::Duration};

use super::state::Target;
use crate::nft::{Batch, Element, Register, Rule, Value};

/// Up to this many backends get a rule each. A map is looked up in one step, but the kernel walks all
/// maps of a table whenever one is made: thousands of services would take seconds.
const MAX_RULES: u32 = 8;

const CLIENT: Register = Register(2);
const PICK: Register = Register(0);
const ADDRESS: Register = Register(1);
const PORT: Register = Register(2);

/// Returns the sets in which a service remembers whose client is whose, by the backend.
pub(super) fn memories(chain: &str, target: &Target) -> BTreeMap<SocketAddrV4, String> {
    let remembers = target.stay.is_some() && target.backends.len() > 1;
    let backends = target.backends.iter().filter(|_| remembers);
    backends.map(|backend| (*backend, format!("{chain}-{}-{}", backend.ip(), backend.port()))).collect()
}

/// Writes the rules that send a packet to one of the backends.
pub(super) fn write(batch: &mut Batch, chain: &str, target: &Target) {
    let memories = memories(chain, target);
    let stay = target.stay.map(|time| Stay { time, memories: &memories });
    for (range, near) in &target.near {
        let start = || Rule::new().source_in(*range);
        if near.is_empty() {
            // Nothing is sent anywhere, and so refused.
            batch.add_rule(chain, &start().back());
        }
        write_some(batch, chain, &start, near, stay.as_ref());
    }
    write_some(batch, chain, &Rule::new, &target.backends, stay.as_ref());
}

/// How clients stay with their backends.
struct Stay<'a> {
    /// Since their last connection.
    time: Duration,
    memories: &'a BTreeMap<SocketAddrV4, String>,
}

impl Stay<'_> {
    /// Notes that the client of the packet is this backend's.
    fn note(&self, rule: Rule, backend: &SocketAddrV4) -> Rule {
        match self.memories.get(backend) {
            Some(memory) => rule.load_source(CLIENT).remember(memory, CLIENT, self.time),
            None => rule,
        }
    }
}

/// Writes the rules for packets that `start` goes on with.
fn write_some(
    batch: &mut Batch,
    chain: &str,
    start: &dyn Fn() -> Rule,
    backends: &[SocketAddrV4],
    stay: Option<&Stay<'_>>,
) {
    let to = |rule: Rule, backend: &SocketAddrV4| {
        let rule = match stay {
            Some(stay) => stay.note(rule, backend),
            None => rule,
        };
        rule.destination_nat_to(*backend.ip(), backend.port())
    };
    if let Some(stay) = stay {
        for (backend, memory) in stay.memories.iter().filter(|(backend, _)| backends.contains(backend)) {
            let known = start().load_source(CLIENT).when_in(memory, CLIENT);
            batch.add_rule(chain, &to(known, backend));
        }
    }
    let count = u32::try_from(backends.len()).unwrap_or(u32::MAX);
    match backends {
        [] => {}
        [only] => batch.add_rule(chain, &to(start(), only)),
        // Who is remembered needs a rule for each.
        several if stay.is_some() || count <= MAX_RULES => {
            // One in n for the first, one in the n-1 that are left for the second: equal shares.
            for (left, backend) in (1..=count).rev().zip(several) {
                let pick = if left == 1 { start() } else { start().one_in(left) };
                batch.add_rule(chain, &to(pick, backend));
            }
        }
        several => {
            let elements: Vec<Element> = (0_u32..).zip(several).map(|(n, b)| element(n, *b)).collect();
            let map = batch.add_anonymous_map(4, 8, &elements);
            let pick = start().random(count, PICK);
            batch.add_rule(chain, &pick.look_up(map, PICK, ADDRESS).destination_nat(ADDRESS, PORT));
        }
    }
}

fn element(key: u32, backend: SocketAddrV4) -> Element {
    let [high, low] = backend.port().to_be_bytes();
    let value = [backend.ip().octets(), [high, low, 0, 0]].concat();
    Element { key: key.to_ne_bytes().to_vec(), value: Value::Bytes(value) }
}

//! How a service's chain picks a backend.

use std::net::SocketAddrV4;

use crate::nft::{Batch, Element, Register, Rule, Value};

/// Clients are spread over this many places, and places over backends. More places spread more
/// evenly; this many differ by some ten percent with ten backends.
const PLACES: u32 = 256;

/// Up to this many backends get a rule each. A map is looked up in one step, but the kernel walks all
/// maps of a table whenever one is made: thousands of services would take seconds.
const MAX_RULES: u32 = 8;

const PICK: Register = Register(0);
const ADDRESS: Register = Register(1);
const PORT: Register = Register(2);

/// Writes the rules that send a packet to one of the backends.
pub(super) fn write(batch: &mut Batch, chain: &str, backends: &[SocketAddrV4], stay: bool) {
    let count = u32::try_from(backends.len()).unwrap_or(u32::MAX);
    match backends {
        [] => {}
        [only] => batch.add_rule(chain, &Rule::new().destination_nat_to(*only.ip(), only.port())),
        several if stay => {
            let elements: Vec<Element> =
                (0..PLACES).map(|place| element(place, owner(place, several))).collect();
            let map = batch.add_anonymous_map(4, 8, &elements);
            let pick = Rule::new().load_source(PICK).hash(PICK, PLACES, PICK);
            batch.add_rule(chain, &pick.look_up(map, PICK, ADDRESS).destination_nat(ADDRESS, PORT));
        }
        several if count <= MAX_RULES => {
            // One in n for the first, one in the n-1 that are left for the second: equal shares.
            for (left, backend) in (1..=count).rev().zip(several) {
                let pick = if left == 1 { Rule::new() } else { Rule::new().one_in(left) };
                batch.add_rule(chain, &pick.destination_nat_to(*backend.ip(), backend.port()));
            }
        }
        several => {
            let elements: Vec<Element> = (0_u32..).zip(several).map(|(n, b)| element(n, *b)).collect();
            let map = batch.add_anonymous_map(4, 8, &elements);
            let pick = Rule::new().random(count, PICK);
            batch.add_rule(chain, &pick.look_up(map, PICK, ADDRESS).destination_nat(ADDRESS, PORT));
        }
    }
}

fn element(key: u32, backend: SocketAddrV4) -> Element {
    let [high, low] = backend.port().to_be_bytes();
    let value = [backend.ip().octets(), [high, low, 0, 0]].concat();
    Element { key: key.to_ne_bytes().to_vec(), value: Value::Bytes(value) }
}

/// Gives a place to the backend with the highest score (rendezvous hashing): when a backend goes,
/// only its own places move.
fn owner(place: u32, backends: &[SocketAddrV4]) -> SocketAddrV4 {
    let score = |backend: &SocketAddrV4| {
        let identity = u64::from(backend.ip().to_bits()) << 32 | u64::from(backend.port()) << 16;
        mix(identity ^ u64::from(place).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    };
    *backends.iter().max_by_key(|backend| (score(backend), **backend)).expect("a service with backends")
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014): every input bit moves half of the output's.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backends(count: u8) -> Vec<SocketAddrV4> {
        (1..=count).map(|n| SocketAddrV4::new([10, 244, 0, n].into(), 8000)).collect()
    }

    #[test]
    fn a_backend_that_goes_moves_only_its_own_places() {
        let all = backends(5);
        for place in 0..PLACES {
            let before = owner(place, &all);
            if before != all[4] {
                assert_eq!(owner(place, &all[..4]), before);
            }
        }
    }

    #[test]
    fn places_are_spread_over_all_backends() {
        let all = backends(4);
        for backend in &all {
            let share = (0..PLACES).filter(|place| owner(*place, &all) == *backend).count();
            assert!((40..=90).contains(&share), "{backend} has {share} of {PLACES}");
        }
    }
}

//! How a service's chain picks a backend.

use std::net::SocketAddrV4;

use crate::nft::{Batch, Element, Register, Rule, Value};

/// Clients are spread over this many places, and places over backends. More places spread more
/// evenly; this many differ by some ten percent with ten backends.
const PLACES: u32 = 256;

const PICK: Register = Register(0);
const ADDRESS: Register = Register(1);
const PORT: Register = Register(2);

/// Writes the rule that sends a packet to one of the backends.
pub(super) fn write(batch: &mut Batch, chain: &str, backends: &[SocketAddrV4], stay: bool) {
    let rule = match backends {
        [] => return,
        [only] => Rule::new().destination_nat_to(*only.ip(), only.port()),
        several if stay => {
            let elements: Vec<Element> =
                (0..PLACES).map(|place| element(place, owner(place, several))).collect();
            let map = batch.add_anonymous_map(4, 8, &elements);
            Rule::new()
                .load_source(PICK)
                .hash(PICK, PLACES, PICK)
                .look_up(map, PICK, ADDRESS)
                .destination_nat(ADDRESS, PORT)
        }
        several => {
            let elements: Vec<Element> = (0_u32..).zip(several).map(|(n, b)| element(n, *b)).collect();
            let map = batch.add_anonymous_map(4, 8, &elements);
            let count = u32::try_from(several.len()).unwrap_or(u32::MAX);
            Rule::new().random(count, PICK).look_up(map, PICK, ADDRESS).destination_nat(ADDRESS, PORT)
        }
    };
    batch.add_rule(chain, &rule);
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

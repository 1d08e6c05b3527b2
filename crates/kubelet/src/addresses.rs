//! The addresses of a node's pods.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use crate::config::PodRange;

/// Hands out addresses. The one given back last is reused last, so that a connection or a rule that
/// still names an ended pod does not reach another one.
#[derive(Debug)]
pub(crate) struct Addresses {
    range: PodRange,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    taken: BTreeSet<Ipv4Addr>,
    last: Option<Ipv4Addr>,
}

impl Addresses {
    pub(crate) fn new(range: PodRange) -> Self {
        Self { range, state: Mutex::new(State { taken: BTreeSet::new(), last: None }) }
    }

    /// Takes a free address; `None` if there is none.
    pub(crate) fn take(&self) -> Option<Ipv4Addr> {
        let mut state = self.lock();
        let is_after = |address: &Ipv4Addr| state.last.is_none_or(|last| *address > last);
        let mut candidates = self.range.addresses().filter(is_after).chain(self.range.addresses());
        let address = candidates.find(|address| !state.taken.contains(address))?;
        state.taken.insert(address);
        state.last = Some(address);
        Some(address)
    }

    /// Takes every address back.
    pub(crate) fn reset(&self) {
        self.lock().taken.clear();
    }

    /// Marks an address as taken by a pod of an earlier process.
    pub(crate) fn adopt(&self, address: Ipv4Addr) {
        let mut state = self.lock();
        state.taken.insert(address);
        state.last = state.last.max(Some(address));
    }

    /// Gives an address back.
    pub(crate) fn release(&self, address: Ipv4Addr) {
        self.lock().taken.remove(&address);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_given_back_is_not_the_next_one_given_out() {
        let addresses = Addresses::new("10.244.0.0/29".parse().unwrap());
        let next = || addresses.take().map(|address| address.octets()[3]);
        assert_eq!([next(), next()], [Some(2), Some(3)]);
        addresses.release(Ipv4Addr::new(10, 244, 0, 2));
        let next = || addresses.take().map(|address| address.octets()[3]);
        assert_eq!([next(), next(), next(), next(), next()], [Some(4), Some(5), Some(6), Some(2), None]);
    }
}

//! Who is about to connect: on no list yet, and yet on the way to an endpoint.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

/// The connections that are being made. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Connecting(Arc<watch::Sender<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    under_way: BTreeSet<u64>,
}

/// One connection that is being made, until dropped.
pub(super) struct Begun<'a> {
    all: &'a Connecting,
    number: u64,
}

impl Connecting {
    pub(super) fn begin(&self) -> Begun<'_> {
        let mut number = 0;
        self.0.send_modify(|state| {
            number = state.next;
            state.next += 1;
            state.under_way.insert(number);
        });
        Begun { all: self, number }
    }

    /// Completes once all that are being made now are made or have failed; those that begin later are not waited for.
    pub(super) async fn settled(&self) {
        let next = self.0.borrow().next;
        let is_settled = |state: &State| state.under_way.first().is_none_or(|first| *first >= next);
        // The sender lives in `self`, so the wait cannot end without a value.
        let _ = self.0.subscribe().wait_for(is_settled).await;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.all.0.send_modify(|state| {
            state.under_way.remove(&self.number);
        });
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn only_those_that_had_begun_are_waited_for() {
        let connecting = Connecting::default();
        assert!(connecting.settled().now_or_never().is_some());
        let first = connecting.begin();
        let mut settled = Box::pin(connecting.settled());
        assert!((&mut settled).now_or_never().is_none());
        let later = connecting.begin();
        drop(first);
        assert!((&mut settled).now_or_never().is_some(), "the later one is nobody's business");
        assert!(connecting.settled().now_or_never().is_none());
        drop(later);
        assert!(connecting.settled().now_or_never().is_some());
    }
}

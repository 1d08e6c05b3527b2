//! Endpoints: their connections at rest, their load, and the choice among them.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{connection::Connection, grpc, http1::Upstream, metrics::Counters, worker};

/// Connections at rest beyond this are closed, on each thread: twice what a busy client holds.
const MAX_IDLE: usize = 256;

/// Applications close connections at rest after a while (uvicorn and Node.js 5 s, Go and nginx more).
/// We look before use, so this is only for tidiness.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// After a failed connection others are preferred for this long.
const AVOIDED_TIME: Duration = Duration::from_secs(1);

/// Connections at rest, and since when; the last one is used first.
type Resting<T> = Mutex<Vec<(T, Instant)>>;

/// Where requests can go.
#[derive(Debug)]
pub(super) struct Endpoint {
    address: SocketAddr,
    in_flight: AtomicUsize,
    became_idle: Notify,
    idle: Resting<Connection>,
    /// For clients of HTTP/1: what rests, by the thread that used it last.
    resting: Box<[Resting<Upstream>]>,
    /// For gRPC.
    pub(super) http2: grpc::Shared,
    retired: AtomicBool,
    started: Instant,
    /// Milliseconds after `started` until which others are preferred.
    avoided_until: AtomicU64,
}

impl Endpoint {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            in_flight: AtomicUsize::new(0),
            became_idle: Notify::new(),
            idle: Mutex::default(),
            resting: (0..worker::count()).map(|_| Mutex::default()).collect(),
            http2: grpc::Shared::default(),
            retired: AtomicBool::new(false),
            started: Instant::now(),
            avoided_until: AtomicU64::new(0),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Waits until no request is under way.
    pub(super) async fn idle(&self) {
        loop {
            let notified = self.became_idle.notified();
            if self.in_flight() == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Closes the connections at rest, and each other one after its request.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        self.close_idle();
        self.http2.close();
    }

    fn close_idle(&self) {
        crate::lock(&self.idle).clear();
        self.resting.iter().for_each(|resting| crate::lock(resting).clear());
    }

    fn resting_here(&self) -> &Resting<Upstream> {
        &self.resting[worker::index().min(self.resting.len() - 1)]
    }

    /// Takes the connection that this thread put to rest last, if one still lives.
    pub(super) fn take_resting(&self) -> Option<Upstream> {
        loop {
            let (upstream, _) = crate::lock(self.resting_here()).pop()?;
            if upstream.is_usable() {
                return Some(upstream);
            }
        }
    }

    /// Puts a connection to rest.
    pub(super) fn put_resting(&self, upstream: Upstream) {
        if self.is_retired() {
            return;
        }
        let mut resting = crate::lock(self.resting_here());
        if resting.len() < MAX_IDLE {
            resting.push((upstream, Instant::now()));
        }
        drop(resting);
        if self.is_retired() {
            // Retired in between.
            self.close_idle();
        }
    }

    /// Says whether the endpoint was taken from the routes. Asked after a request was counted as under
    /// way: then either the asker sees it, or whoever waits for [`Endpoint::idle`] sees the request.
    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    pub(super) fn avoid(&self) {
        let until = self.started.elapsed() + AVOIDED_TIME;
        self.avoided_until.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn is_avoided(&self) -> bool {
        let until = self.avoided_until.load(Ordering::Relaxed);
        until > 0 && u128::from(until) > self.started.elapsed().as_millis()
    }

    /// Takes the connection that rested last, if one still lives.
    pub(super) fn take_idle(&self) -> Option<Connection> {
        loop {
            // Looked at outside the lock.
            let (mut connection, _) = crate::lock(&self.idle).pop()?;
            if connection.is_usable() {
                return Some(connection);
            }
        }
    }

    /// Puts a connection to rest.
    pub(super) fn put_idle(&self, connection: Connection) {
        if self.is_retired() {
            return;
        }
        let mut idle = crate::lock(&self.idle);
        if idle.len() < MAX_IDLE {
            idle.push((connection, Instant::now()));
        }
        drop(idle);
        if self.is_retired() {
            // Retired in between.
            self.close_idle();
        }
    }

    /// Closes what has rested too long or was closed by the other side.
    pub(super) fn tidy(&self) {
        tidy(&self.idle, Connection::is_usable);
        for resting in &self.resting {
            tidy(resting, |upstream| upstream.is_usable());
        }
        if self.is_retired() {
            self.close_idle();
        }
    }
}

fn tidy<T>(resting: &Resting<T>, is_usable: impl Fn(&mut T) -> bool) {
    // Looked at outside the lock.
    let all = std::mem::take(&mut *crate::lock(resting));
    let alive = all.into_iter().filter_map(|(mut connection, since)| {
        (since.elapsed() < IDLE_TIME && is_usable(&mut connection)).then_some((connection, since))
    });
    let mut alive: Vec<_> = alive.collect();
    let mut resting = crate::lock(resting);
    // Those put to rest meanwhile are the fresher ones.
    alive.append(&mut resting);
    *resting = alive;
}

/// Counts a request as under way at an endpoint until dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    endpoint: Arc<Endpoint>,
}

impl InFlight {
    fn new(endpoint: Arc<Endpoint>) -> Self {
        endpoint.in_flight.fetch_add(1, Ordering::SeqCst);
        Self { endpoint }
    }

    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.endpoint.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.endpoint.became_idle.notify_waiters();
        }
    }
}

/// The endpoints of one key of the routes.
#[derive(Debug, Default)]
pub(super) struct Backend {
    key: String,
    endpoints: Vec<Arc<Endpoint>>,
    counters: Arc<Counters>,
    turn: AtomicUsize,
}

impl Backend {
    pub(super) fn new(key: &str, endpoints: Vec<Arc<Endpoint>>, counters: Arc<Counters>) -> Self {
        Self { key: key.to_owned(), endpoints, counters, turn: AtomicUsize::new(0) }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(super) fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Picks the endpoint with the fewest requests under way, in turn among equals. Those in `tried`
    /// or that failed a moment ago come last.
    pub(super) fn pick(&self, tried: &[SocketAddr]) -> Option<InFlight> {
        let count = self.endpoints.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = (0..count).map(|n| &self.endpoints[(turn.wrapping_add(n)) % count]);
        let best = in_turn.min_by_key(|endpoint| {
            (tried.contains(&endpoint.address), endpoint.is_avoided(), endpoint.in_flight())
        });
        best.map(|endpoint| InFlight::new(endpoint.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(count: u16) -> Backend {
        let endpoints =
            (1..=count).map(|port| Arc::new(Endpoint::new(([10, 0, 0, 1], port).into()))).collect();
        Backend::new("b", endpoints, Arc::default())
    }

    fn ports(picks: &[InFlight]) -> Vec<u16> {
        let mut ports: Vec<_> = picks.iter().map(|pick| pick.endpoint().address().port()).collect();
        ports.sort_unstable();
        ports
    }

    #[test]
    fn requests_under_way_are_spread_evenly() {
        let backend = backend(3);
        let picks: Vec<_> = (0..6).map(|_| backend.pick(&[]).unwrap()).collect();
        assert_eq!(ports(&picks), [1, 1, 2, 2, 3, 3]);
        drop(picks);
        assert!(backend.endpoints.iter().all(|endpoint| endpoint.in_flight() == 0));
    }

    #[test]
    fn an_endpoint_that_failed_is_picked_last() {
        let backend = backend(2);
        backend.endpoints[0].avoid();
        let picks: Vec<_> = (0..3).map(|_| backend.pick(&[]).unwrap()).collect();
        assert_eq!(ports(&picks), [2, 2, 2]);
        let second = backend.endpoints[1].address();
        assert_eq!(ports(&[backend.pick(&[second]).unwrap()]), [1], "tried counts more than avoided");
        assert!(Backend::new("none", Vec::new(), Arc::default()).pick(&[]).is_none());
    }
}

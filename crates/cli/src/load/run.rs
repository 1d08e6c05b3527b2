//! Requests under way in the background: when they go, over which connections, and what is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use super::Target;
use super::connection::Connection;
use super::generator::THREADS;
use super::tally::{Live, Tally, Times};
use crate::output;

/// Requests under way in the background.
pub(crate) struct Load {
    shared: Arc<Shared>,
    workers: JoinSet<Tally>,
}

/// What all workers look at.
#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    /// Woken when the last of a limited number of requests is done.
    done: Notify,
    /// A place for each request whose time has come; closed at the end.
    due: Semaphore,
    rate: Option<f64>,
    begun: Instant,
    /// Requests taken from those due.
    taken: AtomicU64,
    /// Requests measured, warm-up left out, and how many they may be.
    measured: AtomicU64,
    limit: Option<u64>,
    warm_up: Duration,
    live: Live,
}

impl Load {
    /// Starts sending.
    pub(crate) fn start(target: &Target) -> Self {
        Self::bounded(target, Duration::ZERO, None)
    }

    /// Starts sending; what goes in the warm-up is not counted, and of more requests than `limit` none is sent.
    pub(crate) fn bounded(target: &Target, warm_up: Duration, limit: Option<u64>) -> Self {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            done: Notify::new(),
            due: Semaphore::new(0),
            rate: target.rate.map(|rate| rate.max(0.001)),
            begun: Instant::now(),
            taken: AtomicU64::new(0),
            measured: AtomicU64::new(0),
            limit,
            warm_up,
            live: Live::default(),
        });
        if let Some(rate) = shared.rate {
            let paced = Arc::clone(&shared);
            // a thread sleeps to a few microseconds, the runtime's timers to a millisecond
            let pacer = std::thread::Builder::new().name(THREADS.to_owned()).spawn(move || paced.pace(rate));
            if pacer.is_err() {
                shared.end();
            }
        }
        let count = target.connections.max(1) * if target.mixed { 2 } else { 1 };
        let mut workers = JoinSet::new();
        for number in 0..count {
            let is_kept = !(target.fresh || target.mixed && number % 2 == 1);
            let worker =
                Worker { target: target.clone(), is_kept, shared: Arc::clone(&shared), turn: number };
            workers.spawn(worker.run());
        }
        Self { shared, workers }
    }

    /// Requests answered and failed so far.
    pub(crate) fn so_far(&self) -> (u64, u64) {
        self.shared.live.read()
    }

    /// Waits until as many requests as may be were measured; forever without a limit.
    pub(crate) async fn reached(&self) {
        self.shared.done.notified().await;
    }

    /// Lets the requests under way finish, and counts.
    pub(crate) async fn finish(mut self) -> Tally {
        self.shared.end();
        let mut total = Tally::default();
        while let Some(part) = self.workers.join_next().await {
            if let Ok(part) = part {
                total.add(part);
            }
        }
        total
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Shared {
    fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.due.close();
    }

    /// Makes requests due when their time has come; one after the other, however long answers take.
    fn pace(&self, rate: f64) {
        /// The end is noticed within this time.
        const LONGEST: Duration = Duration::from_millis(50);
        let mut released = 0u64;
        while !self.stop.load(Ordering::Relaxed) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count of requests"
            )]
            let due = (self.begun.elapsed().as_secs_f64() * rate) as u64 + 1;
            // what nobody takes for so long is not kept: memory and numbers have an end
            let room = (Semaphore::MAX_PERMITS / 2).saturating_sub(self.due.available_permits());
            let more = usize::try_from(due.saturating_sub(released)).unwrap_or(room).min(room);
            self.due.add_permits(more);
            released += more as u64;
            let next = self.time_of(released, rate);
            std::thread::sleep(next.saturating_duration_since(Instant::now()).min(LONGEST));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    fn time_of(&self, number: u64, rate: f64) -> Instant {
        let after = Duration::try_from_secs_f64(number as f64 / rate);
        self.begun + after.unwrap_or(Duration::from_secs(u64::from(u32::MAX)))
    }

    /// Waits until a request is due; `None` when there is nothing more to send.
    async fn next(&self) -> Option<Due> {
        let Some(rate) = self.rate else {
            let is_over = self.stop.load(Ordering::Relaxed);
            return (!is_over).then(|| Due { since: Instant::now(), late: None });
        };
        let (permit, had_to_wait) = match self.due.try_acquire() {
            Ok(permit) => (permit, false),
            Err(_) => (self.due.acquire().await.ok()?, true),
        };
        permit.forget();
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let intended = self.time_of(self.taken.fetch_add(1, Ordering::Relaxed), rate);
        let now = Instant::now();
        // A connection that was free goes late by the generator's own fault, which is told apart: only what waits for
        // connections that wait for answers is the server's.
        Some(match had_to_wait {
            true => Due { since: now, late: Some(now.saturating_duration_since(intended)) },
            false => Due { since: intended.min(now), late: None },
        })
    }

    /// Whether what begins now is measured; `None` if there have been enough.
    fn measures(&self) -> Option<bool> {
        if self.begun.elapsed() < self.warm_up {
            return Some(false);
        }
        let number = self.measured.fetch_add(1, Ordering::Relaxed);
        match self.limit {
            Some(limit) if number >= limit => None,
            _ => Some(true),
        }
    }
}

/// A request whose time has come.
struct Due {
    /// What its latency is counted from.
    since: Instant,
    /// By how much the generator was late, where a connection was free.
    late: Option<Duration>,
}

struct Worker {
    target: Target,
    is_kept: bool,
    shared: Arc<Shared>,
    turn: usize,
}

impl Worker {
    async fn run(mut self) -> Tally {
        let mut tally = Tally::default();
        let mut connection = None;
        while let Some(due) = self.shared.next().await {
            let Some(is_measured) = self.shared.measures() else {
                self.shared.end();
                self.shared.done.notify_one();
                break;
            };
            let sent_at = Instant::now();
            let sent = tokio::time::timeout(self.target.timeout, self.send(&mut connection)).await;
            let outcome =
                sent.unwrap_or_else(|_| Err(format!("no answer in {}", output::span(self.target.timeout))));
            self.shared.live.count(outcome.is_ok());
            let has_failed = outcome.is_err();
            if has_failed || !self.is_kept {
                connection = None;
            }
            if is_measured {
                let now = Instant::now();
                let at = now.saturating_duration_since(self.shared.begun + self.shared.warm_up);
                let times = Times { corrected: now - due.since, uncorrected: now - sent_at, at };
                tally.record(times, outcome);
                due.late.into_iter().for_each(|late| tally.lateness.record(late));
            }
            if has_failed && self.shared.rate.is_none() {
                // a server that refuses at once is not to be asked a hundred thousand times a second
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        tally
    }

    /// Sends one request; the error says in words what went wrong.
    async fn send(&mut self, connection: &mut Option<Connection>) -> Result<Bytes, String> {
        // The server may close a kept connection between requests: that is no failure, a new one is opened.
        let is_open = match connection {
            Some(kept) => kept.is_open().await,
            None => false,
        };
        let mut ready = match connection.take().filter(|_| is_open) {
            Some(kept) => kept,
            None => Connection::open(&self.target).await?,
        };
        self.turn += 1;
        let body = match self.target.bodies.as_ref() {
            [] => None,
            bodies => Some(bodies[self.turn % bodies.len()].clone()),
        };
        let answer = ready.send(&self.target, body).await?;
        *connection = Some(ready);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers every request; the tenth after a stall.
    async fn server(stall: Duration) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let asked = Arc::clone(&asked);
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    // a request of these tests is one packet
                    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                        if asked.fetch_add(1, Ordering::Relaxed) == 9 {
                            tokio::time::sleep(stall).await;
                        }
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"model\":\"lr\"}";
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    fn target(address: std::net::SocketAddr, rate: Option<f64>) -> Target {
        Target {
            url: format!("http://{address}/api/v1/predict").parse().unwrap(),
            host: None,
            bodies: Arc::new([Bytes::from_static(b"{}")]),
            content_type: "application/json",
            connections: 1,
            mixed: false,
            fresh: false,
            is_http2: false,
            rate,
            timeout: Duration::from_secs(20),
            network: cluster::HostNetwork::spawn().unwrap(),
        }
    }

    /// A generator that waits for each answer before it sends the next request sees one slow request; those who would
    /// have come meanwhile all see the stall.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_stall_is_felt_by_all_who_would_have_come() {
        let address = server(Duration::from_millis(300)).await;
        let load = Load::bounded(&target(address, Some(100.0)), Duration::ZERO, Some(60));
        load.reached().await;
        let tally = load.finish().await;
        assert_eq!((tally.total(), tally.failed()), (60, 0));
        assert_eq!(tally.models().collect::<Vec<_>>(), [("lr", 60)]);
        let slow = tally.times.parts(&[Duration::from_millis(50)])[1];
        assert!(slow >= 20, "only {slow} felt it");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn without_a_rate_each_connection_waits_for_its_answer() {
        let address = server(Duration::ZERO).await;
        let load = Load::bounded(&target(address, None), Duration::ZERO, Some(25));
        load.reached().await;
        let tally = load.finish().await;
        assert_eq!((tally.total(), tally.failed(), tally.lateness.count()), (25, 0, 0));
        assert_eq!(tally.received, 25 * 14);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_port_that_nobody_listens_on_is_told_by_its_reason() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let load = Load::bounded(&target(closed, None), Duration::ZERO, Some(3));
        load.reached().await;
        let tally = load.finish().await;
        assert_eq!(tally.failed(), 3);
        assert!(tally.failures.keys().all(|reason| reason.starts_with("connect: ")), "{:?}", tally.failures);
    }
}

//! Threads that serve clients. Each has its own event loop, and all of a connection happens on one
//! of them: a request wakes no other thread, and its endpoint's connection is at hand on the same one.

use std::{
    cell::Cell,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{runtime, sync::mpsc};

use super::{
    Shared,
    accept::{self, Arrival, Listener},
};

/// Beyond this many, pods want the processors more.
const MAX_WORKERS: usize = 16;

/// So many of them accept: each one that waits is woken by a connection, though one will do.
const MAX_ACCEPTING: usize = 4;

thread_local! {
    static INDEX: Cell<usize> = const { Cell::new(0) };
}

/// Returns how many threads serve.
pub(super) fn count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS)
}

/// Returns which of the threads this one is; 0 for any other thread.
pub(super) fn index() -> usize {
    INDEX.get()
}

/// The threads.
#[derive(Debug)]
pub(super) struct Workers {
    all: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    /// Holds no more than there are permits for connections.
    orders: mpsc::UnboundedSender<Order>,
    connections: Arc<AtomicUsize>,
}

enum Order {
    Listen(Listener),
    Serve(Arrival),
}

/// Counts a connection as a worker's until dropped.
#[derive(Debug)]
pub(super) struct Assigned(Arc<AtomicUsize>);

impl Drop for Assigned {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Starts the threads; they end when `shared` says so.
    pub(super) fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let all =
            (0..count()).map(|index| Worker::start(index, shared.clone())).collect::<io::Result<_>>()?;
        Ok(Self { all })
    }

    /// Accepts on the first few threads.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub(super) fn listen(&self, listener: &Listener) -> io::Result<()> {
        for worker in self.all.iter().take(MAX_ACCEPTING) {
            let listener = Listener { listener: listener.listener.try_clone()?, tls: listener.tls.clone() };
            worker.orders.send(Order::Listen(listener)).ok();
        }
        Ok(())
    }

    /// Leaves a connection with this worker, or hands it to the one that has the fewest if that has fewer
    /// by an eighth: few connections are spread evenly, and of many that come and go few are handed over.
    pub(super) fn assign(&self, arrival: impl FnOnce(Assigned) -> Arrival) -> Option<Arrival> {
        let load = |worker: &Worker| worker.connections.load(Ordering::Relaxed);
        let here = self.all.get(index())?;
        let fewest = self.all.iter().min_by_key(|worker| load(worker))?;
        let stays = load(here) <= load(fewest) + load(fewest) / 8;
        let worker = if stays { here } else { fewest };
        worker.connections.fetch_add(1, Ordering::Relaxed);
        let arrival = arrival(Assigned(worker.connections.clone()));
        if stays {
            return Some(arrival);
        }
        if let Ok(arrival) = arrival.loosen() {
            worker.orders.send(Order::Serve(arrival)).ok();
        }
        None
    }
}

impl Worker {
    fn start(index: usize, shared: Arc<Shared>) -> io::Result<Self> {
        let (orders, queue) = mpsc::unbounded_channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || {
            INDEX.set(index);
            runtime.block_on(follow(shared, queue));
        };
        std::thread::Builder::new().name(format!("ingress-{index}")).spawn(work)?;
        Ok(Self { orders, connections: Arc::default() })
    }
}

async fn follow(shared: Arc<Shared>, mut queue: mpsc::UnboundedReceiver<Order>) {
    if index() == 0 {
        tokio::spawn(accept::tidy(Arc::downgrade(&shared)));
    }
    let mut stopped = shared.stopped.subscribe();
    loop {
        let order = tokio::select! {
            order = queue.recv() => order,
            _ = stopped.wait_for(|stopped| *stopped) => None,
        };
        match order {
            Some(Order::Listen(listener)) => {
                tokio::spawn(accept::accept(shared.clone(), listener));
            }
            Some(Order::Serve(arrival)) => {
                tokio::spawn(accept::start(shared.clone(), arrival));
            }
            None => return,
        }
    }
}

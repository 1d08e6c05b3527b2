//! Drives one controller: changes give keys, keys give plans, plans are carried out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use controllers::{Controller, Env, Key, Plan, Settings};
use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::date::Date;
use crate::execute::{Executor, Failure};
use crate::kinds::{Kinds, Sink};
use crate::queue::{Outcome, Queue};

/// Plans of one controller that are carried out at once. Each is bounded by itself as well; more
/// would only queue at the API.
const WORKERS: usize = 16;

/// Starts a controller. It begins to decide once everything it watches is known: on half a view
/// it would, say, create the pods that it has not seen yet.
pub(crate) fn start(
    tasks: &mut JoinSet<()>,
    controller: Controller,
    kinds: &Arc<Kinds>,
    executor: Executor,
    settings: Arc<Settings>,
) {
    let controller = Arc::new(controller);
    let shared = Arc::new(Shared { queue: Mutex::default(), wake: Notify::new() });
    let (all, mut synced) = (kinds.clone(), Vec::new());
    for kind in kinds.of(&controller) {
        synced.push(kind.synced());
        tasks.spawn(kind.follow(all.clone(), controller.clone(), shared.sink()));
    }
    let driver = Driver {
        controller,
        kinds: all,
        executor: Arc::new(executor),
        settings,
        shared,
        date: Mutex::default(),
    };
    tasks.spawn(async move {
        join_all(synced).await;
        driver.run().await;
    });
}

struct Shared {
    queue: Mutex<Keys>,
    wake: Notify,
}

#[derive(Default)]
struct Keys {
    queue: Queue<Key>,
    /// Why the last pass over a key did not get through.
    failures: HashMap<Key, String>,
    /// Since when every pass over a key has waited for something.
    waiting: HashMap<Key, Timestamp>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sink(self: &Arc<Self>) -> Sink {
        let shared = self.clone();
        Arc::new(move |keys: Vec<Key>| {
            if keys.is_empty() {
                return;
            }
            let mut held = shared.lock();
            keys.into_iter().for_each(|key| held.queue.add(key));
            drop(held);
            shared.wake.notify_one();
        })
    }
}

struct Driver {
    controller: Arc<Controller>,
    kinds: Arc<Kinds>,
    executor: Arc<Executor>,
    settings: Arc<Settings>,
    shared: Arc<Shared>,
    date: Mutex<Date>,
}

/// The work on one key, done.
struct Done {
    key: Key,
    recheck: Option<Duration>,
    failure: Option<Failure>,
}

impl Driver {
    async fn run(self) {
        let mut work: JoinSet<Done> = JoinSet::new();
        let mut keys = HashMap::<Id, Key>::new();
        loop {
            while let Some(key) = self.next(work.len()) {
                let plan = self.decide(&key);
                if plan.actions.is_empty() {
                    self.finish(Done { key, recheck: plan.recheck, failure: None });
                    continue;
                }
                let (executor, of) = (self.executor.clone(), key.clone());
                let handle = work.spawn(async move {
                    let failure = executor.carry_out(plan.actions).await.err();
                    Done { key: of, recheck: plan.recheck, failure }
                });
                keys.insert(handle.id(), key);
            }
            let timer = self.shared.lock().queue.next_timer();
            tokio::select! {
                () = self.shared.wake.notified() => {}
                Some(ended) = work.join_next_with_id() => self.settle(ended, &mut keys),
                () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => {}
            }
        }
    }

    fn next(&self, running: usize) -> Option<Key> {
        let mut held = self.shared.lock();
        held.queue.wake(Instant::now());
        if running < WORKERS { held.queue.take() } else { None }
    }

    fn decide(&self, key: &Key) -> Plan {
        let (failure, waiting_since) = {
            let held = self.shared.lock();
            (held.failures.get(key).cloned(), held.waiting.get(key).copied())
        };
        let (now, steady_since) = self.date.lock().unwrap_or_else(PoisonError::into_inner).look();
        let (seed, failure, settings) = (fastrand::u64(..), failure.as_deref(), self.settings.as_ref());
        let env = Env { now, steady_since, seed, failure, waiting_since, settings };
        let plan = (self.controller.reconcile)(&self.kinds.view, key, &env);
        for waiting in &plan.waiting {
            tracing::debug!(controller = self.controller.name, %key, reason = waiting.reason, "{}", waiting.message);
        }
        let mut held = self.shared.lock();
        if plan.waiting.is_empty() {
            held.waiting.remove(key);
        } else {
            held.waiting.entry(key.clone()).or_insert(now);
        }
        plan
    }

    fn settle(&self, ended: Result<(Id, Done), JoinError>, keys: &mut HashMap<Id, Key>) {
        match ended {
            Ok((id, done)) => {
                keys.remove(&id);
                self.finish(done);
            }
            Err(error) => {
                tracing::error!(controller = self.controller.name, %error, "carrying out a plan has failed");
                if let Some(key) = keys.remove(&error.id()) {
                    self.finish(Done { key, recheck: None, failure: Some(Failure::stale("interrupted")) });
                }
            }
        }
    }

    fn finish(&self, done: Done) {
        let mut held = self.shared.lock();
        let outcome = match done.failure {
            None => {
                held.failures.remove(&done.key);
                Outcome::Done(done.recheck)
            }
            Some(failure) => {
                tracing::debug!(controller = self.controller.name, key = %done.key, %failure, "will be tried again");
                if let Some(message) = failure.told() {
                    held.failures.insert(done.key.clone(), message);
                }
                Outcome::Failed
            }
        };
        held.queue.done(&done.key, &outcome, Instant::now());
    }
}

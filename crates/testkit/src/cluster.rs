//! The server, the controllers, the scheduler and the machines, one step at a time.

mod carry_out;
mod garbage;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api::k8s::api::core::v1::{Node, Pod};
use controllers::{Controller, Env, Key, Known, Plan, Settings, pods};
use scheduler::{Request, Snapshot};
use serde_json::Value;

use crate::machine::{self, Fate};
use crate::observer::Observer;
use crate::server::Server;

/// One thing that may happen next. What it happens to is chosen by the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The manager learns of one change.
    Observe(u8),
    /// A controller works on a key, and gets as far as that number of actions.
    Work(u8, u8),
    /// The scheduler places a pod.
    Schedule(u8),
    /// A pod goes on.
    Run(u8),
    /// A ready pod fails.
    Fail(u8),
    /// Time passes.
    Wait(u8),
    /// The manager is killed and starts anew.
    Restart,
}

/// A simulated cluster.
pub struct Cluster {
    /// The API.
    pub server: Server,
    /// What was told, as `kubectl get events` would show it.
    pub events: Vec<String>,
    /// Whether the manager takes in the answers to its own writes. Off only to show that it must.
    pub reads_own_writes: bool,
    controllers: Vec<Controller>,
    observer: Observer,
    queue: BTreeSet<(usize, Key)>,
    /// Keys whose last pass failed, and why.
    failures: std::collections::BTreeMap<(usize, Key), String>,
    waiting: std::collections::BTreeMap<(usize, Key), jiff::Timestamp>,
    settings: Settings,
    seed: u64,
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster {
    /// Returns an empty cluster.
    #[must_use]
    pub fn new() -> Self {
        let server = Server::new();
        let observer = Observer::new(&server);
        Self {
            server,
            events: Vec::new(),
            reads_own_writes: true,
            controllers: controllers::all(),
            observer,
            queue: BTreeSet::new(),
            failures: std::collections::BTreeMap::new(),
            waiting: std::collections::BTreeMap::new(),
            settings: Settings { node_grace_seconds: i64::from(i32::MAX), ..Settings::default() },
            seed: 0,
        }
    }

    /// Takes one step. Panics when a controller touches what it does not own, or decides by the
    /// order of what it is given.
    pub fn step(&mut self, step: Step) {
        match step {
            Step::Observe(which) => self.observe(which),
            Step::Work(which, actions) => self.work(which, usize::from(actions)),
            Step::Schedule(which) => self.schedule(which),
            Step::Run(which) => self.run(which, Fate::Progress),
            Step::Fail(which) => self.run(which, Fate::Fail),
            Step::Wait(seconds) => self.wait(Duration::from_secs(u64::from(seconds))),
            Step::Restart => self.restart(),
        }
    }

    /// The manager learns of everything.
    pub fn catch_up(&mut self) {
        while !self.observer.behind(&self.server).is_empty() {
            self.observe(0);
        }
    }

    fn observe(&mut self, which: u8) {
        if let Some(kind) = pick(&self.observer.behind(&self.server), which) {
            self.observer.deliver(&self.server, &kind);
            self.enqueue();
        }
    }

    fn enqueue(&mut self) {
        let keys = self.observer.keys(&self.controllers);
        self.queue.extend(keys);
    }

    fn work(&mut self, which: u8, actions: usize) {
        let waiting: Vec<(usize, Key)> = self.queue.iter().cloned().collect();
        let Some((index, key)) = pick(&waiting, which) else { return };
        self.queue.remove(&(index, key.clone()));
        let plan = self.decide(index, &key);
        self.carry_out(index, &key, plan, actions);
        self.enqueue();
    }

    /// Decides, twice: the second time on lists in the opposite order.
    fn decide(&mut self, index: usize, key: &Key) -> Plan {
        self.seed += 1;
        let id = (index, key.clone());
        let failure = self.failures.get(&id).cloned();
        let env = Env {
            now: self.server.now,
            steady_since: jiff::Timestamp::MIN,
            seed: self.seed,
            failure: failure.as_deref(),
            waiting_since: self.waiting.get(&id).copied(),
            settings: &self.settings,
        };
        let controller = &self.controllers[index];
        let plan = (controller.reconcile)(&self.observer.view, key, &env);
        let reversed = (controller.reconcile)(&self.observer.reversed, key, &env);
        assert_eq!(
            sorted(&plan),
            sorted(&reversed),
            "{} decides on {key} by the order of lists",
            controller.name
        );
        if plan.waiting.is_empty() {
            self.waiting.remove(&id);
        } else {
            self.waiting.entry(id).or_insert(self.server.now);
        }
        plan
    }

    fn schedule(&mut self, which: u8) {
        let nodes = self.server.list::<Node>().into_iter().map(Arc::new);
        let all = self.server.list::<Pod>();
        let waits = |pod: &&Pod| pods::node(pod).is_none() && pods::is_active(pod);
        let waiting: Vec<Pod> = all.iter().filter(waits).cloned().collect();
        let Some(pod) = pick(&waiting, which) else { return };
        let mut snapshot =
            Snapshot::new(nodes, all.into_iter().map(Arc::new), std::collections::BTreeMap::new());
        snapshot.set_storage(scheduler::volumes::Storage {
            claims: self.server.list().into_iter().map(Arc::new).collect(),
            volumes: self.server.list().into_iter().map(Arc::new).collect(),
            classes: self.server.list().into_iter().map(Arc::new).collect(),
        });
        let request = Request { pod: &pod, siblings: Vec::new(), budgets: &[], seed: u64::from(which) };
        match scheduler::schedule(&request, &snapshot) {
            Ok(node) => drop(self.server.bind(&machine::at(&pod), &node)),
            Err(why) => self.tell(format!("FailedScheduling {why}")),
        }
    }

    fn run(&mut self, which: u8, fate: Fate) {
        let candidates = match fate {
            Fate::Progress => machine::busy(&self.server),
            Fate::Fail => self.server.list::<Pod>().into_iter().filter(pods::is_ready).collect(),
        };
        if let Some(pod) = pick(&candidates, which) {
            machine::step(&mut self.server, &pod, fate);
        }
    }

    /// Lets time pass; what was to be looked at again later is looked at again.
    pub fn wait(&mut self, time: Duration) {
        self.server.now += time;
        self.enqueue_everything();
    }

    fn enqueue_everything(&mut self) {
        let mut fresh = Observer::new(&self.server);
        self.queue.extend(fresh.keys(&self.controllers));
    }

    /// The manager is killed: what it knew is lost, what the API holds is not.
    fn restart(&mut self) {
        self.observer = Observer::new(&self.server);
        self.queue.clear();
        self.failures.clear();
        self.waiting.clear();
        self.enqueue();
    }

    /// Goes on, fairly, until nothing more happens; checks each step. Panics if there is no end.
    pub fn settle_checking(&mut self, mut check: impl FnMut(&Self)) {
        for _ in 0..20_000 {
            let is_idle = self.settle_step();
            check(self);
            if is_idle {
                return;
            }
        }
        panic!(
            "the cluster does not settle; last events: {:#?}",
            self.events.iter().rev().take(20).collect::<Vec<_>>()
        );
    }

    /// Goes on, fairly, until nothing more happens.
    pub fn settle(&mut self) {
        self.settle_checking(|_| {});
    }

    /// Controllers first, then the scheduler, then pods: a cluster whose machines are slow. True
    /// when there was nothing left to do.
    fn settle_step(&mut self) -> bool {
        if !self.observer.behind(&self.server).is_empty() {
            self.observe(0);
            return false;
        }
        if !self.queue.is_empty() {
            self.work(0, usize::MAX);
            return false;
        }
        let before = self.server.version();
        self.collect_garbage();
        let waits = self.server.list::<Pod>().iter().filter(|pod| pods::node(pod).is_none()).count();
        for which in 0..waits {
            self.schedule(u8::try_from(which).unwrap_or(u8::MAX));
        }
        if self.server.version() == before {
            self.run(0, Fate::Progress);
        }
        self.server.version() == before
    }

    /// Checks that another look at everything plans nothing.
    pub fn assert_settled(&mut self) {
        self.enqueue_everything();
        for (index, key) in std::mem::take(&mut self.queue) {
            let plan = self.decide(index, &key);
            let name = self.controllers[index].name;
            assert!(plan.actions.is_empty(), "{name} is not done with {key}: {:#?}", plan.actions);
        }
    }

    /// Creates an object, as a user does.
    ///
    /// # Panics
    /// When the API refuses it: a mistake of the test.
    pub fn create<K: Known>(&mut self, object: &K) {
        let value = serde_json::to_value(object).unwrap_or_default();
        let result = self.server.create(K::URL_PATH_SEGMENT, value);
        assert!(result.is_ok(), "{result:?}");
    }

    /// Changes an object, as a user does.
    ///
    /// # Panics
    /// When there is no such object: a mistake of the test.
    pub fn change<K: Known>(&mut self, namespace: &str, name: &str, change: impl FnOnce(&mut K)) {
        let at = crate::server::place(K::URL_PATH_SEGMENT, namespace, name);
        let before: K = self.server.get(namespace, name).unwrap_or_else(|| panic!("no {at:?}"));
        let mut after = before.clone();
        change(&mut after);
        let wire = |object: &K| serde_json::to_value(object).unwrap_or_default();
        let patch = controllers::plan::difference(&wire(&before), &wire(&after)).unwrap_or(Value::Null);
        if !patch.is_null() {
            let result = self.server.patch(&at, controllers::Part::Object, &patch, (None, None));
            assert!(result.is_ok(), "{result:?}");
        }
    }

    fn tell(&mut self, event: String) {
        if self.events.last() != Some(&event) {
            self.events.push(event);
        }
    }
}

fn pick<T: Clone>(from: &[T], which: u8) -> Option<T> {
    (!from.is_empty()).then(|| from[usize::from(which) % from.len()].clone())
}

/// A plan whose actions are in an order of their own.
fn sorted(plan: &Plan) -> Vec<String> {
    let mut actions: Vec<String> = plan.actions.iter().map(|action| format!("{action:?}")).collect();
    actions.sort_unstable();
    actions
}

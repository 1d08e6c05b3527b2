//! The course of events: what a watcher was told, change by change, and the state at every instant of it.
//!
//! A [`Recorder`] watches a namespace by stock `kubectl`. The API numbers all changes of all kinds in one row,
//! so the changes of several watches, sorted by that number, are the exact sequence in which they took place.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::course::{Course, State};
use crate::support::{PATIENCE, User};

/// What concerns a rollout.
const ROLLOUT: [&str; 4] = ["pods", "replicasets", "deployments", "events"];

/// The folder of the API that has a kind.
fn folder(kind: &str) -> &'static str {
    match kind {
        "replicasets" | "deployments" => "/apis/apps/v1",
        "endpointslices" => "/apis/discovery.k8s.io/v1",
        "horizontalpodautoscalers" => "/apis/autoscaling/v2",
        _ => "/api/v1",
    }
}

/// One change of one object.
#[derive(Debug, Clone)]
pub struct Change {
    pub revision: u64,
    pub kind: &'static str,
    /// Whether the object went with this change.
    pub is_gone: bool,
    pub object: Arc<Value>,
}

impl Change {
    fn new(kind: &'static str, is_gone: bool, object: Value) -> Self {
        Self { revision: revision(&object), kind, is_gone, object: Arc::new(object) }
    }
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Watches a namespace from now on.
pub struct Recorder {
    user: Arc<User>,
    namespace: String,
    kinds: Vec<&'static str>,
    begun: AtomicU64,
    changes: Arc<Mutex<Vec<Change>>>,
    done: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Recorder {
    /// Watches what concerns a rollout.
    pub fn new(user: &Arc<User>, namespace: &str) -> Self {
        Self::of(user, namespace, &ROLLOUT)
    }

    /// Watches these kinds.
    pub fn of(user: &Arc<User>, namespace: &str, kinds: &[&'static str]) -> Self {
        let mut recorder = Self {
            user: user.clone(),
            namespace: namespace.to_owned(),
            kinds: kinds.to_vec(),
            begun: AtomicU64::new(0),
            changes: Arc::default(),
            done: Arc::default(),
            threads: Vec::new(),
        };
        for &kind in kinds {
            let watch = Watch {
                user: user.clone(),
                kind,
                path: path(namespace, kind),
                changes: recorder.changes.clone(),
                done: recorder.done.clone(),
            };
            let from = watch.list();
            recorder.begun.store(from, Ordering::Relaxed);
            recorder.threads.push(std::thread::spawn(move || watch.follow(from)));
        }
        recorder
    }

    /// Waits until what has been told so far comes to a state of this kind; returns the whole course up to it.
    pub fn until(&self, what: &str, is_reached: impl Fn(&State) -> bool) -> Course {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = 0;
        loop {
            let count = self.changes.lock().unwrap().len();
            if count > seen && is_reached(&self.course().end()) {
                return self.caught_up(deadline);
            }
            seen = count;
            assert!(
                Instant::now() < deadline,
                "not in {} s: {what}\n{}",
                PATIENCE.as_secs(),
                self.course().story()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What has been told so far.
    pub fn course(&self) -> Course {
        Course::new(self.begun.load(Ordering::Relaxed), self.changes.lock().unwrap().clone())
    }

    /// Lets the course begin with the present: what there is now is what there was at the beginning.
    pub fn forget_the_past(&self) {
        let mut changes = self.changes.lock().unwrap();
        let now = changes.iter().map(|change| change.revision).max().unwrap_or(0);
        let end = Course::new(0, changes.clone()).end();
        changes.retain(|change| !change.is_gone && end.has(change));
        self.begun.store(now, Ordering::Relaxed);
    }

    /// The watches of the kinds may lag behind each other: waits until all have told what there is now.
    fn caught_up(&self, deadline: Instant) -> Course {
        let mut newest = BTreeMap::new();
        for kind in &self.kinds {
            let path = path(&self.namespace, kind);
            for object in items(&self.user.raw(&path)) {
                newest.insert(object["metadata"]["uid"].as_str().unwrap().to_owned(), revision(&object));
            }
        }
        loop {
            let course = self.course();
            let end = course.end();
            let has = |(uid, revision): (&String, &u64)| {
                end.revision_of(uid).is_none_or(|known| known >= *revision) && course.knows(uid)
            };
            if newest.iter().all(has) {
                return course;
            }
            assert!(Instant::now() < deadline, "the watches lag behind\n{}", course.story());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let result = thread.join();
            assert!(result.is_ok() || std::thread::panicking(), "a watch failed");
        }
    }
}

/// The watch of one kind.
struct Watch {
    user: Arc<User>,
    kind: &'static str,
    path: String,
    changes: Arc<Mutex<Vec<Change>>>,
    done: Arc<AtomicBool>,
}

impl Watch {
    /// Takes in what there is, and returns the revision of the list.
    fn list(&self) -> u64 {
        let list = loop {
            // The API may be away for a while.
            let answer = self.user.try_kubectl(&["get", "--raw", &self.path]);
            match serde_json::from_str::<Value>(&answer.stdout) {
                Ok(list) if answer.status == 0 => break list,
                _ if self.done.load(Ordering::Relaxed) => return 0,
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        let listed = revision(&list);
        let items = items(&list);
        let mut changes = self.changes.lock().unwrap();
        // After a break: what is no longer listed has gone meanwhile.
        let known = Course::new(0, changes.clone()).end();
        for object in known.of_kind(self.kind) {
            if !items.iter().any(|item| item["metadata"]["uid"] == object["metadata"]["uid"]) {
                changes.push(Change {
                    revision: listed,
                    kind: self.kind,
                    is_gone: true,
                    object: Arc::new(object.clone()),
                });
            }
        }
        changes.extend(items.into_iter().map(|object| Change::new(self.kind, false, object)));
        listed
    }

    /// Watches until told to stop, again and again where the API breaks off.
    fn follow(&self, mut from: u64) {
        while !self.done.load(Ordering::Relaxed) {
            match self.watch(from) {
                Some(last) => {
                    // Nothing came: the API is away.
                    if last == from {
                        std::thread::sleep(Duration::from_millis(50));
                    }
                    from = last;
                }
                None if self.done.load(Ordering::Relaxed) => {}
                None => from = self.list(),
            }
        }
    }

    /// Returns the last revision that was told; `None` if the API no longer knows what came after `from`.
    fn watch(&self, mut from: u64) -> Option<u64> {
        let path = format!("{}?watch=1&allowWatchBookmarks=1&resourceVersion={from}", self.path);
        let mut kubectl = self.user.start_kubectl(&["get", "--raw", &path]);
        let lines = BufReader::new(kubectl.0.stdout.take().unwrap()).lines();
        let (sender, told) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            lines.map_while(Result::ok).all(|line| sender.send(line).is_ok());
        });
        loop {
            match told.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => {
                    // A line that is cut off is the last of a server that was killed: it is told again.
                    let Ok(event) = serde_json::from_str::<Value>(&line) else { break };
                    if event["type"] == "ERROR" {
                        from = 0;
                        break;
                    }
                    from = revision(&event["object"]).max(from);
                    if event["type"] != "BOOKMARK" {
                        let change =
                            Change::new(self.kind, event["type"] == "DELETED", event["object"].clone());
                        self.changes.lock().unwrap().push(change);
                    }
                }
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) if !self.done.load(Ordering::Relaxed) => {}
                Err(_) => break,
            }
        }
        drop(kubectl);
        reader.join().unwrap();
        (from > 0).then_some(from)
    }
}

fn path(namespace: &str, kind: &str) -> String {
    format!("{}/namespaces/{namespace}/{kind}", folder(kind))
}

fn items(list: &Value) -> Vec<Value> {
    list["items"].as_array().cloned().unwrap_or_default()
}

//! What a course of events is asked: what holds at every instant, what comes first, what comes after.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use serde_json::Value;

use crate::recorder::Change;

/// The objects of a namespace at one instant, by uid.
#[derive(Debug, Clone, Default)]
pub struct State {
    objects: BTreeMap<String, (&'static str, Arc<Value>)>,
}

impl State {
    fn take(&mut self, change: &Change) {
        let uid = text(&change.object["metadata"]["uid"]).to_owned();
        if change.is_gone {
            self.objects.remove(&uid);
        } else {
            self.objects.insert(uid, (change.kind, change.object.clone()));
        }
    }

    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.objects.values().filter(move |(its, _)| *its == kind).map(|(_, object)| object.as_ref())
    }

    pub fn pods(&self) -> Vec<Pod<'_>> {
        self.of_kind("pods").map(Pod).collect()
    }

    /// The pods with this label `app`.
    pub fn pods_of(&self, app: &str) -> Vec<Pod<'_>> {
        self.pods().into_iter().filter(|pod| pod.0["metadata"]["labels"]["app"] == app).collect()
    }

    /// Those that are neither on their way out nor ended: what a ReplicaSet counts.
    pub fn active(&self, app: &str) -> Vec<Pod<'_>> {
        self.pods_of(app).into_iter().filter(Pod::is_active).collect()
    }

    /// Those of the active that are ready.
    pub fn ready(&self, app: &str) -> Vec<Pod<'_>> {
        self.active(app).into_iter().filter(Pod::is_ready).collect()
    }

    pub fn named(&self, kind: &str, name: &str) -> Option<&Value> {
        self.of_kind(kind).find(|object| object["metadata"]["name"] == name)
    }

    /// Whether this change made an object what it is.
    pub fn has(&self, change: &Change) -> bool {
        self.revision_of(text(&change.object["metadata"]["uid"])) == Some(change.revision)
    }

    pub fn revision_of(&self, uid: &str) -> Option<u64> {
        let (_, object) = self.objects.get(uid)?;
        text(&object["metadata"]["resourceVersion"]).parse().ok()
    }

    /// The messages of the events with this reason.
    pub fn told(&self, reason: &str) -> Vec<&str> {
        self.of_kind("events")
            .filter(|event| event["reason"] == reason)
            .map(|it| text(&it["message"]))
            .collect()
    }
}

/// A pod at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Pod<'a>(pub &'a Value);

impl<'a> Pod<'a> {
    pub fn name(&self) -> &'a str {
        text(&self.0["metadata"]["name"])
    }

    pub fn uid(&self) -> &'a str {
        text(&self.0["metadata"]["uid"])
    }

    /// Which template it was made from.
    pub fn template(&self) -> &'a str {
        text(&self.0["metadata"]["labels"]["pod-template-hash"])
    }

    pub fn image(&self) -> &'a str {
        text(&self.0["spec"]["containers"][0]["image"])
    }

    pub fn phase(&self) -> &'a str {
        text(&self.0["status"]["phase"])
    }

    pub fn is_leaving(&self) -> bool {
        !self.0["metadata"]["deletionTimestamp"].is_null()
    }

    pub fn has_ended(&self) -> bool {
        ["Succeeded", "Failed"].contains(&self.phase())
    }

    pub fn is_active(&self) -> bool {
        !self.is_leaving() && !self.has_ended()
    }

    /// Its first container runs.
    pub fn runs(&self) -> bool {
        !self.0["status"]["containerStatuses"][0]["state"]["running"].is_null()
    }

    pub fn condition(&self, kind: &str) -> Option<&'a Value> {
        self.0["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
    }

    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|condition| condition["status"] == "True")
    }

    /// Why its first container waits; empty when it doesn't.
    pub fn waits_for(&self) -> &'a str {
        text(&self.0["status"]["containerStatuses"][0]["state"]["waiting"]["reason"])
    }

    /// The reason that `kubectl get pods` shows, where its first container gives one.
    pub fn shows(&self) -> &'a str {
        let state = &self.0["status"]["containerStatuses"][0]["state"];
        [self.waits_for(), text(&state["terminated"]["reason"])]
            .into_iter()
            .find(|it| !it.is_empty())
            .unwrap_or_default()
    }

    pub fn restarts(&self) -> i64 {
        self.0["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or(0)
    }

    /// How the container before this one ended.
    pub fn last_end(&self) -> &'a Value {
        &self.0["status"]["containerStatuses"][0]["lastState"]["terminated"]
    }
}

/// The changes of a namespace in their order.
#[derive(Debug, Clone)]
pub struct Course {
    /// The revision up to which the changes are what there was when the watch began.
    begun: u64,
    changes: Vec<Change>,
}

impl Course {
    pub fn new(begun: u64, mut changes: Vec<Change>) -> Self {
        changes.sort_by_key(|change| change.revision);
        // After a break of the watch a change may have been told twice.
        changes.dedup_by(|a, b| {
            a.revision == b.revision && a.object["metadata"]["uid"] == b.object["metadata"]["uid"]
        });
        Self { begun, changes }
    }

    fn since(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.revision > self.begun)
    }

    /// What there was when the watch began.
    pub fn beginning(&self) -> State {
        let mut state = State::default();
        let known = self.changes.iter().filter(|change| change.revision <= self.begun);
        known.for_each(|change| state.take(change));
        state
    }

    pub fn end(&self) -> State {
        let mut state = State::default();
        self.changes.iter().for_each(|change| state.take(change));
        state
    }

    pub fn knows(&self, uid: &str) -> bool {
        self.changes.iter().any(|change| change.object["metadata"]["uid"] == uid)
    }

    /// Calls with every change since the beginning: the state before it, the change, the state after it.
    pub fn replay(&self, mut see: impl FnMut(&State, &Change, &State)) {
        let mut before = self.beginning();
        for change in self.since() {
            let mut after = before.clone();
            after.take(change);
            see(&before, change, &after);
            before = after;
        }
    }

    /// Panics when it does not hold at some instant.
    pub fn always(&self, what: &str, holds: impl Fn(&State) -> bool) {
        self.never(&format!("not always: {what}"), |state| !holds(state));
    }

    /// Panics when it holds at any instant.
    pub fn never(&self, what: &str, holds: impl Fn(&State) -> bool) {
        assert!(!holds(&self.beginning()), "{what}: at the beginning\n{}", self.story());
        self.replay(|_, change, after| {
            assert!(!holds(after), "{what}: at {}\n{}", change.revision, self.story());
        });
    }

    /// The revision of the change with which it first holds; panics when it never does.
    pub fn first(&self, what: &str, holds: impl Fn(&State) -> bool) -> u64 {
        let mut found = None;
        self.replay(|_, change, after| {
            if found.is_none() && holds(after) {
                found = Some(change.revision);
            }
        });
        found.unwrap_or_else(|| panic!("never: {what}\n{}", self.story()))
    }

    /// The revisions of the changes that do this; `see` gets the object as it was, if it was, and the change.
    pub fn changes(&self, kind: &str, see: impl Fn(Option<&Value>, &Change) -> bool) -> Vec<u64> {
        let mut found = Vec::new();
        self.replay(|before, change, _| {
            if change.kind == kind {
                let uid = text(&change.object["metadata"]["uid"]);
                if see(before.objects.get(uid).map(|(_, object)| object.as_ref()), change) {
                    found.push(change.revision);
                }
            }
        });
        found
    }

    /// When pods came to be, in order; `which` chooses.
    pub fn created(&self, which: impl Fn(&Pod<'_>) -> bool) -> Vec<u64> {
        self.changes("pods", |before, change| before.is_none() && which(&Pod(&change.object)))
    }

    /// When pods were told to go, in order.
    pub fn dismissed(&self, which: impl Fn(&Pod<'_>) -> bool) -> Vec<u64> {
        self.changes("pods", |before, change| {
            let pod = Pod(&change.object);
            let was_asked = pod.is_leaving() || change.is_gone;
            before.is_some_and(|before| !Pod(before).is_leaving()) && was_asked && which(&pod)
        })
    }

    /// When pods became ready, in order.
    pub fn became_ready(&self, which: impl Fn(&Pod<'_>) -> bool) -> Vec<u64> {
        self.changes("pods", |before, change| {
            let pod = Pod(&change.object);
            !before.is_some_and(|before| Pod(before).is_ready()) && pod.is_ready() && which(&pod)
        })
    }

    /// The names of all that ever were of this kind.
    pub fn names_of(&self, kind: &str) -> BTreeSet<String> {
        let of_kind = self.changes.iter().filter(|change| change.kind == kind);
        of_kind.map(|change| text(&change.object["metadata"]["name"]).to_owned()).collect()
    }

    /// The course in words, for the eyes of whoever has to find out why a test failed.
    pub fn story(&self) -> String {
        let mut story = String::new();
        let mut last = BTreeMap::new();
        let is_old_news = |change: &&Change| change.kind == "events" && change.revision <= self.begun;
        for change in self.changes.iter().filter(|change| !is_old_news(change)) {
            let line = line(change);
            let key = text(&change.object["metadata"]["uid"]);
            // What changes nothing that is shown is left out.
            if last.insert(key, line.clone()).as_ref() != Some(&line) {
                let _ = writeln!(story, "{:>7} {line}", change.revision);
            }
        }
        story
    }
}

fn line(change: &Change) -> String {
    let object = &change.object;
    let name = text(&object["metadata"]["name"]);
    let gone = if change.is_gone { " gone" } else { "" };
    match change.kind {
        "pods" => {
            let pod = Pod(object);
            format!(
                "pod {name} {} {}{}{}{} restarts {}{gone}",
                pod.image(),
                pod.phase(),
                if pod.shows().is_empty() { String::new() } else { format!(" {}", pod.shows()) },
                if pod.is_ready() { " ready" } else { "" },
                if pod.is_leaving() { " leaving" } else { "" },
                pod.restarts(),
            )
        }
        "events" => {
            let about = &object["involvedObject"];
            format!(
                "event {}/{} {}: {} ({})",
                text(&about["kind"]),
                text(&about["name"]),
                text(&object["reason"]),
                text(&object["message"]),
                object["count"],
            )
        }
        kind => {
            let status = &object["status"];
            format!(
                "{kind} {name} spec {} has {} ready {} available {}{gone}",
                object["spec"]["replicas"],
                status["replicas"],
                status["readyReplicas"],
                status["availableReplicas"],
            )
        }
    }
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

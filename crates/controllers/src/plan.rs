//! What a decider answers: what is to be done, what is waited for, when to look again.

use std::time::Duration;

use api::k8s::api::core::v1::ObjectReference;
use api::reference::reference;
use serde_json::{Map, Value, json};

use crate::kind::{Kind, Known};

/// What a decider answers. An empty plan says: all is as it should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What is to be done, in this order; a run of creations or deletions may go side by side.
    pub actions: Vec<Action>,
    /// What the object waits for.
    pub waiting: Vec<Waiting>,
    /// When to look again though nothing has changed.
    pub recheck: Option<Duration>,
}

/// One thing an object waits for, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// A word, as a condition's reason.
    pub reason: &'static str,
    /// What is waited for.
    pub message: String,
}

/// One change of the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Brings an object into being.
    Create(Box<Create>),
    /// Changes some fields of an object.
    Patch(Box<Patch>),
    /// Deletes an object.
    Delete(Box<Delete>),
    /// Goes on only if the object, asked of the API itself, is there and not being deleted.
    Confirm(Box<Target>),
    /// Goes on only if the object, asked of the API itself, is not there (another of its name
    /// may be).
    ConfirmGone(Box<Target>),
    /// Deletes every object of a kind in a namespace.
    DeleteAll {
        /// The kind.
        kind: Kind,
        /// The namespace.
        namespace: String,
    },
    /// Lets a namespace go, if none of the kinds, asked of the API itself, has objects in it.
    Finalize {
        /// The namespace.
        namespace: Box<Target>,
        /// The kinds.
        kinds: Vec<Kind>,
    },
    /// Tells something.
    Event(Box<Event>),
}

/// Brings an object into being. That it exists already is a failure, for the decider to see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Create {
    /// The kind.
    pub kind: Kind,
    /// The namespace, empty for cluster-wide kinds.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The object in wire form, with kind and name.
    pub object: Value,
    /// What is told of it.
    pub told: Told,
}

/// Changes some fields of an object by a JSON merge patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// Which object.
    pub target: Target,
    /// Which part.
    pub part: Part,
    /// The JSON merge patch.
    pub patch: Value,
    /// What is told of it.
    pub told: Told,
}

/// Deletes an object, provided that it still is the one that was observed.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// Which object.
    pub target: Target,
    /// What becomes of what it owns.
    pub propagation: Propagation,
    /// Seconds of grace; `None` leaves it to the object.
    pub grace: Option<i64>,
    /// What is told of it.
    pub told: Told,
}

/// Which object, and in which state: an action on another one is refused by the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The kind.
    pub kind: Kind,
    /// The namespace, empty for cluster-wide kinds.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The uid that was observed.
    pub uid: String,
    /// The version that was observed, where the action holds for no other.
    pub version: Option<String>,
}

/// A part of an object that the API serves by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// All but the status.
    Object,
    /// The status.
    Status,
    /// The number of replicas, of any kind that has one.
    Scale,
}

/// What becomes of the objects that a deleted one owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay.
    Orphan,
}

/// The events that tell of an action, by how it ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Told when it succeeded.
    pub done: Option<Event>,
    /// Told when it failed; the cause is appended.
    pub failed: Option<Event>,
}

/// Something told to people, as `kubectl describe` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The object it is shown with.
    pub regarding: ObjectReference,
    /// Whether a person may have to look.
    pub warning: bool,
    /// A word.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

impl Plan {
    /// Adds an action.
    pub fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Looks again after `wait` at the latest.
    pub fn look_again(&mut self, wait: Duration) {
        self.recheck = Some(self.recheck.map_or(wait, |earlier| earlier.min(wait)));
    }

    /// Adds something that is waited for.
    pub fn wait(&mut self, reason: &'static str, message: impl Into<String>) {
        self.waiting.push(Waiting { reason, message: message.into() });
    }
}

impl Action {
    /// Returns the creation of `object`.
    pub fn create<K: Known>(object: &K, told: Told) -> Self
    where
        K::Scope: 'static,
    {
        let meta = object.metadata();
        Self::Create(Box::new(Create {
            kind: Kind::of::<K>(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            object: wire(object),
            told,
        }))
    }

    /// Returns the change from `old` to `new`, valid for that version only; `None` if there is none.
    pub fn update<K: Known>(part: Part, old: &K, new: &K, told: Told) -> Option<Self>
    where
        K::Scope: 'static,
    {
        let patch = if old == new { None } else { difference(&wire(old), &wire(new)) }?;
        let target = Target { version: old.metadata().resource_version.clone(), ..Target::of(old) };
        Some(Self::Patch(Box::new(Patch { target, part, patch, told })))
    }

    /// Returns a change that holds for every version of the object.
    pub fn patch<K: Known>(object: &K, patch: Value, told: Told) -> Self
    where
        K::Scope: 'static,
    {
        Self::Patch(Box::new(Patch { target: Target::of(object), part: Part::Object, patch, told }))
    }

    /// Returns the deletion of exactly this object.
    pub fn delete<K: Known>(object: &K, told: Told) -> Self
    where
        K::Scope: 'static,
    {
        let target = Target::of(object);
        Self::Delete(Box::new(Delete { target, propagation: Propagation::Background, grace: None, told }))
    }

    /// Returns an event about `object`.
    pub fn event<K: Known>(
        object: &K,
        warning: bool,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::Event(Box::new(Event::about(object, warning, reason, message)))
    }
}

impl Target {
    /// Returns the object in whatever version.
    pub fn of<K: Known>(object: &K) -> Self
    where
        K::Scope: 'static,
    {
        let meta = object.metadata();
        Self {
            kind: Kind::of::<K>(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            version: None,
        }
    }
}

impl Told {
    /// Tells nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }
}

impl Event {
    /// Returns an event about `object`.
    pub fn about<K: Known>(
        object: &K,
        warning: bool,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { regarding: reference(object), warning, reason, message: message.into() }
    }
}

/// Returns the merge patch that turns `old` into `new`; `None` when they are equal.
///
/// Lists are replaced whole (RFC 7386); what only differs in being absent or null is equal.
#[must_use]
pub fn difference(old: &Value, new: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return (old != new).then(|| new.clone());
    };
    let mut patch = Map::new();
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in new {
        match old.get(name) {
            Some(before) => patch.extend(difference(before, value).map(|value| (name.clone(), value))),
            None => patch.extend(Some((name.clone(), value.clone()))),
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

fn wire<K: Known>(object: &K) -> Value {
    // Kubernetes types serialise to JSON: they hold no maps with other keys than strings.
    serde_json::to_value(object).unwrap_or_else(|_| json!({}))
}

//! How a decider is put to work: which changes concern it, and how it gets to see what it decides on.

use std::any::{Any, TypeId};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::kind::Known;
use crate::plan::Plan;
use crate::view::{Key, View};

/// One controller: which keys a change concerns, and the plan for a key.
///
/// Every manager drives all of them in the same way: the changes give keys, keys are worked on
/// one at a time each, and the plan is carried out before the key is looked at again.
pub struct Controller {
    /// The name, which events carry as their source.
    pub name: &'static str,
    /// The changes that concern it.
    pub watches: Vec<Watch>,
    /// Observes what the key needs and decides.
    pub reconcile: fn(&View, &Key, &Env<'_>) -> Plan,
}

/// What is neither in the key nor in the view.
#[derive(Clone, Debug)]
pub struct Env<'a> {
    /// The time.
    pub now: Timestamp,
    /// Since when the machine's date has run evenly, as far as is known: dates from before, or yet to
    /// come, were written when it was another one, and no length of time follows from them.
    pub steady_since: Timestamp,
    /// A number that differs at each pass: names of new objects are made from it.
    pub seed: u64,
    /// Why the last pass over this key did not get through.
    pub failure: Option<&'a str>,
    /// Since when every pass over this key has waited for something, as far as is known.
    pub waiting_since: Option<Timestamp>,
    /// What the cluster's administrator has set.
    pub settings: &'a Settings,
}

/// What the cluster's administrator has set. The defaults are those of Kubernetes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The certificate authority that pods trust the API by, as PEM; `None` publishes none.
    pub root_ca: Option<String>,
    /// How long a node may be silent before it counts as not ready.
    pub node_grace_seconds: i64,
    /// How many ended pods may stay before the oldest are removed.
    pub ended_pods: usize,
    /// Finds a time zone by its name: the database of zones is outside of the deciders.
    pub zone: fn(&str) -> Option<TimeZone>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { root_ca: None, node_grace_seconds: 50, ended_pods: 12_500, zone: |_| None }
    }
}

type Keys = dyn Fn(&View, Option<&dyn Any>, Option<&dyn Any>) -> Vec<Key> + Send + Sync;

/// Which keys a change of one kind concerns.
pub struct Watch {
    kind: TypeId,
    keys: Box<Keys>,
}

impl Watch {
    /// Returns a watch of `K`: `keys` gets the state before and after the change.
    pub fn on<K: Known>(keys: fn(&View, Option<&K>, Option<&K>) -> Vec<Key>) -> Self {
        let typed = move |view: &View, old: Option<&dyn Any>, new: Option<&dyn Any>| {
            keys(view, old.and_then(<dyn Any>::downcast_ref), new.and_then(<dyn Any>::downcast_ref))
        };
        Self { kind: TypeId::of::<K>(), keys: Box::new(typed) }
    }

    /// Returns a watch of `K` where the key is the object itself.
    #[must_use]
    pub fn on_self<K: Known>() -> Self {
        Self::on::<K>(|_, old, new| {
            new.or(old).map(|object| Key::of(object.metadata())).into_iter().collect()
        })
    }

    /// Tells whether this is a watch of `K`.
    #[must_use]
    pub fn is_on<K: Known>(&self) -> bool {
        self.kind == TypeId::of::<K>()
    }

    /// Returns the keys that a change concerns.
    #[must_use]
    pub fn keys<K: Known>(&self, view: &View, old: Option<&K>, new: Option<&K>) -> Vec<Key> {
        if !self.is_on::<K>() {
            return Vec::new();
        }
        (self.keys)(view, old.map(|object| object as &dyn Any), new.map(|object| object as &dyn Any))
    }
}

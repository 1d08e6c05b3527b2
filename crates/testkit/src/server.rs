//! An API without a network: versions, preconditions, generations, finalizers, grace.

use std::collections::BTreeMap;

use controllers::{Kind, Known, Part};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Where an object is: its kind, namespace and name.
pub type Place = (String, String, String);

/// One change: the states before and after.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where.
    pub place: Place,
    /// The state after; for an object that is gone, its last one.
    pub object: Value,
    /// Whether the object is gone.
    pub is_gone: bool,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such object.
    NotFound,
    /// There is one already.
    AlreadyExists,
    /// It is not what was expected.
    Conflict,
    /// The administrator forbids it.
    Forbidden(String),
}

/// The objects of the cluster and their history.
#[derive(Default)]
pub struct Server {
    objects: BTreeMap<Place, Value>,
    /// By kind.
    history: BTreeMap<String, Vec<Change>>,
    version: u64,
    uids: u64,
    /// The time, which only tests advance.
    pub now: Timestamp,
    /// Pods may not be created beyond that number, if any: a quota.
    pub pod_quota: Option<usize>,
}

impl Server {
    /// Returns an empty cluster.
    #[must_use]
    pub fn new() -> Self {
        let now = Timestamp::from_second(1_800_000_000).unwrap_or_default();
        Self { now, ..Self::default() }
    }

    /// Returns every object of a kind, typed.
    #[must_use]
    pub fn list<K: Known>(&self) -> Vec<K> {
        self.raw(K::URL_PATH_SEGMENT).map(typed).collect()
    }

    /// Returns one object, typed.
    #[must_use]
    pub fn get<K: Known>(&self, namespace: &str, name: &str) -> Option<K> {
        self.objects.get(&place(K::URL_PATH_SEGMENT, namespace, name)).map(typed)
    }

    /// Returns the object at a place.
    #[must_use]
    pub fn at(&self, place: &Place) -> Option<&Value> {
        self.objects.get(place)
    }

    /// Returns every object of a kind, in wire form.
    pub fn raw<'a>(&'a self, plural: &'a str) -> impl Iterator<Item = &'a Value> {
        let start = place(plural, "", "");
        self.objects.range(start..).take_while(move |(place, _)| place.0 == plural).map(|(_, object)| object)
    }

    /// Returns every object.
    pub fn objects(&self) -> impl Iterator<Item = (&Place, &Value)> {
        self.objects.iter()
    }

    /// Returns the changes of one kind so far.
    #[must_use]
    pub fn history(&self, plural: &str) -> &[Change] {
        self.history.get(plural).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the version of the latest change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Creates an object given in wire form.
    ///
    /// # Errors
    /// When the name is taken or the quota used up.
    pub fn create(&mut self, plural: &str, mut object: Value) -> Result<Value, Refused> {
        let meta = &object["metadata"];
        let text = |field: &str| meta[field].as_str().unwrap_or_default().to_owned();
        let place = place(plural, &text("namespace"), &text("name"));
        if self.objects.contains_key(&place) {
            return Err(Refused::AlreadyExists);
        }
        let pods = self.objects.keys().filter(|place| place.0 == "pods").count();
        if plural == "pods" && self.pod_quota.is_some_and(|quota| pods >= quota) {
            return Err(Refused::Forbidden(format!("pods \"{}\" is forbidden: exceeded quota", place.2)));
        }
        self.uids += 1;
        let meta = &mut object["metadata"];
        meta["uid"] = json!(format!("uid-{}", self.uids));
        meta["generation"] = json!(1);
        meta["creationTimestamp"] = json!(second(self.now));
        if plural == "pods" {
            object["status"] = json!({ "phase": "Pending" });
        }
        Ok(self.store(place, object))
    }

    /// Changes an object by a merge patch; `version` and `uid` are what it must have, if given.
    ///
    /// # Errors
    /// When it is not there or not what it must be.
    pub fn patch(
        &mut self,
        place: &Place,
        part: Part,
        patch: &Value,
        (version, uid): (Option<&str>, Option<&str>),
    ) -> Result<Value, Refused> {
        let before = self.objects.get(place).ok_or(Refused::NotFound)?;
        let differs = |field: &str, wanted: Option<&str>| {
            wanted.is_some_and(|it| before["metadata"][field] != json!(it))
        };
        if differs("resourceVersion", version) || differs("uid", uid) {
            return Err(Refused::Conflict);
        }
        let mut after = before.clone();
        match part {
            Part::Object => {
                merge(&mut after, patch);
                after["status"] = before["status"].clone();
            }
            // As in Kubernetes, annotations pass as well; labels would too, but nobody here sends them.
            Part::Status => {
                merge(&mut after["status"], &patch["status"]);
                if let Some(annotations) = patch["metadata"].get("annotations") {
                    merge(&mut after["metadata"]["annotations"], annotations);
                }
            }
            Part::Scale => after["spec"]["replicas"] = patch["spec"]["replicas"].clone(),
        }
        if after["spec"] != before["spec"] {
            let generation = before["metadata"]["generation"].as_i64().unwrap_or(0);
            after["metadata"]["generation"] = json!(generation + 1);
        }
        let is_leaving = !after["metadata"]["deletionTimestamp"].is_null();
        let is_held = after["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
        let runs = place.0 == "pods" && after["metadata"]["deletionGracePeriodSeconds"] != json!(0);
        if is_leaving && !is_held && !runs {
            return Ok(self.remove(place, after));
        }
        if &after == before {
            return Ok(after);
        }
        Ok(self.store(place.clone(), after))
    }

    /// Deletes an object: at once, or, a pod on a node, after its period of grace.
    ///
    /// # Errors
    /// When it is not there or another one.
    pub fn delete(&mut self, place: &Place, uid: Option<&str>, grace: Option<i64>) -> Result<Value, Refused> {
        let mut object = self.objects.get(place).ok_or(Refused::NotFound)?.clone();
        if uid.is_some_and(|uid| object["metadata"]["uid"] != json!(uid)) {
            return Err(Refused::Conflict);
        }
        let is_held = object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
        let runs = place.0 == "pods" && object["spec"]["nodeName"].is_string();
        if !is_held && (!runs || grace == Some(0)) {
            return Ok(self.remove(place, object));
        }
        let grace = if runs { grace.unwrap_or(30) } else { 0 };
        let is_sooner =
            object["metadata"]["deletionGracePeriodSeconds"].as_i64().is_none_or(|known| grace < known);
        if is_sooner {
            let since = second(self.now);
            let meta = &mut object["metadata"];
            meta["deletionGracePeriodSeconds"] = json!(grace);
            if meta["deletionTimestamp"].is_null() {
                meta["deletionTimestamp"] = json!(since);
            }
            return Ok(self.store(place.clone(), object));
        }
        Ok(object)
    }

    /// Binds a pod to a node.
    ///
    /// # Errors
    /// When it is not there, or has a node.
    pub fn bind(&mut self, place: &Place, node: &str) -> Result<Value, Refused> {
        let mut pod = self.objects.get(place).ok_or(Refused::NotFound)?.clone();
        if pod["spec"]["nodeName"].is_string() {
            return Err(Refused::Conflict);
        }
        pod["spec"]["nodeName"] = json!(node);
        Ok(self.store(place.clone(), pod))
    }

    fn store(&mut self, place: Place, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.note(Change { place: place.clone(), object: object.clone(), is_gone: false });
        self.objects.insert(place, object.clone());
        object
    }

    fn note(&mut self, change: Change) {
        self.history.entry(change.place.0.clone()).or_default().push(change);
    }

    fn remove(&mut self, place: &Place, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.remove(place);
        self.note(Change { place: place.clone(), object: object.clone(), is_gone: true });
        object
    }
}

/// Returns the place of an object.
#[must_use]
pub fn place(plural: &str, namespace: &str, name: &str) -> Place {
    (plural.to_owned(), namespace.to_owned(), name.to_owned())
}

/// Returns the place of an object by its kind.
#[must_use]
pub fn place_of(kind: &Kind, namespace: &str, name: &str) -> Place {
    place(&kind.plural, namespace, name)
}

/// Returns an object typed.
///
/// # Panics
/// When it is of another type: a mistake of the test.
#[must_use]
pub fn typed<K: Known>(object: &Value) -> K {
    serde_json::from_value(object.clone())
        .unwrap_or_else(|error| panic!("no {}: {error}: {object:#}", K::KIND))
}

fn second(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or_default().to_string()
}

/// Applies a JSON merge patch (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        match (value, target.as_object_mut()) {
            (Value::Null, Some(target)) => drop(target.remove(name)),
            (value, Some(target)) => merge(target.entry(name.clone()).or_insert(Value::Null), value),
            (_, None) => {}
        }
    }
}

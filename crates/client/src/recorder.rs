//! Events, as `kubectl describe` shows them: aggregated and counted as Kubernetes does.

mod correlate;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::sync::mpsc;

use correlate::{Correlator, Verdict};

/// Events that wait to be written. Beyond it new ones are dropped: events inform, and must
/// never hold up or outgrow the work they tell of.
const CAPACITY: usize = 1024;

/// The two types of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// Information.
    Normal,
    /// Something a person may have to look at.
    Warning,
}

impl EventType {
    /// Returns the type as the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Records events in the name of one component. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    component: Arc<str>,
    host: Arc<str>,
    queue: mpsc::Sender<Entry>,
}

/// One thing that happened.
pub(crate) struct Entry {
    regarding: ObjectReference,
    event_type: EventType,
    reason: String,
    message: String,
    component: Arc<str>,
    host: Arc<str>,
    at: Timestamp,
}

impl Recorder {
    /// Returns a recorder that writes through `client` on a task of its own, which ends with the
    /// last clone. `host` is the node for a component of a node, else empty.
    #[must_use]
    pub fn new(client: kube::Client, component: &str, host: &str) -> Self {
        let (queue, entries) = mpsc::channel(CAPACITY);
        tokio::spawn(write(client, entries));
        Self { component: component.into(), host: host.into(), queue }
    }

    /// Returns a recorder that shares the queue of this one but writes in the name of `component`.
    #[must_use]
    pub fn named(&self, component: &str) -> Self {
        Self { component: component.into(), ..self.clone() }
    }

    /// Records that something happened to `regarding`. Returns at once.
    pub fn record(&self, regarding: ObjectReference, event_type: EventType, reason: &str, message: &str) {
        let entry = Entry {
            regarding,
            event_type,
            reason: reason.to_owned(),
            message: message.to_owned(),
            component: self.component.clone(),
            host: self.host.clone(),
            at: Timestamp::now(),
        };
        if self.queue.try_send(entry).is_err() {
            tracing::debug!(reason, message, "event dropped: the queue is full");
        }
    }
}

async fn write(client: kube::Client, mut entries: mpsc::Receiver<Entry>) {
    let mut correlator = Correlator::default();
    while let Some(entry) = entries.recv().await {
        let namespace = namespace(&entry.regarding).to_owned();
        let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
        let result = match correlator.take(&entry) {
            Verdict::Drop => continue,
            Verdict::Create { name, message } => create(&events, &entry, &name, &message).await,
            Verdict::Count { name, count, message } => {
                match count_up(&events, &entry, &name, count, &message).await {
                    // The event has outlived its time to live: tell it anew.
                    Err(kube::Error::Api(status)) if status.is_not_found() => {
                        let (name, message) = correlator.again(&entry);
                        create(&events, &entry, &name, &message).await
                    }
                    result => result,
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(reason = entry.reason, %error, "event not recorded");
        }
    }
}

async fn create(events: &Api<Event>, entry: &Entry, name: &str, message: &str) -> Result<(), kube::Error> {
    let at = Some(Time(entry.at));
    let regarding = &entry.regarding;
    let event = Event {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace(regarding).to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: regarding.clone(),
        type_: Some(entry.event_type.as_str().to_owned()),
        reason: Some(entry.reason.clone()),
        message: Some(message.to_owned()),
        count: Some(1),
        first_timestamp: at.clone(),
        last_timestamp: at,
        event_time: None::<MicroTime>,
        source: Some(EventSource {
            component: Some(entry.component.to_string()),
            host: Some(entry.host.to_string()).filter(|host| !host.is_empty()),
        }),
        reporting_component: Some(entry.component.to_string()),
        reporting_instance: Some(entry.host.to_string()),
        ..Event::default()
    };
    let written_by = PostParams { field_manager: Some(manager(entry)), ..PostParams::default() };
    events.create(&written_by, &event).await.map(drop)
}

async fn count_up(
    events: &Api<Event>,
    entry: &Entry,
    name: &str,
    count: u32,
    message: &str,
) -> Result<(), kube::Error> {
    let patch = json!({ "count": count, "lastTimestamp": Time(entry.at), "message": message });
    let written_by = PatchParams { field_manager: Some(manager(entry)), ..PatchParams::default() };
    events.patch(name, &written_by, &Patch::Merge(patch)).await.map(drop)
}

/// The program that a component is a part of in Kubernetes.
fn manager(entry: &Entry) -> String {
    match &*entry.component {
        "default-scheduler" => "kube-scheduler".to_owned(),
        name if name.ends_with("-controller") => "kube-controller-manager".to_owned(),
        name => name.to_owned(),
    }
}

/// Events about cluster-wide objects live in `default`.
fn namespace(regarding: &ObjectReference) -> &str {
    regarding.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or("default")
}

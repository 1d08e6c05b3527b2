//! Tells in events what does not work of an Ingress.

use std::collections::HashMap;
use std::time::Duration;

use api::reference::reference;
use client::{EventType, Recorder};
use tokio::time::Instant;

use super::Dependencies;
use crate::ingress::Fault;

/// The component that events come from.
const COMPONENT: &str = "ingress-controller";

/// Objects that are applied together come one after the other: what is missing for so long is missing.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is wrong now.
pub(super) struct Faults {
    recorder: Recorder,
    /// Each by the uid of its Ingress and its message: since when, or `None` once told.
    known: HashMap<(Option<String>, String), Option<Instant>>,
}

impl Faults {
    pub(super) fn new(dependencies: &Dependencies) -> Self {
        let recorder = Recorder::new(dependencies.caches.client().clone(), COMPONENT, "");
        Self { recorder, known: HashMap::new() }
    }

    /// Tells of faults that have lasted, each once for as long as it lasts.
    pub(super) fn note(&mut self, faults: Vec<Fault>) {
        let now = Instant::now();
        let mut known = HashMap::new();
        for fault in faults {
            let key = (fault.ingress.metadata.uid.clone(), fault.message);
            let since = self.known.get(&key).copied().unwrap_or(Some(now));
            let is_due = since.is_some_and(|since| now.duration_since(since) >= PATIENCE);
            if is_due {
                let about = reference(&*fault.ingress);
                self.recorder.record(about, EventType::Warning, fault.reason, &key.1);
            }
            known.insert(key, since.filter(|_| !is_due));
        }
        self.known = known;
    }

    /// Completes when a fault has lasted long enough to be told.
    pub(super) async fn due(&self) {
        match self.known.values().flatten().min() {
            Some(first) => tokio::time::sleep_until(*first + PATIENCE).await,
            None => std::future::pending().await,
        }
    }
}

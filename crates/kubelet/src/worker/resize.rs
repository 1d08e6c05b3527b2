//! Other requests and limits for containers that run: asks the node for room, and the runtime for the limits.

use std::sync::Arc;

use client::EventType;
use k8s_openapi::api::core::v1::{Pod, ResourceRequirements};

use super::{Message, Worker};
use crate::back_off::later;
use crate::clock;
use crate::images::chain;
use crate::observed::State;
use crate::plan;
use crate::registration;
use crate::resize::{self, Resizing};
use crate::resources;
use crate::spec;

impl Worker {
    /// Finds out whether there is room for what running containers are to have, and tells of it once.
    pub(super) fn look_at_resizes(&mut self) {
        let is_wanted = resize::wanting(&self.seen).next().is_some() && plan::ending(&self.seen).is_none();
        if !is_wanted {
            self.seen.resize_pending = None;
            return;
        }
        let pod = self.pod();
        let pending = resize::pending(&pod, &registration::described(&self.node), self.neighbours());
        let is_news = pending != self.seen.resize_pending;
        match &pending {
            Some(pending) if is_news => {
                let words =
                    resize::told(&format!("Pod resize {}", pending.reason), &pod, Some(&pending.message));
                self.node.event(&pod, EventType::Warning, &format!("Resize{}", pending.reason), &words);
            }
            None if self.resize_told != pod.metadata.generation => {
                self.resize_told = pod.metadata.generation;
                let words = resize::told("Pod resize started", &pod, None);
                self.node.event(&pod, EventType::Normal, "ResizeStarted", &words);
            }
            Some(_) | None => {}
        }
        self.seen.resize_pending = pending;
    }

    /// The other pods of this node that take room.
    fn neighbours(&self) -> Vec<Arc<Pod>> {
        let (here, own) = (&self.node.config.node_name, spec::uid(&self.seen.pod));
        let takes_room = |pod: &Arc<Pod>| {
            spec::spec(pod).node_name.as_ref() == Some(here)
                && spec::uid(pod) != own
                && !spec::is_finished(pod)
        };
        self.node.pods.list().into_iter().filter(takes_room).collect()
    }

    pub(super) fn resize(&mut self, name: &str) {
        let Some(sandbox) = self.handle.clone() else { return };
        let pod = self.pod();
        let Some((container, _)) = spec::find_container(&pod, name) else { return };
        let wanted = resources::runtime_resources(&pod, &container, &self.node.config.capacity);
        let Some(State::Running(running)) = self.seen.containers.get_mut(name).map(|known| &mut known.state)
        else {
            return;
        };
        running.resizing = Some(Resizing { error: None, retry_at: self.seen.now });
        let (name, id, to) = (name.to_owned(), running.id.clone(), container.resources.clone());
        self.spawn(|sender| async move {
            let error = sandbox.limit(&id, wanted).await.err().map(|error| chain(&error));
            let _ = sender.send(Message::Resized { container: name, id, to, error }).await;
        });
    }

    pub(super) fn resized(
        &mut self,
        name: &str,
        id: &str,
        to: Option<ResourceRequirements>,
        error: Option<String>,
    ) {
        let Some(State::Running(running)) = self.seen.containers.get_mut(name).map(|known| &mut known.state)
        else {
            return;
        };
        if running.id != id {
            return;
        }
        let pod = self.seen.pod.clone();
        match error {
            None => {
                (running.resources, running.resizing) = (to, None);
                if resize::wanting(&self.seen).next().is_none() {
                    let words = resize::told("Pod resize completed", &pod, None);
                    self.node.event(&pod, EventType::Normal, "ResizeCompleted", &words);
                }
            }
            Some(error) => {
                let words = resize::told("Pod resize error", &pod, Some(&error));
                let retry_at = later(clock::now(), resize::RETRY);
                running.resizing = Some(Resizing { error: Some(error), retry_at });
                self.node.event(&pod, EventType::Warning, "ResizeError", &words);
            }
        }
    }
}

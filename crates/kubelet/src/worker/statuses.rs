//! Writes a pod's status to the API: the newest one, one write at a time.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::images::chain;
use crate::node::Node;
use crate::spec;
use crate::status;

/// The first pause after a write that failed; it doubles up to [`RETRY_LIMIT`].
/// Who writes statuses, as managed fields tell.
const MANAGER: &str = "kubelet";

const RETRY: Duration = Duration::from_millis(100);
/// The longest pause.
const RETRY_LIMIT: Duration = Duration::from_secs(5);

/// The pod's status on its way to the API.
pub(super) struct Statuses {
    wanted: watch::Sender<Wanted>,
    written: watch::Receiver<u64>,
    task: AbortHandle,
}

#[derive(Debug, Clone)]
struct Wanted {
    pod: Arc<Pod>,
    status: Option<PodStatus>,
    count: u64,
}

impl Drop for Statuses {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Statuses {
    pub(super) fn new(node: Arc<Node>, pod: Arc<Pod>) -> Self {
        let status = pod.status.clone();
        let (wanted, changes) = watch::channel(Wanted { pod, status, count: 0 });
        let (done, written) = watch::channel(0);
        let task = tokio::spawn(write(node, changes, done)).abort_handle();
        Self { wanted, written, task }
    }

    /// Tells which object the status belongs to.
    pub(super) fn base(&mut self, pod: Arc<Pod>) {
        self.wanted.send_if_modified(|wanted| {
            wanted.pod = pod;
            false
        });
    }

    /// Wants this status to be the one in the API.
    pub(super) fn set(&mut self, status: PodStatus) {
        self.wanted.send_if_modified(|wanted| {
            let is_new = wanted.status.as_ref() != Some(&status);
            if is_new {
                wanted.status = Some(status);
                wanted.count += 1;
            }
            is_new
        });
    }

    /// Returns what completes once the status wanted now is in the API.
    pub(super) fn written(&self) -> impl Future<Output = ()> + Send + 'static {
        let count = self.wanted.borrow().count;
        let mut written = self.written.clone();
        async move {
            let _ = written.wait_for(|written| *written >= count).await;
        }
    }
}

async fn write(node: Arc<Node>, mut changes: watch::Receiver<Wanted>, done: watch::Sender<u64>) {
    let mut pause = RETRY;
    while changes.changed().await.is_ok() {
        loop {
            let wanted = changes.borrow_and_update().clone();
            let Some(status) = &wanted.status else { break };
            if write_once(&node, &wanted.pod, status).await {
                done.send_replace(wanted.count);
                pause = RETRY;
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_LIMIT);
        }
    }
}

/// Writes once; true if there is nothing to try again: written, or the pod is another one by now.
async fn write_once(node: &Node, pod: &Pod, status: &PodStatus) -> bool {
    let pods: Api<Pod> = Api::namespaced(node.client.clone(), spec::namespace(pod));
    let patch = Patch::Strategic(status::patch(pod, status));
    let written_by = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    match pods.patch_status(spec::name(pod), &written_by, &patch).await {
        Ok(pod) => {
            // The other servers of this process need not wait for the watch.
            node.pods.assume(pod);
            true
        }
        Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => true,
        Err(error) => {
            tracing::warn!(pod = spec::name(pod), error = chain(&error), "the pod's status was not written");
            false
        }
    }
}

/// Removes a pod from the API once its last status is written. A pod of the same name that has
/// taken its place is left alone.
pub(super) async fn forget(node: &Node, pod: &Pod, written: impl Future<Output = ()>) {
    written.await;
    let pods: Api<Pod> = Api::namespaced(node.client.clone(), spec::namespace(pod));
    let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
    let params = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(preconditions),
        ..DeleteParams::default()
    };
    let mut pause = RETRY;
    loop {
        match pods.delete(spec::name(pod), &params).await {
            Ok(answer) => {
                match answer.left().filter(|left| !left.finalizers().is_empty()) {
                    // Somebody still holds it, and waits to see it like this.
                    Some(held) => node.pods.assume(held),
                    None => node.pods.assume_gone(spec::namespace(pod), spec::name(pod), spec::uid(pod)),
                }
                return;
            }
            Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => return,
            Err(error) => {
                tracing::warn!(
                    pod = spec::name(pod),
                    error = chain(&error),
                    "the pod was not removed from the API"
                );
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_LIMIT);
    }
}

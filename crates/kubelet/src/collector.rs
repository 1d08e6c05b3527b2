//! Removes images that the node pulled and nobody uses, when the disk gets full.
//!
//! As Kubernetes: above one share of the disk the images unused for longest go, until it is below
//! another. Only what a kubelet of this cluster pulled by itself is ever removed: what a user built,
//! loaded, pulled or tagged is theirs.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use image::{Image, ImageStore, Reference};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};

use crate::images::chain;
use crate::node::Node;
use crate::spec;

/// Shares of the disk, in percent: Kubernetes' `imageGCHighThresholdPercent` and `…Low…`.
const HIGH: u64 = 85;
const LOW: u64 = 80;
/// An image that was used so recently stays: Kubernetes' `imageMinimumGCAge`.
const LEAST_AGE: Duration = Duration::from_secs(120);
/// How often the disk is looked at: Kubernetes' own period.
const PERIOD: Duration = Duration::from_secs(300);

/// The images a node pulled, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Pulled(BTreeMap<String, Use>);

/// What is remembered of an image that was pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Use {
    /// What was pulled: another image under the same name is somebody else's.
    digest: String,
    used_at: Timestamp,
}

impl Pulled {
    /// Reads the record; what does not read is forgotten, and its images stay.
    pub(crate) fn load(file: &Path) -> Self {
        let text = fs::read(file).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn save(&self, file: &Path) -> io::Result<()> {
        let half_done = file.with_extension("new");
        fs::write(&half_done, serde_json::to_vec(self)?)?;
        fs::rename(half_done, file)
    }

    /// Notes that an image was pulled, or is used now.
    fn note(&mut self, name: &str, digest: &str, now: Timestamp) {
        self.0.insert(name.to_owned(), Use { digest: digest.to_owned(), used_at: now });
    }
}

/// Notes that the node has pulled an image. Blocks on the disk.
pub(crate) fn note_pulled(node: &Node, name: &str, image: &Image) {
    let file = &node.config.directories.pulled;
    let mut pulled = node.pulled();
    pulled.note(name, &image.digest.to_string(), Timestamp::now());
    if let Err(error) = pulled.save(file) {
        tracing::warn!(%error, file = %file.display(), "an image that was pulled will not be collected");
    }
}

/// Collects until dropped.
pub(crate) async fn keep(node: Arc<Node>) {
    node.pods.wait_synced().await;
    loop {
        tokio::time::sleep(PERIOD).await;
        let collecting = node.clone();
        let collected = tokio::task::spawn_blocking(move || collect(&collecting)).await;
        match collected {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = chain(&*error), "images could not be collected"),
            Err(error) => tracing::error!(%error, "the collection of images failed"),
        }
    }
}

/// Looks at the disk once, and removes what has to go.
fn collect(node: &Node) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (pods, now) = (node.pods.list(), Timestamp::now());
    let mut pulled = node.pulled();
    for (name, known) in &mut pulled.0 {
        if is_used(&pods, name) {
            known.used_at = now;
        }
    }
    let disk = statvfs(&node.config.directories.snapshots)?;
    let total = disk.blocks() * disk.fragment_size();
    let available = disk.blocks_available() * disk.fragment_size();
    let to_free = to_free(total, available);
    if to_free > 0 {
        let gone = remove(&node.images, &choose(&pulled, &pods, now), to_free)?;
        gone.iter().for_each(|name| drop(pulled.0.remove(name)));
        if are_as_started(&node.images, &pods) {
            node.images.prune_snapshots(&node.config.directories.snapshots, &[])?;
        }
        tracing::info!(images = gone.len(), "images were removed since the disk is getting full");
    }
    Ok(pulled.save(&node.config.directories.pulled)?)
}

/// Returns how many bytes should become free.
fn to_free(total: u64, available: u64) -> u64 {
    let used = total.saturating_sub(available);
    if used * 100 < total * HIGH { 0 } else { used.saturating_sub(total / 100 * LOW) }
}

/// Returns the images that may go, those unused for longest first.
fn choose<'a>(pulled: &'a Pulled, pods: &[Arc<Pod>], now: Timestamp) -> Vec<(&'a str, &'a str)> {
    let age = |known: &Use| Duration::try_from(now.duration_since(known.used_at)).unwrap_or_default();
    let may_go = |(name, known): &(&String, &Use)| age(known) >= LEAST_AGE && !is_used(pods, name);
    let mut chosen: Vec<_> = pulled.0.iter().filter(may_go).collect();
    chosen.sort_by_key(|(name, known)| (known.used_at, (*name).clone()));
    chosen.into_iter().map(|(name, known)| (name.as_str(), known.digest.as_str())).collect()
}

/// Removes images until enough is free; returns the names that are gone.
fn remove(
    store: &ImageStore,
    chosen: &[(&str, &str)],
    to_free: u64,
) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>> {
    let (mut freed, mut gone) = (0, Vec::new());
    for (name, digest) in chosen {
        if freed >= to_free {
            break;
        }
        let image = store.resolve(name)?;
        if image.is_some_and(|image| image.digest.to_string() == **digest) {
            freed += store.remove(&Reference::parse(name)?)?.freed;
        }
        // Gone already, or somebody else's by now.
        gone.push((*name).to_owned());
    }
    Ok(gone)
}

/// Whether a pod that has not ended names the image.
fn is_used(pods: &[Arc<Pod>], name: &str) -> bool {
    let wanted = Reference::parse(name).ok();
    let is_it = |other: &str| other == name || (wanted.is_some() && Reference::parse(other).ok() == wanted);
    pods.iter().filter(|pod| !spec::is_finished(pod)).any(|pod| images_of(pod).any(is_it))
}

fn images_of(pod: &Pod) -> impl Iterator<Item = &str> {
    let containers = spec::containers(pod).filter_map(|(container, _)| container.image.as_deref());
    let volumes = spec::spec(pod).volumes.iter().flatten();
    containers.chain(volumes.filter_map(|volume| volume.image.as_ref()?.reference.as_deref()))
}

/// Whether every running container's image is at hand as it was started: otherwise layers that no
/// image needs may be in use all the same.
fn are_as_started(store: &ImageStore, pods: &[Arc<Pod>]) -> bool {
    let statuses = pods.iter().filter(|pod| !spec::is_finished(pod)).filter_map(|pod| pod.status.as_ref());
    let mut containers = statuses.flat_map(|status| {
        let ordinary = status.container_statuses.iter().flatten();
        ordinary.chain(status.init_container_statuses.iter().flatten())
    });
    containers.all(|status| {
        let found = store.resolve(&status.image).ok().flatten();
        status.image_id.is_empty()
            || found.is_some_and(|image| status.image_id.ends_with(&image.digest.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(image: &str, phase: &str) -> Arc<Pod> {
        let pod = json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": image }] },
            "status": { "phase": phase } });
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_disk_is_freed_from_the_high_mark_to_the_low_one() {
        assert_eq!(to_free(1000, 400), 0);
        assert_eq!(to_free(1000, 151), 0);
        assert_eq!(to_free(1000, 150), 50);
        assert_eq!(to_free(1000, 0), 200);
    }

    #[test]
    fn the_images_unused_for_longest_go_first_and_none_in_use() {
        let mut pulled = Pulled::default();
        for (name, second) in [("r.io/b:1", 20), ("r.io/a:1", 10), ("r.io/used:1", 1), ("r.io/young:1", 950)]
        {
            pulled.note(name, "sha256:x", at(second));
        }
        let pods = [pod("r.io/used:1", "Running"), pod("r.io/a:1", "Succeeded")];
        let chosen: Vec<_> = choose(&pulled, &pods, at(1000)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(chosen, ["r.io/a:1", "r.io/b:1"]);
    }

    #[test]
    fn an_image_is_used_under_any_of_its_spellings() {
        assert!(is_used(&[pod("nginx", "Pending")], "docker.io/library/nginx:latest"));
        assert!(!is_used(&[pod("nginx:1", "Pending")], "nginx"));
        assert!(!is_used(&[pod("nginx", "Failed")], "nginx"));
    }

    #[test]
    fn the_record_outlives_a_restart_and_a_damaged_one_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pulled.json");
        let mut pulled = Pulled::default();
        pulled.note("a", "sha256:x", at(7));
        pulled.save(&file).unwrap();
        assert_eq!(Pulled::load(&file), pulled);
        fs::write(&file, "{").unwrap();
        assert_eq!(Pulled::load(&file), Pulled::default());
    }
}

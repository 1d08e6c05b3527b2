//! The kinds the API serves, whatever they are, and their objects as far as ownership goes.

use std::sync::Arc;
use std::time::Duration;

use client::{Cache, Caches, Key, Notice};
use controllers::Kind;
use controllers::garbage::Item;
use futures::future::BoxFuture;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, ObjectMeta};
use kube::core::ApiResource;

use crate::kinds::Kinds;

/// Events come and go by the thousand, and own nothing.
const UNCOUNTED: [&str; 1] = ["events"];
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A change of one object: the metadata before and after.
pub(crate) struct ItemChange {
    pub(crate) key: Key,
    pub(crate) old: Option<ObjectMeta>,
    pub(crate) new: Option<ObjectMeta>,
}

/// What takes the changes of one kind.
pub(crate) type ItemSink = Arc<dyn Fn(ItemChange) + Send + Sync>;

/// The objects of one kind, as far as ownership goes.
pub(crate) trait Source: Send + Sync {
    fn get(&self, key: &Key) -> Option<ObjectMeta>;
    fn in_namespace(&self, namespace: &str) -> Vec<ObjectMeta>;
    fn synced(&self) -> BoxFuture<'static, ()>;
    /// Passes changes on for ever, existing objects first.
    fn follow(&self, sink: ItemSink) -> BoxFuture<'static, ()>;
}

impl<K: client::Kept> Source for Cache<K> {
    fn get(&self, key: &Key) -> Option<ObjectMeta> {
        Cache::get(self, &key.namespace, &key.name).map(|object| slim(object.meta()))
    }

    fn in_namespace(&self, namespace: &str) -> Vec<ObjectMeta> {
        self.list_in(namespace).iter().map(|object| slim(object.meta())).collect()
    }

    fn synced(&self) -> BoxFuture<'static, ()> {
        let cache = self.clone();
        Box::pin(async move { cache.wait_synced().await })
    }

    fn follow(&self, sink: ItemSink) -> BoxFuture<'static, ()> {
        let cache = self.clone();
        Box::pin(async move {
            let mut changes = cache.subscribe();
            while let Some(notice) = changes.next().await {
                match notice {
                    Notice::Changed(change) => sink(ItemChange {
                        key: change.key,
                        old: change.old.map(|object| slim(object.meta())),
                        new: change.new.map(|object| slim(object.meta())),
                    }),
                    Notice::Resync => cache.list().into_iter().for_each(|object| {
                        let new = slim(object.meta());
                        sink(ItemChange { key: Key::of(&new), old: None, new: Some(new) });
                    }),
                }
            }
        })
    }
}

/// Leaves out what ownership does not need.
fn slim(meta: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
        owner_references: meta.owner_references.clone(),
        finalizers: meta.finalizers.clone(),
        deletion_timestamp: meta.deletion_timestamp.clone(),
        ..ObjectMeta::default()
    }
}

/// One kind the API serves.
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) source: Box<dyn Source>,
}

impl Entry {
    pub(crate) fn item(&self, key: &Key) -> Option<Item> {
        self.source.get(key).map(|meta| Item::new(self.kind.clone(), &meta))
    }
}

/// The kinds the API serves.
pub(crate) struct Served {
    /// Those whose objects are followed.
    pub(crate) counted: Vec<(Kind, ApiResource)>,
    /// Those whose objects are not.
    pub(crate) uncounted: Vec<Kind>,
}

/// Asks the API which kinds it serves until it answers.
pub(crate) async fn discover(client: &kube::Client) -> Served {
    let mut pause = FIRST_PAUSE;
    loop {
        match ask(client).await {
            Ok(served) => return served,
            Err(error) => tracing::warn!(%error, "discovery failed, will be tried again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn ask(client: &kube::Client) -> Result<Served, kube::Error> {
    let mut served = Served { counted: Vec::new(), uncounted: Vec::new() };
    let core = client.list_core_api_resources("v1").await?;
    core.resources.iter().for_each(|resource| served.add("", "v1", resource));
    for group in client.list_api_groups().await?.groups {
        let preferred = group.preferred_version.or_else(|| group.versions.into_iter().next());
        let Some(version) = preferred else { continue };
        let resources = match client.list_api_group_resources(&version.group_version).await {
            Ok(list) => list.resources,
            // One group that does not answer, an aggregated one perhaps, must not hold up all others.
            Err(error) => {
                tracing::warn!(group = group.name, %error, "a group of the API is left out");
                continue;
            }
        };
        resources.iter().for_each(|resource| served.add(&group.name, &version.version, resource));
    }
    Ok(served)
}

impl Served {
    fn add(&mut self, group: &str, version: &str, resource: &APIResource) {
        let can = |verb: &str| resource.verbs.iter().any(|known| known == verb);
        if resource.name.contains('/') || !can("delete") || !can("list") || !can("watch") {
            return;
        }
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let kind = Kind {
            api_version: api_version.clone(),
            kind: resource.kind.clone(),
            plural: resource.name.clone(),
            namespaced: resource.namespaced,
        };
        if UNCOUNTED.contains(&resource.name.as_str()) {
            // One kind under two groups is emptied under the first.
            if self.uncounted.iter().all(|known| known.plural != kind.plural) {
                self.uncounted.push(kind);
            }
            return;
        }
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version,
            kind: kind.kind.clone(),
            plural: kind.plural.clone(),
        };
        self.counted.push((kind, resource));
    }
}

/// Returns the objects of a kind: from the cache that deciders use anyway, if there is one.
pub(crate) fn source(kinds: &Kinds, caches: &Caches, kind: &Kind, resource: &ApiResource) -> Box<dyn Source> {
    match kinds.get(kind) {
        Some(known) => known.source(),
        None => Box::new(caches.metadata(resource)),
    }
}

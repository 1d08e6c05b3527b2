//! One cache per kind per process.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::cache::{Cache, Kept};
use crate::feed;

/// An object of which only the metadata is known.
pub type Metadata = PartialObjectMeta<DynamicObject>;

/// The caches of a process. Cheap to clone; the feeds end with the last clone.
#[derive(Clone)]
pub struct Caches(Arc<Inner>);

struct Inner {
    client: kube::Client,
    runtime: Handle,
    kinds: Mutex<HashMap<(TypeId, String), Kind>>,
}

struct Kind {
    cache: Box<dyn Any + Send + Sync>,
    feed: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let kinds = self.kinds.get_mut().unwrap_or_else(PoisonError::into_inner);
        kinds.values().for_each(|kind| kind.feed.abort());
    }
}

impl Caches {
    /// Returns caches that read through `client`. Their feeds run on the current tokio runtime.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self(Arc::new(Inner { client, runtime: Handle::current(), kinds: Mutex::default() }))
    }

    /// Returns the client that the caches read through.
    #[must_use]
    pub fn client(&self) -> &kube::Client {
        &self.0.client
    }

    /// Returns the cache of kind `K`, and starts its feed at the first call.
    #[must_use]
    pub fn of<K: Kept + kube::Resource<DynamicType = ()>>(&self) -> Cache<K> {
        self.at(K::url_path(&(), None))
    }

    /// Returns the cache of the metadata of a kind known at run time only.
    #[must_use]
    pub fn metadata(&self, resource: &ApiResource) -> Cache<Metadata> {
        self.at(<DynamicObject as kube::Resource>::url_path(resource, None))
    }

    /// Ends the feed of the metadata of a kind that is no longer served.
    pub fn forget_metadata(&self, resource: &ApiResource) {
        let path = <DynamicObject as kube::Resource>::url_path(resource, None);
        let mut kinds = self.0.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = kinds.remove(&(TypeId::of::<Metadata>(), path)) {
            kind.feed.abort();
        }
    }

    fn at<K: Kept>(&self, path: String) -> Cache<K> {
        let mut kinds = self.0.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kinds.entry((TypeId::of::<K>(), path.clone())).or_insert_with(|| {
            let cache = Cache::<K>::unfed();
            let feed = self.0.runtime.spawn(feed::run(self.0.client.clone(), path, cache.clone()));
            Kind { cache: Box::new(cache), feed: feed.abort_handle() }
        });
        let cache = kind.cache.downcast_ref::<Cache<K>>();
        cache.expect("a cache is stored under its own type").clone()
    }
}

//! Brings one kind into its cache: list, then watch, again from the last version after a
//! disconnection and from a new list after 410.

use std::time::Duration;

use futures::StreamExt;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::{ObjectList, Request};

use crate::cache::{Cache, Kept};

/// Objects in one page of a list: bounds the size of one answer in memory.
const PAGE: u32 = 500;
/// How long the server keeps one watch; also how soon a silent, dead connection is noticed.
const WATCH_SECONDS: u32 = 290;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Keeps `cache` up to date with the objects under `path` until cancelled.
pub(crate) async fn run<K: Kept>(client: kube::Client, path: String, cache: Cache<K>) {
    let feed = Feed { client, path, cache };
    let mut pause = FIRST_PAUSE;
    loop {
        match feed.list().await {
            Ok(from) => {
                pause = FIRST_PAUSE;
                feed.follow(from).await;
            }
            Err(error) => {
                tracing::warn!(path = feed.path, %error, "list failed, will be tried again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

struct Feed<K> {
    client: kube::Client,
    path: String,
    cache: Cache<K>,
}

/// How one watch ended.
enum End {
    /// The connection ended; `true` when it had brought anything.
    Closed(bool),
    /// The server no longer has the history from there: list again.
    Expired,
}

impl<K: Kept> Feed<K> {
    /// Lists everything into the cache and returns the version to watch from.
    async fn list(&self) -> Result<String, kube::Error> {
        let mut params = ListParams::default().limit(PAGE);
        let mut objects = Vec::new();
        loop {
            let request = Request::new(&self.path);
            let request =
                if K::metadata_api() { request.list_metadata(&params) } else { request.list(&params) };
            let page: ObjectList<K> =
                self.client.request(request.map_err(kube::Error::BuildRequest)?).await?;
            objects.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => {
                    let from = page.metadata.resource_version.unwrap_or_default();
                    self.cache.replace(objects, from.parse().unwrap_or(0));
                    return Ok(from);
                }
            }
        }
    }

    /// Watches from `from` on until the server's history no longer reaches back.
    async fn follow(&self, mut from: String) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.watch(&mut from).await {
                End::Expired => return,
                End::Closed(true) => pause = FIRST_PAUSE,
                End::Closed(false) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Holds one watch; keeps `from` at the last version it brought.
    async fn watch(&self, from: &mut String) -> End {
        let params = WatchParams::default().timeout(WATCH_SECONDS);
        let request = Request::new(&self.path);
        let request = if K::metadata_api() {
            request.watch_metadata(&params, from)
        } else {
            request.watch(&params, from)
        };
        let Ok(request) = request else { return End::Expired };
        let events = match self.client.request_events::<K>(request).await {
            Ok(events) => events,
            Err(error) => return end_by(&self.path, &error),
        };
        let mut events = std::pin::pin!(events);
        let mut brought = false;
        let patience = Duration::from_secs(u64::from(WATCH_SECONDS) + 5);
        while let Ok(Some(event)) = tokio::time::timeout(patience, events.next()).await {
            match event {
                Ok(WatchEvent::Error(status)) => return end_by(&self.path, &kube::Error::Api(status)),
                Ok(event) => self.take(event, from),
                Err(error) => return end_by(&self.path, &error),
            }
            brought = true;
        }
        End::Closed(brought)
    }

    fn take(&self, event: WatchEvent<K>, from: &mut String) {
        let at = |object: &K| object.meta().resource_version.clone();
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                *from = at(&object).unwrap_or_default();
                self.cache.put(object);
            }
            WatchEvent::Deleted(object) => {
                *from = at(&object).unwrap_or_default();
                self.cache.remove(&object);
            }
            WatchEvent::Bookmark(bookmark) => {
                self.cache.advance(bookmark.metadata.resource_version.parse().unwrap_or(0));
                *from = bookmark.metadata.resource_version;
            }
            WatchEvent::Error(_) => {}
        }
    }
}

fn end_by(path: &str, error: &kube::Error) -> End {
    match error {
        kube::Error::Api(status) if status.code == 410 => End::Expired,
        error => {
            tracing::debug!(path, %error, "watch ended, will be resumed");
            End::Closed(false)
        }
    }
}

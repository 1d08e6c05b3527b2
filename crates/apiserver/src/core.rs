//! What every verb works on: the table, the store, and the few pieces of shared state.

use std::sync::Arc;

use api::resource::{Registry, Resource, Storage};
use api::status::ApiError;
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::Value;
use store::{CommitError, Entry, Expect, Revision, Store, Write};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    Config, Identity, allocate::Allocations, query::Query, quota::Quotas, rbac::Rbac, route::Target, stored,
    tokens::Tokens,
};

/// Kubernetes' own bound of a field manager's name.
const MAX_MANAGER: usize = 128;

/// Shared by all requests.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) registry: &'static Registry,
    pub(crate) rbac: Rbac,
    pub(crate) services: Allocations,
    pub(crate) quotas: Quotas,
    pub(crate) tokens: Tokens,
    /// Bounds the short requests of connections that are worked on at once.
    pub(crate) in_flight: Semaphore,
}

/// One authorised request, without its body.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) identity: Arc<Identity>,
    pub(crate) target: Target,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) now: Timestamp,
    /// Cancelled when the connection's server drains: long answers end then.
    pub(crate) draining: CancellationToken,
}

impl Call {
    /// Returns a call of the server itself.
    pub(crate) fn internal(target: Target) -> Self {
        Self {
            identity: Arc::new(Identity::master("system:apiserver")),
            target,
            query: Query::default(),
            headers: HeaderMap::new(),
            now: Timestamp::now(),
            draining: CancellationToken::new(),
        }
    }

    /// Returns the name under which changes are recorded.
    pub(crate) fn manager(&self) -> Result<String, ApiError> {
        if let Some(name) = self.query.get("fieldManager") {
            if name.len() > MAX_MANAGER || name.chars().any(char::is_control) {
                return Err(ApiError::bad_request(
                    "fieldManager: Invalid value: must be at most 128 printable characters",
                ));
            }
            return Ok(name.to_owned());
        }
        let agent = self.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok());
        let product = agent.and_then(|text| text.split('/').next()).filter(|product| !product.is_empty());
        Ok(product.unwrap_or("unknown").chars().take(MAX_MANAGER).collect())
    }
}

/// An object found in the store.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) key: Arc<str>,
    pub(crate) modified: Revision,
    /// In the version asked for, with its resource version.
    pub(crate) object: Value,
}

/// Why a write did not happen.
pub(crate) enum Refused {
    /// Somebody else was first.
    Raced,
    /// Anything else.
    Error(ApiError),
}

impl Core {
    pub(crate) fn store(&self) -> &Store {
        &self.config.store
    }

    /// Returns the row under which objects of `row` are kept.
    pub(crate) fn storage_row(&self, row: &'static Resource) -> &'static Resource {
        match row.storage {
            Storage::Shared { group, version, .. } => {
                self.registry.by_path(group, version, row.plural).unwrap_or(row)
            }
            Storage::Own | Storage::Virtual => row,
        }
    }

    /// Returns what all keys of a kind begin with, in one namespace or all.
    pub(crate) fn prefix(&self, row: &'static Resource, namespace: Option<&str>) -> String {
        let row = self.storage_row(row);
        let group = if row.group.is_empty() { "core" } else { row.group };
        match namespace {
            Some(namespace) => format!("{group}/{}/{namespace}/", row.plural),
            None => format!("{group}/{}/", row.plural),
        }
    }

    /// Returns the key of an object.
    pub(crate) fn key(&self, row: &'static Resource, namespace: Option<&str>, name: &str) -> Arc<str> {
        let mut key = self.prefix(row, namespace);
        key.push_str(name);
        Arc::from(key)
    }

    /// Returns the row of a kind that is always there.
    pub(crate) fn row(
        &self,
        group: &str,
        version: &str,
        plural: &str,
    ) -> Result<&'static Resource, ApiError> {
        self.registry
            .by_path(group, version, plural)
            .ok_or_else(|| ApiError::internal(format!("the table has no {plural} in {group}/{version}")))
    }

    /// Decodes an entry into the wire form of `row`.
    pub(crate) fn object(&self, row: &'static Resource, entry: &Entry) -> Value {
        let object = stored::decode(&entry.value, entry.modified);
        if matches!(row.storage, Storage::Shared { .. }) { row.from_storage(object) } else { object }
    }

    /// Finds the object a target names.
    pub(crate) fn find(&self, target: &Target) -> Result<Found, ApiError> {
        let key = self.key(target.row, target.namespace(), target.name()?);
        let entry = self.store().get(&key).ok_or_else(|| target.not_found())?;
        Ok(Found { object: self.object(target.row, &entry), modified: entry.modified, key })
    }

    /// Finds an object of a core kind by its names.
    pub(crate) fn find_core(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Found, ApiError> {
        let row = self.row("", "v1", plural)?;
        let namespace = namespace.map(str::to_owned);
        self.find(&Target {
            row,
            namespace,
            name: Some(name.to_owned()),
            subresource: None,
            tail: String::new(),
        })
    }

    /// Returns all objects of a kind, decoded.
    pub(crate) fn all(&self, row: &'static Resource, namespace: Option<&str>) -> Vec<Value> {
        let listing = self.store().list(&self.prefix(row, namespace), None, usize::MAX);
        listing.entries.iter().map(|(_, entry)| self.object(row, entry)).collect()
    }

    /// Writes an object and sets the resource version it got.
    pub(crate) async fn put(
        &self,
        row: &'static Resource,
        key: &Arc<str>,
        expect: Expect,
        object: &mut Value,
    ) -> Result<Revision, Refused> {
        let bytes = match row.storage {
            Storage::Shared { .. } => stored::encode(&row.to_storage(object.clone())),
            Storage::Own | Storage::Virtual => stored::encode(object),
        };
        let revision = self.commit(Write { key: Arc::clone(key), expect, value: Some(bytes) }).await?;
        stored::set_revision(object, revision);
        Ok(revision)
    }

    /// Removes an object.
    pub(crate) async fn remove(&self, key: &Arc<str>, expect: Expect) -> Result<Revision, Refused> {
        self.commit(Write { key: Arc::clone(key), expect, value: None }).await
    }

    async fn commit(&self, write: Write) -> Result<Revision, Refused> {
        self.store().commit(write).await.map_err(|error| match error {
            CommitError::Mismatch(_) => Refused::Raced,
            CommitError::TooLarge(_) => Refused::Error(ApiError::too_large(error.to_string())),
            CommitError::Overloaded => Refused::Error(ApiError::too_many_requests(error.to_string(), 1)),
            CommitError::Full | CommitError::Failed(_) | CommitError::Closed => {
                Refused::Error(ApiError::unavailable(error.to_string()))
            }
        })
    }
}

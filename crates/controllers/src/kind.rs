//! Which kind of object an action is about.

use std::any::TypeId;
use std::fmt::Debug;

use api::k8s;
use api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A typed kind that deciders read and write.
pub trait Known:
    k8s::Resource
    + k8s::Metadata<Ty = ObjectMeta>
    + Serialize
    + DeserializeOwned
    + Clone
    + Debug
    + PartialEq
    + Send
    + Sync
    + 'static
{
}

impl<K> Known for K where
    K: k8s::Resource
        + k8s::Metadata<Ty = ObjectMeta>
        + Serialize
        + DeserializeOwned
        + Clone
        + Debug
        + PartialEq
        + Send
        + Sync
        + 'static
{
}

/// What the API calls a kind, and where it serves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// `v1` or `group/version`.
    pub api_version: String,
    /// `ReplicaSet`.
    pub kind: String,
    /// `replicasets`.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Kind {
    /// Returns the kind of a typed object.
    #[must_use]
    pub fn of<K: k8s::Resource>() -> Self
    where
        K::Scope: 'static,
    {
        Self {
            api_version: K::API_VERSION.to_owned(),
            kind: K::KIND.to_owned(),
            plural: K::URL_PATH_SEGMENT.to_owned(),
            namespaced: TypeId::of::<K::Scope>() == TypeId::of::<k8s::NamespaceResourceScope>(),
        }
    }
}

//! What deciders may look at: the objects of every kind, as far as the observer has seen them.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::kind::Known;

/// Names one object of the kind that a controller is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace, empty for cluster-wide kinds.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// Returns the key of `name` in `namespace`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Returns the key of a cluster-wide object.
    #[must_use]
    pub fn cluster(name: &str) -> Self {
        Self::new("", name)
    }

    /// Returns the key that the metadata states.
    #[must_use]
    pub fn of(meta: &ObjectMeta) -> Self {
        Self::new(meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// The objects of one kind, from memory.
pub trait Lister<K>: Send + Sync {
    /// Returns one object.
    fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>>;
    /// Returns every object.
    fn list(&self) -> Vec<Arc<K>>;
    /// Returns the objects of one namespace.
    fn list_in(&self, namespace: &str) -> Vec<Arc<K>>;
}

/// The objects of every kind. A kind nobody brought has no objects.
#[derive(Default)]
pub struct View {
    listers: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
}

impl View {
    /// Brings a kind in.
    pub fn add<K: Known>(&mut self, lister: Box<dyn Lister<K>>) {
        self.listers.insert(TypeId::of::<K>(), Box::new(lister));
    }

    /// Returns one object.
    #[must_use]
    pub fn get<K: Known>(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.lister::<K>()?.get(namespace, name)
    }

    /// Returns the object a key names.
    #[must_use]
    pub fn at<K: Known>(&self, key: &Key) -> Option<Arc<K>> {
        self.get(&key.namespace, &key.name)
    }

    /// Returns every object of a kind.
    #[must_use]
    pub fn list<K: Known>(&self) -> Vec<Arc<K>> {
        self.lister::<K>().map(Lister::list).unwrap_or_default()
    }

    /// Returns the objects of a kind in one namespace.
    #[must_use]
    pub fn list_in<K: Known>(&self, namespace: &str) -> Vec<Arc<K>> {
        self.lister::<K>().map(|lister| lister.list_in(namespace)).unwrap_or_default()
    }

    fn lister<K: Known>(&self) -> Option<&dyn Lister<K>> {
        self.listers.get(&TypeId::of::<K>())?.downcast_ref::<Box<dyn Lister<K>>>().map(AsRef::as_ref)
    }
}

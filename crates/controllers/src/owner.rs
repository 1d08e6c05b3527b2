//! Who owns an object.

use api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::kind::Known;
use crate::view::Key;

/// Returns the reference to the controller of an object.
#[must_use]
pub fn controller_of(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.as_ref()?.iter().find(|owner| owner.controller == Some(true))
}

/// Tells whether the object with `uid` controls this one.
#[must_use]
pub fn is_controlled_by(meta: &ObjectMeta, uid: &str) -> bool {
    controller_of(meta).is_some_and(|owner| owner.uid == uid)
}

/// Returns a reference by which `owner` controls another object.
pub fn controller_reference<K: Known>(owner: &K) -> OwnerReference {
    let meta = owner.metadata();
    OwnerReference {
        api_version: K::API_VERSION.to_owned(),
        kind: K::KIND.to_owned(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// Returns the key of the controller of an object, if it is of kind `K`.
#[must_use]
pub fn controller_key<K: Known>(meta: &ObjectMeta) -> Option<Key> {
    let owner =
        controller_of(meta).filter(|owner| owner.kind == K::KIND && group(&owner.api_version) == K::GROUP)?;
    Some(Key::new(meta.namespace.as_deref().unwrap_or_default(), &owner.name))
}

/// Returns the uid, empty for an object that has none yet.
#[must_use]
pub fn uid(meta: &ObjectMeta) -> &str {
    meta.uid.as_deref().unwrap_or_default()
}

/// Returns the name, empty for an object that has none yet.
#[must_use]
pub fn name(meta: &ObjectMeta) -> &str {
    meta.name.as_deref().unwrap_or_default()
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

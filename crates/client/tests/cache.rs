//! What a cache makes of its feed and of this process's own writes.

use client::{Cache, Change, Notice};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

fn object(name: &str, uid: &str, version: u64) -> ConfigMap {
    let metadata = ObjectMeta {
        name: Some(name.into()),
        namespace: Some("default".into()),
        uid: Some(uid.into()),
        resource_version: Some(version.to_string()),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, ..ConfigMap::default() }
}

fn synced(objects: Vec<ConfigMap>, at: u64) -> Cache<ConfigMap> {
    let cache = Cache::unfed();
    cache.replace(objects, at);
    cache
}

fn versions(cache: &Cache<ConfigMap>) -> Vec<String> {
    cache.list().iter().filter_map(|object| object.metadata.resource_version.clone()).collect()
}

#[test]
fn an_own_write_is_seen_at_once_and_not_undone_by_a_late_feed() {
    let cache = synced(vec![object("a", "1", 5)], 5);
    cache.assume(object("a", "1", 9));
    assert_eq!(versions(&cache), ["9"]);
    cache.put(object("a", "1", 7));
    assert_eq!(versions(&cache), ["9"]);
    cache.put(object("a", "1", 10));
    assert_eq!(versions(&cache), ["10"]);
}

#[test]
fn an_own_creation_that_somebody_has_deleted_since_does_not_come_back() {
    let cache = synced(Vec::new(), 5);
    cache.put(object("a", "1", 6));
    cache.remove(&object("a", "1", 7));
    cache.assume(object("a", "1", 6));
    assert!(cache.is_empty());
}

#[test]
fn an_own_deletion_stays_one_though_the_feed_is_behind() {
    let cache = synced(vec![object("a", "1", 5)], 5);
    cache.assume_gone("default", "a", "1");
    cache.put(object("a", "1", 6));
    assert!(cache.is_empty());
    cache.remove(&object("a", "1", 8));
    cache.put(object("a", "2", 9));
    assert_eq!(versions(&cache), ["9"]);
}

#[test]
fn an_object_that_has_taken_the_name_outlives_the_end_of_the_one_before() {
    let cache = synced(vec![object("a", "1", 5)], 5);
    cache.assume_gone("default", "a", "1");
    cache.assume(object("a", "2", 9));
    cache.remove(&object("a", "1", 8));
    assert_eq!(versions(&cache), ["9"]);
}

#[test]
fn a_new_list_drops_what_is_gone_and_keeps_what_is_newer_than_itself() {
    let cache = synced(vec![object("a", "1", 5), object("b", "2", 5)], 5);
    cache.assume(object("c", "3", 12));
    cache.replace(vec![object("b", "2", 5)], 10);
    let names: Vec<_> = cache.list().iter().filter_map(|object| object.metadata.name.clone()).collect();
    assert_eq!(names, ["b", "c"]);
}

#[test]
fn a_listener_gets_changes_in_order_and_once_too_many_a_resync() {
    let cache = synced(Vec::new(), 1);
    let mut changes = cache.subscribe();
    assert!(matches!(changes.take(), Some(Notice::Resync)));
    cache.put(object("a", "1", 2));
    cache.put(object("a", "1", 3));
    cache.remove(&object("a", "1", 4));
    let seen = |notice: Option<Notice<ConfigMap>>| match notice {
        Some(Notice::Changed(Change { old, new, .. })) => (old.is_some(), new.is_some()),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        [seen(changes.take()), seen(changes.take()), seen(changes.take())],
        [(false, true), (true, true), (true, false)]
    );
    for version in 10..6000 {
        cache.put(object("a", "1", version));
    }
    assert!(matches!(changes.take(), Some(Notice::Resync)));
}

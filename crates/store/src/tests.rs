//! The store against a model, against crashes at every byte, and against disks that fail.

mod simulated;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use proptest::prelude::*;

use crate::{CommitError, Entry, Expect, OpenError, Options, Revision, Store, Sync, Write};
use simulated::SimulatedDisk;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn small() -> Options {
    Options { history: 64, history_bytes: 1 << 20, sync: Sync::Durable, compact_bytes: 2048 }
}

fn put(key: &str, expect: Expect, value: &str) -> Write {
    Write { key: Arc::from(key), expect, value: Some(Bytes::copy_from_slice(value.as_bytes())) }
}

fn delete(key: &str, expect: Expect) -> Write {
    Write { key: Arc::from(key), expect, value: None }
}

fn contents(store: &Store) -> BTreeMap<String, Entry> {
    let listing = store.list("", None, usize::MAX);
    listing.entries.into_iter().map(|(key, entry)| (key.to_string(), entry)).collect()
}

#[tokio::test]
async fn preconditions_hold_or_say_what_is_there() {
    let store = Store::open_on(SimulatedDisk::shared(), small()).unwrap();
    let first = store.commit(put("a", Expect::Absent, "1")).await.unwrap();
    assert_eq!(first, Revision(1));
    let Err(CommitError::Mismatch(Some(current))) = store.commit(put("a", Expect::Absent, "2")).await else {
        panic!("a second create must be refused");
    };
    assert_eq!((&current.value[..], current.modified), (&b"1"[..], first));
    let second = store.commit(put("a", Expect::At(first), "2")).await.unwrap();
    assert!(matches!(
        store.commit(delete("a", Expect::At(first))).await,
        Err(CommitError::Mismatch(Some(_)))
    ));
    assert_eq!(store.get("a").unwrap().created, first);
    store.commit(delete("a", Expect::At(second))).await.unwrap();
    assert!(matches!(store.commit(delete("a", Expect::Any)).await, Err(CommitError::Mismatch(None))));
    assert_eq!(store.get("a"), None);
}

#[tokio::test]
async fn a_watch_sees_every_write_under_its_prefix_once_and_in_order() {
    let store = Store::open_on(SimulatedDisk::shared(), small()).unwrap();
    store.commit(put("pods/a", Expect::Any, "0")).await.unwrap();
    let mut watch = store.watch("pods/", Revision(0)).unwrap();
    store.commit(put("nodes/a", Expect::Any, "1")).await.unwrap();
    store.commit(put("pods/b", Expect::Any, "2")).await.unwrap();
    store.commit(delete("pods/a", Expect::Any)).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let event = watch.next().await.unwrap();
        seen.push((event.revision.0, event.key.to_string(), event.entry.is_some(), event.previous.is_some()));
    }
    assert_eq!(
        seen,
        [
            (1, "pods/a".to_owned(), true, false),
            (3, "pods/b".to_owned(), true, false),
            (4, "pods/a".to_owned(), false, true)
        ]
    );
    assert_eq!(watch.try_next(), Ok(None));
    assert_eq!(watch.caught_up(), Some(Revision(4)));
}

#[tokio::test]
async fn a_waiting_watch_wakes() {
    let store = Store::open_on(SimulatedDisk::shared(), small()).unwrap();
    let mut watch = store.watch("k", Revision(0)).unwrap();
    let waiting = tokio::spawn(async move { watch.next().await.unwrap().revision });
    tokio::task::yield_now().await;
    store.commit(put("k", Expect::Any, "v")).await.unwrap();
    assert_eq!(waiting.await.unwrap(), Revision(1));
}

#[tokio::test]
async fn old_revisions_are_compacted_and_slow_watchers_told() {
    let store = Store::open_on(SimulatedDisk::shared(), small()).unwrap();
    let mut slow = store.watch("k", Revision(0)).unwrap();
    let mut quiet = store.watch("q", Revision(0)).unwrap();
    for number in 0..100 {
        store.commit(put("k", Expect::Any, &number.to_string())).await.unwrap();
    }
    assert!(slow.next().await.is_err());
    assert_eq!(quiet.try_next(), Ok(None), "a watcher of quiet keys does not fall behind");
    let oldest = store.watch("k", Revision(10)).unwrap_err().oldest;
    assert_eq!(oldest, Revision(36));
    assert!(store.watch("k", oldest).is_ok());
    store.commit(put("q", Expect::Any, "x")).await.unwrap();
    assert_eq!(quiet.next().await.unwrap().revision, Revision(101));
}

#[tokio::test]
async fn concurrent_commits_share_syncs() {
    let disk = SimulatedDisk::shared();
    let store = Store::open_on(Arc::clone(&disk) as _, Options::default()).unwrap();
    let before = disk.syncs();
    disk.pause_syncs(true);
    let writes: Vec<_> = (0..100)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(put(&number.to_string(), Expect::Absent, "v")).await })
        })
        .collect();
    // every task has handed in its write once each of them had its turn
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    disk.pause_syncs(false);
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert!(disk.syncs() - before <= 3, "{} syncs for 100 commits", disk.syncs() - before);
    assert_eq!(store.revision(), Revision(100));
}

#[test]
fn a_crash_at_any_byte_keeps_every_acknowledged_write() {
    let disk = SimulatedDisk::shared();
    let mut acknowledged: Vec<(u64, BTreeMap<String, Entry>)> = Vec::new();
    runtime().block_on(async {
        let store = Store::open_on(Arc::clone(&disk) as _, Options::default()).unwrap();
        acknowledged.push((0, BTreeMap::new()));
        for number in 0..12 {
            let write = match number % 4 {
                3 => delete("k1", Expect::Any),
                _ => put(&format!("k{}", number % 4), Expect::Any, &format!("value {number}")),
            };
            store.commit(write).await.unwrap();
            acknowledged.push((disk.length("log-00000001"), contents(&store)));
        }
    });
    let log = disk.contents("log-00000001");
    for cut in 0..=log.len() {
        let crashed = SimulatedDisk::shared();
        crashed.set("log-00000001", &log[..cut]);
        let store = Store::open_on(Arc::clone(&crashed) as _, Options::default()).unwrap();
        let expected =
            acknowledged.iter().rev().find(|(length, _)| *length <= cut as u64).map(|(_, state)| state);
        assert_eq!(Some(&contents(&store)), expected, "cut at {cut}");
        // it goes on from there
        runtime().block_on(store.commit(put("next", Expect::Absent, "v"))).unwrap();
        drop(store);
        let again = Store::open_on(crashed as _, Options::default()).unwrap();
        assert!(again.get("next").is_some(), "cut at {cut}");
    }
}

#[test]
fn damage_before_the_end_is_reported_with_its_place() {
    let disk = SimulatedDisk::shared();
    let mut ends = Vec::new();
    runtime().block_on(async {
        let store = Store::open_on(Arc::clone(&disk) as _, Options::default()).unwrap();
        for number in 0..4 {
            store.commit(put("k", Expect::Any, &number.to_string())).await.unwrap();
            ends.push(disk.length("log-00000001"));
        }
    });
    let log = disk.contents("log-00000001");
    let mut damaged = log.clone();
    damaged[usize::try_from(ends[1]).unwrap() + 30] ^= 1;
    disk.set("log-00000001", &damaged);
    let Err(OpenError::Corrupt { offset, .. }) = Store::open_on(Arc::clone(&disk) as _, small()) else {
        panic!("damage must be reported");
    };
    assert_eq!(offset, ends[1]);
    assert_eq!(disk.contents("log-00000001"), damaged, "nothing was changed");
}

#[tokio::test]
async fn a_full_disk_refuses_the_write_and_recovers() {
    let disk = SimulatedDisk::shared();
    let store = Store::open_on(Arc::clone(&disk) as _, Options::default()).unwrap();
    store.commit(put("a", Expect::Any, "1")).await.unwrap();
    disk.set_room(Some(10));
    assert!(matches!(store.commit(put("b", Expect::Any, "2")).await, Err(CommitError::Full)));
    assert_eq!((store.get("b"), store.revision()), (None, Revision(1)));
    disk.set_room(None);
    store.commit(put("c", Expect::Any, "3")).await.unwrap();
    let live = contents(&store);
    drop(store);
    let again = Store::open_on(disk as _, Options::default()).unwrap();
    assert_eq!(contents(&again), live);
}

#[tokio::test]
async fn after_a_failed_sync_no_write_is_accepted_and_reads_go_on() {
    let disk = SimulatedDisk::shared();
    let store = Store::open_on(Arc::clone(&disk) as _, Options::default()).unwrap();
    store.commit(put("a", Expect::Any, "1")).await.unwrap();
    disk.fail_syncs(true);
    assert!(matches!(store.commit(put("b", Expect::Any, "2")).await, Err(CommitError::Failed(_))));
    disk.fail_syncs(false);
    assert!(matches!(store.commit(put("b", Expect::Any, "2")).await, Err(CommitError::Failed(_))));
    assert!(matches!(store.commit(put("a", Expect::Absent, "2")).await, Err(CommitError::Failed(_))));
    assert_eq!(&store.get("a").unwrap().value[..], b"1");
    drop(store);
    let again = Store::open_on(disk as _, Options::default()).unwrap();
    assert_eq!(contents(&again).len(), 1);
}

#[tokio::test]
async fn compaction_keeps_everything_and_removes_old_logs() {
    let disk = SimulatedDisk::shared();
    let store = Store::open_on(Arc::clone(&disk) as _, small()).unwrap();
    for number in 0..500 {
        store.commit(put(&format!("k{}", number % 10), Expect::Any, &"x".repeat(50))).await.unwrap();
    }
    let live = contents(&store);
    drop(store);
    let names = disk.names();
    assert!(names.iter().any(|name| name.starts_with("snapshot-")), "{names:?}");
    assert!(!names.contains(&"log-00000001".to_owned()), "{names:?}");
    let again = Store::open_on(Arc::clone(&disk) as _, small()).unwrap();
    assert_eq!((contents(&again), again.revision()), (live, Revision(500)));
}

#[tokio::test]
async fn a_crash_during_compaction_loses_nothing() {
    let disk = SimulatedDisk::shared();
    disk.fail_renames(true);
    let store = Store::open_on(Arc::clone(&disk) as _, small()).unwrap();
    for number in 0..300 {
        store.commit(put(&format!("k{}", number % 10), Expect::Any, &"x".repeat(50))).await.unwrap();
    }
    let live = contents(&store);
    drop(store);
    disk.fail_renames(false);
    disk.set("snapshot-00000009.tmp", b"half a snapsh");
    let again = Store::open_on(Arc::clone(&disk) as _, small()).unwrap();
    assert_eq!((contents(&again), again.revision()), (live, Revision(300)));
    assert!(!disk.names().iter().any(|name| name.ends_with(".tmp")));
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Options::default()).unwrap();
    assert!(matches!(Store::open(folder.path(), Options::default()), Err(OpenError::Locked(_))));
    drop(store);
    assert!(Store::open(folder.path(), Options::default()).is_ok());
}

#[tokio::test]
async fn a_list_of_the_past_is_as_it_was() {
    let store = Store::open_on(SimulatedDisk::shared(), small()).unwrap();
    let mut past = Vec::new();
    for number in 0..30_u64 {
        let write = match number % 5 {
            4 => delete(&format!("k{}", (number / 5) % 4), Expect::Any),
            step => put(&format!("k{step}"), Expect::Any, &number.to_string()),
        };
        let _ = store.commit(write).await;
        past.push(store.list("k", Some("k0"), 2));
    }
    for then in past {
        let again = store.list_at("k", Some("k0"), 2, then.revision).unwrap();
        assert_eq!(again, then);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put { key: u8, expect: u8, value: Vec<u8> },
    Delete { key: u8, expect: u8 },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6u8, 0..3u8, prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(key, expect, value)| Step::Put { key, expect, value }),
        3 => (0..6u8, 0..3u8).prop_map(|(key, expect)| Step::Delete { key, expect }),
        1 => Just(Step::Reopen),
    ]
}

/// What the store should be: a map and a counter.
#[derive(Default)]
struct Model {
    map: BTreeMap<String, Entry>,
    head: u64,
}

impl Model {
    fn apply(&mut self, write: &Write) -> bool {
        let current = self.map.get(&*write.key);
        let holds = match write.expect {
            Expect::Absent => current.is_none() && write.value.is_some(),
            Expect::At(revision) => current.is_some_and(|entry| entry.modified == revision),
            Expect::Any => current.is_some() || write.value.is_some(),
        };
        if holds {
            self.head += 1;
            let modified = Revision(self.head);
            let created = current.map_or(modified, |entry| entry.created);
            match &write.value {
                Some(value) => {
                    let entry = Entry { value: value.clone(), created, modified };
                    self.map.insert(write.key.to_string(), entry)
                }
                None => self.map.remove(&*write.key),
            };
        }
        holds
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_store_equals_its_model(steps in prop::collection::vec(step(), 1..80)) {
        let disk = SimulatedDisk::shared();
        let mut store = Store::open_on(Arc::clone(&disk) as _, small()).unwrap();
        let mut model = Model::default();
        let runtime = runtime();
        for step in steps {
            let (key, expect, value) = match step {
                Step::Put { key, expect, value } => (key, expect, Some(Bytes::from(value))),
                Step::Delete { key, expect } => (key, expect, None),
                Step::Reopen => {
                    drop(store);
                    store = Store::open_on(Arc::clone(&disk) as _, small()).unwrap();
                    continue;
                }
            };
            let key: Arc<str> = Arc::from(format!("key-{key}"));
            let modified = model.map.get(&*key).map_or(Revision(model.head), |entry| entry.modified);
            let expect = [Expect::Absent, Expect::At(modified), Expect::Any][usize::from(expect)];
            let write = Write { key, expect, value };
            let accepted = runtime.block_on(store.commit(write.clone())).is_ok();
            prop_assert_eq!(accepted, model.apply(&write));
            prop_assert_eq!(store.revision(), Revision(model.head));
        }
        prop_assert_eq!(contents(&store), model.map);
    }
}

//! A disk in memory that can be full, fail, and be cut.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

use crate::medium::{Medium, Tail};

#[derive(Default)]
struct Inner {
    files: BTreeMap<String, Vec<u8>>,
    room: Option<usize>,
    syncs: usize,
    fail_syncs: bool,
    fail_renames: bool,
    paused: bool,
}

/// The disk; clones share it.
#[derive(Clone, Default)]
pub(super) struct SimulatedDisk(Arc<(Mutex<Inner>, Condvar)>);

impl SimulatedDisk {
    pub(super) fn shared() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.lock().files.keys().cloned().collect()
    }

    pub(super) fn contents(&self, name: &str) -> Vec<u8> {
        self.lock().files.get(name).cloned().unwrap_or_default()
    }

    pub(super) fn length(&self, name: &str) -> u64 {
        self.contents(name).len() as u64
    }

    pub(super) fn set(&self, name: &str, contents: &[u8]) {
        self.lock().files.insert(name.to_owned(), contents.to_vec());
    }

    pub(super) fn syncs(&self) -> usize {
        self.lock().syncs
    }

    /// Leaves room for that many bytes only.
    pub(super) fn set_room(&self, room: Option<usize>) {
        self.lock().room = room;
    }

    pub(super) fn fail_syncs(&self, fail: bool) {
        self.lock().fail_syncs = fail;
    }

    pub(super) fn fail_renames(&self, fail: bool) {
        self.lock().fail_renames = fail;
    }

    pub(super) fn pause_syncs(&self, pause: bool) {
        self.lock().paused = pause;
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.0.lock().unwrap()
    }
}

impl Medium for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.lock().files.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn append(&self, name: &str) -> io::Result<Box<dyn Tail>> {
        self.lock().files.entry(name.to_owned()).or_default();
        Ok(Box::new(SimulatedTail { disk: self.clone(), name: name.to_owned() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.fail_renames {
            return Err(io::Error::other("simulated"));
        }
        let file = inner.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        inner.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.lock().files.remove(name).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

struct SimulatedTail {
    disk: SimulatedDisk,
    name: String,
}

impl Tail for SimulatedTail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.disk.lock();
        let room = inner.room.unwrap_or(usize::MAX).min(bytes.len());
        let file = inner.files.get_mut(&self.name).ok_or(io::ErrorKind::NotFound)?;
        file.extend_from_slice(&bytes[..room]);
        if room < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.disk.lock();
        while inner.paused {
            inner = self.disk.0.1.wait(inner).unwrap();
        }
        inner.syncs += 1;
        if inner.fail_syncs { Err(io::Error::other("simulated")) } else { Ok(()) }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut inner = self.disk.lock();
        let file = inner.files.get_mut(&self.name).ok_or(io::ErrorKind::NotFound)?;
        file.resize(usize::try_from(length).unwrap(), 0);
        Ok(())
    }
}

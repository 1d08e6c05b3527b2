//! Whose the files of a layer become.

use std::fs;

use rustix::fs::{Gid, Uid};

use super::tree::Attributes;

/// What becomes of the owners that a layer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Owners are kept: root, or a user namespace with a range of ids. An id outside of the range
    /// becomes the current user.
    Kept,
    /// Everything belongs to the current user: a user namespace with a single id.
    CurrentUser,
}

impl Ownership {
    /// Finds out what this process may do: `Kept` for root with more than one id, else `CurrentUser`.
    pub fn detect() -> Ownership {
        let is_root = rustix::process::geteuid().is_root();
        if is_root && mapped_ids() > 1 { Ownership::Kept } else { Ownership::CurrentUser }
    }
}

/// What the marks and owners in an unpacked layer are like. Folders of one flavour are of no use
/// to a process of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flavour {
    pub(super) ownership: Ownership,
    /// Overlayfs marks are `user.` rather than `trusted.` attributes (mount option `userxattr`),
    /// and devices can't be made.
    pub(super) is_user_namespace: bool,
}

impl Flavour {
    pub(super) fn of(ownership: Ownership) -> Flavour {
        let is_root_of_all = rustix::process::geteuid().is_root() && mapped_ids() == u64::from(u32::MAX);
        Flavour { ownership, is_user_namespace: !is_root_of_all }
    }

    /// Returns what tells the folders of flavours apart.
    pub(super) fn suffix(self) -> &'static str {
        match (self.is_user_namespace, self.ownership) {
            (false, Ownership::Kept) => "",
            (false, Ownership::CurrentUser) => ".r",
            (true, Ownership::Kept) => ".u",
            (true, Ownership::CurrentUser) => ".s",
        }
    }

    /// Returns the owner to set, if any.
    pub(super) fn owner(self, attributes: &Attributes) -> Option<(Uid, Gid)> {
        let id = |id: u64| u32::try_from(id).ok().filter(|id| *id != u32::MAX);
        match self.ownership {
            Ownership::Kept => Some((Uid::from_raw(id(attributes.uid)?), Gid::from_raw(id(attributes.gid)?))),
            Ownership::CurrentUser => None,
        }
    }
}

/// Returns how many user ids this process's user namespace has: all but one of 2³² at the start.
fn mapped_ids() -> u64 {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let counts = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    counts.sum()
}

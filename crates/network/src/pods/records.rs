//! The files that say which pod has which network.

use std::{
    fs, io,
    net::Ipv4Addr,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::statfs::statfs,
};

use super::link::Namespace;

/// `NSFS_MAGIC` (`linux/magic.h`).
const NAMESPACE_FILE_SYSTEM: i64 = 0x6e73_6673;

#[derive(Debug)]
pub(super) struct Records {
    pins: PathBuf,
    addresses: PathBuf,
}

impl Records {
    pub(super) fn open(run_directory: &Path) -> io::Result<Self> {
        let records = Self { pins: run_directory.join("netns"), addresses: run_directory.join("addresses") };
        fs::create_dir_all(&records.pins)?;
        fs::create_dir_all(&records.addresses)?;
        Ok(records)
    }

    /// Returns the file that pins a pod's namespace.
    pub(super) fn pin(&self, id: &str) -> PathBuf {
        self.pins.join(id)
    }

    pub(super) fn address(&self, id: &str) -> Option<Ipv4Addr> {
        fs::read_to_string(self.addresses.join(id)).ok()?.trim().parse().ok()
    }

    pub(super) fn pin_namespace(&self, id: &str, namespace: &Namespace) -> io::Result<()> {
        let pin = self.pin(id);
        fs::write(&pin, b"")?;
        let source = format!("/proc/self/fd/{}", namespace.as_fd().as_raw_fd());
        let none: Option<&str> = None;
        Ok(mount(Some(source.as_str()), &pin, none, MsFlags::MS_BIND, none)?)
    }

    /// Writes the address down: from now on the pod is attached.
    pub(super) fn record(&self, id: &str, address: Ipv4Addr) -> io::Result<()> {
        let partial = self.addresses.join(format!(".{id}"));
        fs::write(&partial, address.to_string())?;
        fs::rename(partial, self.addresses.join(id))
    }

    /// Forgets the pod: its address first, so that whatever happens between is seen as unfinished.
    pub(super) fn remove(&self, id: &str) -> io::Result<()> {
        ignore_missing(fs::remove_file(self.addresses.join(id)))?;
        let pin = self.pin(id);
        match umount2(&pin, MntFlags::MNT_DETACH) {
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(e) => return Err(e.into()),
        }
        ignore_missing(fs::remove_file(&pin))
    }

    pub(super) fn list(&self) -> io::Result<Vec<(String, Ipv4Addr)>> {
        let mut list: Vec<_> = names(&self.addresses)?
            .into_iter()
            .filter_map(|id| {
                let address = self.address(&id)?;
                Some((id, address))
            })
            .collect();
        list.sort();
        Ok(list)
    }

    /// Lists pins without an address.
    pub(super) fn unfinished(&self) -> io::Result<Vec<String>> {
        Ok(names(&self.pins)?.into_iter().filter(|id| self.address(id).is_none()).collect())
    }
}

/// Says whether a namespace is mounted on the file.
pub(super) fn is_pinned(pin: &Path) -> bool {
    statfs(pin).is_ok_and(|stat| stat.filesystem_type().0 == NAMESPACE_FILE_SYSTEM)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| !name.starts_with('.')));
    }
    Ok(names)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

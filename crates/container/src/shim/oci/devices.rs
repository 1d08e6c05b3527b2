//! The machine's devices, for a privileged container.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::{Value, json};

/// Folders below `/dev` that a container has of its own, or that hold no devices.
const SKIPPED: [&str; 6] = ["/dev/pts", "/dev/shm", "/dev/fd", "/dev/mqueue", "/dev/.lxc", "/dev/.udev"];

/// Returns the devices of the machine, as containerd gives them. An ordinary user gets those he may open: the nodes are
/// mounted then, not made.
pub(super) fn of_the_machine(rootless: bool) -> Vec<Value> {
    let mut found = Vec::new();
    collect(Path::new("/dev"), rootless, &mut found);
    found
}

fn collect(folder: &Path, rootless: bool, found: &mut Vec<Value>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let kind = metadata.file_type();
        if kind.is_dir() {
            if !SKIPPED.iter().any(|skipped| path == Path::new(skipped)) {
                collect(&path, rootless, found);
            }
            continue;
        }
        let letter = match (kind.is_char_device(), kind.is_block_device()) {
            (true, _) => "c",
            (false, true) => "b",
            (false, false) => continue,
        };
        let is_reachable = || fs::OpenOptions::new().read(true).open(&path).is_ok();
        // The console is the container's own, if it has one.
        if path == Path::new("/dev/console")
            || path == Path::new("/dev/ptmx")
            || (rootless && !is_reachable())
        {
            continue;
        }
        let device = metadata.rdev();
        found.push(json!({
            "path": path, "type": letter, "major": libc::major(device), "minor": libc::minor(device),
            "fileMode": metadata.permissions().mode() & 0o777, "uid": metadata.uid(), "gid": metadata.gid(),
        }));
    }
}

//! What is mounted in a container.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{Processes, Surroundings};
use crate::{ContainerSpec, Mount, MountKind, Propagation};

/// Where the termination message goes unless the specification says otherwise.
const TERMINATION_LOG: &str = "/dev/termination-log";

pub(super) fn mounts(spec: &ContainerSpec, around: &Surroundings<'_>) -> Vec<Value> {
    let mut mounts = standard_mounts(spec.privileged, around);
    let message = spec.termination_message_path.as_ref().map(|source| Mount {
        source: source.clone(),
        target: if spec.termination_message_target.as_os_str().is_empty() {
            TERMINATION_LOG.into()
        } else {
            spec.termination_message_target.clone()
        },
        ..Mount::default()
    });
    let wanted: Vec<&Mount> = spec.mounts.iter().chain(&message).collect();
    let targets: BTreeSet<&Path> = wanted.iter().map(|mount| mount.target.as_path()).collect();
    mounts.retain(|mount| {
        mount["destination"].as_str().is_none_or(|target| !targets.contains(Path::new(target)))
    });
    mounts.extend(wanted.into_iter().map(mount));
    mounts
}

fn mount(mount: &Mount) -> Value {
    let access = if mount.read_only { "ro" } else { "rw" };
    match &mount.kind {
        MountKind::Bind => {
            let propagation = match mount.propagation {
                Propagation::None => "rprivate",
                Propagation::FromCaller => "rslave",
                Propagation::Both => "rshared",
            };
            let mut options = vec!["rbind", propagation, access];
            if mount.read_only && mount.recursive_read_only {
                options.push("rro");
            }
            if mount.no_exec {
                options.push("noexec");
            }
            json!({
                "destination": mount.target, "source": mount.source, "type": "bind", "options": options,
            })
        }
        MountKind::Tmpfs { size_bytes } => {
            let mut options = vec!["nosuid".to_owned(), "nodev".to_owned(), "mode=1777".to_owned()];
            options.push(access.to_owned());
            options.extend(size_bytes.map(|size| format!("size={size}")));
            json!({"destination": mount.target, "source": "tmpfs", "type": "tmpfs", "options": options})
        }
    }
}

fn standard_mounts(privileged: bool, around: &Surroundings<'_>) -> Vec<Value> {
    let access = if privileged { "rw" } else { "ro" };
    let mut terminals = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    if around.ids.has_group(TTY_GROUP) {
        terminals.push("gid=5");
    }
    let (shared_memory, queues) = if around.host_ipc {
        (Path::new("/dev/shm"), bind("/dev/mqueue", Path::new("/dev/mqueue"), &[]))
    } else {
        let queues = json!({"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
                            "options": ["nosuid", "noexec", "nodev"]});
        (around.paths.shared_memory.as_path(), queues)
    };
    let mut mounts = vec![
        processes(around),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
               "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]}),
        json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": terminals}),
        bind("/dev/shm", shared_memory, &["nosuid", "noexec", "nodev"]),
        queues,
        json!({"destination": "/sys", "type": "sysfs", "source": "sysfs",
               "options": ["nosuid", "noexec", "nodev", access]}),
        json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
               "options": ["nosuid", "noexec", "nodev", "relatime", access]}),
    ];
    // A machine need not have the queues mounted.
    mounts.retain(|mount| {
        let source = mount["source"].as_str().filter(|_| mount["type"] == "bind");
        source.is_none_or(|source| Path::new(source).exists())
    });
    mounts
}

/// A new `/proc` for the processes the container sees. The machine's are not an ordinary user's to mount anew: he gets
/// the one there is.
fn processes(around: &Surroundings<'_>) -> Value {
    if around.processes == Processes::Host && around.rootless {
        return bind("/proc", Path::new("/proc"), &[]);
    }
    json!({"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]})
}

fn bind(target: &str, source: &Path, more: &[&str]) -> Value {
    let options: Vec<&str> = ["rbind", "rprivate"].iter().chain(more).copied().collect();
    json!({"destination": target, "type": "bind", "source": source, "options": options})
}

/// The group of terminals, by a convention as old as devpts.
const TTY_GROUP: u32 = 5;

//! Control groups: where they are, what they count, how they are emptied and removed.
//!
//! `libcontainer` makes them and sets the limits; this reads the counters, which it does not do for
//! out-of-memory kills, and cleans up without it, which must work after a shim was killed.

pub(crate) mod limits;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::Usage;

/// Where the unified hierarchy, or the folder of the version 1 hierarchies, is mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// The hierarchies of this mount namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Version 2 at [`ROOT`].
    Unified,
    /// Version 1: mount point by controller. Several controllers may share one.
    Legacy(BTreeMap<String, PathBuf>),
}

impl Layout {
    /// Reads the layout from the mount table; `None` if there are no control groups.
    pub(crate) fn detect() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/mountinfo").ok()?)
    }

    fn parse(mounts: &str) -> Option<Self> {
        let mut unified = false;
        let mut controllers = BTreeMap::new();
        for line in mounts.lines() {
            let (Some((left, right)), Some(point)) = (line.split_once(" - "), line.split(' ').nth(4)) else {
                continue;
            };
            let mut right = right.split(' ');
            match right.next() {
                Some("cgroup2") if point == ROOT => unified = true,
                // A later mount over the same root hides the unified hierarchy, and the other way round.
                Some("tmpfs") if point == ROOT => unified = false,
                Some("cgroup") => {
                    let options = right.nth(1).unwrap_or_default();
                    controllers.extend(
                        options
                            .split(',')
                            .filter(|name| KNOWN.contains(name))
                            .map(|name| (name.to_owned(), PathBuf::from(point))),
                    );
                }
                _ => {}
            }
            let _ = left;
        }
        match (unified, controllers.is_empty()) {
            (true, _) => Some(Self::Unified),
            (false, false) => Some(Self::Legacy(controllers)),
            (false, true) => None,
        }
    }

    /// Returns the folder in which `controller` keeps its files for the group `path`.
    fn folder(&self, controller: &str, path: &str) -> Option<PathBuf> {
        let path = path.trim_start_matches('/');
        match self {
            Self::Unified => Some(Path::new(ROOT).join(path)),
            Self::Legacy(points) => Some(points.get(controller)?.join(path)),
        }
    }

    /// Returns every folder that stands for the group `path`, one per hierarchy.
    fn folders(&self, path: &str) -> Vec<PathBuf> {
        let path = path.trim_start_matches('/');
        match self {
            Self::Unified => vec![Path::new(ROOT).join(path)],
            Self::Legacy(points) => {
                let mut folders: Vec<_> = points.values().map(|point| point.join(path)).collect();
                folders.sort();
                folders.dedup();
                folders
            }
        }
    }

    /// Returns how many processes of the group were killed for want of memory.
    pub(crate) fn oom_kills(&self, path: &str) -> u64 {
        let file = match self {
            Self::Unified => "memory.events",
            Self::Legacy(_) => "memory.oom_control",
        };
        let Some(folder) = self.folder("memory", path) else { return 0 };
        fs::read_to_string(folder.join(file)).ok().and_then(|text| field(&text, "oom_kill")).unwrap_or(0)
    }

    /// Whether a container can be kept from devices by a list. Version 2 would want a program for it.
    pub(crate) fn limits_devices(&self) -> bool {
        match self {
            Self::Unified => false,
            Self::Legacy(points) => points.contains_key("devices"),
        }
    }

    /// Unmounts, in this mount namespace, the version 1 hierarchies that no limit of ours needs. To
    /// join a group costs the kernel a pause of all forks and exits, in each hierarchy anew.
    pub(crate) fn hide_unused(&self) {
        let Self::Legacy(points) = self else { return };
        let used = |name: &&str| USED.contains(name);
        let needed: Vec<&PathBuf> = USED.iter().filter_map(|name| points.get(*name)).collect();
        for point in KNOWN.iter().filter(|name| !used(name)).filter_map(|name| points.get(*name)) {
            if !needed.contains(&point) {
                // One that stays mounted costs time, nothing else.
                let _ = umount2(point, MntFlags::MNT_DETACH);
            }
        }
    }

    /// Asks the kernel to kill the whole group when one process of it must go, as Kubernetes does
    /// where the kernel can (version 2).
    pub(crate) fn kill_group_on_oom(&self, path: &str) {
        if *self == Self::Unified
            && let Some(folder) = self.folder("memory", path)
        {
            let _ = fs::write(folder.join("memory.oom.group"), "1");
        }
    }

    /// Returns what the group uses.
    pub(crate) fn usage(&self, path: &str) -> Option<Usage> {
        let read =
            |controller: &str, file: &str| fs::read_to_string(self.folder(controller, path)?.join(file)).ok();
        let number = |controller: &str, file: &str| read(controller, file)?.trim().parse::<u64>().ok();
        let pids = number("pids", "pids.current").unwrap_or(0);
        let (cpu_ns, memory, inactive) = match self {
            Self::Unified => (
                field(&read("cpu", "cpu.stat")?, "usage_usec")?.saturating_mul(1000),
                number("memory", "memory.current"),
                read("memory", "memory.stat").and_then(|text| field(&text, "inactive_file")),
            ),
            Self::Legacy(_) => (
                number("cpuacct", "cpuacct.usage")?,
                number("memory", "memory.usage_in_bytes"),
                read("memory", "memory.stat").and_then(|text| field(&text, "total_inactive_file")),
            ),
        };
        let memory_bytes = memory?.saturating_sub(inactive.unwrap_or(0));
        Some(Usage { cpu_ns, memory_bytes, pids })
    }

    /// Kills every process of the group and of the groups below it.
    pub(crate) fn kill(&self, path: &str) {
        for folder in self.folders(path) {
            if fs::write(folder.join("cgroup.kill"), "1").is_err() {
                kill_tree(&folder);
            }
        }
    }

    /// Removes the group and those above it, as far as they are empty.
    pub(crate) fn remove_empty(&self, path: &str) {
        for folder in self.folders(path) {
            let depth = path.split('/').filter(|part| !part.is_empty()).count();
            let _ = folder.ancestors().take(depth).try_for_each(fs::remove_dir);
        }
    }

    /// Removes the group and the groups below it. Its processes must be dead or dying.
    pub(crate) fn remove(&self, path: &str) -> io::Result<()> {
        self.folders(path).iter().try_for_each(|folder| remove_tree(folder))
    }
}

/// Returns where a container finds control groups: the folder of all hierarchies and, in version 1, each of
/// them, the one without controllers too.
pub(crate) fn mount_points() -> Vec<String> {
    points(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

fn points(mounts: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?;
        (right.starts_with("cgroup ") && point.starts_with(ROOT)).then(|| point.to_owned())
    };
    [ROOT.to_owned()].into_iter().chain(mounts.lines().filter_map(of_line)).collect()
}

/// The version 1 controllers in which `libcontainer` makes groups.
const KNOWN: [&str; 12] = [
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "hugetlb",
    "memory",
    "pids",
    "perf_event",
    "blkio",
    "net_prio",
    "net_cls",
    "freezer",
];

/// Those among them in which a container gets limits or is counted.
const USED: [&str; 5] = ["cpu", "cpuacct", "devices", "memory", "pids"];

/// Finds `name number` on a line of its own.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn kill_tree(folder: &Path) {
    for child in children(folder) {
        kill_tree(&child);
    }
    // A process that forks while we read is caught by the next round; a fork bomb is held by its
    // limit, and dies with the first process of its namespace.
    for _ in 0..16 {
        let pids = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        if pids.is_empty() {
            return;
        }
        for pid in pids.lines().filter_map(|line| line.parse().ok()) {
            let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// How often and how long the removal of a group is retried: the kernel takes a moment to let go of
/// a dead process.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(2);

fn remove_tree(folder: &Path) -> io::Result<()> {
    for child in children(folder) {
        remove_tree(&child)?;
    }
    for _ in 0..ATTEMPTS {
        match fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => std::thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_hierarchies_are_found_by_controller() {
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
                      32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      37 31 0:34 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                      38 31 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let point = PathBuf::from("/sys/fs/cgroup/cpu,cpuacct");
        let expected = Layout::Legacy(BTreeMap::from([
            ("cpu".to_owned(), point.clone()),
            ("cpuacct".to_owned(), point.clone()),
        ]));
        assert_eq!(Layout::parse(mounts), Some(expected.clone()));
        assert_eq!(expected.folders("/pinnace/a"), [point.join("pinnace/a")]);
        let all = ["/sys/fs/cgroup", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/systemd"];
        assert_eq!(points(mounts), all);
    }

    #[test]
    fn a_unified_mount_over_version_1_wins() {
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      32 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      90 31 0:35 / /sys/fs/cgroup rw - cgroup2 none rw\n";
        assert_eq!(Layout::parse(mounts), Some(Layout::Unified));
    }

    #[test]
    fn no_control_groups_is_no_layout() {
        assert_eq!(Layout::parse("23 1 0:2 / / rw - ext4 /dev/vda rw\n"), None);
    }

    #[test]
    fn counters_are_found_by_their_whole_name() {
        let text = "oom 3\noom_kill_disable 0\nunder_oom 0\noom_kill 2\noom_group_kill 1\n";
        assert_eq!(field(text, "oom_kill"), Some(2));
    }
}

//! Which limits the kernel can hold for us, found out by looking.

use std::fs;
use std::path::Path;

use crate::cgroup::Layout;
use crate::{Enforcement, Method, process};

/// Where the unified hierarchy is.
const ROOT: &str = "/sys/fs/cgroup";

/// The controllers that the limits need.
const NEEDED: [&str; 3] = ["memory", "cpu", "pids"];

/// Returns which limits hold, and by what means. On the unified hierarchy the control group of this
/// process is prepared for it, as far as it is ours.
pub(crate) fn detect(rootless: bool) -> Enforcement {
    match (Layout::detect(), rootless) {
        (Some(Layout::Unified), _) => match inside()
            .and_then(|()| prepare(Path::new(ROOT), rootless))
            .and_then(|()| try_out(Path::new(ROOT)))
        {
            Ok(()) => kernel(),
            Err(reason) => watchdog(reason),
        },
        (Some(Layout::Legacy(points)), false) => {
            let missing: Vec<&str> =
                NEEDED.iter().filter(|name| !points.contains_key(**name)).copied().collect();
            if missing.is_empty() { kernel() } else { watchdog(not_available(&missing)) }
        }
        (Some(Layout::Legacy(_)), true) => {
            watchdog("version 1 control groups cannot be delegated to an ordinary user".to_owned())
        }
        (None, _) => watchdog("there are no control groups at `/sys/fs/cgroup`".to_owned()),
    }
}

fn kernel() -> Enforcement {
    let method = Method::Kernel;
    Enforcement { memory: method, cpu: method, pids: method, reason: None }
}

fn watchdog(reason: String) -> Enforcement {
    Enforcement {
        memory: Method::Watchdog,
        cpu: Method::Watchdog,
        pids: Method::Watchdog,
        reason: Some(reason),
    }
}

fn not_available(missing: &[&str]) -> String {
    format!("the control group controllers {} are not available", missing.join(", "))
}

/// Returns which of the controllers a file does not name.
fn missing(file: &Path) -> Vec<&'static str> {
    let present = fs::read_to_string(file).unwrap_or_default();
    let present: Vec<&str> = present.split_whitespace().map(|name| name.trim_start_matches('+')).collect();
    NEEDED.iter().filter(|name| !present.contains(name)).copied().collect()
}

/// Makes a group as containers get, to see whether it has all that limits need.
fn try_out(root: &Path) -> Result<(), String> {
    let group = root.join(format!("pinnace-trial-{}", std::process::id()));
    fs::create_dir(&group).map_err(|_| NOT_DELEGATED.to_owned())?;
    let files = NEEDED.map(|controller| group.join(format!("{controller}.max")));
    let is_complete = files.iter().all(|file| fs::OpenOptions::new().write(true).open(file).is_ok());
    // Empty, it costs next to nothing should it stay.
    let _ = fs::remove_dir(&group);
    if is_complete { Ok(()) } else { Err(NOT_DELEGATED.to_owned()) }
}

/// Whether this process is in the control groups that it sees. One that came to the namespaces of an
/// earlier main process from another login may be outside, and could put nothing into them.
fn inside() -> Result<(), String> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    if is_outside(&groups) { Err(OUTSIDE.to_owned()) } else { Ok(()) }
}

/// Whether these groups, as `/proc/self/cgroup` has them, are not below the root of the namespace
/// (cgroup_namespaces(7)).
fn is_outside(groups: &str) -> bool {
    groups.lines().any(|line| line.starts_with("0::/.."))
}

const OUTSIDE: &str = "this process is outside of the control group that was delegated to the cluster; \
    `systemd-run --user --scope pinnace up` starts it where it can get there";

/// Makes the control group at the root of our view one that can have limited groups below it. Only
/// the machine's own root may have those and processes too; elsewhere (a group delegated to an
/// ordinary user, a container) this process and its children move to a leaf.
fn prepare(root: &Path, rootless: bool) -> Result<(), String> {
    let subtree = root.join("cgroup.subtree_control");
    let unavailable = missing(&root.join("cgroup.controllers"));
    if !unavailable.is_empty() {
        return Err(if rootless { NOT_DELEGATED.to_owned() } else { not_available(&unavailable) });
    }
    let wanted: Vec<String> = NEEDED.iter().map(|name| format!("+{name}")).collect();
    let enable = || fs::write(&subtree, wanted.join(" "));
    if missing(&subtree).is_empty() || enable().is_ok() {
        return Ok(());
    }
    move_to(&root.join("pinnace-main"))?;
    enable().map_err(|error| {
        format!(
            "the control group of this process has other processes too ({error}); \
             `systemd-run --user --scope -p Delegate=yes pinnace up` gives it one of its own"
        )
    })
}

const NOT_DELEGATED: &str = "no control group was delegated to this user; \
    `systemd-run --user --scope -p Delegate=yes pinnace up` gets one where systemd runs";

/// Moves this process, its children and the one that started it in the background to a control group.
fn move_to(leaf: &Path) -> Result<(), String> {
    if !leaf.is_dir() {
        fs::create_dir(leaf).map_err(|_| NOT_DELEGATED.to_owned())?;
    }
    let own = std::process::id();
    let children = process::children(i32::try_from(own).unwrap_or_default());
    let starter = process::starter_of_the_same_program().map(|pid| pid.to_string());
    for pid in starter.into_iter().chain(children.iter().map(ToString::to_string)).chain([own.to_string()]) {
        fs::write(leaf.join("cgroup.procs"), &pid)
            .map_err(|error| format!("the control group refuses process {pid}: {error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(controllers: &str, rootless: bool, expected: Result<&str, &str>) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cgroup.controllers"), controllers).unwrap();
        fs::write(folder.path().join("cgroup.subtree_control"), "").unwrap();
        let found = prepare(folder.path(), rootless);
        match expected {
            Ok(enabled) => {
                assert_eq!(found, Ok(()));
                let written = fs::read_to_string(folder.path().join("cgroup.subtree_control")).unwrap();
                assert_eq!(written, enabled);
            }
            Err(words) => assert!(found.is_err_and(|reason| reason.contains(words))),
        }
    }

    #[test]
    fn what_is_available_is_enabled() {
        check("cpuset cpu io memory hugetlb pids\n", false, Ok("+memory +cpu +pids"));
        check("cpu memory pids", true, Ok("+memory +cpu +pids"));
    }

    #[test]
    fn what_is_missing_is_said() {
        check("hugetlb\n", false, Err("controllers memory, cpu, pids are not available"));
        check("cpu pids\n", false, Err("controllers memory are not available"));
        check("", true, Err("no control group was delegated to this user"));
    }

    #[test]
    fn a_group_beyond_the_root_of_the_namespace_is_outside() {
        assert!(is_outside("0::/../session-3.scope\n"));
        assert!(!is_outside("4:memory:/../x\n0::/pinnace-main\n"));
        assert!(!is_outside("0::/\n"));
    }

    #[test]
    fn nothing_is_written_twice() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cgroup.controllers"), "cpu memory pids").unwrap();
        fs::write(folder.path().join("cgroup.subtree_control"), "cpu memory pids").unwrap();
        assert_eq!(prepare(folder.path(), true), Ok(()));
        let text = fs::read_to_string(folder.path().join("cgroup.subtree_control")).unwrap();
        assert_eq!(text, "cpu memory pids");
    }
}

//! Which limits the kernel can hold for us, found out by looking.

use std::fs;
use std::path::Path;

use crate::cgroup::Layout;
use crate::{Enforcement, Method};

/// Where the unified hierarchy is.
const ROOT: &str = "/sys/fs/cgroup";

/// The controllers that the limits need.
const NEEDED: [&str; 3] = ["memory", "cpu", "pids"];

/// Returns which limits hold, and by what means. `rootless` callers hold them through a delegated
/// control group, which this prepares.
pub(crate) fn detect(rootless: bool) -> Enforcement {
    match (Layout::detect(), rootless) {
        (Some(Layout::Unified), false) => kernel_or_watchdog(&missing(Path::new(ROOT), "cgroup.controllers")),
        (Some(Layout::Unified), true) => match delegate(Path::new(ROOT)) {
            Ok(()) => kernel_or_watchdog(&missing(Path::new(ROOT), "cgroup.subtree_control")),
            Err(reason) => watchdog(reason),
        },
        (Some(Layout::Legacy(points)), false) => {
            let missing = NEEDED.iter().filter(|name| !points.contains_key(**name));
            let missing: Vec<String> = missing.map(|name| (*name).to_owned()).collect();
            kernel_or_watchdog(&missing)
        }
        (Some(Layout::Legacy(_)), true) => {
            watchdog("version 1 control groups cannot be delegated to an ordinary user".to_owned())
        }
        (None, _) => watchdog("there are no control groups at `/sys/fs/cgroup`".to_owned()),
    }
}

fn kernel_or_watchdog(missing: &[String]) -> Enforcement {
    if missing.is_empty() {
        let method = Method::Kernel;
        return Enforcement { memory: method, cpu: method, pids: method, reason: None };
    }
    watchdog(format!("the control group controllers {} are not available", missing.join(", ")))
}

fn watchdog(reason: String) -> Enforcement {
    Enforcement { memory: Method::Watchdog, cpu: Method::None, pids: Method::Watchdog, reason: Some(reason) }
}

fn missing(root: &Path, file: &str) -> Vec<String> {
    let present = fs::read_to_string(root.join(file)).unwrap_or_default();
    let present: Vec<&str> = present.split_whitespace().collect();
    NEEDED.iter().filter(|name| !present.contains(name)).map(|name| (*name).to_owned()).collect()
}

/// Makes the control group of this process one that can have limited groups below it, if it was
/// delegated to us: version 2 wants processes in leaves only, so this process and its children move
/// to one.
fn delegate(root: &Path) -> Result<(), String> {
    const NOT_DELEGATED: &str = "no control group was delegated to this user";
    if missing(root, "cgroup.subtree_control").is_empty() {
        return Ok(());
    }
    let leaf = root.join("pinnace-main");
    let controllers = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
    if !NEEDED.iter().all(|name| controllers.split_whitespace().any(|present| present == *name)) {
        return Err(NOT_DELEGATED.to_owned());
    }
    if !leaf.is_dir() {
        fs::create_dir(&leaf).map_err(|_| NOT_DELEGATED.to_owned())?;
    }
    let own = std::process::id();
    let children = crate::process::children(i32::try_from(own).unwrap_or_default());
    for pid in children.iter().map(ToString::to_string).chain([own.to_string()]) {
        fs::write(leaf.join("cgroup.procs"), &pid)
            .map_err(|error| format!("the delegated control group refuses process {pid}: {error}"))?;
    }
    let wanted: Vec<String> = NEEDED.iter().map(|name| format!("+{name}")).collect();
    fs::write(root.join("cgroup.subtree_control"), wanted.join(" ")).map_err(|error| {
        format!(
            "the control group of this process has other processes too ({error}); \
             `systemd-run --user --scope -p Delegate=yes pinnace up` gives it one of its own"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_controller_is_named() {
        let found = kernel_or_watchdog(&["memory".to_owned()]);
        assert_eq!((found.memory, found.cpu), (Method::Watchdog, Method::None));
        assert!(found.reason.is_some_and(|reason| reason.contains("memory")));
    }

    #[test]
    fn a_folder_that_is_no_control_group_is_not_delegated() {
        assert!(delegate(Path::new("/nonexistent")).is_err());
    }
}

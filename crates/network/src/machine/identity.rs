//! Who we are: capabilities, the user namespace and its id maps.

use std::{
    fs, io,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use nix::{
    sched::{CloneFlags, unshare},
    unistd::{getegid, geteuid},
};

use super::error::EnterError;

/// `CAP_NET_ADMIN` and `CAP_SYS_ADMIN`: all that making the other namespaces needs.
const NEEDED_CAPABILITIES: u64 = 1 << 12 | 1 << 21;

/// Waits for a line, then has the set-uid helpers of the `uidmap` package write both maps. It has
/// to be started before the user namespace exists and to work after: hence a process of its own.
const MAP_SCRIPT: &str = r#"read -r _ && newuidmap "$1" $2 && newgidmap "$1" $3"#;

/// Says whether we lack the rights to make the other namespaces right here. Root of a container
/// without privileges lacks them as well.
pub(super) fn needs_user_namespace() -> bool {
    let effective = fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(line.trim(), 16).ok()
    });
    match effective {
        Some(capabilities) => capabilities & NEEDED_CAPABILITIES != NEEDED_CAPABILITIES,
        None => !geteuid().is_root(),
    }
}

/// Says whether this is the machine's first user namespace, which maps every id to itself.
pub(super) fn is_initial_user_namespace() -> bool {
    fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// Says whether more than one user and one group are mapped.
pub(super) fn has_many_ids() -> bool {
    let count = |path: &str| -> u64 {
        let map = fs::read_to_string(path).unwrap_or_default();
        map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum()
    };
    count("/proc/self/uid_map") > 1 && count("/proc/self/gid_map") > 1
}

/// Becomes root of a new user namespace; ids beyond our own are mapped where `/etc/subuid` and the
/// `uidmap` package allow it.
pub(super) fn enter_user_namespace() -> Result<(), EnterError> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let helper = start_map_helper(uid, gid);
    unshare(CloneFlags::CLONE_NEWUSER).map_err(EnterError::user_namespace)?;
    if let Some(mut helper) = helper {
        // Whatever it failed to write is written below.
        if let Some(mut stdin) = helper.stdin.take() {
            stdin.write_all(b"go\n").ok();
        }
        helper.wait().ok();
    }
    write_single_maps(uid, gid).map_err(EnterError::user_namespace)
}

fn write_single_maps(uid: u32, gid: u32) -> io::Result<()> {
    let is_empty = |path: &str| fs::read_to_string(path).map(|map| map.trim().is_empty());
    if is_empty("/proc/self/uid_map")? {
        fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    }
    if is_empty("/proc/self/gid_map")? {
        // Else a group that denies access could be dropped: the kernel demands it.
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    Ok(())
}

fn start_map_helper(uid: u32, gid: u32) -> Option<std::process::Child> {
    let present = |name: &str| {
        ["/usr/bin", "/bin", "/usr/local/bin"].iter().any(|folder| Path::new(folder).join(name).exists())
    };
    if !present("newuidmap") || !present("newgidmap") {
        return None;
    }
    let name = user_name(uid, &fs::read_to_string("/etc/passwd").unwrap_or_default());
    let ranges = |path: &str| sub_ranges(&fs::read_to_string(path).unwrap_or_default(), name.as_deref(), uid);
    let uids = map_arguments(uid, &ranges("/etc/subuid"))?;
    let gids = map_arguments(gid, &ranges("/etc/subgid"))?;
    Command::new("/bin/sh")
        .args(["-c", MAP_SCRIPT, "sh", &std::process::id().to_string(), &uids, &gids])
        .env("PATH", "/usr/bin:/bin:/usr/local/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

fn user_name(uid: u32, passwd: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Reads `subuid(5)`: `name-or-id:first:count`.
fn sub_ranges(file: &str, name: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    let mine = |owner: &str| Some(owner) == name || owner.parse() == Ok(uid);
    file.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            (mine(owner) && count > 0).then_some((first, count))
        })
        .collect()
}

/// Maps our own id to 0 and the ranges one after another from 1: the arguments of `newuidmap(1)`.
fn map_arguments(own: u32, ranges: &[(u32, u32)]) -> Option<String> {
    let mut inside = 1_u32;
    let mut arguments = format!("0 {own} 1");
    for (first, count) in ranges {
        arguments.push_str(&format!(" {inside} {first} {count}"));
        inside = inside.checked_add(*count)?;
    }
    (inside > 1).then_some(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_the_user_are_mapped_after_its_own_id() {
        let file = "other:100000:65536\nann:165536:65536\n1000:300000:10\nbroken\nann:x:1\n";
        let ranges = sub_ranges(file, Some("ann"), 1000);
        assert_eq!(ranges, [(165_536, 65_536), (300_000, 10)]);
        assert_eq!(map_arguments(1000, &ranges).as_deref(), Some("0 1000 1 1 165536 65536 65537 300000 10"));
        assert_eq!(map_arguments(1000, &sub_ranges(file, None, 7)), None);
    }

    #[test]
    fn a_user_is_found_by_id() {
        let passwd = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(user_name(1000, passwd).as_deref(), Some("ann"));
        assert_eq!(user_name(1, passwd), None);
    }
}

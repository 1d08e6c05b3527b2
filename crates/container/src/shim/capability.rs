//! Capabilities: the default set and its changes, as far as this process has them to give.

use std::fs;

use crate::Capabilities;

/// Name by number (`include/uapi/linux/capability.h`).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What a container has unless told otherwise: the set of Docker and containerd.
const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// The one that makes a disk of the machine readable, where no control group holds devices back.
const MAKE_DEVICES: &str = "CAP_MKNOD";

/// Returns the capabilities of a container. Those this process lacks are left out: nobody can give
/// what he does not have, and the kernel would refuse the rest with it. Device nodes can be made
/// by default only where `devices_are_limited`.
pub(super) fn names(
    changes: &Capabilities,
    privileged: bool,
    devices_are_limited: bool,
) -> Vec<&'static str> {
    let held = held();
    let mut changes = changes.clone();
    if !devices_are_limited {
        changes.drop.push(MAKE_DEVICES.to_owned());
    }
    let wanted = NAMES.iter().enumerate().filter(|(_, name)| privileged || is_wanted(name, &changes));
    wanted.filter(|(number, _)| held & (1 << number) != 0).map(|(_, name)| *name).collect()
}

/// Returns capabilities as the bits the kernel knows them by.
pub(super) fn mask(names: &[&str]) -> u64 {
    let number = |name: &&str| NAMES.iter().position(|known| known == name);
    names.iter().filter_map(number).fold(0, |mask, number| mask | 1 << number)
}

fn is_wanted(name: &str, changes: &Capabilities) -> bool {
    let named = |list: &[String], word: &str| {
        let bare = word.strip_prefix("CAP_").unwrap_or(word);
        list.iter().any(|entry| {
            let entry = entry.to_ascii_uppercase();
            entry.strip_prefix("CAP_").unwrap_or(&entry) == bare
        })
    };
    // As containerd does: with `ALL` on one side the other side names the exceptions.
    let by_default = if named(&changes.add, "ALL") {
        true
    } else {
        DEFAULT.contains(&name) && !named(&changes.drop, "ALL")
    };
    let added = named(&changes.add, name);
    added || (by_default && !named(&changes.drop, name))
}

/// The capabilities this process may give: in its permitted and in its bounding set.
fn held() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    };
    set("CapPrm:") & set("CapBnd:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(add: &[&str], drop: &[&str], expected: &[&str]) {
        let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect();
        let changes = Capabilities { add: words(add), drop: words(drop) };
        let wanted: Vec<_> = NAMES.iter().filter(|name| is_wanted(name, &changes)).copied().collect();
        let mut expected = expected.to_vec();
        expected.sort_by_key(|name| NAMES.iter().position(|known| known == name));
        assert_eq!(wanted, expected);
    }

    #[test]
    fn changes_apply_to_the_default_set() {
        check(&[], &[], &DEFAULT);
        check(&["SYS_TIME"], &["ALL"], &["CAP_SYS_TIME"]);
        check(&["cap_sys_time", "KILL"], &["ALL"], &["CAP_SYS_TIME", "CAP_KILL"]);
        let without: Vec<_> = DEFAULT.iter().filter(|name| **name != "CAP_CHOWN").copied().collect();
        check(&[], &["chown"], &without);
        let all_but: Vec<_> = NAMES.iter().filter(|name| **name != "CAP_SYS_ADMIN").copied().collect();
        check(&["ALL"], &["CAP_SYS_ADMIN"], &all_but);
    }
}

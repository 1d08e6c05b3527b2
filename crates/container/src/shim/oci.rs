//! The OCI runtime configuration of a container, with containerd's defaults.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::capability;
use crate::cgroup::Layout;
use crate::paths::ContainerPaths;
use crate::{ContainerSpec, ExecSpec, Mount, MountKind, Resources, User, user};

/// The search path of a command whose environment has none, as containerd sets it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the termination message goes unless the specification says otherwise.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Paths hidden from a container that is not privileged (containerd `oci.WithDefaultSpec`).
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Paths a container that is not privileged cannot write to.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What the configuration depends on beside the specification.
pub(super) struct Surroundings<'a> {
    pub(super) paths: &'a ContainerPaths,
    /// Control group of the container.
    pub(super) cgroup: &'a str,
    /// Whether the kernel enforces limits here; otherwise they are left out.
    pub(super) limits: bool,
    /// The first process of the process namespace to join; `None`: the container gets its own.
    pub(super) pause: Option<i32>,
    /// Whether a control group keeps containers from devices.
    pub(super) devices_are_limited: bool,
    /// The ids that exist in this user namespace.
    pub(super) ids: &'a Ids,
}

/// Returns the configuration, the content of `config.json`.
pub(super) fn configuration(spec: &ContainerSpec, around: &Surroundings<'_>) -> Value {
    let (masked, read_only): (&[&str], &[&str]) =
        if spec.privileged { (&[], &[]) } else { (&MASKED, &READ_ONLY) };
    // Network, host name and IPC are the shim's own, which the container inherits.
    let processes = match around.pause {
        Some(pid) => json!({"type": "pid", "path": format!("/proc/{pid}/ns/pid")}),
        None => json!({"type": "pid"}),
    };
    let namespaces = [json!({"type": "mount"}), json!({"type": "cgroup"}), processes];
    let mut linux = json!({
        "cgroupsPath": around.cgroup,
        "namespaces": namespaces,
        "maskedPaths": masked,
        "readonlyPaths": read_only,
        "rootfsPropagation": "private",
    });
    if around.limits {
        linux["resources"] = limits(&spec.resources);
    }
    if around.limits && around.devices_are_limited && !spec.privileged {
        // The runtime allows the harmless ones after this.
        linux["resources"]["devices"] = json!([{"allow": false, "access": "rwm"}]);
    }
    json!({
        "ociVersion": "1.2.0",
        "process": process(spec, around.ids, around.devices_are_limited),
        "root": {"path": around.paths.root, "readonly": spec.read_only_root},
        "mounts": mounts(spec, around),
        "linux": linux,
    })
}

/// Returns the process of a container.
fn process(spec: &ContainerSpec, ids: &Ids, devices_are_limited: bool) -> Value {
    let home = user::home(&spec.layers, spec.user.uid);
    let user = ids.restrict(&spec.user);
    // The shim's host name is the container's.
    let hostname = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let capabilities = capability::names(&spec.capabilities, spec.privileged, devices_are_limited);
    json!({
        "terminal": spec.tty,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": user.groups},
        "args": spec.args,
        "env": environment(&spec.env, &home, &hostname, spec.tty),
        "cwd": working_directory(&spec.cwd),
        "capabilities": {
            "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
        },
        "noNewPrivileges": spec.no_new_privileges,
    })
}

/// Returns the process of a command run in a container.
pub(super) fn exec_process(
    container: &ContainerSpec,
    exec: &ExecSpec,
    ids: &Ids,
    devices_are_limited: bool,
) -> Value {
    let mut merged = container.clone();
    merged.args.clone_from(&exec.args);
    merged.env.extend(exec.env.iter().cloned());
    merged.tty = exec.tty;
    if let Some(cwd) = &exec.cwd {
        merged.cwd.clone_from(cwd);
    }
    if let Some(user) = &exec.user {
        merged.user.clone_from(user);
    }
    process(&merged, ids, devices_are_limited)
}

fn working_directory(cwd: &Path) -> &Path {
    if cwd.as_os_str().is_empty() { Path::new("/") } else { cwd }
}

fn environment(env: &[(String, String)], home: &str, hostname: &str, tty: bool) -> Vec<String> {
    let mut entries: Vec<(&str, &str)> = Vec::with_capacity(env.len() + 4);
    let mut defaults = vec![("PATH", DEFAULT_PATH), ("HOSTNAME", hostname), ("HOME", home)];
    if tty {
        defaults.push(("TERM", "xterm"));
    }
    for (name, value) in env {
        entries.retain(|(known, _)| known != name);
        entries.push((name, value));
    }
    let missing: Vec<_> =
        defaults.into_iter().filter(|(name, _)| !entries.iter().any(|(known, _)| known == name)).collect();
    entries.extend(missing);
    entries.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn limits(resources: &Resources) -> Value {
    let mut limits = json!({});
    if let Some(bytes) = resources.memory_bytes {
        limits["memory"] = json!({"limit": bytes});
        if swap_is_limited() {
            // Memory and swap together: nothing of the container is swapped, as in Kubernetes.
            limits["memory"]["swap"] = json!(bytes);
        }
    }
    let mut cpu = json!({});
    if let Some(milli) = resources.cpu_quota_milli {
        // Kubernetes' own period; the kernel refuses a quota below a millisecond.
        cpu["period"] = json!(CPU_PERIOD_US);
        cpu["quota"] = json!((milli * CPU_PERIOD_US / 1000).max(1000));
    }
    if let Some(shares) = resources.cpu_shares {
        cpu["shares"] = json!(shares.max(2));
    }
    if cpu != json!({}) {
        limits["cpu"] = cpu;
    }
    if let Some(pids) = resources.pids {
        limits["pids"] = json!({"limit": pids});
    }
    limits
}

const CPU_PERIOD_US: u64 = 100_000;

/// Whether a limit on swap can be set: the machine has swap, and the kernel accounts for it.
fn swap_is_limited() -> bool {
    match Layout::detect() {
        Some(Layout::Unified) => fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1),
        Some(Layout::Legacy(points)) => {
            points.get("memory").is_some_and(|point| point.join("memory.memsw.limit_in_bytes").exists())
        }
        None => false,
    }
}

fn mounts(spec: &ContainerSpec, around: &Surroundings<'_>) -> Vec<Value> {
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
        MountKind::Bind => json!({
            "destination": mount.target, "source": mount.source, "type": "bind",
            "options": ["rbind", "rprivate", access],
        }),
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
    vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc",
               "options": ["nosuid", "noexec", "nodev"]}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
               "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]}),
        json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": terminals}),
        json!({"destination": "/dev/shm", "type": "bind", "source": around.paths.shared_memory,
               "options": ["rbind", "rprivate", "nosuid", "noexec", "nodev"]}),
        json!({"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
               "options": ["nosuid", "noexec", "nodev"]}),
        json!({"destination": "/sys", "type": "sysfs", "source": "sysfs",
               "options": ["nosuid", "noexec", "nodev", access]}),
        json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
               "options": ["nosuid", "noexec", "nodev", "relatime", access]}),
    ]
}

/// The group of terminals, by a convention as old as devpts.
const TTY_GROUP: u32 = 5;

/// The user and group ids that exist in this user namespace.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids {
    users: Vec<(u32, u32)>,
    groups: Vec<(u32, u32)>,
    /// Whether supplementary groups may be set.
    supplementary: bool,
}

impl Ids {
    /// Reads them from `/proc/self`.
    pub(super) fn read() -> Self {
        let text = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        Self::parse(&text("uid_map"), &text("gid_map"), &text("setgroups"))
    }

    fn parse(users: &str, groups: &str, setgroups: &str) -> Self {
        let ranges = |map: &str| {
            let numbers = map.lines().filter_map(|line| {
                let mut fields = line.split_whitespace();
                Some((fields.next()?.parse().ok()?, fields.nth(1)?.parse().ok()?))
            });
            numbers.collect()
        };
        Self { users: ranges(users), groups: ranges(groups), supplementary: setgroups.trim() != "deny" }
    }

    fn has(ranges: &[(u32, u32)], id: u32) -> bool {
        ranges.iter().any(|(first, count)| id >= *first && id - first < *count)
    }

    fn has_group(&self, gid: u32) -> bool {
        Self::has(&self.groups, gid)
    }

    /// Returns the user as far as it exists here. Where only one id does, that is 0, which is the
    /// person who started the cluster.
    fn restrict(&self, user: &User) -> User {
        let supplementary = |gid: &&u32| self.supplementary && self.has_group(**gid);
        User {
            uid: if Self::has(&self.users, user.uid) { user.uid } else { 0 },
            gid: if self.has_group(user.gid) { user.gid } else { 0 },
            groups: user.groups.iter().filter(supplementary).copied().collect(),
        }
    }

    /// Says in words what [`Ids::restrict`] changes, if anything.
    pub(super) fn note(&self, user: &User) -> Option<String> {
        let restricted = self.restrict(user);
        (restricted != *user).then(|| {
            format!(
                "runs as user {}, group {} instead of user {}, group {}: no such id in this user namespace; \
                 install `newuidmap` and give yourself a range in /etc/subuid and /etc/subgid",
                restricted.uid, restricted.gid, user.uid, user.gid
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_id_namespace_runs_everyone_as_its_only_user_and_says_so() {
        let ids = Ids::parse("0 1001 1\n", "0 1001 1\n", "deny\n");
        let user = User { uid: 1000, gid: 100, groups: vec![29] };
        assert_eq!(ids.restrict(&user), User::default());
        assert!(ids.note(&user).is_some_and(|note| note.contains("instead of user 1000, group 100")));
        assert_eq!(ids.note(&User::default()), None);
    }

    #[test]
    fn a_full_map_changes_nothing() {
        let ids = Ids::parse("0 0 4294967295\n", "0 0 4294967295\n", "allow\n");
        let user = User { uid: 1000, gid: 100, groups: vec![29] };
        assert_eq!(ids.restrict(&user), user);
    }

    #[test]
    fn a_later_entry_wins_and_defaults_fill_in() {
        let env = [("A", "1"), ("HOME", "/app"), ("A", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(
            environment(&env, "/root", "here", false),
            [
                "HOME=/app".to_owned(),
                "A=2".to_owned(),
                format!("PATH={DEFAULT_PATH}"),
                "HOSTNAME=here".to_owned()
            ]
        );
    }

    #[test]
    fn limits_are_in_the_kernels_units() {
        let resources = Resources {
            memory_bytes: Some(1 << 20),
            cpu_quota_milli: Some(250),
            cpu_shares: Some(256),
            pids: Some(9),
            oom_score_adj: None,
        };
        let limits = limits(&resources);
        assert_eq!(limits["memory"]["limit"], json!(1 << 20));
        assert_eq!(limits["cpu"], json!({"period": 100_000, "quota": 25_000, "shares": 256}));
        assert_eq!(limits["pids"], json!({"limit": 9}));
    }

    #[test]
    fn the_configuration_is_what_the_runtime_reads() {
        let paths = ContainerPaths::new(Path::new("/run/pods/p"), Path::new("/scratch/p"), "c");
        let ids = Ids::parse("0 0 4294967295\n", "0 0 4294967295\n", "allow\n");
        let around = Surroundings {
            paths: &paths,
            cgroup: "/pinnace/p/c",
            limits: true,
            pause: None,
            devices_are_limited: true,
            ids: &ids,
        };
        let spec = ContainerSpec {
            args: vec!["a".into()],
            mounts: vec![
                Mount { source: "/x".into(), target: "/dev/shm".into(), ..Mount::default() },
                Mount {
                    target: "/tmp".into(),
                    kind: MountKind::Tmpfs { size_bytes: Some(7) },
                    ..Mount::default()
                },
            ],
            ..ContainerSpec::default()
        };
        let value = configuration(&spec, &around);
        let parsed: libcontainer::oci_spec::runtime::Spec = serde_json::from_value(value).unwrap();
        let targets: Vec<_> =
            parsed.mounts().iter().flatten().map(|mount| mount.destination().clone()).collect();
        let linux = parsed.linux().as_ref().unwrap();
        assert_eq!(
            linux.resources().as_ref().unwrap().devices().as_ref().unwrap()[0].to_string(),
            "a *:* rwm"
        );
        let expected =
            ["/proc", "/dev", "/dev/pts", "/dev/mqueue", "/sys", "/sys/fs/cgroup", "/dev/shm", "/tmp"];
        assert_eq!(targets, expected.map(std::path::PathBuf::from));
    }
}

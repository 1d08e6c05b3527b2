//! The OCI runtime configuration of a container, with containerd's defaults.

mod devices;
mod mounts;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::capability;
use super::executor::CommandExecutor;
use super::ids::Ids;
use super::seccomp;
use crate::cgroup::Layout;
use crate::cgroup::limits::{CPU_PERIOD_US, cpu_quota_us};
use crate::paths::ContainerPaths;
use crate::{ContainerSpec, ExecSpec, Resources, SystemCalls, user};

/// The search path of a command whose environment has none, as containerd sets it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
    pub(super) processes: Processes,
    /// Whether message queues and shared memory are the machine's.
    pub(super) host_ipc: bool,
    /// Whether this is a user namespace of an ordinary user.
    pub(super) rootless: bool,
    /// Whether a control group keeps containers from devices.
    pub(super) devices_are_limited: bool,
    /// Where the container sees control groups.
    pub(super) cgroup_points: &'a [String],
    /// The ids that exist in this user namespace.
    pub(super) ids: &'a Ids,
}

/// Whose processes a container sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Processes {
    /// Its own.
    Own,
    /// Those in the namespace of this process.
    Of(i32),
    /// The machine's.
    Host,
}

/// Returns the configuration, the content of `config.json`.
pub(super) fn configuration(spec: &ContainerSpec, around: &Surroundings<'_>) -> Value {
    let (masked, mut read_only): (&[&str], Vec<&str>) =
        if spec.privileged || spec.unmasked { (&[], Vec::new()) } else { (&MASKED, READ_ONLY.to_vec()) };
    if !spec.privileged {
        // The runtime does not heed the mount's own option: a container could lift its limits.
        read_only.extend(around.cgroup_points.iter().map(String::as_str));
    }
    // Network, host name and IPC are the shim's own, which the container inherits.
    let processes = match around.processes {
        Processes::Of(pid) => Some(json!({"type": "pid", "path": format!("/proc/{pid}/ns/pid")})),
        Processes::Own => Some(json!({"type": "pid"})),
        Processes::Host => None,
    };
    let mut namespaces = vec![json!({"type": "mount"}), json!({"type": "cgroup"})];
    namespaces.extend(processes);
    let mut linux = json!({
        "cgroupsPath": around.cgroup,
        "namespaces": namespaces,
        "maskedPaths": masked,
        "readonlyPaths": read_only,
        "rootfsPropagation": "private",
    });
    if spec.privileged {
        linux["devices"] = devices::of_the_machine(around.rootless).into();
    }
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
        "mounts": mounts::mounts(spec, around),
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
    // Lost again before the program runs: see `CommandExecutor`.
    let with_filter =
        if needs_filter(spec) && !spec.no_new_privileges { Some(INSTALLS_FILTERS) } else { None };
    let held: BTreeSet<&str> = capabilities.iter().copied().chain(with_filter).collect();
    json!({
        "terminal": spec.tty,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": user.groups},
        "args": spec.args,
        "env": environment(&spec.env, &home, &hostname, spec.tty),
        "cwd": working_directory(&spec.cwd),
        "capabilities": {
            "bounding": capabilities, "effective": held, "permitted": held,
        },
        "noNewPrivileges": spec.no_new_privileges,
    })
}

/// The capability without which no filter of system calls can be installed.
const INSTALLS_FILTERS: &str = "CAP_SYS_ADMIN";

/// Whether the container's system calls are judged.
fn needs_filter(spec: &ContainerSpec) -> bool {
    spec.system_calls == SystemCalls::Ordinary && !spec.privileged
}

/// Returns the executor of a container's processes.
pub(super) fn executor(spec: &ContainerSpec, devices_are_limited: bool) -> CommandExecutor {
    if !needs_filter(spec) {
        return CommandExecutor::default();
    }
    let capabilities = capability::names(&spec.capabilities, spec.privileged, devices_are_limited);
    CommandExecutor::confined(seccomp::default_profile(&capabilities), capability::mask(&capabilities))
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
        cpu["period"] = json!(CPU_PERIOD_US);
        cpu["quota"] = json!(cpu_quota_us(milli));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mount, MountKind};

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
            processes: Processes::Own,
            host_ipc: false,
            rootless: false,
            devices_are_limited: true,
            cgroup_points: &["/sys/fs/cgroup".to_owned()],
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

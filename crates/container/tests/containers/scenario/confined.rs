//! Which system calls a container may make, and whose processes and memory it sees.

use container::{ContainerSpec, ExecSpec, Mount, SandboxSpec, SystemCalls, User};

use crate::world::{World, end_of, payload, until};

/// Runs a program to its end in a sandbox of its own; returns its log.
async fn run(world: &World, id: &str, words: &[&str], change: impl FnOnce(&mut ContainerSpec)) -> String {
    let sandbox = world.sandbox(id).await;
    let mut spec = world.container(id, words);
    change(&mut spec);
    sandbox.start(spec).await.unwrap();
    end_of(&sandbox, id).await;
    sandbox.destroy().await.unwrap();
    world.log(id)
}

fn ordinary(spec: &mut ContainerSpec) {
    spec.system_calls = SystemCalls::Ordinary;
}

const CONFINED: &str = "stdout F thread: done\nstdout F child: done\nstdout F mount: EPERM\n\
                        stdout F host name: EPERM\nstdout F user namespace: EPERM\n";

pub(crate) async fn ordinary_system_calls_are_allowed_and_others_refused(world: &World) {
    assert_eq!(run(world, "calls", &["system-calls"], ordinary).await, CONFINED);
    let log = run(world, "no-new", &["system-calls"], |spec| {
        ordinary(spec);
        spec.no_new_privileges = true;
    });
    assert_eq!(log.await, CONFINED);
    // What the capability of the administrator brings back, the filter lets through.
    let log = run(world, "admin", &["system-calls"], |spec| {
        ordinary(spec);
        spec.capabilities.add = vec!["SYS_ADMIN".to_owned()];
    });
    let log = log.await;
    assert!(log.contains("mount: done\nstdout F host name: done\n"), "{log}");
    let log = run(world, "filtered", &["status", "Seccomp:"], ordinary).await;
    assert_eq!(log, "stdout F Seccomp:\t2\n");
    let log = run(world, "unfiltered", &["status", "Seccomp:"], |_| {}).await;
    assert_eq!(log, "stdout F Seccomp:\t0\n");
    let log = run(world, "all", &["status", "Seccomp:"], |spec| {
        ordinary(spec);
        spec.privileged = true;
    });
    assert_eq!(log.await, "stdout F Seccomp:\t0\n");
}

pub(crate) async fn a_filter_costs_and_brings_no_capabilities(world: &World) {
    for field in ["CapEff:", "CapPrm:", "CapBnd:", "CapInh:", "CapAmb:"] {
        let plain = run(world, "plain", &["status", field], |_| {}).await;
        std::fs::remove_file(world.log_path("plain")).unwrap();
        let filtered = run(world, "filtered-set", &["status", field], ordinary).await;
        std::fs::remove_file(world.log_path("filtered-set")).unwrap();
        assert_eq!(filtered, plain);
    }
}

pub(crate) async fn another_user_is_confined_too(world: &World) {
    let log = run(world, "somebody", &["status", "CapEff:"], |spec| {
        ordinary(spec);
        spec.user = User { uid: 1000, gid: 1000, groups: Vec::new() };
    });
    let log = log.await;
    if !world.is_single_id() {
        assert_eq!(log, "stdout F CapEff:\t0000000000000000\n");
    }
    let log = run(world, "somebody-calls", &["status", "Seccomp:"], |spec| {
        ordinary(spec);
        spec.user = User { uid: 1000, gid: 1000, groups: Vec::new() };
    });
    assert_eq!(log.await, "stdout F Seccomp:\t2\n");
}

pub(crate) async fn a_command_is_confined_like_its_container(world: &World) {
    use tokio::io::AsyncReadExt;
    let sandbox = world.sandbox("commands").await;
    let mut spec = world.container("commands", &["wait"]);
    ordinary(&mut spec);
    sandbox.start(spec).await.unwrap();
    let command = ExecSpec { args: payload(&["status", "Seccomp:"]), ..ExecSpec::default() };
    let mut exec = sandbox.exec("commands", command).await.unwrap();
    let mut said = String::new();
    exec.stdout.take().unwrap().read_to_string(&mut said).await.unwrap();
    assert_eq!((said.as_str(), exec.wait().await.unwrap().code), ("Seccomp:\t2\n", 0));
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_container_joins_the_processes_of_another(world: &World) {
    let sandbox = world.sandbox("debugged").await;
    let app = sandbox.start(world.container("app", &["wait"])).await.unwrap();
    sandbox.start(world.container("other", &["wait"])).await.unwrap();
    let mut spec = world.container("debugger", &["list", "/proc"]);
    spec.joins_processes_of = Some("app".to_owned());
    sandbox.start(spec).await.unwrap();
    end_of(&sandbox, "debugger").await;
    let log = world.log("debugger");
    let numbers: Vec<&str> = log.split([' ', '\n']).filter(|word| word.parse::<u32>().is_ok()).collect();
    // The app, which is the first there, and the one that looks.
    assert_eq!((numbers.len(), numbers.first()), (2, Some(&"1")), "{log}");
    assert!(crate::world::exists(app.pid));
    // What the debugger leaves goes with it; the app stays.
    let mut spec = world.container("leaver", &["orphan"]);
    spec.joins_processes_of = Some("app".to_owned());
    sandbox.start(spec).await.unwrap();
    end_of(&sandbox, "leaver").await;
    assert!(crate::world::exists(app.pid));
    let mut spec = world.container("late", &["wait"]);
    spec.joins_processes_of = Some("leaver".to_owned());
    assert!(sandbox.start(spec).await.is_err(), "it does not run");
    sandbox.destroy().await.unwrap();
    assert!(!crate::world::exists(app.pid));
}

pub(crate) async fn the_machines_processes_are_seen_where_asked(world: &World) {
    let spec = SandboxSpec { id: "wide".to_owned(), host_processes: true, ..SandboxSpec::default() };
    let sandbox = world.runtime.create(spec).await.unwrap();
    let me = std::process::id().to_string();
    let parent = sandbox.start(world.container("wide", &["orphan"])).await.unwrap();
    end_of(&sandbox, "wide").await;
    sandbox.start(world.container("looks", &["read", &format!("/proc/{me}/comm")])).await.unwrap();
    end_of(&sandbox, "looks").await;
    let own = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert_eq!(world.log("looks"), format!("stdout F {own}stdout F \n"));
    sandbox.destroy().await.unwrap();
    assert!(!crate::world::exists(parent.pid));
    until("nothing is left", || world.processes_of("wide").is_empty()).await;
}

pub(crate) async fn shared_memory_is_the_machines_where_asked(world: &World) {
    let name = format!("/dev/shm/pinnace-test-{}", std::process::id());
    std::fs::write(&name, "for all").unwrap();
    let spec = SandboxSpec { id: "common".to_owned(), host_ipc: true, ..SandboxSpec::default() };
    let sandbox = world.runtime.create(spec).await.unwrap();
    sandbox.start(world.container("common", &["read", &name])).await.unwrap();
    end_of(&sandbox, "common").await;
    sandbox.destroy().await.unwrap();
    std::fs::remove_file(&name).unwrap();
    assert_eq!(world.log("common"), "stdout F for all\n");
}

pub(crate) async fn the_masks_come_off_where_asked(world: &World) {
    let masked = run(world, "masked", &["read", "/proc/self/mounts"], |_| {}).await;
    assert!(masked.contains(" /proc/sys ") && masked.contains(" /proc/keys "), "{masked}");
    let bare = run(world, "bare", &["read", "/proc/self/mounts"], |spec| spec.unmasked = true).await;
    assert!(bare.contains(" /proc ") && !bare.contains(" /proc/"), "{bare}");
}

pub(crate) async fn a_privileged_container_has_the_machines_devices(world: &World) {
    let folder = world.folder.join("device-volume");
    std::fs::create_dir_all(&folder).unwrap();
    let sandbox = world.sandbox("strong").await;
    let mut spec = world.container("strong", &["list", "/dev"]);
    spec.privileged = true;
    spec.mounts.push(Mount { source: folder, target: "/volume".into(), ..Mount::default() });
    sandbox.start(spec).await.unwrap();
    until("it ends", || world.log("strong").contains("null")).await;
    end_of(&sandbox, "strong").await;
    let log = world.log("strong");
    let has = |name: &str| log.split([' ', '\n']).any(|word| word == name);
    // A device that no container has by default.
    assert_eq!(has("kmsg"), !world.rootless && std::path::Path::new("/dev/kmsg").exists(), "{log}");
    sandbox.destroy().await.unwrap();
}

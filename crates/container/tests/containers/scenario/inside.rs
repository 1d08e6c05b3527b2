//! What a container sees.

use container::{Capabilities, ExecSpec, Mount, MountKind, SandboxSpec, User};

use crate::world::{World, end_of, exists, payload};

/// Runs the payload to its end and returns its log.
async fn run(world: &World, sandbox: &str, change: impl FnOnce(&mut container::ContainerSpec)) -> String {
    let made = world.sandbox(sandbox).await;
    let mut spec = world.container(sandbox, &["whoami"]);
    change(&mut spec);
    made.start(spec).await.unwrap();
    end_of(&made, sandbox).await;
    made.destroy().await.unwrap();
    world.log(sandbox)
}

pub(crate) async fn the_container_is_isolated(world: &World) {
    let log = run(world, "isolated", |_| {}).await;
    assert_eq!(
        log,
        "stdout F pid 1 uid 0 gid 0 groups [] host isolated-host cwd /\n".replace("[]", &world.root_groups())
    );
    let log = run(world, "root", |spec| spec.args = payload(&["list", "/"])).await;
    assert_eq!(log, "stdout F dev etc payload proc sys\n");
}

pub(crate) async fn containers_of_a_sandbox_share_host_name_and_memory_folder(world: &World) {
    let sandbox = world.sandbox("shared").await;
    sandbox.start(world.container("put", &["write", "/dev/shm/note", "for you"])).await.unwrap();
    end_of(&sandbox, "put").await;
    sandbox.start(world.container("get", &["read", "/dev/shm/note"])).await.unwrap();
    end_of(&sandbox, "get").await;
    assert_eq!(world.log("get"), "stdout F for you\n");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn files_and_folders_are_mounted(world: &World) {
    let folder = world.folder.join("volume");
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    std::fs::write(folder.join("file"), "content").unwrap();
    let bind = |source: &str, target: &str, read_only| Mount {
        source: folder.join(source),
        target: target.into(),
        read_only,
        ..Mount::default()
    };
    let mounts = vec![
        bind("file", "/etc/hosts", true),
        bind("", "/var/lib/deep/volume", false),
        bind("sub", "/read-only", true),
        Mount {
            target: "/cache".into(),
            kind: MountKind::Tmpfs { size_bytes: Some(1 << 20) },
            ..Mount::default()
        },
    ];
    for (id, words, expected) in [
        ("hosts", ["read", "/etc/hosts"].as_slice(), "content"),
        ("deep", &["write", "/var/lib/deep/volume/new", "data"], "written"),
        ("refused", &["write", "/read-only/new", "data"], "read-only filesystem or storage medium"),
        ("hosts-refused", &["write", "/etc/hosts", "data"], "read-only filesystem or storage medium"),
        ("tmpfs", &["write", "/cache/new", "data"], "written"),
        ("anywhere", &["write", "/new", "data"], "written"),
    ] {
        let log = run(world, id, |spec| {
            spec.args = payload(words);
            spec.mounts.clone_from(&mounts);
        });
        assert_eq!(log.await, format!("stdout F {expected}\n"), "{id}");
    }
    assert_eq!(std::fs::read_to_string(folder.join("new")).unwrap(), "data");
}

pub(crate) async fn a_read_only_root_refuses_writes(world: &World) {
    let log = run(world, "readonly", |spec| {
        spec.read_only_root = true;
        spec.args = payload(&["write", "/new", "data"]);
    });
    assert_eq!(log.await, "stdout F read-only filesystem or storage medium\n");
}

pub(crate) async fn layers_are_never_written(world: &World) {
    let top = world.folder.join("top, with: odd\\name");
    std::fs::create_dir_all(top.join("data")).unwrap();
    std::fs::write(top.join("data/a"), "from the top").unwrap();
    let bottom = world.folder.join("bottom");
    std::fs::create_dir_all(bottom.join("data")).unwrap();
    std::fs::write(bottom.join("data/a"), "from the bottom").unwrap();
    std::fs::write(bottom.join("data/b"), "b").unwrap();
    let layers = vec![top.clone(), bottom, world.layer()];
    let log = run(world, "listed", |spec| {
        spec.layers.clone_from(&layers);
        spec.args = payload(&["list", "/data"]);
    });
    assert_eq!(log.await, "stdout F a b\n");
    let log = run(world, "written", |spec| {
        spec.layers.clone_from(&layers);
        spec.args = payload(&["write", "/data/a", "changed"]);
    });
    assert_eq!(log.await, "stdout F written\n");
    assert_eq!(std::fs::read_to_string(top.join("data/a")).unwrap(), "from the top");
}

/// More than fit into a page of mount options by their paths, or by descriptors.
pub(crate) async fn many_layers_are_stacked(world: &World) {
    const COUNT: usize = 300;
    let layer = |number: usize| {
        let folder = world.folder.join(format!("layer, number {number}"));
        std::fs::create_dir_all(folder.join("data")).unwrap();
        std::fs::write(folder.join("data/which"), number.to_string()).unwrap();
        std::fs::write(folder.join(format!("data/of-{number}")), "").unwrap();
        folder
    };
    let layers: Vec<_> = (0..COUNT).map(layer).chain([world.layer()]).collect();
    let log = run(world, "stacked", |spec| {
        spec.layers = layers;
        spec.args = payload(&["list", "/data"]);
    });
    let log = log.await;
    assert_eq!(log.split_whitespace().filter(|name| name.starts_with("of-")).count(), COUNT, "{log}");
}

pub(crate) async fn the_environment_is_exactly_what_was_asked(world: &World) {
    let log = run(world, "env", |spec| {
        spec.args = payload(&["env"]);
        spec.env = vec![
            ("GREETING".to_owned(), "a=b c".to_owned()),
            ("PATH".to_owned(), "/bin".to_owned()),
            ("GREETING".to_owned(), "привет".to_owned()),
        ];
    });
    assert_eq!(
        log.await,
        "stdout F PATH=/bin\nstdout F GREETING=привет\nstdout F HOSTNAME=env-host\nstdout F HOME=/root\n"
    );
}

pub(crate) async fn the_working_directory_is_made(world: &World) {
    let log = run(world, "cwd", |spec| spec.cwd = "/srv/app/data".into()).await;
    assert!(log.ends_with("cwd /srv/app/data\n"), "{log}");
}

pub(crate) async fn another_user_is_used_or_noted(world: &World) {
    let sandbox = world.sandbox("user").await;
    let mut spec = world.container("user", &["whoami"]);
    spec.user = User::lookup(&spec.layers, "app").unwrap();
    spec.user.groups = vec![7];
    let started = sandbox.start(spec).await.unwrap();
    end_of(&sandbox, "user").await;
    let log = world.log("user");
    if world.is_single_id() {
        assert!(log.contains("uid 0 gid 0"), "{log}");
        assert!(started.notes[0].starts_with("runs as user 0, group 0 instead of user 1000"), "{started:?}");
    } else {
        assert!(log.contains("uid 1000 gid 1000 groups [7]"), "{log}");
        assert_eq!(started.notes, Vec::<String>::new());
    }
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn capabilities_are_the_default_set_with_changes(world: &World) {
    let effective = |log: &str| {
        u64::from_str_radix(log.trim().rsplit('\t').next().unwrap(), 16).unwrap_or_else(|_| panic!("{log}"))
    };
    let log = run(world, "default", |spec| spec.args = payload(&["status", "CapEff"])).await;
    let expected = if world.cgroups_are_legacy() { 0xa804_25fb } else { 0xa004_25fb };
    assert_eq!(effective(&log), expected, "Docker's default set, with MKNOD only where devices are limited");
    let log = run(world, "one", |spec| {
        spec.args = payload(&["status", "CapEff"]);
        spec.capabilities =
            Capabilities { add: vec!["NET_BIND_SERVICE".to_owned()], drop: vec!["ALL".to_owned()] };
    });
    assert_eq!(effective(&log.await), 1 << 10);
    let log = run(world, "privileged", |spec| {
        spec.args = payload(&["status", "CapEff"]);
        spec.privileged = true;
    });
    let all = effective(&log.await);
    assert!(all & (1 << 21) != 0 && all & (1 << 12) != 0, "{all:x}");
}

pub(crate) async fn no_new_privileges_is_set(world: &World) {
    let log = run(world, "nnp", |spec| {
        spec.args = payload(&["status", "NoNewPrivs"]);
        spec.no_new_privileges = true;
    });
    assert_eq!(log.await, "stdout F NoNewPrivs:\t1\n");
}

pub(crate) async fn the_termination_message_can_be_written(world: &World) {
    let file = world.folder.join("messages/0");
    let log = run(world, "message", |spec| {
        spec.args = payload(&["write", "/dev/termination-log", "why I died"]);
        spec.termination_message_path = Some(file.clone());
    });
    assert_eq!(log.await, "stdout F written\n");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "why I died");
}

pub(crate) async fn processes_outside_are_not_seen(world: &World) {
    let log = run(world, "processes", |spec| spec.args = payload(&["list", "/proc"])).await;
    let numbers: Vec<&str> = log.split([' ', '\n']).filter(|word| word.parse::<u32>().is_ok()).collect();
    assert_eq!(numbers, ["1"]);
}

pub(crate) async fn a_volume_may_hide_a_standard_mount(world: &World) {
    let folder = world.folder.join("own-shm");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("mine"), "").unwrap();
    let log = run(world, "hide", |spec| {
        spec.args = payload(&["list", "/dev/shm"]);
        spec.mounts.push(Mount { source: folder, target: "/dev/shm".into(), ..Mount::default() });
    });
    assert_eq!(log.await, "stdout F mine\n");
}

pub(crate) async fn processes_are_shared_where_asked(world: &World) {
    let spec = SandboxSpec { id: "together".to_owned(), share_processes: true, ..SandboxSpec::default() };
    let sandbox = world.runtime.create(spec).await.unwrap();
    let waiting = sandbox.start(world.container("waiting", &["wait"])).await.unwrap();
    sandbox.start(world.container("parent", &["orphan"])).await.unwrap();
    end_of(&sandbox, "parent").await;
    sandbox.start(world.container("looking", &["list", "/proc"])).await.unwrap();
    assert_eq!(end_of(&sandbox, "looking").await.code, 0);
    let log = world.log("looking");
    let numbers: Vec<&str> = log.split([' ', '\n']).filter(|word| word.parse::<u32>().is_ok()).collect();
    // The one that only exists, the one that waits and the one that looks; not the orphan.
    assert_eq!(numbers.len(), 3, "{log}");
    let command = ExecSpec { args: payload(&["exit", "4"]), ..ExecSpec::default() };
    assert_eq!(sandbox.exec("waiting", command).await.unwrap().wait().await.unwrap().code, 4);
    sandbox.signal("waiting", 9).await.unwrap();
    assert_eq!(end_of(&sandbox, "waiting").await.code, 137);
    sandbox.destroy().await.unwrap();
    assert!(!exists(waiting.pid));
}

pub(crate) async fn devices_of_the_machine_are_out_of_reach(world: &World) {
    for (id, read_only_root) in [("devices", false), ("devices-ro", true)] {
        let log = run(world, id, |spec| {
            spec.args = payload(&["make-device"]);
            spec.read_only_root = read_only_root;
        });
        let log = log.await;
        assert!(log.lines().all(|line| line.ends_with("refused")), "{log}");
        assert_eq!(log.lines().count(), 2);
    }
}

pub(crate) async fn the_network_and_its_parameters_are_the_sandboxes(world: &World) {
    let pinned = world.pin_network("pinned", "marked");
    let mut spec =
        SandboxSpec { id: "network".to_owned(), network_namespace: Some(pinned), ..SandboxSpec::default() };
    spec.sysctls.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "80".to_owned());
    let sandbox = world.runtime.create(spec).await.unwrap();
    sandbox.start(world.container("links", &["list", "/sys/class/net"])).await.unwrap();
    end_of(&sandbox, "links").await;
    assert!(world.log("links").contains("marked"), "{}", world.log("links"));
    let path = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    sandbox.start(world.container("parameter", &["read", path])).await.unwrap();
    end_of(&sandbox, "parameter").await;
    assert!(world.log("parameter").starts_with("stdout F 80\n"), "{}", world.log("parameter"));
    sandbox.destroy().await.unwrap();
    assert_ne!(std::fs::read_to_string(path).unwrap().trim(), "80");
    world.unpin_network("pinned");
}

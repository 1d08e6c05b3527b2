//! What goes wrong, and that it stays where it went wrong.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use container::{ContainerState, Error, Mount, SandboxSpec};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::{World, end_of, exists, until};

pub(crate) async fn a_missing_program_is_explained_as_kubernetes_does(world: &World) {
    let sandbox = world.sandbox("explain").await;
    for (program, expected, code) in [
        ("python", "exec: \"python\": executable file not found in $PATH", 127),
        ("/app/run", "exec: \"/app/run\": stat /app/run: no such file or directory", 127),
        ("/etc", "exec: \"/etc\": is a directory", 126),
        ("/etc/passwd", "exec: \"/etc/passwd\": permission denied", 126),
    ] {
        let mut spec = world.container("explain", &[]);
        spec.args = vec![program.to_owned()];
        let error = sandbox.start(spec).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error, Error::Command { code: found, .. } if found == code));
    }
    let script = world.folder.join("layer/script");
    std::fs::write(&script, "no program").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut spec = world.container("explain", &[]);
    spec.args = vec!["/script".to_owned()];
    let error = sandbox.start(spec).await.unwrap_err();
    assert_eq!(error.to_string(), "exec /script: exec format error");
    std::fs::remove_file(script).unwrap();
    let error = sandbox
        .start({
            let mut spec = world.container("explain", &[]);
            spec.args.clear();
            spec
        })
        .await;
    assert_eq!(error.unwrap_err().to_string(), "no command specified");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_missing_mount_source_is_named(world: &World) {
    let sandbox = world.sandbox("source").await;
    let mut spec = world.container("source", &["wait"]);
    spec.mounts.push(Mount { source: "/no/such/volume".into(), target: "/data".into(), ..Mount::default() });
    let error = sandbox.start(spec).await.unwrap_err();
    assert!(matches!(&error, Error::Container { message } if message.contains("/no/such/volume")), "{error}");
    let mut spec = world.container("source", &["wait"]);
    spec.layers.insert(0, "/no/such/layer".into());
    let error = sandbox.start(spec).await.unwrap_err();
    assert!(matches!(&error, Error::Container { message } if message.contains("/no/such/layer")), "{error}");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_failed_start_leaves_nothing(world: &World) {
    let sandbox = world.sandbox("clean").await;
    for index in 0..3 {
        let mut spec = world.container("broken", &[]);
        spec.args = vec!["nope".to_owned()];
        if index == 1 {
            spec.mounts.push(Mount { source: "/no/such".into(), target: "/data".into(), ..Mount::default() });
        }
        sandbox.start(spec).await.unwrap_err();
    }
    assert_eq!(sandbox.containers().await.unwrap(), []);
    assert!(!world.folder.join("pods/clean/containers/broken").exists());
    assert!(!world.folder.join("scratch/clean/broken").exists());
    assert!(world.cgroups("clean/broken").is_empty());
    let shim = world.shim("clean");
    let children = format!("/proc/{shim}/task/{shim}/children");
    until("no process is left", || std::fs::read_to_string(&children).unwrap().trim().is_empty()).await;
    sandbox.start(world.container("broken", &["say", "fine now"])).await.unwrap();
    end_of(&sandbox, "broken").await;
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_failed_sandbox_leaves_nothing(world: &World) {
    let spec = SandboxSpec {
        id: "nonet".to_owned(),
        network_namespace: Some("/no/such/namespace".into()),
        ..SandboxSpec::default()
    };
    let error = world.runtime.create(spec).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("cannot enter the network namespace `/no/such/namespace`"), "{text}");
    assert!(!world.folder.join("pods/nonet").exists());
    let mut spec = SandboxSpec { id: "sysctl".to_owned(), ..SandboxSpec::default() };
    spec.sysctls.insert("net.no.such".to_owned(), "1".to_owned());
    let text = world.runtime.create(spec).await.unwrap_err().to_string();
    assert!(text.contains("kernel parameter `net.no.such`"), "{text}");
    assert!(!world.folder.join("pods/sysctl").exists());
}

pub(crate) async fn garbage_on_the_socket_harms_nobody(world: &World) {
    let sandbox = world.sandbox("garbage").await;
    sandbox.start(world.container("main", &["wait"])).await.unwrap();
    let socket = world.folder.join("pods/garbage/shim.sock");
    let frame = |body: &[u8]| {
        let mut frame = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
        frame.extend_from_slice(body);
        frame
    };
    for message in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        u32::MAX.to_le_bytes().to_vec(),
        frame(b"{"),
        frame(b"{}"),
        frame(b"[1,2]"),
        frame(b"{\"id\":1,\"descriptors\":9,\"body\":{\"op\":\"list\"}}"),
        frame(b"{\"id\":1,\"body\":{\"op\":\"start\"}}"),
        vec![0; 1 << 16],
    ] {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // The shim may hang up before it has read everything.
        let _ = stream.write_all(&message);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, b"", "{message:?}");
    }
    let mut newer = UnixStream::connect(&socket).unwrap();
    newer.write_all(&frame(b"{\"id\":7,\"new\":1,\"body\":{\"op\":\"of the future\",\"more\":2}}")).unwrap();
    let mut header = [0; 4];
    newer.read_exact(&mut header).unwrap();
    let mut answer = vec![0; u32::from_le_bytes(header) as usize];
    newer.read_exact(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("\"id\":7") && answer.contains("unsupported"), "{answer}");
    let many: Vec<_> = (0..64).map(|_| UnixStream::connect(&socket)).collect();
    drop(many);
    assert_eq!(sandbox.containers().await.unwrap().len(), 1);
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_killed_shim_takes_its_containers_along(world: &World) {
    let sandbox = world.sandbox("murder").await;
    let one = sandbox.start(world.container("one", &["wait"])).await.unwrap();
    let two = sandbox.start(world.container("two", &["fork", "3"])).await.unwrap();
    until("it forks", || world.log("two").contains("forked 3")).await;
    sandbox.start(world.container("three", &["exit", "3"])).await.unwrap();
    end_of(&sandbox, "three").await;
    kill(Pid::from_raw(world.shim("murder")), Signal::SIGKILL).unwrap();
    let exit = end_of(&sandbox, "one").await;
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    let start = sandbox.start(world.container("four", &["wait"])).await;
    assert!(matches!(start, Err(Error::ShimGone(_))), "{start:?}");
    let statuses = sandbox.containers().await.unwrap();
    assert_eq!(statuses.len(), 3);
    assert!(matches!(statuses[2].state, ContainerState::Exited { code: 3, .. }));
    until("the processes are gone", || !exists(one.pid) && !exists(two.pid)).await;
    assert!(!sandbox.is_alive());
    assert!(world.cgroups("murder").is_empty());
    sandbox.signal("one", 15).await.unwrap();
    sandbox.remove("one").await.unwrap();
    assert_eq!(sandbox.containers().await.unwrap().len(), 2);
    sandbox.destroy().await.unwrap();
    assert!(!world.folder.join("pods/murder").exists());
}

pub(crate) async fn a_hanging_shim_is_destroyed_all_the_same(world: &World) {
    let sandbox = world.sandbox("hang").await;
    let started = sandbox.start(world.container("hang", &["wait"])).await.unwrap();
    let shim = world.shim("hang");
    kill(Pid::from_raw(shim), Signal::SIGSTOP).unwrap();
    sandbox.destroy().await.unwrap();
    until("both are gone", || !exists(started.pid) && !exists(shim)).await;
    assert!(!world.folder.join("pods/hang").exists());
    assert!(world.cgroups("hang").is_empty());
}

/// Whatever the instant at which a shim is killed, nothing of a container that was being made stays.
pub(crate) async fn a_shim_killed_in_mid_start_leaves_nothing(world: &World) {
    for step in 0..12 {
        let id = format!("mid-{step}");
        let sandbox = world.sandbox(&id).await;
        let shim = world.shim(&id);
        let starting = {
            let (sandbox, spec) = (sandbox.clone(), world.container(&id, &["wait"]));
            tokio::spawn(async move { sandbox.start(spec).await })
        };
        // The fault comes at another instant each time: from before the helper to after the program's start.
        tokio::time::sleep(Duration::from_micros(step * 700)).await;
        kill(Pid::from_raw(shim), Signal::SIGKILL).unwrap();
        let outcome = starting.await.unwrap();
        assert!(matches!(outcome, Ok(_) | Err(Error::ShimGone(_))), "{outcome:?}");
        sandbox.destroy().await.unwrap();
        until("nothing of it runs", || world.processes_of(&id).is_empty()).await;
        assert!(world.cgroups(&id).is_empty(), "{:?}", world.cgroups(&id));
        assert!(!world.folder.join("pods").join(&id).exists());
        assert!(!world.folder.join("scratch").join(&id).exists());
    }
}

pub(crate) async fn many_sandboxes_come_and_go_at_once(world: &World) {
    let lives = (0..40).map(|number| async move {
        let id = format!("crowd-{number}");
        let sandbox = world.sandbox(&id).await;
        sandbox.start(world.container(&id, &["say-then-wait", "here"])).await.unwrap();
        let other = format!("{id}-short");
        sandbox.start(world.container(&other, &["exit", "1"])).await.unwrap();
        assert_eq!(end_of(&sandbox, &other).await.code, 1);
        until("it speaks", || world.log(&id) == "stdout F here\n").await;
        sandbox.destroy().await.unwrap();
        assert!(world.cgroups(&id).is_empty());
    });
    futures::future::join_all(lives).await;
    assert_eq!(std::fs::read_dir(world.folder.join("pods")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(world.folder.join("scratch")).unwrap().count(), 0);
}

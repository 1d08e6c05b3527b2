//! The main process is killed, and another one takes over.

use std::ffi::OsString;
use std::process::Command;

use container::{ContainerState, ExecSpec, SandboxSpec};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::{World, end_of, exists, payload, until};

/// The main process to be killed: starts containers and waits. Its argument says whether it is rootless.
pub(crate) fn main_to_be_killed(args: impl Iterator<Item = OsString>) {
    let rootless = args.last().is_some_and(|word| word == "true");
    let tokio = tokio::runtime::Runtime::new().unwrap();
    tokio.block_on(async {
        let world = World::new(rootless);
        let sandbox = world.sandbox("adopted").await;
        let mut spec = world.container("stays", &["say-then-wait", "before"]);
        spec.labels.insert("key".to_owned(), "value".to_owned());
        sandbox.start(spec).await.unwrap();
        sandbox.start(world.container("ends", &["wait-for-term"])).await.unwrap();
        std::fs::write(world.folder.join("main-is-ready"), "").unwrap();
        std::future::pending::<()>().await;
    });
}

fn start_main(world: &World) -> std::process::Child {
    let ready = world.folder.join("main-is-ready");
    let _ = std::fs::remove_file(&ready);
    Command::new(std::env::current_exe().unwrap())
        .args(["__main", &world.rootless.to_string()])
        .spawn()
        .unwrap()
}

pub(crate) async fn a_killed_main_process_disturbs_nobody(world: &World) {
    let mut main = start_main(world);
    let ready = world.folder.join("main-is-ready");
    until("the main process is ready", || ready.exists()).await;
    until("the program listens", || world.log("ends").contains("ready")).await;
    main.kill().unwrap();
    main.wait().unwrap();

    // One container ends while nobody listens.
    let state = std::fs::read_to_string(world.folder.join("pods/adopted/state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let pid = |index: usize| {
        i32::try_from(state["containers"][index]["state"]["running"]["pid"].as_i64().unwrap()).unwrap()
    };
    kill(Pid::from_raw(pid(1)), Signal::SIGTERM).unwrap();
    until("the container ends", || !exists(pid(1))).await;

    let mut sandboxes = world.runtime.adopt().await;
    assert_eq!(sandboxes.len(), 1);
    let sandbox = sandboxes.remove(0);
    assert_eq!((sandbox.id(), sandbox.is_alive()), ("adopted", true));
    assert_eq!(end_of(&sandbox, "ends").await.code, 42);
    let statuses = sandbox.containers().await.unwrap();
    assert!(matches!(statuses[0].state, ContainerState::Running { pid: found, .. } if found == pid(0)));
    assert_eq!(statuses[0].labels["key"], "value");
    let exec = ExecSpec { args: payload(&["exit", "9"]), ..ExecSpec::default() };
    assert_eq!(sandbox.exec("stays", exec).await.unwrap().wait().await.unwrap().code, 9);
    sandbox.start(world.container("new", &["say", "hello"])).await.unwrap();
    end_of(&sandbox, "new").await;
    assert_eq!(world.log("stays"), "stdout F before\n");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_shim_found_dead_is_cleaned_up(world: &World) {
    let mut main = start_main(world);
    let ready = world.folder.join("main-is-ready");
    until("the main process is ready", || ready.exists()).await;
    main.kill().unwrap();
    main.wait().unwrap();
    let shim = world.shim("adopted");
    let children = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap();
    let children: Vec<i32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(children.len(), 2);
    kill(Pid::from_raw(shim), Signal::SIGKILL).unwrap();

    std::fs::create_dir_all(world.folder.join("pods/half-made")).unwrap();
    let mut sandboxes = world.runtime.adopt().await;
    assert_eq!(sandboxes.len(), 1);
    assert!(!world.folder.join("pods/half-made").exists());
    let sandbox = sandboxes.remove(0);
    assert!(!sandbox.is_alive());
    assert_eq!(end_of(&sandbox, "stays").await.code, 137);
    until("the processes are gone", || !children.iter().any(|pid| exists(*pid))).await;
    assert!(world.cgroups("adopted").is_empty());
    sandbox.destroy().await.unwrap();
    assert!(!world.folder.join("pods/adopted").exists());
    assert!(world.runtime.adopt().await.is_empty());
}

/// A main process that ends while it makes sandboxes finds all of them, whichever step their makers had come to.
pub(crate) async fn a_closed_runtime_knows_every_sandbox(world: &World) {
    let sandbox = |id: &str| SandboxSpec { id: id.to_owned(), ..SandboxSpec::default() };
    for polls in 0..12 {
        let id = format!("given-up-{polls}");
        let mut making = Box::pin(world.runtime.create(sandbox(&id)));
        for _ in 0..polls {
            if futures::poll!(&mut making).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(making);
    }
    world.runtime.close().await;
    let refused = world.runtime.create(sandbox("late")).await.unwrap_err();
    assert!(matches!(refused, container::Error::Closed(_)), "{refused}");
    for sandbox in world.runtime.adopt().await {
        sandbox.destroy().await.unwrap();
    }
    let pods = world.folder.join("pods");
    assert_eq!(std::fs::read_dir(&pods).unwrap().count(), 0);
    let shims = || shims_below(&pods);
    until("every shim is gone", || shims().is_empty()).await;
    world.runtime.reopen().await;
    world.sandbox("again").await.destroy().await.unwrap();
}

/// The processes that are shims of sandboxes in a folder.
fn shims_below(folder: &std::path::Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
    lines.filter(|line| line.contains("__shim") && line.contains(folder.to_str().unwrap())).collect()
}

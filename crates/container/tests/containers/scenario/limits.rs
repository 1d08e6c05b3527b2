//! Limits, by the kernel or by the watchdog.

use std::time::{Duration, Instant};

use container::{Method, Resources};

use crate::world::{World, end_of, until};

const MIB: u64 = 1 << 20;

fn memory(bytes: u64) -> Resources {
    Resources { memory_bytes: Some(bytes), ..Resources::default() }
}

pub(crate) async fn memory_beyond_the_limit_is_an_oom_kill(world: &World) {
    let sandbox = world.sandbox("oom").await;
    let mut spec = world.container("oom", &["eat", "300000000"]);
    spec.resources = memory(48 * MIB);
    sandbox.start(spec).await.unwrap();
    let exit = end_of(&sandbox, "oom").await;
    assert_eq!((exit.code, exit.oom_killed), (137, true));
    let mut spec = world.container("fits", &["eat", "20000000"]);
    spec.resources = memory(64 * MIB);
    sandbox.start(spec).await.unwrap();
    until("it eats", || world.log("fits").contains("all eaten")).await;
    sandbox.signal("fits", 9).await.unwrap();
    assert!(!end_of(&sandbox, "fits").await.oom_killed);
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_child_beyond_the_limit_counts(world: &World) {
    let sandbox = world.sandbox("oomchild").await;
    let mut spec = world.container("oomchild", &["eat-in-child", "300000000"]);
    spec.resources = memory(48 * MIB);
    sandbox.start(spec).await.unwrap();
    assert!(end_of(&sandbox, "oomchild").await.oom_killed);
    sandbox.destroy().await.unwrap();
}

/// Other limits for a container that runs: they hold from then on, and what it uses already is refused as one.
pub(crate) async fn limits_can_be_changed(world: &World) {
    let sandbox = world.sandbox("change").await;
    let mut spec = world.container("change", &["burn"]);
    spec.resources = Resources { cpu_quota_milli: Some(100), ..memory(64 * MIB) };
    sandbox.start(spec).await.unwrap();
    let used = async || sandbox.usage().await.unwrap()["change"].cpu_ns;
    sandbox.limit("change", memory(128 * MIB)).await.unwrap();
    // Ten times of what the first limit allows, far sooner than that would.
    let (begin, before) = (Instant::now(), used().await);
    while used().await - before < 1_000_000_000 {
        assert!(begin.elapsed() < Duration::from_secs(9), "it is still held to a tenth");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut spec = world.container("eater", &["eat", "40000000"]);
    spec.resources = memory(64 * MIB);
    sandbox.start(spec).await.unwrap();
    until("it eats", || world.log("eater").contains("all eaten")).await;
    let refused = sandbox.limit("eater", memory(16 * MIB)).await.unwrap_err().to_string();
    assert!(refused.contains("16777216 bytes is below the "), "{refused}");
    sandbox.limit("eater", memory(60 * MIB)).await.unwrap();
    assert!(sandbox.limit("nobody", memory(60 * MIB)).await.is_err());
    sandbox.destroy().await.unwrap();
}

/// A container sees its own groups and may write to none of their files, nor make groups below, nor leave one.
pub(crate) async fn a_container_cannot_lift_its_limits(world: &World) {
    let sandbox = world.sandbox("lift").await;
    let files = ["memory/memory.limit_in_bytes", "memory.max", "memory/cgroup.procs", "cgroup.procs", "new"];
    let mut refused = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let id = format!("lift-{number}");
        let mut spec = world.container(&id, &["write", &format!("/sys/fs/cgroup/{file}"), "100000000"]);
        spec.resources = memory(48 * MIB);
        sandbox.start(spec).await.unwrap();
        end_of(&sandbox, &id).await;
        match world.log(&id).as_str() {
            "stdout F entity not found\n" => {}
            "stdout F read-only filesystem or storage medium\n" => refused.push(*file),
            other => panic!("{file}: {other}"),
        }
    }
    assert!(refused.contains(&"new"), "{refused:?}");
    let of_version = |version: &[&str]| version.iter().all(|file| refused.contains(file));
    let is_limited = of_version(&files[..1]) || of_version(&files[1..2]);
    assert!(is_limited || world.runtime.limits().memory != Method::Kernel, "{refused:?}");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn processes_beyond_the_limit_are_contained(world: &World) {
    let sandbox = world.sandbox("bomb").await;
    let mut spec = world.container("bomb", &["fork", "200"]);
    spec.resources = Resources { pids: Some(20), ..Resources::default() };
    sandbox.start(spec).await.unwrap();
    if world.runtime.limits().pids == Method::Kernel {
        until("a fork is refused", || world.log("bomb").contains("refused after")).await;
        assert!(sandbox.usage().await.unwrap()["bomb"].pids <= 20);
    } else {
        assert_eq!(end_of(&sandbox, "bomb").await.code, 137);
    }
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn usage_is_measured(world: &World) {
    let sandbox = world.sandbox("usage").await;
    sandbox.start(world.container("eater", &["eat", "40000000"])).await.unwrap();
    sandbox.start(world.container("burner", &["burn"])).await.unwrap();
    until("it eats", || world.log("eater").contains("all eaten")).await;
    let start = Instant::now();
    loop {
        let usage = sandbox.usage().await.unwrap();
        if usage["burner"].cpu_ns > 50_000_000 && usage["eater"].memory_bytes > 38_000_000 {
            assert!(usage["eater"].memory_bytes < 80_000_000, "{usage:?}");
            break;
        }
        assert!(start.elapsed() < crate::world::PATIENCE, "{usage:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sandbox.destroy().await.unwrap();
}

/// A fifth of a core for a program that would take a whole one, or more, is measured over seconds. Where others work
/// too it may be off by as much again; without a limit it would be five times as much.
pub(crate) async fn cpu_time_is_held_to_the_limit(world: &World) {
    assert_ne!(world.runtime.limits().cpu, Method::None);
    let sandbox = world.sandbox("cpu").await;
    let mut spec = world.container("cpu", &["burn"]);
    spec.resources = Resources { cpu_quota_milli: Some(200), ..Resources::default() };
    sandbox.start(spec).await.unwrap();
    let used = async || sandbox.usage().await.unwrap()["cpu"].cpu_ns;
    let (begin, before) = (Instant::now(), used().await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let share = (used().await - before) * 1000 / u64::try_from(begin.elapsed().as_nanos()).unwrap();
    println!("  {share} thousandths of a core with a limit of 200");
    assert!(share < 500, "{share}");
    sandbox.destroy().await.unwrap();
}

/// A shell that waits for a child must not see it stopped, and a signal must reach a program in its pause.
pub(crate) async fn a_throttled_program_notices_nothing(world: &World) {
    let sandbox = world.sandbox("pause").await;
    let mut spec = world.container("pause", &["watch-child-burn", "400"]);
    spec.resources = Resources { cpu_quota_milli: Some(200), ..Resources::default() };
    sandbox.start(spec).await.unwrap();
    end_of(&sandbox, "pause").await;
    assert_eq!(world.log("pause"), "stdout F the child ended with 7\n");
    let mut spec = world.container("told", &["burn"]);
    spec.resources = Resources { cpu_quota_milli: Some(50), ..Resources::default() };
    sandbox.start(spec).await.unwrap();
    sandbox.signal("told", 9).await.unwrap();
    assert_eq!(end_of(&sandbox, "told").await.code, 137);
    sandbox.destroy().await.unwrap();
}

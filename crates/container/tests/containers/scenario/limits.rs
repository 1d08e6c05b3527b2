//! Limits, by the kernel or by the watchdog.

use std::time::{Duration, Instant};

use container::{Method, Resources};

use crate::world::{World, end_of, payload, until};

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

pub(crate) async fn cpu_is_throttled_where_the_kernel_does(world: &World) {
    if world.runtime.limits().cpu != Method::Kernel {
        let reason = world.runtime.limits().reason.expect("a reason");
        println!("  skipped: no CPU limit here: {reason}");
        return;
    }
    let sandbox = world.sandbox("cpu").await;
    let mut spec = world.container("cpu", &["burn"]);
    spec.args = payload(&["burn"]);
    spec.resources = Resources { cpu_quota_milli: Some(100), ..Resources::default() };
    sandbox.start(spec).await.unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let used = sandbox.usage().await.unwrap()["cpu"].cpu_ns;
    assert!(used < 300_000_000, "{used} ns in a second with a tenth of a core");
    sandbox.destroy().await.unwrap();
}

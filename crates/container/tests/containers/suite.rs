//! Runs the scenarios one after the other and says what came of them.

use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use crate::scenario::SCENARIOS;
use crate::world::{self, World};

/// The arguments are a part of the names to run, and where to run them.
pub(crate) fn run(args: impl Iterator<Item = OsString>) {
    let words: Vec<String> = args.filter_map(|word| word.into_string().ok()).collect();
    let [filter, home] = words.as_slice() else { panic!("what, and where?") };
    let rootless = world::enter(home);
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = {
        let _entered = tokio.enter();
        World::new(rootless)
    };
    if filter == "measure" {
        println!("measured as {home}:");
        tokio.block_on(crate::measure::measure(&world));
    }
    let mut failed = 0;
    for (name, scenario) in SCENARIOS.iter().filter(|(name, _)| name.contains(filter.as_str())) {
        let start = Instant::now();
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| tokio.block_on(scenario(&world))));
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        if result.is_err() {
            failed += 1;
            tokio.block_on(destroy_all(&world));
        }
        println!("test {name} ({home}) ... {verdict} ({:.0?})", start.elapsed());
    }
    tokio.block_on(async {
        destroy_all(&world).await;
        world.runtime.dismantle().await;
        assert!(world.cgroups("").is_empty(), "{:?}", world.cgroups(""));
    });
    std::process::exit(i32::from(failed > 0));
}

/// What a failed scenario left must not trip the next one.
async fn destroy_all(world: &World) {
    for sandbox in world.runtime.adopt().await {
        sandbox.destroy().await.unwrap();
    }
}

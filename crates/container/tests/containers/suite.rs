//! Runs the scenarios one after the other and says what came of them.

use std::ffi::OsStr;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use crate::scenario::SCENARIOS;
use crate::world::{self, World};

pub(crate) fn run(filter: Option<&OsStr>) {
    let filter = filter.and_then(OsStr::to_str).unwrap_or_default();
    let rootless = world::enter();
    let who = if rootless { "ordinary user" } else { "root" };
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = {
        let _entered = tokio.enter();
        World::new(rootless)
    };
    let mut failed = 0;
    for (name, scenario) in SCENARIOS.iter().filter(|(name, _)| name.contains(filter)) {
        let start = Instant::now();
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| tokio.block_on(scenario(&world))));
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        failed += u32::from(result.is_err());
        println!("test {name} ({who}) ... {verdict} ({:.0?})", start.elapsed());
    }
    tokio.block_on(async {
        for sandbox in world.runtime.adopt().await {
            sandbox.destroy().await.unwrap();
        }
    });
    std::process::exit(i32::from(failed > 0));
}

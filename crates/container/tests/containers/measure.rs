//! How fast, how small: `cargo test --release -p container --test containers -- measure`.

use std::time::{Duration, Instant};

use container::ExecSpec;
use tokio::io::AsyncReadExt;

use crate::world::{World, end_of, payload};

const ROUNDS: usize = 30;

/// Prints medians and least values.
pub(crate) async fn measure(world: &World) {
    let mut times: [Vec<Duration>; 6] = Default::default();
    let mut memory = Vec::new();
    for round in 0..ROUNDS {
        let id = format!("measure-{round}");
        let mark = Instant::now();
        let sandbox = world.sandbox(&id).await;
        times[0].push(mark.elapsed());
        let mark = Instant::now();
        sandbox.start(world.container(&id, &["say-then-wait", "first"])).await.unwrap();
        times[1].push(mark.elapsed());
        while std::fs::metadata(world.log_path(&id)).is_ok_and(|log| log.len() == 0) {
            std::thread::yield_now();
        }
        times[2].push(mark.elapsed());
        let mark = Instant::now();
        let spec = ExecSpec { args: payload(&["exit", "0"]), ..ExecSpec::default() };
        sandbox.exec(&id, spec).await.unwrap().wait().await.unwrap();
        times[3].push(mark.elapsed());
        let mark = Instant::now();
        sandbox.signal(&id, 9).await.unwrap();
        end_of(&sandbox, &id).await;
        times[4].push(mark.elapsed());
        memory.push(private_kib(world.shim(&id)));
        let mark = Instant::now();
        sandbox.destroy().await.unwrap();
        times[5].push(mark.elapsed());
    }
    let names = ["create", "start", "first output", "exec", "kill to exit", "destroy"];
    for (name, times) in names.iter().zip(&mut times) {
        times.sort();
        println!("  {name}: median {:.1?}, least {:.1?}", times[ROUNDS / 2], times[0]);
    }
    memory.sort_unstable();
    println!(
        "  private memory of a shim: median {} KiB, most {} KiB",
        memory[ROUNDS / 2],
        memory[ROUNDS - 1]
    );
    flood(world).await;
}

async fn flood(world: &World) {
    let sandbox = world.sandbox("measure-flood").await;
    let mark = Instant::now();
    sandbox.start(world.container("measure-flood", &["flood", "1000000"])).await.unwrap();
    end_of(&sandbox, "measure-flood").await;
    let seconds = mark.elapsed().as_secs_f64();
    println!("  log: {:.2} million lines of 100 bytes a second", 1.0 / seconds);
    let mut spec = world.container("measure-pipe", &["wait"]);
    spec.log_path = None;
    sandbox.start(spec).await.unwrap();
    let flood = ExecSpec { args: payload(&["flood", "1000000"]), ..ExecSpec::default() };
    let mark = Instant::now();
    let mut exec = sandbox.exec("measure-pipe", flood).await.unwrap();
    let mut stdout = exec.stdout.take().unwrap();
    let (mut buffer, mut total) = (vec![0; 64 << 10], 0);
    loop {
        match stdout.read(&mut buffer).await.unwrap() {
            0 => break,
            length => total += length,
        }
    }
    println!("  exec: {:.0} MB/s", total as f64 / 1e6 / mark.elapsed().as_secs_f64());
    sandbox.destroy().await.unwrap();
}

fn private_kib(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let kib = |line: &str| {
        line.starts_with("Private_Dirty").then(|| line.split_whitespace().nth(1)?.parse::<u64>().ok())
    };
    text.lines().filter_map(kib).flatten().sum()
}

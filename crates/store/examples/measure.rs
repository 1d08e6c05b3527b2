//! Measures commits per second, commit latency and open time on a real folder.
//!
//! `cargo run --release -p store --example measure -- FOLDER [process]`

#![expect(clippy::print_stdout, reason = "an example that reports figures")]

use std::{path::PathBuf, sync::Arc, time::Instant};

use store::{Expect, Options, Store, Sync, Write};

const WRITES: usize = 20_000;

#[tokio::main]
async fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder"));
    let sync = if std::env::args().nth(2).is_some() { Sync::Process } else { Sync::Durable };
    for writers in [1, 8, 64, 512] {
        let folder = folder.join(format!("writers-{writers}"));
        let options = Options { sync, ..Options::default() };
        let store = Store::open(&folder, options.clone()).expect("opens");
        let each = if writers == 1 { 500 } else { WRITES / writers };
        let begin = Instant::now();
        let tasks: Vec<_> =
            (0..writers).map(|writer| tokio::spawn(write(store.clone(), writer, each))).collect();
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.extend(task.await.expect("a writer ends"));
        }
        let seconds = begin.elapsed().as_secs_f64();
        latencies.sort();
        let at = |share: usize| latencies[(latencies.len() - 1) * share / 100];
        drop(store);
        let begin = Instant::now();
        let store = Store::open(&folder, options).expect("opens");
        let open = begin.elapsed();
        println!(
            "{writers} writers: {:.0} commits/s, p50 {:?}, p99 {:?}; open {open:?} with {} keys",
            latencies.len() as f64 / seconds,
            at(50),
            at(99),
            store.list("", None, usize::MAX).entries.len(),
        );
    }
}

async fn write(store: Store, writer: usize, count: usize) -> Vec<std::time::Duration> {
    let value = bytes::Bytes::from(vec![b'x'; 2000]);
    let mut latencies = Vec::with_capacity(count);
    for number in 0..count {
        let begin = Instant::now();
        let key = Arc::from(format!("pods/{writer}/{number}"));
        let write = Write { key, expect: Expect::Absent, value: Some(value.clone()) };
        store.commit(write).await.expect("commits");
        latencies.push(begin.elapsed());
    }
    latencies
}

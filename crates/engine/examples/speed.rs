//! What a prediction costs, for `scripts/compare-speed`: a line of JSON per batch size.
//!
//!     speed MODEL ROWS.json BATCH… [avx2|plain]
//!
//! ROWS.json is a list of rows of numbers, null where one is missing, or of texts. Each batch is asked for, as many
//! times as half a second allows, from one thread; the least and the median time are told in nanoseconds. The last word leaves out
//! newer instructions of the processor.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on panics")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use engine::{Input, Instructions, Model};
use serde_json::{Value, json};

const EACH: Duration = Duration::from_millis(500);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, rows, batches @ ..] = arguments.as_slice() else {
        panic!("usage: speed MODEL ROWS.json BATCH…");
    };
    let batches = match batches {
        [rest @ .., last] if last == "avx2" => {
            Instructions::limit(Instructions::Avx2);
            rest
        }
        [rest @ .., last] if last == "plain" => {
            Instructions::limit(Instructions::Plain);
            rest
        }
        all => all,
    };
    let path = Path::new(model);
    // what the first opening takes, as a server's: the allocator keeps some of what later ones give back
    let before = status("VmRSS:");
    let model = Model::open(path).unwrap();
    let (memory, peak) = (status("VmRSS:").saturating_sub(before), status("VmHWM:").saturating_sub(before));
    let opened = times(|| drop(black_box(Model::open(path).unwrap())));
    println!("{}", json!({"open": opened, "memory": memory, "peak": peak, "kind": model.kind()}));
    let rows: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(rows).unwrap()).unwrap();
    let rows: Vec<Input> = rows.iter().map(input).collect();
    for batch in batches {
        let size: usize = batch.parse().unwrap();
        let inputs: Vec<Input> = rows.iter().cycle().take(size).cloned().collect();
        let took = if size == 1 {
            let mut rows = rows.iter().cycle();
            times(|| drop(black_box(model.predict(black_box(rows.next().unwrap())).unwrap())))
        } else {
            times(|| drop(black_box(model.predict_batch(black_box(&inputs)).unwrap())))
        };
        println!("{}", json!({"batch": size, "took": took}));
    }
}

fn input(row: &Value) -> Input {
    match row {
        Value::String(text) => Input::from(text.as_str()),
        row => {
            Input::Row(row.as_array().unwrap().iter().map(|cell| cell.as_f64().unwrap_or(f64::NAN)).collect())
        }
    }
}

/// The least and the median time of a call, in nanoseconds.
fn times(mut call: impl FnMut()) -> [u128; 2] {
    let (start, mut all) = (Instant::now(), Vec::new());
    while start.elapsed() < EACH || all.len() < 5 {
        let before = Instant::now();
        call();
        all.push(before.elapsed().as_nanos());
    }
    all.sort_unstable();
    [all[0], all[all.len() / 2]]
}

/// The memory the process has now (`VmRSS:`), or had at most (`VmHWM:`), in bytes.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}

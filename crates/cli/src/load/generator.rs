//! Watches the generator itself: figures made by one that could not keep up are not the server's.

use std::path::Path;
use std::time::{Duration, Instant};

/// What the generator's threads are named after.
pub(super) const THREADS: &str = "load";

/// The kernel's ticks are a hundredth of a second on every Linux that programs see.
const TICKS: f64 = 100.0;

/// Processor time used, by the generator's threads and on the whole machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    at: Instant,
    /// Seconds used by the generator's threads.
    own: f64,
    /// Seconds that the machine's processors worked and idled.
    machine: Option<(f64, f64)>,
}

/// How busy processors were between two looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Busy {
    /// Of the generator's threads: 1 when each of them never paused.
    pub(crate) generator: f64,
    /// Of all processors of the machine.
    pub(crate) machine: Option<f64>,
    /// Processor time for each request, the generator's own.
    pub(crate) own: Duration,
}

impl Usage {
    pub(crate) fn look() -> Self {
        Usage { at: Instant::now(), own: own_seconds(), machine: machine_seconds() }
    }

    /// How busy it was since an earlier look, with so many threads.
    pub(crate) fn since(&self, earlier: &Usage, threads: usize) -> Busy {
        let elapsed = (self.at - earlier.at).as_secs_f64().max(1e-9);
        let own = (self.own - earlier.own).max(0.0);
        let machine = self.machine.zip(earlier.machine).and_then(|(now, then)| {
            let (worked, idled) = (now.0 - then.0, now.1 - then.1);
            (worked + idled > 0.0).then(|| worked / (worked + idled))
        });
        #[expect(clippy::cast_precision_loss, reason = "a handful of threads")]
        let all = elapsed * threads.max(1) as f64;
        Busy { generator: own / all, machine, own: Duration::from_secs_f64(own) }
    }
}

/// The processor time of threads named after the generator.
fn own_seconds() -> f64 {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return 0.0 };
    let used = threads.flatten().filter_map(|thread| {
        let path = thread.path();
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        if name.trim() != THREADS { None } else { thread_seconds(&path) }
    });
    used.sum()
}

fn thread_seconds(thread: &Path) -> Option<f64> {
    // nanoseconds on a processor, then nanoseconds waited, then turns
    let text = std::fs::read_to_string(thread.join("schedstat")).ok();
    if let Some(nanoseconds) = text.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok()) {
        return Some(nanoseconds / 1e9);
    }
    let text = std::fs::read_to_string(thread.join("stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / TICKS)
}

/// Seconds that all processors worked, and idled.
fn machine_seconds() -> Option<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let numbers: Vec<f64> =
        text.lines().next()?.split_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    // user, nice, system, idle, waiting for disks, interrupts (two kinds), stolen
    let idle = numbers.get(3)? + numbers.get(4).unwrap_or(&0.0);
    Some(((numbers.iter().take(8).sum::<f64>() - idle) / TICKS, idle / TICKS))
}

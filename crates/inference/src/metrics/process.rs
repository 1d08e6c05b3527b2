//! What the system says of this process, under the names every Prometheus client library gives.

use std::fs;

/// What the system says; `None` where `/proc` is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Process {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) virtual_bytes: Option<u64>,
    pub(super) start_seconds: Option<f64>,
    pub(super) open_files: Option<u64>,
    pub(super) most_files: Option<u64>,
    pub(super) threads: Option<u64>,
}

/// The kernel's ticks are a hundredth of a second for every program, and pages 4 KiB where we run.
const TICKS: f64 = 100.0;
const PAGE: u64 = 4096;

impl Process {
    pub(super) fn look() -> Self {
        let mut process = Process::default();
        if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
            process.read(&stat, boot_seconds());
        }
        process.open_files = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
        process.most_files = fs::read_to_string("/proc/self/limits").ok().and_then(|limits| {
            let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
            line.split_whitespace().nth(3)?.parse().ok()
        });
        process
    }

    /// Fields are counted behind the program's name, which may hold anything: the first is the state.
    fn read(&mut self, stat: &str, booted: Option<f64>) {
        let Some((_, rest)) = stat.rsplit_once(')') else { return };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok());
        let count = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok());
        self.cpu_seconds = number(11).zip(number(12)).map(|(user, system)| (user + system) / TICKS);
        self.threads = count(17);
        self.start_seconds = number(19).zip(booted).map(|(after, booted)| booted + after / TICKS);
        self.virtual_bytes = count(20);
        self.resident_bytes = count(21).map(|pages| pages * PAGE);
    }
}

/// When the machine started, in seconds since 1970.
fn boot_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_proc_are_found_behind_any_name() {
        let stat = "7 (a) (b) c) S 1 7 7 0 -1 4194304 9 0 0 0 250 50 0 0 20 0 3 0 1000 4096000 25 1844";
        let mut process = Process::default();
        process.read(stat, Some(1e9));
        assert_eq!((process.cpu_seconds, process.threads), (Some(3.0), Some(3)));
        assert_eq!((process.start_seconds, process.resident_bytes), (Some(1e9 + 10.0), Some(25 * PAGE)));
        let now = Process::look();
        assert!(now.resident_bytes.is_some_and(|bytes| bytes > 1 << 20), "{now:?}");
        assert!(now.open_files.is_some_and(|files| files > 0), "{now:?}");
    }
}

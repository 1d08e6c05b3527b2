//! What a run found, in words, in pictures, and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::float;
use super::generator::Busy;
use super::tally::Tally;
use crate::output::{size, span};

/// What a run found.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) tally: Tally,
    /// How long was measured, warm-up left out.
    pub(crate) elapsed: Duration,
    /// Requests a second that were asked for; none if each connection sends when it has its answer.
    pub(crate) rate_asked: Option<f64>,
    pub(crate) connections: usize,
    pub(crate) busy: Busy,
    /// Whether the server is in this process.
    pub(crate) is_in_process: bool,
}

/// The quantiles told.
const SHARES: [(&str, f64); 7] = [
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
];

/// Width of the picture's bars.
const WIDE: usize = 40;

impl Report {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        float(self.tally.times.count()) / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Why the figures may be the generator's and not the server's.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let own = self.tally.lateness.quantile(0.99);
        if self.busy.generator > 0.85 {
            doubts.push(format!(
                "the generator's threads were busy {:.0} % of the time: it is the bottleneck; use more machines, or a lower `--rate`",
                self.busy.generator * 100.0
            ));
        } else if self.busy.machine.is_some_and(|busy| busy > 0.95) {
            doubts.push(
                "all processors of this machine were busy: generator and server may have waited for each other; run them on two machines"
                    .to_owned(),
            );
        }
        if let Some(asked) = self.rate_asked {
            let sent = float(self.tally.total()) / self.elapsed.as_secs_f64().max(1e-9);
            if sent < 0.98 * asked {
                doubts.push(format!(
                    "only {sent:.0} of {asked:.0} requests/s were sent: all {} connections waited for answers; the server is slower than the rate, or give more `--connections`",
                    self.connections
                ));
            }
            if own > Duration::from_millis(1)
                && own.as_secs_f64() > 0.1 * self.tally.quantile(0.5).as_secs_f64()
            {
                doubts.push(format!(
                    "the generator woke up late: 1 % of requests went {} or more after their time although a connection was free",
                    span(own)
                ));
            }
        }
        doubts
    }

    /// The report for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = self.tally.lines();
        let model = match self.rate_asked {
            Some(rate) => format!("open: {rate} requests/s asked for, over {} connections", self.connections),
            None => format!("closed: {} connections, each sends when it has its answer", self.connections),
        };
        lines.push(format!("rate       {:.1} answers/s in {} ({model})", self.rate(), span(self.elapsed)));
        if self.tally.times.count() == 0 {
            lines.extend(self.doubts().into_iter().map(|doubt| format!("doubt      {doubt}")));
            return lines;
        }
        let corrected: Vec<String> = SHARES
            .iter()
            .map(|(name, share)| format!("{name} {}", fine(self.tally.quantile(*share))))
            .collect();
        lines.push(format!("           {}", corrected.join("  ")));
        let times = &self.tally.times;
        lines.push(format!("           mean {}  max {}", fine(times.mean()), fine(times.largest())));
        if self.rate_asked.is_some() {
            let plain = self.tally.uncorrected.quantile(0.99);
            lines.push(format!(
                "           counted from when each request should have gone; from when it went, p99 would be {}",
                fine(plain)
            ));
        }
        lines.push(format!("received   {}", size(self.tally.received)));
        lines.push(String::new());
        lines.extend(self.picture());
        lines.extend(self.course());
        lines.extend(self.doubts().into_iter().map(|doubt| format!("doubt      {doubt}")));
        lines
    }

    /// A bar for each range of times.
    fn picture(&self) -> Vec<String> {
        let ends = ends(self.tally.quantile(0.001), self.tally.times.largest());
        let parts = self.tally.times.parts(&ends);
        let most = parts.iter().copied().max().unwrap_or(0).max(1);
        let last = self.tally.times.largest();
        let lines = parts.iter().zip(ends.iter().copied().chain([last])).filter(|(count, _)| **count > 0);
        let lines = lines.map(|(count, end)| {
            let share = float(*count) / float(self.tally.times.count());
            let percent = if share < 0.0001 { "<0.01".to_owned() } else { format!("{:.2}", share * 100.0) };
            format!("  ≤ {:>9} {:<WIDE$} {percent:>6} %", fine(end), bar(float(*count) / float(most)))
        });
        lines.collect()
    }

    /// Answers a second, second by second.
    fn course(&self) -> Vec<String> {
        const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        const MOST: usize = 60;
        let whole = usize::try_from(self.elapsed.as_secs()).unwrap_or(0);
        let seconds = &self.tally.seconds[..whole.min(self.tally.seconds.len())];
        if seconds.len() < 2 {
            return Vec::new();
        }
        let each = seconds.len().div_ceil(MOST);
        let means: Vec<f64> = seconds
            .chunks(each)
            .map(|chunk| chunk.iter().map(|count| float(*count)).sum::<f64>() / float(chunk.len() as u64))
            .collect();
        let most = means.iter().copied().fold(0.0, f64::max).max(1e-9);
        let least = means.iter().copied().fold(f64::INFINITY, f64::min);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of eight steps")]
        let line: String =
            means.iter().map(|mean| STEPS[((mean / most * 7.0).round() as usize).min(7)]).collect();
        vec![String::new(), format!("over time  {line}  {least:.0} to {most:.0} answers/s, {each} s each")]
    }

    /// The report for programs. Times are in seconds.
    pub(crate) fn json(&self) -> Value {
        let tally = &self.tally;
        let times = |histogram: &super::histogram::Histogram| {
            let mut times: serde_json::Map<String, Value> = SHARES
                .iter()
                .map(|(name, share)| ((*name).to_owned(), json!(histogram.quantile(*share).as_secs_f64())))
                .collect();
            times.insert("mean".to_owned(), json!(histogram.mean().as_secs_f64()));
            times.insert("max".to_owned(), json!(histogram.largest().as_secs_f64()));
            times
        };
        json!({
            "requests": tally.total(),
            "answers": tally.times.count(),
            "failed": tally.failed(),
            "errors": tally.failures,
            "models": tally.models().collect::<std::collections::BTreeMap<_, _>>(),
            "elapsed_seconds": self.elapsed.as_secs_f64(),
            "answers_per_second": self.rate(),
            "rate_asked": self.rate_asked,
            "connections": self.connections,
            "latency_seconds": times(&tally.times),
            "latency_uncorrected_seconds": times(&tally.uncorrected),
            "received_bytes": tally.received,
            "answers_by_second": tally.seconds,
            "generator": {
                "busy": self.busy.generator,
                "machine_busy": self.busy.machine,
                "cpu_seconds_per_request": self.busy.own.as_secs_f64() / float(tally.total().max(1)),
                "late_p99_seconds": tally.lateness.quantile(0.99).as_secs_f64(),
                "shares_its_process_with_the_server": self.is_in_process,
                "doubts": self.doubts(),
            },
        })
    }
}

/// Ends of ranges from the quickest to the slowest: 1, 2, 5, 10 …, at most a screenful.
fn ends(least: Duration, most: Duration) -> Vec<Duration> {
    let mut ends = Vec::new();
    let mut size = 1000u64;
    while size < u64::MAX / 100 {
        for factor in [1, 2, 3, 5, 7] {
            let end = Duration::from_nanos(size * factor);
            if end >= least && end < most {
                ends.push(end);
            }
        }
        size *= 10;
    }
    ends
}

/// A bar as wide as a share of the whole, in eighths of a character.
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a few characters"
    )]
    let eighths = (share * WIDE as f64 * 8.0).round() as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// A time in the unit that shows it in three digits or so.
fn fine(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if seconds < 1e-3 => format!("{:.0} µs", seconds * 1e6),
        _ if seconds < 1e-2 => format!("{:.2} ms", seconds * 1e3),
        _ if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::Times;
    use super::*;
    use bytes::Bytes;

    fn report(rate_asked: Option<f64>, busy: f64) -> Report {
        let mut tally = Tally::default();
        for number in 0..1000u64 {
            let corrected = Duration::from_micros(100 + number);
            let times =
                Times { corrected, uncorrected: corrected / 2, at: Duration::from_millis(number * 2) };
            tally.record(times, Ok(Bytes::from_static(b"{}")));
        }
        let busy = Busy { generator: busy, machine: Some(0.5), own: Duration::from_millis(10) };
        let (elapsed, connections) = (Duration::from_secs(2), 4);
        Report { tally, elapsed, rate_asked, connections, busy, is_in_process: false }
    }

    #[test]
    fn a_run_is_told_in_words_and_pictures() {
        let lines = report(None, 0.1).lines();
        let text = lines.join("\n");
        assert!(text.starts_with("requests   1000 sent, 0 failed"), "{text}");
        assert!(text.contains("rate       500.0 answers/s in 2.0 s (closed: 4 connections"), "{text}");
        assert!(text.contains("p50 ") && text.contains("p99.9 "), "{text}");
        assert!(text.contains("≤    200 µs") && text.contains('█'), "{text}");
        assert!(text.contains("over time  ██  500 to 500 answers/s, 1 s each"), "{text}");
        assert!(!text.contains("doubt"), "{text}");
        let json = report(None, 0.1).json();
        assert_eq!((&json["answers"], &json["answers_by_second"]), (&json!(1000), &json!([500, 500])));
    }

    #[test]
    fn a_generator_that_could_not_keep_up_says_so() {
        let busy = report(None, 0.95).lines().join("\n");
        assert!(busy.contains("doubt      the generator's threads were busy 95 %"), "{busy}");
        let slow = report(Some(5000.0), 0.1).lines().join("\n");
        assert!(slow.contains("only 500 of 5000 requests/s were sent"), "{slow}");
        assert!(slow.contains("from when it went, p99 would be"), "{slow}");
    }
}

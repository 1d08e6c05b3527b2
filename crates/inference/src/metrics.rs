//! Counts requests and tells them in the Prometheus text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::observer::{Answered, Observer, Predicted};

/// Upper bounds of the latency buckets in microseconds: a prediction takes 5 to 500.
const BUCKETS: [u64; 14] =
    [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 1_000_000, 10_000_000];

/// Counters of one server.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Requests by path and status. Paths are those of the routes, so the map stays small.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    latency: Histogram,
    predictions: AtomicU64,
    in_flight: AtomicUsize,
}

#[derive(Debug, Default)]
struct Histogram {
    /// The last one is beyond all bounds.
    counts: [AtomicU64; BUCKETS.len() + 1],
    sum_microseconds: AtomicU64,
}

/// A request under way; no longer when dropped.
pub(crate) struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(crate) fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    /// All counters in the Prometheus text format, version 0.0.4.
    pub(crate) fn render(&self, models: &[String], version: &str) -> String {
        let mut text = String::with_capacity(4096);
        // writing to a String cannot fail
        let _ = self.write(&mut text, models, version);
        text
    }

    fn write(&self, text: &mut String, models: &[String], version: &str) -> std::fmt::Result {
        writeln!(text, "# HELP pinnace_model_info The models being served.")?;
        writeln!(text, "# TYPE pinnace_model_info gauge")?;
        let version = escaped(version);
        for model in models {
            let model = escaped(model);
            writeln!(text, "pinnace_model_info{{model=\"{model}\",version=\"{version}\"}} 1")?;
        }
        writeln!(text, "# HELP pinnace_requests_total Requests answered, by path and status.")?;
        writeln!(text, "# TYPE pinnace_requests_total counter")?;
        for ((path, code), count) in self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            writeln!(text, "pinnace_requests_total{{path=\"{path}\",code=\"{code}\"}} {count}")?;
        }
        writeln!(text, "# HELP pinnace_predictions_total Inputs predicted for.")?;
        writeln!(text, "# TYPE pinnace_predictions_total counter")?;
        writeln!(text, "pinnace_predictions_total {}", self.predictions.load(Ordering::Relaxed))?;
        writeln!(text, "# HELP pinnace_requests_in_flight Requests under way.")?;
        writeln!(text, "# TYPE pinnace_requests_in_flight gauge")?;
        writeln!(text, "pinnace_requests_in_flight {}", self.in_flight.load(Ordering::Relaxed))?;
        self.write_latency(text)
    }

    fn write_latency(&self, text: &mut String) -> std::fmt::Result {
        const NAME: &str = "pinnace_request_duration_seconds";
        writeln!(text, "# HELP {NAME} Time from a request's head to its answer.")?;
        writeln!(text, "# TYPE {NAME} histogram")?;
        let mut total = 0;
        for (position, count) in self.latency.counts.iter().enumerate() {
            total += count.load(Ordering::Relaxed);
            match BUCKETS.get(position) {
                Some(&bound) => writeln!(text, "{NAME}_bucket{{le=\"{}\"}} {total}", seconds(bound))?,
                None => writeln!(text, "{NAME}_bucket{{le=\"+Inf\"}} {total}")?,
            }
        }
        let sum = seconds(self.latency.sum_microseconds.load(Ordering::Relaxed));
        writeln!(text, "{NAME}_sum {sum}\n{NAME}_count {total}")
    }
}

impl Observer for Metrics {
    fn predicted(&self, event: &Predicted<'_>) {
        self.predictions.fetch_add(event.reply.rows as u64, Ordering::Relaxed);
    }

    fn answered(&self, event: &Answered<'_>) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((event.route, event.status)).or_default() += 1;
        drop(requests);
        let microseconds = u64::try_from(event.took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.iter().position(|&bound| microseconds <= bound).unwrap_or(BUCKETS.len());
        self.latency.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.latency.sum_microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }
}

fn seconds(microseconds: u64) -> f64 {
    Duration::from_micros(microseconds).as_secs_f64()
}

/// A label value: backslash, quote and newline are escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_by_path_status_and_duration() {
        let metrics = Metrics::default();
        for took in [Duration::from_micros(30), Duration::from_secs(100)] {
            let route = "/api/v1/predict";
            metrics.answered(&Answered { route, method: &http::Method::POST, status: 200, took });
        }
        let in_flight = metrics.enter();
        let text = metrics.render(&["a\"b".to_owned()], "1");
        drop(in_flight);
        for line in [
            "pinnace_model_info{model=\"a\\\"b\",version=\"1\"} 1",
            "pinnace_requests_total{path=\"/api/v1/predict\",code=\"200\"} 2",
            "pinnace_requests_in_flight 1",
            "pinnace_request_duration_seconds_bucket{le=\"0.000025\"} 0",
            "pinnace_request_duration_seconds_bucket{le=\"0.00005\"} 1",
            "pinnace_request_duration_seconds_bucket{le=\"+Inf\"} 2",
            "pinnace_request_duration_seconds_count 2",
        ] {
            assert!(text.lines().any(|found| found == line), "no `{line}` in:\n{text}");
        }
        assert!(metrics.render(&[], "").contains("in_flight 0"));
    }
}

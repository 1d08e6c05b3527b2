//! Writes counters down in the Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write};
use std::time::Instant;

use super::Now;
use super::drift::{ColumnCells, Window};
use super::histogram::{Histogram, SIZES, TIMES, Times};
use super::model::{ModelCells, SCORES};
use super::process::Process;
use super::stripe::Stripe;
use crate::observer::Protocol;
use crate::repository::Status;

/// Text in the making.
struct Page(String);

/// One label and its value.
type Labels<'a> = &'a [(&'a str, &'a dyn Display)];

/// A family's name, what it tells, and where that is.
type Family<Of, Told> = (&'static str, &'static str, fn(&Of) -> Told);

/// A family of times.
type FamilyOfTimes = (&'static str, &'static str, fn(&ModelCells) -> &Times);

impl Page {
    /// Begins a family of series.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // writing to a String cannot fail
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn series(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        for (place, (label, value)) in labels.iter().enumerate() {
            self.0.push(if place == 0 { '{' } else { ',' });
            self.0.push_str(label);
            self.0.push_str("=\"");
            escape(&value.to_string(), &mut self.0);
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.series(name, &[], value);
    }

    fn histogram<const N: usize>(
        &mut self,
        name: &str,
        labels: Labels<'_>,
        histogram: &Histogram<N>,
        bounds: &[u64; N],
        unit: f64,
    ) {
        let bounds = bounds.iter().map(|bound| (shown(*bound, unit), ())).map(|(bound, ())| bound);
        let counts = histogram.counts.iter().copied();
        self.buckets(name, labels, bounds.zip(counts), histogram.beyond, shown(histogram.sum, unit));
    }

    fn buckets(
        &mut self,
        name: &str,
        labels: Labels<'_>,
        parts: impl Iterator<Item = (impl Display, u64)>,
        beyond: u64,
        sum: impl Display,
    ) {
        let bucket = format!("{name}_bucket");
        let mut total = 0;
        for (bound, count) in parts {
            total += count;
            let le: [(&str, &dyn Display); 1] = [("le", &bound)];
            self.series(&bucket, &[labels, &le].concat(), total);
        }
        total += beyond;
        self.series(&bucket, &[labels, &[("le", &"+Inf")]].concat(), total);
        self.series(&format!("{name}_sum"), labels, sum);
        self.series(&format!("{name}_count"), labels, total);
    }

    fn times(&mut self, name: &str, labels: Labels<'_>, times: &Times) {
        self.histogram(name, labels, times, &TIMES, 1e-9);
    }
}

/// A whole number of small units in large ones, without the tail that binary fractions have.
fn shown(number: u64, unit: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "sums of times")]
    let number = number as f64;
    if unit < 1.0 { number / (1.0 / unit).round() } else { number * unit }
}

/// A label's value: backslash, quote and newline are escaped.
fn escape(value: &str, text: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

pub(super) fn write(total: &Stripe, now: Now<'_>, in_flight: usize, started: Instant) -> String {
    let mut page = Page(String::with_capacity(16 << 10));
    server(&mut page, total, now, in_flight, started);
    routes(&mut page, total);
    models(&mut page, now);
    requests(&mut page, &total.models);
    answers(&mut page, &total.models);
    drift(&mut page, &total.models);
    process(&mut page, Process::look());
    page.0
}

fn server(page: &mut Page, total: &Stripe, now: Now<'_>, in_flight: usize, started: Instant) {
    page.family("pinnace_build_info", "gauge", "The program that serves.");
    let version = env!("CARGO_PKG_VERSION");
    page.series("pinnace_build_info", &[("version", &version), ("application", &now.version)], 1);
    let up = started.elapsed().as_secs_f64();
    page.one("pinnace_uptime_seconds", "gauge", "Time since the server was built.", up);
    page.one("pinnace_requests_in_flight", "gauge", "Requests under way.", in_flight);
    page.one("pinnace_model_loads_total", "counter", "Versions of models opened.", total.loads);
    let help = "Versions of models that could not be opened.";
    page.one("pinnace_model_load_failures_total", "counter", help, total.failed_loads);
    let help = "Spans that were dropped because the collector was slow or away.";
    page.one("pinnace_spans_dropped_total", "counter", help, now.dropped_spans);
    if let Some((kept, dropped)) = now.journal {
        let name = "pinnace_prediction_log_lines_total";
        page.family(name, "counter", "Lines of the prediction log, kept or dropped.");
        page.series(name, &[("result", &"kept")], kept);
        page.series(name, &[("result", &"dropped")], dropped);
    }
}

fn routes(page: &mut Page, total: &Stripe) {
    page.family("pinnace_requests_total", "counter", "Requests answered, by path and status.");
    for cells in &total.routes {
        let labels: [(&str, &dyn Display); 2] = [("path", &cells.route), ("code", &cells.status)];
        page.series("pinnace_requests_total", &labels, cells.count);
    }
    let name = "pinnace_request_duration_seconds";
    page.family(name, "histogram", "Time from a request's head to its answer.");
    let mut paths: Vec<&'static str> = total.routes.iter().map(|cells| cells.route).collect();
    paths.dedup();
    for path in paths {
        let mut times = Times::default();
        total.routes.iter().filter(|cells| cells.route == path).for_each(|cells| times.add(&cells.times));
        page.times(name, &[("path", &path)], &times);
    }
}

fn models(page: &mut Page, now: Now<'_>) {
    page.family("pinnace_model_info", "gauge", "The models being served.");
    for served in now.states.iter().filter_map(|state| state.served.as_ref()) {
        let (kind, origin) = (served.model.kind(), served.model.origin());
        let labels: [(&str, &dyn Display); 4] =
            [("model", &served.name), ("version", &served.version), ("kind", &kind), ("origin", &origin)];
        page.series("pinnace_model_info", &labels, 1);
    }
    page.family("pinnace_model_ready", "gauge", "Whether a version answers: 1, or 0.");
    // what was unloaded on purpose is nothing to be woken for
    for state in now.states.iter().filter(|state| state.status != Status::Unloaded) {
        let labels: [(&str, &dyn Display); 2] = [("model", &state.model), ("version", &state.version)];
        page.series("pinnace_model_ready", &labels, u8::from(state.status == Status::Ready));
    }
}

fn requests(page: &mut Page, models: &[ModelCells]) {
    let name = "pinnace_model_requests_total";
    page.family(name, "counter", "Requests for predictions, by model, version, protocol and status.");
    for cells in models {
        let mut requests = cells.requests.clone();
        requests.sort_by_key(|(protocol, status, _)| (word(*protocol), *status));
        for (protocol, status, count) in requests {
            let protocol = word(protocol);
            let labels: [(&str, &dyn Display); 4] = [
                ("model", &cells.name),
                ("version", &cells.version),
                ("protocol", &protocol),
                ("code", &status),
            ];
            page.series(name, &labels, count);
        }
    }
    let histograms: [FamilyOfTimes; 2] = [
        ("pinnace_model_duration_seconds", "Time a prediction waited and took.", |cells| &cells.times),
        ("pinnace_model_queue_seconds", "Time a prediction waited for a worker thread.", |cells| {
            &cells.waits
        }),
    ];
    for (name, help, times) in histograms {
        page.family(name, "histogram", help);
        for cells in models {
            page.times(name, &[("model", &cells.name), ("version", &cells.version)], times(cells));
        }
    }
    let name = "pinnace_model_batch_rows";
    page.family(name, "histogram", "Rows that were predicted for together.");
    for cells in models {
        let labels: [(&str, &dyn Display); 2] = [("model", &cells.name), ("version", &cells.version)];
        page.histogram(name, &labels, &cells.batches, &SIZES, 1.0);
    }
}

fn answers(page: &mut Page, models: &[ModelCells]) {
    page.family("pinnace_predictions_total", "counter", "Rows predicted for.");
    for cells in models {
        let labels: [(&str, &dyn Display); 2] = [("model", &cells.name), ("version", &cells.version)];
        page.series("pinnace_predictions_total", &labels, cells.rows);
    }
    let name = "pinnace_model_class_total";
    page.family(name, "counter", "Rows by predicted class.");
    for cells in models {
        for (class, count) in &cells.classes {
            let labels: [(&str, &dyn Display); 3] =
                [("model", &cells.name), ("version", &cells.version), ("class", class)];
            page.series(name, &labels, count);
        }
    }
    let name = "pinnace_model_score";
    page.family(
        name,
        "histogram",
        "Scores: of two classes the probability of the second, else of the one predicted.",
    );
    for cells in models.iter().filter(|cells| cells.scores.iter().any(|count| *count > 0)) {
        let labels: [(&str, &dyn Display); 2] = [("model", &cells.name), ("version", &cells.version)];
        let bounds = (1u32..).take(SCORES).map(|part| f64::from(part) / f64::from(20u32));
        page.buckets(name, &labels, bounds.zip(cells.scores), 0, cells.score_sum);
    }
    let shadows: [Family<ModelCells, u64>; 2] = [
        ("pinnace_shadow_rows_total", "Rows that a shadow version was asked about.", |cells| {
            cells.shadow_rows
        }),
        (
            "pinnace_shadow_disagreements_total",
            "Rows of which a shadow version says another class than the one that answered.",
            |cells| cells.shadow_disagreements,
        ),
    ];
    for (name, help, count) in shadows {
        page.family(name, "counter", help);
        for cells in models.iter().filter(|cells| cells.shadow_rows > 0) {
            let labels: [(&str, &dyn Display); 2] = [("model", &cells.name), ("version", &cells.version)];
            page.series(name, &labels, count(cells));
        }
    }
}

fn drift(page: &mut Page, models: &[ModelCells]) {
    let drifts = || models.iter().filter_map(|cells| Some((cells, cells.drift.as_ref()?)));
    let name = "pinnace_feature_psi";
    let help = "Population stability index of a column against training: above 0.2 it has moved far.";
    page.family(name, "gauge", help);
    for (cells, drift) in drifts() {
        for column in &drift.columns {
            for (measure, window) in &column.measures {
                let labels: [(&str, &dyn Display); 4] = [
                    ("model", &cells.name),
                    ("version", &cells.version),
                    ("column", &column.name),
                    ("measure", measure),
                ];
                index(page, name, &labels, window);
            }
        }
    }
    let name = "pinnace_prediction_psi";
    page.family(name, "gauge", "Population stability index of what is predicted against training's labels.");
    for (cells, drift) in drifts() {
        let labels: [(&str, &dyn Display); 2] = [("model", &cells.name), ("version", &cells.version)];
        index(page, name, &labels, &drift.predictions);
    }
    let counters: [Family<ColumnCells, u64>; 3] = [
        ("pinnace_feature_values_total", "Values of a column looked at for drift.", |column| column.values),
        ("pinnace_feature_missing_total", "Of these, missing ones.", |column| column.missing),
        (
            "pinnace_feature_unseen_total",
            "Of these, such as training never saw: other categories, numbers out of range, unknown words only.",
            |column| column.unseen,
        ),
    ];
    for (name, help, count) in counters {
        page.family(name, "counter", help);
        for (cells, drift) in drifts() {
            for column in &drift.columns {
                let labels: [(&str, &dyn Display); 3] =
                    [("model", &cells.name), ("version", &cells.version), ("column", &column.name)];
                page.series(name, &labels, count(column));
            }
        }
    }
}

fn index(page: &mut Page, name: &str, labels: Labels<'_>, window: &Window) {
    if let Some(index) = window.psi() {
        page.series(name, labels, index);
    }
}

fn process(page: &mut Page, process: Process) {
    let mut tell = |name: &str, kind: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            page.one(name, kind, help, value);
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "sizes of processes")]
    let float = |number: Option<u64>| number.map(|number| number as f64);
    tell("process_cpu_seconds_total", "counter", "Processor time used.", process.cpu_seconds);
    tell("process_resident_memory_bytes", "gauge", "Memory in use.", float(process.resident_bytes));
    tell("process_virtual_memory_bytes", "gauge", "Addresses in use.", float(process.virtual_bytes));
    tell("process_start_time_seconds", "gauge", "When it started, since 1970.", process.start_seconds);
    tell("process_open_fds", "gauge", "Open file descriptors.", float(process.open_files));
    tell("process_max_fds", "gauge", "The most file descriptors.", float(process.most_files));
    tell("process_threads", "gauge", "Threads.", float(process.threads));
}

/// A protocol's word.
fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Native => "native",
        Protocol::OpenInference => "v2-rest",
        Protocol::KServe => "v1-rest",
        Protocol::Grpc => "v2-grpc",
    }
}

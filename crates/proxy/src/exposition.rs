//! What the Ingress has counted, as Prometheus reads it.

use std::fmt::Write;

use network::ingress::{BackendMetrics, Metrics};

/// Upper bounds of the durations' buckets, in seconds, as [`BackendMetrics::durations`] has them.
const BOUNDS: [&str; 11] = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"];

/// Renders the counts. Series are told apart by the labels `namespace`, `service` and `port`, as the
/// Ingress names them; requests that no rule matched have empty ones.
#[must_use]
pub fn render(metrics: &Metrics) -> String {
    let mut backends: Vec<(Labels<'_>, &BackendMetrics)> =
        metrics.backends.iter().map(|(key, counts)| (Labels::of(key), counts)).collect();
    backends.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut text = String::new();
    family(&mut text, "requests_total", "counter", "Requests answered, by class of status.");
    for (labels, counts) in &backends {
        for (class, count) in (1..).zip(counts.classes) {
            sample(&mut text, "requests_total", labels, &format!(",code=\"{class}xx\""), count);
        }
    }
    type Count = fn(&BackendMetrics) -> u64;
    let counters: [(&str, &str, Count); 4] = [
        ("failures_total", "Answers of 500 and above, by whomever.", |counts| counts.failures),
        ("unanswered_total", "Requests that no endpoint answered.", |counts| counts.unanswered),
        ("broken_total", "Answers that broke off in the middle.", |counts| counts.broken),
        ("retries_total", "Attempts after one that failed.", |counts| counts.retries),
    ];
    for (name, help, count) in counters {
        family(&mut text, name, "counter", help);
        for (labels, counts) in &backends {
            sample(&mut text, name, labels, "", count(counts));
        }
    }
    let name = "request_duration_seconds";
    family(&mut text, name, "histogram", "Time until an answer began.");
    for (labels, counts) in &backends {
        let mut total = 0;
        for (place, count) in counts.durations.iter().enumerate() {
            total += count;
            let bound = BOUNDS.get(place).copied().unwrap_or("+Inf");
            sample(&mut text, &format!("{name}_bucket"), labels, &format!(",le=\"{bound}\""), total);
        }
        let (seconds, micros) = (counts.duration_sum_us / 1_000_000, counts.duration_sum_us % 1_000_000);
        sample(&mut text, &format!("{name}_sum"), labels, "", format!("{seconds}.{micros:06}"));
        sample(&mut text, &format!("{name}_count"), labels, "", total);
    }
    family(&mut text, "connections", "gauge", "Connections of clients open now.");
    put(&mut text, format_args!("pinnace_ingress_connections {}\n", metrics.connections));
    text
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Labels<'a> {
    namespace: &'a str,
    service: &'a str,
    port: &'a str,
}

impl<'a> Labels<'a> {
    /// Reads a key of the routes, `namespace/service:port`.
    fn of(key: &'a str) -> Self {
        let (namespace, rest) = key.split_once('/').unwrap_or_default();
        let (service, port) = rest.split_once(':').unwrap_or((rest, ""));
        Self { namespace, service, port }
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    put(text, format_args!("# HELP pinnace_ingress_{name} {help}\n# TYPE pinnace_ingress_{name} {kind}\n"));
}

fn sample(text: &mut String, name: &str, labels: &Labels<'_>, more: &str, value: impl std::fmt::Display) {
    let Labels { namespace, service, port } = labels;
    // Names of objects and ports hold nothing that would have to be escaped.
    put(
        text,
        format_args!(
            "pinnace_ingress_{name}{{namespace=\"{namespace}\",service=\"{service}\",port=\"{port}\"{more}}} {value}\n"
        ),
    );
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a string takes all");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_by_service() {
        let counts = BackendMetrics {
            requests: 5,
            failures: 1,
            classes: [0, 4, 0, 0, 1],
            durations: [3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            duration_sum_us: 1_000_017,
            ..BackendMetrics::default()
        };
        let backends = [("shop/web:http".to_owned(), counts), (String::new(), BackendMetrics::default())];
        let text = render(&Metrics { backends: backends.into(), connections: 7 });
        let labels = "namespace=\"shop\",service=\"web\",port=\"http\"";
        for line in [
            format!("pinnace_ingress_requests_total{{{labels},code=\"2xx\"}} 4"),
            format!("pinnace_ingress_failures_total{{{labels}}} 1"),
            format!("pinnace_ingress_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 3"),
            format!("pinnace_ingress_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 5"),
            format!("pinnace_ingress_request_duration_seconds_sum{{{labels}}} 1.000017"),
            "pinnace_ingress_connections 7".to_owned(),
        ] {
            assert!(text.lines().any(|known| known == line), "no `{line}` in:\n{text}");
        }
    }
}

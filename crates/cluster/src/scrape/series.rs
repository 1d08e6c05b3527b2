//! The text format of Prometheus, as far as one metric is looked for in it.

use std::collections::{BTreeMap, BTreeSet};

/// Series kept of one source: an application that makes more has lost count of its labels.
const MAX_SERIES: usize = 10_000;

const RATE: &str = "_per_second";

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metric {
    /// What it is called by those who ask.
    pub(super) name: String,
    /// Names of series that tell it; the first one that is there counts.
    names: Vec<String>,
    /// It is the growth of the series in a second, not their value.
    pub(super) is_rate: bool,
}

impl Metric {
    pub(super) fn of_pods(name: &str) -> Self {
        Self::find(name, &["pinnace_requests_total", "http_requests_total"])
    }

    pub(super) fn of_ingress(name: &str) -> Self {
        Self::find(name, &["pinnace_ingress_requests_total"])
    }

    fn find(name: &str, requests: &[&str]) -> Self {
        let Some(base) = name.strip_suffix(RATE) else {
            return Self { name: name.to_owned(), names: vec![name.to_owned()], is_rate: false };
        };
        let mut names = vec![format!("{base}_total"), base.to_owned(), format!("{base}_count")];
        if base == "requests" {
            names.extend(requests.iter().map(|name| (*name).to_owned()));
        }
        Self { name: name.to_owned(), names, is_rate: true }
    }
}

/// One series and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// Returns the names that the counters and histograms of a text can be asked for by; the growth of each, which
/// can be asked for as well, only of requests.
pub(super) fn names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if (words.next(), words.next()) != (Some("#"), Some("TYPE")) {
            continue;
        }
        let Some(name) = words.next() else { continue };
        match words.next() {
            Some("counter") => drop(names.insert(name.to_owned())),
            Some("histogram") => names.extend(["_count", "_sum"].map(|end| format!("{name}{end}"))),
            Some(_) | None => {}
        }
    }
    if names.contains("pinnace_ingress_requests_total") {
        names.insert(format!("requests{RATE}"));
    }
    names
}

/// Finds the series of a metric; `None` if there are none.
pub(super) fn of(text: &str, metric: &Metric) -> Option<Vec<Series>> {
    metric.names.iter().find_map(|name| {
        let lines = text.lines().filter_map(|line| read(line.trim(), name));
        let found: Vec<Series> = lines.take(MAX_SERIES).collect();
        (!found.is_empty()).then_some(found)
    })
}

/// Reads a line of the series `name`, with or without labels and a time.
fn read(line: &str, name: &str) -> Option<Series> {
    let rest = line.strip_prefix(name)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None if rest.starts_with([' ', '\t']) => (BTreeMap::new(), rest),
        None => return None,
    };
    let value: f64 = rest.split_whitespace().next()?.parse().ok()?;
    value.is_finite().then_some(Series { labels, value })
}

/// Reads `key="value",…}`; returns what follows as well.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (key, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at,
                (_, '\\') => match letters.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.insert(key.trim().to_owned(), value);
        rest = &after[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP http_requests_total Requests.\n# TYPE http_requests_total counter\n\
        http_requests_total{code=\"200\",path=\"/a \\\"b\\\" {c}\"} 12 1700000000000\n\
        http_requests_total{code=\"500\",} 3\nhttp_requests_total_created 99\nqueue 1.5e2\nbad NaN\n";

    fn check(metric: &Metric, expected: Option<&[f64]>) {
        let found = of(TEXT, metric).map(|all| all.into_iter().map(|one| one.value).collect::<Vec<_>>());
        assert_eq!(found.as_deref(), expected, "{}", metric.name);
    }

    #[test]
    fn a_metric_is_found_by_its_name_or_as_the_growth_of_a_counter() {
        check(&Metric::of_pods("queue"), Some(&[150.0]));
        check(&Metric::of_pods("http_requests_total"), Some(&[12.0, 3.0]));
        check(&Metric::of_pods("http_requests_per_second"), Some(&[12.0, 3.0]));
        check(&Metric::of_pods("requests_per_second"), Some(&[12.0, 3.0]));
        check(&Metric::of_pods("http_requests"), None);
        check(&Metric::of_pods("bad"), None);
        assert!(Metric::of_pods("requests_per_second").is_rate && !Metric::of_pods("queue").is_rate);
    }

    #[test]
    fn labels_are_read_with_what_is_escaped_in_them() {
        let found = of(TEXT, &Metric::of_pods("http_requests_total")).unwrap();
        assert_eq!(found[0].labels["path"], "/a \"b\" {c}");
        assert_eq!(found[1].labels["code"], "500");
    }

    #[test]
    fn garbage_is_passed_over() {
        for line in ["queue{", "queue{a=\"", "queue{a=\"b\" 1", "queue{a=\"\\", "queue{} x", "queue"] {
            assert_eq!(read(line, "queue"), None, "{line}");
        }
    }

    #[test]
    fn what_can_be_asked_for_is_told_by_its_families() {
        let text = "# HELP pinnace_ingress_requests_total R.\n# TYPE pinnace_ingress_requests_total counter\n\
            # TYPE wait_seconds histogram\n# TYPE connections gauge\n# TYPE\n";
        let expected = [
            "pinnace_ingress_requests_total",
            "requests_per_second",
            "wait_seconds_count",
            "wait_seconds_sum",
        ];
        assert_eq!(names(text).into_iter().collect::<Vec<_>>(), expected);
        assert!(names("").is_empty());
    }
}

//! What is counted is told, in the format that Prometheus reads.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use engine::train::{Algorithm, Columns, Dataset, Options, train};
use engine::{Cell, Model};

use super::*;
use crate::refusal::RefusalKind;
use crate::reply::{Reply, Timing};
use crate::rows::Rows;

/// Trained on sizes from 0 to 99, the cities Rome and Oslo, and a text.
fn model() -> Model {
    let mut csv = "size,city,note,label\n".to_owned();
    for number in 0..200 {
        let (city, note) =
            if number % 2 == 0 { ("Rome", "bright and cheap") } else { ("Oslo", "dark and dear") };
        csv += &format!("{},{city},{note} place {},{}\n", number % 100, number % 7, number % 2);
    }
    let kinds = vec![("note".to_owned(), engine::train::ColumnKind::Text)];
    let columns = Columns { kinds, ..Columns::beside("label") };
    let dataset = Dataset::read_from(Box::new(std::io::Cursor::new(csv)), "a.csv", &columns).unwrap();
    train(&dataset, &Options::new(Algorithm::Logistic), &mut |_| ()).unwrap().model.named("a\"b")
}

fn served() -> Arc<Served> {
    Arc::new(Served::new("a\"b", "2", model(), "".into()))
}

fn predict(metrics: &Metrics, served: &Arc<Served>, rows: &Rows, shadow_disagrees: Option<usize>) {
    let answers = served.model.answer(rows.frame()).unwrap();
    let timing = Timing { queued: Duration::ZERO, computed: Duration::from_micros(30), batch: rows.len() };
    let reply = Reply { model: Arc::clone(served), rows: rows.len(), answers, timing };
    let (protocol, request_id) = (Protocol::Native, None);
    metrics.predicted(&Predicted { rows, reply: &reply, protocol, request_id, shadow_disagrees });
}

fn row(size: f64, city: &str, note: &str) -> Rows {
    let city = if city.is_empty() { Cell::Missing } else { Cell::from(city) };
    Rows::Cells(vec![vec![Cell::Number(size)], vec![city], vec![Cell::from(note)]])
}

fn told(metrics: &Metrics) -> String {
    metrics.render(Now { version: "1.2", states: &[], dropped_spans: 3, journal: Some((5, 7)) })
}

#[track_caller]
fn check(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "no `{line}` in:\n{text}");
    }
}

#[test]
fn requests_are_told_by_path_status_and_duration() {
    let metrics = Metrics::default();
    for took in [Duration::from_micros(30), Duration::from_secs(100)] {
        let route = "/api/v1/predict";
        metrics.answered(&Answered { route, method: &http::Method::POST, status: 200, took });
    }
    let in_flight = metrics.enter();
    let text = told(&metrics);
    drop(in_flight);
    check(
        &text,
        &[
            "pinnace_requests_total{path=\"/api/v1/predict\",code=\"200\"} 2",
            "pinnace_requests_in_flight 1",
            "pinnace_request_duration_seconds_bucket{path=\"/api/v1/predict\",le=\"0.000025\"} 0",
            "pinnace_request_duration_seconds_bucket{path=\"/api/v1/predict\",le=\"0.00005\"} 1",
            "pinnace_request_duration_seconds_bucket{path=\"/api/v1/predict\",le=\"+Inf\"} 2",
            "pinnace_request_duration_seconds_count{path=\"/api/v1/predict\"} 2",
            "pinnace_spans_dropped_total 3",
            "pinnace_prediction_log_lines_total{result=\"dropped\"} 7",
        ],
    );
    assert!(told(&metrics).contains("in_flight 0"));
}

#[test]
fn predictions_are_told_by_model_version_protocol_and_status() {
    let (metrics, served) = (Metrics::default(), served());
    predict(&metrics, &served, &row(5.0, "Rome", "a bright place"), None);
    metrics.refused(&served, Protocol::Grpc, &Refusal::new(RefusalKind::Unfit, "no"));
    predict(&metrics, &served, &row(5.0, "Rome", "a bright place"), Some(1));
    // counted on another thread, told all the same
    std::thread::scope(|scope| {
        scope.spawn(|| predict(&metrics, &served, &row(5000.0, "", "???"), None));
    });
    let text = told(&metrics);
    check(
        &text,
        &[
            r#"pinnace_model_requests_total{model="a\"b",version="2",protocol="native",code="200"} 2"#,
            r#"pinnace_model_requests_total{model="a\"b",version="2",protocol="v2-grpc",code="422"} 1"#,
            r#"pinnace_model_duration_seconds_count{model="a\"b",version="2"} 2"#,
            r#"pinnace_model_duration_seconds_sum{model="a\"b",version="2"} 0.00006"#,
            r#"pinnace_model_batch_rows_bucket{model="a\"b",version="2",le="1"} 2"#,
            r#"pinnace_predictions_total{model="a\"b",version="2"} 2"#,
            r#"pinnace_model_score_count{model="a\"b",version="2"} 2"#,
            r#"pinnace_shadow_rows_total{model="a\"b",version="2"} 1"#,
            r#"pinnace_shadow_disagreements_total{model="a\"b",version="2"} 1"#,
            r#"pinnace_feature_values_total{model="a\"b",version="2",column="size"} 2"#,
            r#"pinnace_feature_missing_total{model="a\"b",version="2",column="city"} 1"#,
            r#"pinnace_feature_unseen_total{model="a\"b",version="2",column="size"} 1"#,
            r#"pinnace_feature_unseen_total{model="a\"b",version="2",column="note"} 0"#,
        ],
    );
}

#[test]
fn columns_that_move_have_a_high_index_and_others_a_low_one() {
    let (metrics, served) = (Metrics::default(), served());
    for number in 0..400 {
        let city = if number % 2 == 0 { "Rome" } else { "Oslo" };
        let note = if number % 2 == 0 { "bright and cheap place 1" } else { "dark and dear place 2" };
        predict(&metrics, &served, &row(150.0 + f64::from(number % 10), city, note), None);
    }
    let text = told(&metrics);
    let index = |column: &str, measure: &str| -> f64 {
        let start = format!(
            r#"pinnace_feature_psi{{model="a\"b",version="2",column="{column}",measure="{measure}"}} "#
        );
        let line = text
            .lines()
            .find(|line| line.starts_with(&start))
            .unwrap_or_else(|| panic!("no {start}:\n{text}"));
        line[start.len()..].parse().unwrap()
    };
    assert!(index("size", "value") > 1.0 && index("city", "value") < 0.01, "{text}");
    assert!(index("note", "unknown_terms") < 0.1, "{text}");
    let line = r#"pinnace_feature_unseen_total{model="a\"b",version="2",column="size"} 400"#;
    assert!(text.lines().any(|found| found == line), "{text}");
    // a version that is replaced begins a window of its own
    metrics.loaded(&served);
    predict(&metrics, &served, &row(5.0, "Rome", "bright"), None);
    assert!(!told(&metrics).contains("pinnace_feature_psi{"));
}

/// Every line is a comment or a sample of the family announced above it; no series stands there twice.
#[test]
fn what_is_told_is_in_the_format() {
    let (metrics, served) = (Metrics::default(), served());
    predict(&metrics, &served, &row(5.0, "Rome", "a bright place"), None);
    predict(&metrics, &served, &row(5.0, "Rome", "a bright place"), Some(0));
    let text = told(&metrics);
    let (mut family, mut families, mut series) = ("", BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap();
            assert!(families.insert(family), "{family} twice");
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert!(["counter", "gauge", "histogram"].contains(&kind));
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(series.insert(name), "{name} twice");
        let bare = name.split('{').next().unwrap();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| bare.strip_suffix(end));
        assert!(bare == family || base == Some(family), "{line} below {family}");
    }
}

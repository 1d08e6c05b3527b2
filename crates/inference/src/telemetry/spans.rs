//! Sends spans to an OpenTelemetry collector: OTLP over HTTP, as JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::context::TraceContext;
use super::post::{Endpoint, EndpointError};

/// Spans that wait for the collector; more are dropped: about 1 MiB.
const MOST_WAITING: usize = 4096;

/// Spans of one message.
const MOST_SENT: usize = 512;

/// How long spans are gathered before they are sent.
const GATHER: Duration = Duration::from_secs(1);

/// Trouble with the collector is told this often.
const TELL: Duration = Duration::from_secs(60);

/// Where spans are sent.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanConfig {
    /// `http://host:4318`; `/v1/traces` is added if there is no path.
    pub endpoint: String,
    /// The share of requests without a parent that are followed, 0 to 1; with one, the parent's word counts.
    pub sample: f64,
    /// What the service is called; after its model if `None`.
    pub service: Option<String>,
}

impl SpanConfig {
    /// What the environment variables of OpenTelemetry's specification say; `None` if there is no endpoint.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let value = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        if value("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return None;
        }
        let endpoint = value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| {
            // the general endpoint is a base that each signal's path is added to
            let base = value("OTEL_EXPORTER_OTLP_ENDPOINT")?;
            Some(format!("{}/v1/traces", base.trim().trim_end_matches('/')))
        })?;
        let sampler = value("OTEL_TRACES_SAMPLER").unwrap_or_default();
        let argument = value("OTEL_TRACES_SAMPLER_ARG").and_then(|share| share.trim().parse::<f64>().ok());
        let sample = match sampler.as_str() {
            "always_off" | "parentbased_always_off" => 0.0,
            "traceidratio" | "parentbased_traceidratio" => argument.unwrap_or(1.0).clamp(0.0, 1.0),
            _ => 1.0,
        };
        Some(SpanConfig { endpoint, sample, service: value("OTEL_SERVICE_NAME") })
    }
}

/// One answered request.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) context: TraceContext,
    pub(crate) name: Box<str>,
    pub(crate) method: Box<str>,
    pub(crate) route: &'static str,
    pub(crate) status: u16,
    pub(crate) id: Box<str>,
    pub(crate) begun: SystemTime,
    pub(crate) took: Duration,
}

/// Takes spans and sends them in the background.
#[derive(Debug)]
pub(crate) struct Exporter {
    queue: mpsc::Sender<Span>,
    sample: f64,
    dropped: Arc<AtomicU64>,
}

impl Exporter {
    /// Starts sending, inside of a runtime.
    pub(crate) fn start(config: &SpanConfig, service: &str) -> Result<Arc<Self>, EndpointError> {
        let endpoint = Endpoint::new(&config.endpoint, "/v1/traces", "application/json")?;
        let (queue, spans) = mpsc::channel(MOST_WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let service = config.service.clone().unwrap_or_else(|| service.to_owned());
        tokio::spawn(send_all(endpoint, spans, service, Arc::clone(&dropped)));
        Ok(Arc::new(Exporter { queue, sample: config.sample, dropped }))
    }

    /// Whether to follow a request that nobody else follows.
    pub(crate) fn samples(&self) -> bool {
        self.sample >= 1.0 || fastrand::f64() < self.sample
    }

    /// Takes a span; drops it if too many wait.
    pub(crate) fn send(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

async fn send_all(
    endpoint: Endpoint,
    mut spans: mpsc::Receiver<Span>,
    service: String,
    dropped: Arc<AtomicU64>,
) {
    let mut told: Option<tokio::time::Instant> = None;
    while let Some(first) = spans.recv().await {
        let mut gathered = vec![first];
        let until = tokio::time::Instant::now() + GATHER;
        while gathered.len() < MOST_SENT {
            match tokio::time::timeout_at(until, spans.recv()).await {
                Ok(Some(span)) => gathered.push(span),
                Ok(None) | Err(_) => break,
            }
        }
        let body = Bytes::from(message(&gathered, &service).to_string());
        if let Err(reason) = endpoint.post(body).await {
            dropped.fetch_add(gathered.len() as u64, Ordering::Relaxed);
            if told.is_none_or(|told| told.elapsed() >= TELL) {
                told = Some(tokio::time::Instant::now());
                let (to, spans) = (endpoint.uri(), gathered.len());
                tracing::warn!(%to, %reason, spans, "failed to send spans; they are dropped");
            }
        }
    }
}

/// An `ExportTraceServiceRequest` in protobuf's JSON, its ids in hexadecimal as OTLP has them.
fn message(spans: &[Span], service: &str) -> Value {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let spans: Vec<Value> = spans
        .iter()
        .map(|span| {
            let nanoseconds = |time: SystemTime| {
                let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                since.as_nanos().to_string()
            };
            let mut written = json!({
                "traceId": span.context.trace_id(),
                "spanId": span.context.span_id(),
                "name": &*span.name,
                // a server's
                "kind": 2,
                "startTimeUnixNano": nanoseconds(span.begun),
                "endTimeUnixNano": nanoseconds(span.begun + span.took),
                "attributes": [
                    text("http.request.method", &span.method),
                    text("http.route", span.route),
                    { "key": "http.response.status_code", "value": { "intValue": span.status.to_string() } },
                    text("http.request.header.x-request-id", &span.id),
                ],
                // only our own faults are errors of a server's span
                "status": if span.status >= 500 { json!({ "code": 2 }) } else { json!({}) },
            });
            if let Some(parent) = span.context.parent_id() {
                written["parentSpanId"] = parent.into();
            }
            written
        })
        .collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": [
            text("service.name", service),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("telemetry.sdk.language", "rust"),
        ] },
        "scopeSpans": [{ "scope": { "name": "pinnace", "version": env!("CARGO_PKG_VERSION") }, "spans": spans }],
    }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_where_spans_go() {
        let of = |variables: &[(&str, &str)]| {
            SpanConfig::from_environment(|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[]), None);
        let general =
            of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"), ("OTEL_SERVICE_NAME", "jokes")]).unwrap();
        assert_eq!((general.endpoint.as_str(), general.sample), ("http://c:4318/v1/traces", 1.0));
        assert_eq!(general.service.as_deref(), Some("jokes"));
        let own = [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/own"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ];
        let own = of(&own).unwrap();
        assert_eq!((own.endpoint.as_str(), own.sample), ("http://c/own", 0.25));
        assert_eq!(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"), ("OTEL_SDK_DISABLED", "true")]), None);
    }

    #[test]
    fn spans_are_written_as_otlp_has_them() {
        let context =
            TraceContext::child_of(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        let span = Span {
            context,
            name: "POST /api/v1/predict".into(),
            method: "POST".into(),
            route: "/api/v1/predict",
            status: 503,
            id: "a".into(),
            begun: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
            took: Duration::from_nanos(5),
        };
        let message = message(&[span], "jokes");
        let written = &message["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(written["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(written["parentSpanId"], "00f067aa0ba902b7");
        assert_eq!(
            (&written["startTimeUnixNano"], &written["endTimeUnixNano"]),
            (&json!("1000000000"), &json!("1000000005"))
        );
        assert_eq!((&written["kind"], &written["status"]["code"]), (&json!(2), &json!(2)));
        assert_eq!(message["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"], "jokes");
    }

    /// A collector that never answers costs spans, never the requests' time or memory without end.
    #[tokio::test]
    async fn a_collector_that_is_away_costs_spans_only() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = SpanConfig { endpoint: format!("http://{closed}"), sample: 1.0, service: None };
        let exporter = Exporter::start(&config, "test").unwrap();
        let span = || Span {
            context: TraceContext::root(true),
            name: "GET /".into(),
            method: "GET".into(),
            route: "/",
            status: 200,
            id: "a".into(),
            begun: SystemTime::now(),
            took: Duration::ZERO,
        };
        // nothing is taken out before this task waits
        (0..MOST_WAITING + 10).for_each(|_| exporter.send(span()));
        assert_eq!(exporter.dropped(), 10);
        while exporter.dropped() < 10 + MOST_SENT as u64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

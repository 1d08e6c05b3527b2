//! What others can follow a request by: trace contexts, spans, request ids, the access log, the
//! prediction log.
//!
//! [`context`] reads and makes W3C trace contexts, [`spans`] sends spans to an OpenTelemetry
//! collector, [`journal`] keeps a sample of predictions in a file or sends them on, [`post`] is how
//! both send. Nothing here makes a request wait: what cannot be sent or written in time is dropped
//! and counted.

mod context;
mod journal;
mod post;
mod spans;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) use context::TraceContext;
pub(crate) use journal::Journal;
pub use journal::{JournalConfig, JournalError, JournalSink};
pub use post::EndpointError;
pub use spans::SpanConfig;
pub(crate) use spans::{Exporter, Span};

/// What is told of requests, as plain data.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    /// Where spans are sent; nowhere if `None`.
    pub spans: Option<SpanConfig>,
    /// Which answers the access log has.
    pub access_log: AccessLog,
    /// A sample of predictions to keep.
    pub predictions: Option<JournalConfig>,
}

/// Which answers the access log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessLog {
    /// None.
    Off,
    /// Those of status 500 and above.
    #[default]
    Failures,
    /// Those of status 400 and above.
    Refusals,
    /// All but the probes' and the metrics'.
    All,
}

impl Telemetry {
    /// What environment variables say: OpenTelemetry's own, `PINNACE_ACCESS_LOG`, and for the prediction log
    /// `PINNACE_PREDICTION_LOG` (a file or `http://…`), `…_SAMPLE` (0 to 1), `…_SIZE` (bytes) and `…_KEPT` (files).
    ///
    /// # Errors
    /// Names the variable that does not read.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let value = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        fn number<T: std::str::FromStr>(name: &str, text: Option<String>, default: T) -> Result<T, String> {
            let Some(text) = text else { return Ok(default) };
            text.trim().parse().map_err(|_| format!("`{name}` is `{text}`, which is no number"))
        }
        let access_log = value("PINNACE_ACCESS_LOG").map(|text| text.parse::<AccessLog>()).transpose();
        let access_log = access_log.map_err(|problem| format!("`PINNACE_ACCESS_LOG`: {problem}"))?;
        let of = |name: &str| value(name);
        let predictions = match value("PINNACE_PREDICTION_LOG") {
            None => None,
            Some(target) => {
                let sample: f64 =
                    number("PINNACE_PREDICTION_LOG_SAMPLE", of("PINNACE_PREDICTION_LOG_SAMPLE"), 1.0)?;
                if !(0.0..=1.0).contains(&sample) {
                    return Err(format!(
                        "`PINNACE_PREDICTION_LOG_SAMPLE` is `{sample}`, which is no share from 0 to 1"
                    ));
                }
                let sink = match target.contains("://") {
                    true => JournalSink::Http { endpoint: target },
                    false => JournalSink::File {
                        path: target.into(),
                        size: number(
                            "PINNACE_PREDICTION_LOG_SIZE",
                            of("PINNACE_PREDICTION_LOG_SIZE"),
                            64 << 20,
                        )?,
                        kept: number("PINNACE_PREDICTION_LOG_KEPT", of("PINNACE_PREDICTION_LOG_KEPT"), 4)?,
                    },
                };
                Some(JournalConfig { sink, sample })
            }
        };
        let spans = SpanConfig::from_environment(&variable);
        Ok(Telemetry { spans, access_log: access_log.unwrap_or_default(), predictions })
    }
}

impl std::str::FromStr for AccessLog {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(AccessLog::Off),
            "failures" => Ok(AccessLog::Failures),
            "refusals" => Ok(AccessLog::Refusals),
            "all" => Ok(AccessLog::All),
            _ => Err(format!("`{text}` is no access log: use `off`, `failures`, `refusals` or `all`")),
        }
    }
}

/// The header by which a request is named.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longer names of requests are not repeated.
const LONGEST_ID: usize = 128;

/// Follows requests.
#[derive(Debug)]
pub(crate) struct Follower {
    exporter: Option<Arc<Exporter>>,
    access_log: AccessLog,
}

/// One request that is followed.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) context: TraceContext,
    /// What the client called the request, or what we do.
    pub(crate) id: Box<str>,
    begun: SystemTime,
    started: Instant,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) route: &'static str,
    pub(crate) method: &'a str,
    pub(crate) status: u16,
    pub(crate) took: Duration,
}

impl Follower {
    /// Must be called inside of a runtime when spans are to be sent.
    pub(crate) fn new(telemetry: &Telemetry, service: &str) -> Result<Self, EndpointError> {
        let exporter = telemetry.spans.as_ref().map(|spans| Exporter::start(spans, service)).transpose()?;
        Ok(Follower { exporter, access_log: telemetry.access_log })
    }

    /// Spans that were dropped because the collector was slow or away.
    pub(crate) fn dropped_spans(&self) -> u64 {
        self.exporter.as_ref().map_or(0, |exporter| exporter.dropped())
    }

    /// Takes up what the client sent to follow the request by.
    pub(crate) fn begin(&self, headers: &HeaderMap) -> Arc<Followed> {
        let parent = headers.get(&TRACEPARENT).and_then(|value| TraceContext::child_of(value.as_bytes()));
        let context = parent.unwrap_or_else(|| {
            TraceContext::root(self.exporter.as_ref().is_some_and(|exporter| exporter.samples()))
        });
        let given = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
        let is_fit = |id: &&str| !id.is_empty() && id.len() <= LONGEST_ID;
        let id = given.filter(is_fit).map_or_else(|| context.trace_id().into(), Box::from);
        Arc::new(Followed { context, id, begun: SystemTime::now(), started: Instant::now() })
    }

    /// Names the answer, logs it, and sends its span.
    pub(crate) fn end(&self, followed: &Followed, end: End<'_>, headers: &mut HeaderMap) {
        if let Ok(id) = HeaderValue::from_str(&followed.id) {
            headers.insert(REQUEST_ID, id);
        }
        if self.logs(end) {
            let (id, trace) = (&*followed.id, followed.context.trace_id());
            let End { route, method, status, took } = end;
            let milliseconds = took.as_secs_f64() * 1e3;
            if status >= 500 {
                tracing::error!(target: "access", method, route, status, milliseconds, id, trace, "answered");
            } else {
                tracing::info!(target: "access", method, route, status, milliseconds, id, trace, "answered");
            }
        }
        if let Some(exporter) = self.exporter.as_ref().filter(|_| followed.context.is_sampled()) {
            exporter.send(Span {
                context: followed.context,
                name: format!("{} {}", end.method, end.route).into(),
                method: end.method.into(),
                route: end.route,
                status: end.status,
                id: followed.id.clone(),
                begun: followed.begun,
                took: followed.started.elapsed(),
            });
        }
    }

    fn logs(&self, end: End<'_>) -> bool {
        match self.access_log {
            AccessLog::Off => false,
            AccessLog::Failures => end.status >= 500,
            AccessLog::Refusals => end.status >= 400,
            AccessLog::All => end.status >= 400 || !is_noise(end.route),
        }
    }
}

/// What is asked every few seconds by machines.
fn is_noise(route: &str) -> bool {
    route.ends_with("/ready")
        || route.ends_with("/health")
        || route.ends_with("/startup")
        || route == "/metrics"
        || route.ends_with("/live")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follower(access_log: AccessLog) -> Follower {
        Follower { exporter: None, access_log }
    }

    #[test]
    fn a_request_keeps_its_name_and_its_trace() {
        let follower = follower(AccessLog::Off);
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("abc-1"));
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        headers.insert(TRACEPARENT, HeaderValue::from_static(parent));
        let followed = follower.begin(&headers);
        assert_eq!(
            (&*followed.id, followed.context.trace_id().as_str()),
            ("abc-1", "4bf92f3577b34da6a3ce929d0e0e4736")
        );
        let mut answer = HeaderMap::new();
        let end = End { route: "/api/v1/predict", method: "POST", status: 200, took: Duration::ZERO };
        follower.end(&followed, end, &mut answer);
        assert_eq!(answer[&REQUEST_ID], "abc-1");
        headers.insert(REQUEST_ID, HeaderValue::from_str(&"x".repeat(LONGEST_ID + 1)).unwrap());
        assert_eq!(&*follower.begin(&headers).id, "4bf92f3577b34da6a3ce929d0e0e4736");
        let fresh = follower.begin(&HeaderMap::new());
        assert_eq!((fresh.id.len(), fresh.context.is_sampled()), (32, false));
    }

    #[test]
    fn the_environment_says_what_is_told() {
        let of = |variables: &[(&str, &str)]| {
            Telemetry::from_environment(|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let plain = of(&[]).unwrap();
        assert_eq!((plain.access_log, plain.spans, plain.predictions), (AccessLog::Failures, None, None));
        let told = of(&[
            ("PINNACE_ACCESS_LOG", "all"),
            ("PINNACE_PREDICTION_LOG", "/tmp/a.jsonl"),
            ("PINNACE_PREDICTION_LOG_SAMPLE", "0.1"),
            ("PINNACE_PREDICTION_LOG_SIZE", "1000"),
        ]);
        let told = told.unwrap();
        assert_eq!(told.access_log, AccessLog::All);
        let sink = JournalSink::File { path: "/tmp/a.jsonl".into(), size: 1000, kept: 4 };
        assert_eq!(told.predictions, Some(JournalConfig { sink, sample: 0.1 }));
        for (name, value) in [("PINNACE_ACCESS_LOG", "loud"), ("PINNACE_PREDICTION_LOG_SAMPLE", "2")] {
            let refused = of(&[("PINNACE_PREDICTION_LOG", "http://a"), (name, value)]).unwrap_err();
            assert!(refused.contains(name), "{refused}");
        }
    }

    #[test]
    fn the_access_log_has_what_was_asked_for() {
        let logs = |access_log, route, status| {
            follower(access_log).logs(End { route, method: "GET", status, took: Duration::ZERO })
        };
        assert!(!logs(AccessLog::Off, "/api/v1/predict", 500));
        assert!(
            logs(AccessLog::Failures, "/api/v1/predict", 500) && !logs(AccessLog::Failures, "/docs", 404)
        );
        assert!(logs(AccessLog::Refusals, "other", 404) && !logs(AccessLog::Refusals, "/docs", 200));
        assert!(logs(AccessLog::All, "/docs", 200) && !logs(AccessLog::All, "/api/v1/ready", 200));
        assert!(logs(AccessLog::All, "/api/v1/ready", 503));
        assert!("loud".parse::<AccessLog>().unwrap_err().contains("`refusals`"));
    }
}

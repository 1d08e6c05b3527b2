//! Answers requests: one table of paths, one module per protocol.

mod docs;
mod explain;
mod native;
mod probes;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use crate::Config;
use crate::core::Core;
use crate::health::Health;
use crate::metrics::{Metrics, Now};
use crate::observer::Answered;
use crate::problem;
use crate::refusal::{Refusal, RefusalKind};
use crate::repository::Target;
use crate::telemetry::{End, Follower, Journal};

/// What every handler gives.
pub(crate) type Answer = Response<Full<Bytes>>;

/// What answering needs; shared by all connections.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) core: Core,
    pub(crate) health: Health,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) follower: Follower,
    pub(crate) journal: Option<Arc<Journal>>,
    /// Explanations are made one beside the other only so often: each keeps a thread busy.
    pub(crate) explaining: Semaphore,
}

/// Explanations that are made at the same time.
const MOST_EXPLAINING: usize = 2;

/// What a path means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'a> {
    Version,
    Predict(Target<'a>),
    Explain(Target<'a>),
    Docs,
    Startup,
    Ready,
    Health,
    Metrics,
}

/// What answers a path, how it is counted, and by which methods it is asked.
struct Found<'a> {
    route: Route<'a>,
    /// The path as the documentation writes it: the name it is counted under.
    path: &'static str,
    methods: &'static str,
}

/// Every path; the segments of models and versions are names in braces.
fn find(path: &str) -> Option<Found<'_>> {
    const GET: &str = "GET, HEAD";
    const POST: &str = "POST";
    let whole = |route, path, methods| Some(Found { route, path, methods });
    match path {
        "/api/v1/predict" => whole(Route::Predict(Target::default()), "/api/v1/predict", POST),
        "/api/v1/explain" => whole(Route::Explain(Target::default()), "/api/v1/explain", POST),
        "/docs" => whole(Route::Docs, "/docs", GET),
        "/api/v1/version" => whole(Route::Version, "/api/v1/version", GET),
        "/api/v1/startup" => whole(Route::Startup, "/api/v1/startup", GET),
        "/api/v1/ready" => whole(Route::Ready, "/api/v1/ready", GET),
        "/api/v1/health" => whole(Route::Health, "/api/v1/health", GET),
        "/metrics" => whole(Route::Metrics, "/metrics", GET),
        _ => {
            let rest = path.strip_prefix("/api/v1/models/")?;
            let segments: Vec<&str> = rest.split('/').collect();
            match segments.as_slice() {
                [model, "predict"] => whole(
                    Route::Predict(Target { model: Some(model), version: None }),
                    "/api/v1/models/{model}/predict",
                    POST,
                ),
                [model, "versions", version, "predict"] => whole(
                    Route::Predict(Target { model: Some(model), version: Some(version) }),
                    "/api/v1/models/{model}/versions/{version}/predict",
                    POST,
                ),
                [model, "explain"] => whole(
                    Route::Explain(Target { model: Some(model), version: None }),
                    "/api/v1/models/{model}/explain",
                    POST,
                ),
                [model, "versions", version, "explain"] => whole(
                    Route::Explain(Target { model: Some(model), version: Some(version) }),
                    "/api/v1/models/{model}/versions/{version}/explain",
                    POST,
                ),
                _ => None,
            }
        }
    }
}

impl App {
    pub(crate) fn new(
        config: Config,
        core: Core,
        metrics: Arc<Metrics>,
        follower: Follower,
        journal: Option<Arc<Journal>>,
    ) -> Arc<Self> {
        let (health, explaining) = (Health::starting_now(config.fail_after), Semaphore::new(MOST_EXPLAINING));
        Arc::new(App { health, config, core, metrics, follower, journal, explaining })
    }

    /// Answers any request; never fails, so that a connection outlives a bad one.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let started = Instant::now();
        let _in_flight = self.metrics.enter();
        let is_http1 = request.version() <= Version::HTTP_11;
        let (mut head, body) = request.into_parts();
        let followed = self.follower.begin(&head.headers);
        head.extensions.insert(Arc::clone(&followed));
        let path = head.uri.path().to_owned();
        let method = head.method.clone();
        let found = find(&path);
        // an unknown path is not counted under its own name: strangers could invent millions
        let route = found.as_ref().map_or("other", |found| found.path);
        let mut answer = match found {
            None => problem::answer(&not_found()),
            Some(found) if allows(found.methods, &method) => {
                let answered = self.route(found.route, Request::from_parts(head, body)).await;
                answered.unwrap_or_else(|refusal| problem::answer(&refusal))
            }
            Some(found) => method_not_allowed(found.methods),
        };
        if is_http1 && self.health.is_draining() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let (status, took) = (answer.status().as_u16(), started.elapsed());
        let end = End { route, method: method.as_str(), status, took };
        self.follower.end(&followed, end, answer.headers_mut());
        let event = Answered { route, method: &method, status, took };
        self.core.observers().iter().for_each(|observer| observer.answered(&event));
        answer
    }

    async fn route(&self, route: Route<'_>, request: Request<Incoming>) -> Result<Answer, Refusal> {
        match route {
            Route::Version => Ok(self.version()),
            Route::Predict(target) => self.predict(&target, request).await,
            Route::Explain(target) => self.explain(&target, request).await,
            Route::Docs => Ok(self.docs()),
            Route::Startup => Ok(self.startup()),
            Route::Ready => self.ready(),
            Route::Health => self.alive(),
            Route::Metrics => Ok(self.metrics()),
        }
    }

    fn metrics(&self) -> Answer {
        let states = self.core.repository().states();
        let now = Now {
            version: &self.config.version,
            states: &states,
            dropped_spans: self.follower.dropped_spans(),
            journal: self.journal.as_ref().map(|journal| journal.counts()),
        };
        let mut answer = bytes(StatusCode::OK, self.metrics.render(now));
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        answer
    }
}

fn allows(methods: &str, method: &Method) -> bool {
    methods.split(", ").any(|allowed| allowed == method.as_str())
}

/// An answer of JSON.
pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
    bytes(status, value.to_string())
}

/// An answer of JSON that is written already.
pub(crate) fn bytes(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn method_not_allowed(methods: &'static str) -> Answer {
    let message = format!("this path answers to {methods} only");
    let mut answer = problem::answer(&Refusal::new(RefusalKind::Method, message));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

fn not_found() -> Refusal {
    let paths = "`/api/v1/predict`, `/api/v1/version`, `/api/v1/ready`, `/metrics`";
    Refusal::new(RefusalKind::NotFound, format!("no such path: there are {paths}"))
}

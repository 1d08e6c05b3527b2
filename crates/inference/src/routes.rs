//! Answers requests: one table of paths, one module per protocol.

mod docs;
mod explain;
mod kserve;
mod models;
mod native;
mod openapi;
mod paths;
mod probes;
mod v2;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;

use crate::Config;
use crate::body;
use crate::core::Core;
use crate::health::Health;
use crate::metrics::{Metrics, Now};
use crate::observer::Answered;
use crate::problem;
use crate::refusal::{Refusal, RefusalKind};
use crate::repository::Target;
use crate::telemetry::{End, Follower, Journal};
use paths::Route;

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
        let path = percent_decode_str(head.uri.path()).decode_utf8_lossy().into_owned();
        let method = head.method.clone();
        let found = paths::find(&path);
        // an unknown path is not counted under its own name: strangers could invent millions
        let route = found.as_ref().map_or("other", |found| found.path);
        let mut answer = match found {
            None => problem::answer(&not_found()),
            Some(found) if allows(found.methods, &method) => {
                let answered = self.route(found.route, &found.target, Request::from_parts(head, body)).await;
                answered.unwrap_or_else(|refusal| problem::answer(&refusal))
            }
            Some(found) => method_not_allowed(found.methods),
        };
        // of a body that was refused the rest is still on its way, and nobody will read it
        let is_half_read =
            matches!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT);
        if is_http1 && (is_half_read || self.health.is_draining()) {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let (status, took) = (answer.status().as_u16(), started.elapsed());
        let end = End { route, method: method.as_str(), status, took };
        self.follower.end(&followed, end, answer.headers_mut());
        let event = Answered { route, method: &method, status, took };
        self.core.observers().iter().for_each(|observer| observer.answered(&event));
        answer
    }

    async fn route(
        &self,
        route: Route,
        target: &Target<'_>,
        request: Request<Incoming>,
    ) -> Result<Answer, Refusal> {
        match route {
            Route::Version => Ok(self.version()),
            Route::Predict => self.predict(target, request).await,
            Route::Explain => self.explain(target, request).await,
            Route::Docs => Ok(self.docs()),
            Route::Startup => Ok(self.startup()),
            Route::Ready => self.ready(),
            Route::Health => self.alive(),
            Route::Metrics => Ok(self.metrics()),
            Route::OpenApi => Ok(self.openapi()),
            Route::Models => Ok(self.models()),
            Route::Model => self.model(target),
            Route::Load => self.change(target, true).await,
            Route::Unload => self.change(target, false).await,
            Route::V2Live => self.v2_live(),
            Route::V2Ready => self.v2_ready(),
            Route::V2Server => Ok(self.v2_server()),
            Route::V2Model => self.v2_model(target),
            Route::V2ModelReady => self.v2_model_ready(target),
            Route::V2Infer => self.v2_infer(target, request).await,
            Route::V2Index => self.v2_index(request).await,
            Route::V1Models => Ok(self.v1_models()),
            Route::V1Model => self.v1_model(target),
            Route::V1Predict => self.v1_predict(target, request).await,
        }
    }

    /// Takes in a request's body, within its bounds.
    async fn body(&self, request: Request<Incoming>) -> Result<Bytes, Refusal> {
        let limits = self.core.limits();
        Ok(body::collect(request.into_body(), limits.max_body, limits.read_timeout).await?)
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
    let paths = paths::PATHS.iter().map(|(path, ..)| format!("`{path}`")).collect::<Vec<_>>().join(", ");
    Refusal::new(RefusalKind::NotFound, format!("no such path: there are {paths}"))
}

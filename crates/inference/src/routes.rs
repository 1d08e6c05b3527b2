//! Answers requests: one table of paths, one function per path.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

use bytes::Bytes;
use engine::Model;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::Config;
use crate::body::{self, BodyError};
use crate::health::{Condition, Health};
use crate::metrics::Metrics;
use crate::predict::{self, RequestError};

type Answer = Response<Full<Bytes>>;

/// What answering needs; shared by all connections.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) model: Model,
    pub(crate) health: Health,
    metrics: Metrics,
    places: Semaphore,
    /// One per core for predictions that run beside the reactor: more would only hold memory.
    costly: Semaphore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Version,
    Predict,
    Startup,
    Ready,
    Health,
    Metrics,
}

/// Every path, what answers it and by which methods.
const ROUTES: [(&str, Route, &str); 6] = [
    ("/api/v1/version", Route::Version, "GET, HEAD"),
    ("/api/v1/predict", Route::Predict, "POST"),
    ("/api/v1/startup", Route::Startup, "GET, HEAD"),
    ("/api/v1/ready", Route::Ready, "GET, HEAD"),
    ("/api/v1/health", Route::Health, "GET, HEAD"),
    ("/metrics", Route::Metrics, "GET, HEAD"),
];

impl App {
    pub(crate) fn new(config: Config, model: Model) -> Arc<Self> {
        Arc::new(App {
            health: Health::starting_now(config.fail_after),
            places: Semaphore::new(config.max_concurrent.clamp(1, Semaphore::MAX_PERMITS)),
            costly: Semaphore::new(available_parallelism().map_or(1, NonZero::get)),
            metrics: Metrics::default(),
            config,
            model,
        })
    }

    /// Answers any request; never fails, so that a connection outlives a bad one.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let started = Instant::now();
        let _in_flight = self.metrics.enter();
        let is_http1 = request.version() <= Version::HTTP_11;
        let found = ROUTES.iter().find(|(path, ..)| *path == request.uri().path());
        let mut answer = match found {
            None => not_found(),
            Some((_, route, methods)) if allows(methods, request.method()) => {
                self.route(*route, request).await
            }
            Some((_, _, methods)) => method_not_allowed(methods),
        };
        if is_http1 && self.health.is_draining() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        // an unknown path is not counted under its own name: strangers could invent millions
        let path = found.map_or("other", |(path, ..)| path);
        self.metrics.observe(path, answer.status().as_u16(), started.elapsed());
        answer
    }

    async fn route(self: &Arc<Self>, route: Route, request: Request<Incoming>) -> Answer {
        match route {
            Route::Version => json(StatusCode::OK, &self.version()),
            Route::Predict => self.predict(request).await,
            Route::Startup => json(StatusCode::OK, &json!({ "status": "started" })),
            Route::Ready => self.ready(),
            Route::Health => self.alive(),
            Route::Metrics => self.metrics(),
        }
    }

    fn version(&self) -> serde_json::Value {
        json!({
            "version": self.config.version,
            "model": self.model.name(),
            "kind": self.model.kind(),
            "origin": self.model.origin(),
        })
    }

    fn ready(&self) -> Answer {
        match self.health.condition() {
            Condition::Serving => json(StatusCode::OK, &json!({ "status": "ready" })),
            Condition::Draining => {
                error(StatusCode::SERVICE_UNAVAILABLE, "the server is shutting down", None)
            }
            Condition::Failing => failing(),
        }
    }

    /// Draining is no illness: a liveness probe must not restart a server that is finishing.
    fn alive(&self) -> Answer {
        match self.health.condition() {
            Condition::Serving | Condition::Draining => json(StatusCode::OK, &json!({ "status": "healthy" })),
            Condition::Failing => failing(),
        }
    }

    fn metrics(&self) -> Answer {
        let text = self.metrics.render(self.model.name(), &self.config.version);
        let mut answer = Response::new(Full::from(text));
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        answer
    }

    async fn predict(self: &Arc<Self>, request: Request<Incoming>) -> Answer {
        let Ok(_place) = self.places.try_acquire() else { return overloaded() };
        let collected = body::collect(request.into_body(), self.config.max_body, self.config.read_timeout);
        let body = match collected.await {
            Ok(body) => body,
            Err(refusal) => return refused(refusal),
        };
        let request = match predict::parse(&body) {
            Ok(request) => request,
            Err(error) => return bad_request(&error),
        };
        drop(body);
        let count = request.len();
        let answered = if request.is_costly() {
            self.predict_beside(request).await
        } else {
            Some(predict::answer(&self.model, &request))
        };
        let Some(answered) = answered else {
            return error(StatusCode::INTERNAL_SERVER_ERROR, "the prediction failed", None);
        };
        match answered {
            Ok(body) => {
                self.metrics.count_predictions(count);
                json_bytes(StatusCode::OK, body)
            }
            Err(error) => bad_request(&error),
        }
    }

    /// Predicts in a thread of its own, so that the reactor goes on answering probes.
    async fn predict_beside(
        self: &Arc<Self>,
        request: predict::Request,
    ) -> Option<Result<Vec<u8>, RequestError>> {
        // the semaphore is never closed
        let _place = self.costly.acquire().await.ok()?;
        let app = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || predict::answer(&app.model, &request));
        task.await.inspect_err(|panic| tracing::error!(%panic, "a prediction failed")).ok()
    }
}

fn allows(methods: &str, method: &Method) -> bool {
    methods.split(", ").any(|allowed| allowed == method.as_str())
}

fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
    json_bytes(status, value.to_string().into_bytes())
}

fn json_bytes(status: StatusCode, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn error(status: StatusCode, message: &str, field: Option<&str>) -> Answer {
    let mut body = json!({ "error": message });
    if let Some(field) = field {
        body["field"] = field.into();
    }
    json(status, &body)
}

fn failing() -> Answer {
    error(StatusCode::INTERNAL_SERVER_ERROR, "the server was told to fail after some time", None)
}

fn bad_request(refusal: &RequestError) -> Answer {
    error(StatusCode::BAD_REQUEST, &refusal.to_string(), refusal.field())
}

fn refused(refusal: BodyError) -> Answer {
    let status = match refusal {
        BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
        BodyError::BrokeOff => StatusCode::BAD_REQUEST,
    };
    let mut answer = error(status, &refusal.to_string(), None);
    // the rest of the body is still on its way and nobody will read it
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn overloaded() -> Answer {
    let mut answer = error(StatusCode::SERVICE_UNAVAILABLE, "overloaded: try again later", None);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

fn method_not_allowed(methods: &'static str) -> Answer {
    let message = format!("this path answers to {methods} only");
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, &message, None);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

fn not_found() -> Answer {
    let paths: Vec<&str> = ROUTES.iter().map(|(path, ..)| *path).collect();
    error(StatusCode::NOT_FOUND, &format!("no such path: there are {}", paths.join(", ")), None)
}

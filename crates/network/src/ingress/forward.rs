//! Requests of clients that speak HTTP/2: the way to an endpoint, and the second and third way when
//! the first one fails. (Those of HTTP/1: [`super::http1`].)

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use tokio::time;

use super::{
    Shared,
    accept::Client,
    answer::Refusal,
    body::{EndpointBody, ProxyBody},
    connection::{ClientBody, Connection, Failed, Outgoing},
    endpoint::Backend,
    grpc, headers,
    metrics::Counters,
    table::Destination,
};

/// A body of known length up to this is read before an endpoint is chosen: it can be sent again, and
/// a slow client occupies no endpoint. (nginx keeps 8 to 16 KiB in memory, the rest in files.)
pub(super) const KEPT_BODY_BYTES: u64 = 64 << 10;

/// Attempts that reached an endpoint and broke, before we give up: breaking is the application's
/// fault then.
const MAX_BROKEN: u32 = 5;

/// Between rounds in which every endpoint refused.
const PAUSE: Duration = Duration::from_millis(20);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Answers one request of a client of HTTP/2.
pub(super) async fn handle(
    shared: Arc<Shared>,
    client: Arc<Client>,
    request: Request<Incoming>,
) -> Result<Response<ProxyBody>, Infallible> {
    let started = Instant::now();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let authority = headers::authority(&request);
    let host = authority.as_deref().map(headers::without_port).unwrap_or_default().to_owned();
    let table = shared.table();
    let found = table.destination(&host, uri.path());
    let backend = found.as_ref().map_or(&table.nobody, |destination| &destination.backend).clone();
    drop(table);
    let answer = match (authority, found) {
        (Ok(_), None) => Err(Refusal::NoRoute),
        (Ok(authority), Some(destination)) => {
            let place = Place::new(shared, host.clone(), uri.path().to_owned());
            answer(&place, &destination, &client, request, &authority).await
        }
        (Err(refusal), _) => Err(refusal),
    };
    let refusal = answer.as_ref().err().cloned();
    let response = answer.unwrap_or_else(|refusal| refusal.response());
    let took = started.elapsed();
    backend.counters().answered(response.status().as_u16(), refusal.is_some(), took);
    tracing::debug!(
        target: "network::ingress::access",
        client = %client.address, %method, host, path = uri.path(), status = response.status().as_u16(),
        backend = backend.key(), took_us = took.as_micros(), reason = refusal.as_ref().map(Refusal::reason),
    );
    Ok(response)
}

async fn answer(
    place: &Place,
    destination: &Destination,
    client: &Client,
    mut request: Request<Incoming>,
    authority: &str,
) -> Result<Response<ProxyBody>, Refusal> {
    let treatment = &destination.treatment;
    if request.method() == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    if treatment.redirects_to_https && client.scheme == "http" {
        let target = headers::origin_form(request.uri()).to_string();
        return Err(Refusal::ToHttps(place.shared.https_location(authority, &target)));
    }
    // A route and an endpoint first: a body for nobody needs no reading.
    if place.destination()?.backend.is_empty() {
        return Err(Refusal::NoEndpoint);
    }
    let limit = treatment.max_body_bytes.unwrap_or(u64::MAX);
    if request.body().size_hint().lower() > limit {
        return Err(Refusal::TooLarge);
    }
    if treatment.rewrite.is_some()
        && let Some(target) = destination.rewritten(&headers::origin_form(request.uri()).to_string())
    {
        *request.uri_mut() = target.parse().map_err(|_| Refusal::Malformed("the rewritten path is none"))?;
    }
    let is_call = treatment.speaks_http2 || grpc::is_call(&request);
    headers::for_endpoint(request.headers_mut(), client, authority)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let request = request.map(|body| ClientBody::new(body, limit));
    if is_call {
        // Apart, so that the state of an ordinary request stays small: it is moved when it begins.
        return Box::pin(grpc::forward(place, authority, request.map(Either::Right))).await;
    }
    let patience = treatment.response_timeout.unwrap_or(place.shared.config.response_timeout);
    forward(place, Job::read(request, patience).await?, patience).await
}

/// Where a request wants to go; looked up anew for each attempt.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) shared: Arc<Shared>,
    host: String,
    path: String,
}

impl Place {
    pub(super) fn new(shared: Arc<Shared>, host: String, path: String) -> Self {
        Self { shared, host, path }
    }

    pub(super) fn destination(&self) -> Result<Arc<Destination>, Refusal> {
        self.shared.table().destination(&self.host, &self.path).ok_or(Refusal::NoRoute)
    }
}

/// A request that can be sent, perhaps several times.
#[derive(Debug)]
struct Job {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Payload,
}

#[derive(Debug)]
enum Payload {
    Kept(Bytes),
    /// `None` once it is on its way.
    Passing(Option<ClientBody>),
}

impl Job {
    async fn read(request: Request<ClientBody>, patience: Duration) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let body = if body.is_end_stream() {
            Payload::Kept(Bytes::new())
        } else if body.size_hint().exact().is_some_and(|length| length <= KEPT_BODY_BYTES) {
            let collected = time::timeout(patience, body.collect()).await.map_err(|_| Refusal::SlowBody)?;
            let broken = |_| Refusal::Malformed("the request's body broke off");
            Payload::Kept(collected.map_err(broken)?.to_bytes())
        } else {
            Payload::Passing(Some(body))
        };
        Ok(Self { method: parts.method, uri: headers::origin_form(&parts.uri), headers: parts.headers, body })
    }

    fn request(&mut self) -> Option<Request<Outgoing>> {
        let body = match &mut self.body {
            Payload::Kept(bytes) => Either::Left(Full::new(bytes.clone())),
            Payload::Passing(body) => Either::Right(body.take()?),
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        Some(request)
    }

    /// Takes back a request of which nothing was sent.
    fn take_back(&mut self, request: Request<Outgoing>) {
        if let (Payload::Passing(place), Either::Right(body)) = (&mut self.body, request.into_body()) {
            *place = Some(body);
        }
    }

    fn can_be_sent_again(&self) -> bool {
        match &self.body {
            Payload::Kept(_) => true,
            Payload::Passing(body) => body.is_some(),
        }
    }

    /// Says whether doing it twice is as good as once (RFC 9110, 9.2.2).
    fn is_idempotent(&self) -> bool {
        self.method.is_idempotent() || self.headers.contains_key(IDEMPOTENCY_KEY)
    }
}

/// What has been tried for one request.
#[derive(Debug)]
pub(super) struct Attempts {
    deadline: Instant,
    tried: Vec<SocketAddr>,
    broken: u32,
}

impl Attempts {
    pub(super) fn new(retry_time: Duration) -> Self {
        Self { deadline: Instant::now() + retry_time, tried: Vec::new(), broken: 0 }
    }

    pub(super) fn broken(&self) -> u32 {
        self.broken
    }

    pub(super) fn tried(&self) -> &[SocketAddr] {
        &self.tried
    }

    /// Notes that an endpoint took no connection; waits a moment when all have been tried.
    pub(super) async fn no_connection(
        &mut self,
        backend: &Backend,
        address: SocketAddr,
        error: &std::io::Error,
    ) -> Result<(), Refusal> {
        let is_second_round = self.tried.contains(&address);
        if Instant::now() >= self.deadline {
            return Err(Refusal::Broken(format!("no connection to {address}: {error}")));
        }
        Counters::add(&backend.counters().retries);
        if is_second_round {
            self.tried.clear();
            time::sleep(PAUSE).await;
        }
        self.tried.push(address);
        Ok(())
    }

    /// Notes that a connection broke with the request on it, and that it may be sent again.
    pub(super) fn broke(
        &mut self,
        backend: &Backend,
        address: SocketAddr,
        was_reused: bool,
        reason: String,
    ) -> Result<(), Refusal> {
        self.broken += 1;
        if self.broken >= MAX_BROKEN || Instant::now() >= self.deadline {
            return Err(Refusal::Broken(reason));
        }
        Counters::add(&backend.counters().retries);
        if !was_reused {
            self.tried.push(address);
        }
        Ok(())
    }
}

async fn forward(place: &Place, mut job: Job, patience: Duration) -> Result<Response<ProxyBody>, Refusal> {
    let config = &place.shared.config;
    let mut attempts = Attempts::new(config.retry_time);
    loop {
        let destination = place.destination()?;
        let backend = &destination.backend;
        let in_flight = backend.pick(attempts.tried()).ok_or(Refusal::NoEndpoint)?;
        let endpoint = in_flight.endpoint().clone();
        if endpoint.is_retired() {
            // The routes changed between our look and our choice.
            continue;
        }
        // After a break, and for what can't be sent twice, only a new connection will do.
        let may_reuse = attempts.broken == 0 && matches!(job.body, Payload::Kept(_));
        let reused = if may_reuse { endpoint.take_idle() } else { None };
        let was_reused = reused.is_some();
        let opened = match reused {
            Some(connection) => Ok(connection),
            None => {
                let patience = destination.treatment.connect_timeout.unwrap_or(config.connect_timeout);
                Connection::open(endpoint.address(), patience).await
            }
        };
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) => {
                endpoint.avoid();
                attempts.no_connection(backend, endpoint.address(), &error).await?;
                continue;
            }
        };
        let Some(request) = job.request() else {
            return Err(Refusal::Broken("its body is spent".to_owned()));
        };
        match connection.exchange(request, patience).await {
            Ok(response) => {
                let wrap = |body| EndpointBody::new(body, connection, in_flight, backend.counters().clone());
                return finish(response, wrap);
            }
            Err(failed) => {
                let reason = judge(&mut job, failed, endpoint.address())?;
                attempts.broke(backend, endpoint.address(), was_reused, reason)?;
            }
        }
    }
}

/// Says whether a failed request may be sent again: `Err` ends it.
fn judge(job: &mut Job, failed: Failed, address: SocketAddr) -> Result<String, Refusal> {
    let reason = format!("{address}: {}", failed.reason);
    if failed.timed_out {
        return Err(Refusal::TimedOut(reason));
    }
    if failed.was_too_large {
        return Err(Refusal::TooLarge);
    }
    if let Some(request) = failed.unsent {
        job.take_back(request);
    }
    let is_harmless = failed.never_arrived || job.is_idempotent();
    let again = !failed.was_answered && is_harmless && job.can_be_sent_again();
    if again { Ok(reason) } else { Err(Refusal::Broken(reason)) }
}

fn finish(
    response: Response<Incoming>,
    wrap: impl FnOnce(Incoming) -> EndpointBody,
) -> Result<Response<ProxyBody>, Refusal> {
    if response.status() == http::StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::Broken("it changed the protocol unasked".to_owned()));
    }
    let mut response = response.map(|body| ProxyBody::Endpoint(wrap(body)));
    headers::for_client(response.headers_mut());
    *response.version_mut() = http::Version::default();
    Ok(response)
}

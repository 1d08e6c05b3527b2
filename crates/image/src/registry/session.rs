//! Requests to one repository: proof of who we are, redirects, and what refusals mean.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, LOCATION, USER_AGENT, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use super::challenge::{self};
use super::connect::ConnectError;
use super::credentials::Credential;
use super::token::Proof;
use super::{Registry, RegistryError};
use crate::reference::Reference;

/// The body of a request.
pub(super) type Body = BoxBody<Bytes, io::Error>;

/// How long a registry may think about a request that carries no blob.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// The slowest line on which an upload is still worth waiting for, in bytes a second.
const UPLOAD_SPEED_MIN: u64 = 16 << 10;
/// As many as any browser follows.
const REDIRECTS_MAX: usize = 10;
/// A refusal is a sentence, not a book.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
const FILE_BUFFER: usize = 128 << 10;

/// What a request carries.
#[derive(Clone)]
pub(super) enum Payload {
    Nothing,
    Text(Bytes),
    /// A blob, and who is told how much of it is sent.
    File {
        path: PathBuf,
        size: u64,
        sent: Arc<dyn Fn(u64) + Send + Sync>,
    },
}

/// A request, as often as it must be made.
#[derive(Clone)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Absolute, or a path on the registry.
    pub(super) url: &'a str,
    pub(super) headers: &'a [(HeaderName, &'a str)],
    pub(super) payload: Payload,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, url: &'a str) -> Call<'a> {
        Call { method, url, headers: &[], payload: Payload::Nothing }
    }
}

/// Requests to one repository.
pub(super) struct Session<'a> {
    registry: &'a Registry,
    /// `https://registry-1.docker.io`
    pub(super) base: String,
    /// `registry-1.docker.io`
    pub(super) host: String,
    pub(super) reference: &'a Reference,
    proof: tokio::sync::Mutex<Proof>,
}

impl<'a> Session<'a> {
    /// `actions` is what a token should allow: `pull`, or `pull,push`.
    pub(super) async fn open(
        registry: &'a Registry,
        reference: &'a Reference,
        credentials: Vec<Credential>,
        actions: &str,
    ) -> Result<Session<'a>, RegistryError> {
        let base = registry.base(reference).await?;
        let host = host_of(&base);
        let scope = format!("repository:{}:{actions}", reference.path());
        let proof = tokio::sync::Mutex::new(Proof::new(credentials, scope));
        Ok(Session { registry, base, host, reference, proof })
    }

    /// Returns a URL below the repository: `…/v2/library/web/manifests/latest`.
    pub(super) fn url(&self, rest: &str) -> String {
        format!("{}/v2/{}/{rest}", self.base, self.reference.path())
    }

    /// Sends a request, with proof of who we are if the registry wants it. Any answer but
    /// 401 and 403 is the caller's to judge.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<Response<Incoming>, RegistryError> {
        loop {
            let header = self.proof.lock().await.header();
            let response = follow(self.registry, &call, header.as_ref()).await?;
            match response.status() {
                StatusCode::UNAUTHORIZED => {
                    let asked = response.headers().get_all(WWW_AUTHENTICATE);
                    let asked = challenge::parse(asked.iter().filter_map(|value| value.to_str().ok()));
                    let mut proof = self.proof.lock().await;
                    if !proof.renew(self.registry, &self.host, asked, header.as_ref()).await? {
                        return Err(self.denied());
                    }
                }
                StatusCode::FORBIDDEN => {
                    if !self.proof.lock().await.try_next(header.as_ref()) {
                        return Err(self.denied());
                    }
                }
                _ => {
                    self.proof.lock().await.worked(header.as_ref());
                    return Ok(response);
                }
            }
        }
    }

    fn denied(&self) -> RegistryError {
        RegistryError::Denied { repository: self.reference.repository() }
    }

    /// Turns an answer that is not the expected one into an error.
    pub(super) async fn refusal(&self, response: Response<Incoming>, name: &str) -> RegistryError {
        if response.status() == StatusCode::NOT_FOUND {
            return RegistryError::NotFound { name: name.to_owned() };
        }
        let status = response.status().as_u16();
        let message = message(response).await;
        RegistryError::Refused { host: self.host.clone(), status, message }
    }

    pub(super) fn nonsense(&self, why: &'static str) -> RegistryError {
        RegistryError::Nonsense { host: self.host.clone(), why }
    }
}

/// Finds out whether a host speaks the protocol of its URL; what it says doesn't matter.
pub(super) async fn ping(registry: &Registry, base: &str) -> Result<(), RegistryError> {
    follow(registry, &Call::new(Method::GET, &format!("{base}/v2/")), None).await.map(drop)
}

/// Sends a request and follows redirects; proof goes to the first host only.
pub(super) async fn follow(
    registry: &Registry,
    call: &Call<'_>,
    proof: Option<&HeaderValue>,
) -> Result<Response<Incoming>, RegistryError> {
    let mut url = call.url.to_owned();
    let first = origin(&url);
    for _ in 0..REDIRECTS_MAX {
        let proof = proof.filter(|_| origin(&url) == first);
        let response = send_once(registry, call, &url, proof).await?;
        let is_read = matches!(call.method, Method::GET | Method::HEAD);
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        match location {
            Some(location) if response.status().is_redirection() && is_read => url = resolve(&url, location),
            _ => return Ok(response),
        }
    }
    Err(RegistryError::Nonsense { host: host_of(call.url), why: "it redirects in a circle" })
}

async fn send_once(
    registry: &Registry,
    call: &Call<'_>,
    url: &str,
    proof: Option<&HeaderValue>,
) -> Result<Response<Incoming>, RegistryError> {
    let host = host_of(url);
    let unusable = || RegistryError::Nonsense { host: host.clone(), why: "it redirects to no address" };
    let mut builder = Request::builder().method(call.method.clone()).uri(url);
    builder = builder.header(USER_AGENT, concat!("pinnace/", env!("CARGO_PKG_VERSION")));
    for (name, value) in call.headers {
        builder = builder.header(name, *value);
    }
    if let Some(proof) = proof {
        builder = builder.header(AUTHORIZATION, proof);
    }
    if let Some(length) = call.payload.length() {
        builder = builder.header(CONTENT_LENGTH, length);
    }
    let body = call.payload.open().map_err(|source| broken(&host, Box::new(source)))?;
    let request = builder.body(body).map_err(|_| unusable())?;
    let upload = Duration::from_secs(call.payload.length().unwrap_or(0) / UPLOAD_SPEED_MIN);
    let time = ANSWER_TIME_MAX + upload;
    match tokio::time::timeout(time, registry.client.request(request)).await {
        Err(_) => Err(RegistryError::Timeout { host, seconds: time.as_secs() }),
        Ok(Err(error)) => Err(request_error(&host, error)),
        Ok(Ok(response)) => Ok(response),
    }
}

/// Finds the failed connection in what hyper makes of it.
fn request_error(host: &str, error: hyper_util::client::legacy::Error) -> RegistryError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<ConnectError>() {
            return RegistryError::Connect(error.clone());
        }
        cause = error.source();
    }
    broken(host, Box::new(error))
}

pub(super) fn broken(host: &str, source: Box<dyn std::error::Error + Send + Sync>) -> RegistryError {
    RegistryError::Broken { host: host.to_owned(), source }
}

impl Payload {
    fn length(&self) -> Option<u64> {
        match self {
            Payload::Nothing => None,
            Payload::Text(text) => Some(text.len() as u64),
            Payload::File { size, .. } => Some(*size),
        }
    }

    fn open(&self) -> io::Result<Body> {
        let never = |never: std::convert::Infallible| match never {};
        Ok(match self {
            Payload::Nothing => Empty::new().map_err(never).boxed(),
            Payload::Text(text) => Full::new(text.clone()).map_err(never).boxed(),
            Payload::File { path, sent, .. } => {
                let file = tokio::fs::File::from_std(std::fs::File::open(path)?);
                let sent = sent.clone();
                let mut total = 0;
                let count = move |chunk: Bytes| {
                    total += chunk.len() as u64;
                    sent(total);
                    Frame::data(chunk)
                };
                let chunks = ReaderStream::with_capacity(file, FILE_BUFFER).map_ok(count);
                BodyExt::boxed(StreamBody::new(chunks))
            }
        })
    }
}

/// What a registry says when it refuses: `{"errors":[{"code":"…","message":"…"}]}`.
#[derive(Deserialize)]
struct Refusal {
    errors: Vec<RefusalReason>,
}

#[derive(Deserialize)]
struct RefusalReason {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

async fn message(response: Response<Incoming>) -> String {
    let Ok(body) = Limited::new(response.into_body(), MESSAGE_BYTES_MAX).collect().await else {
        return String::new();
    };
    let Ok(refusal) = serde_json::from_slice::<Refusal>(&body.to_bytes()) else {
        return String::new();
    };
    let reasons =
        refusal.errors.iter().map(|reason| format!("{}: {}", reason.code.to_lowercase(), reason.message));
    reasons.collect::<Vec<_>>().join("; ")
}

/// Returns the host and port of a URL, for messages.
pub(super) fn host_of(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    let authority = uri.and_then(|uri| uri.authority().map(ToString::to_string));
    authority.unwrap_or_else(|| url.to_owned())
}

fn origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

/// Resolves the `Location` of an answer against the URL that was asked.
pub(super) fn resolve(base: &str, location: &str) -> String {
    if location.starts_with("http://") || location.starts_with("https://") {
        return location.to_owned();
    }
    let origin = origin(base).unwrap_or_default();
    if let Some(rest) = location.strip_prefix("//") {
        let scheme = origin.split("://").next().unwrap_or("https");
        return format!("{scheme}://{rest}");
    }
    if location.starts_with('/') {
        return format!("{origin}{location}");
    }
    let folder = base.split(['?', '#']).next().and_then(|base| base.rsplit_once('/'));
    format!("{}/{location}", folder.map_or(origin.as_str(), |(folder, _)| folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved_as_browsers_do() {
        let check = |location, expected: &str| {
            assert_eq!(resolve("https://a:1/v2/b/blobs/uploads/?x=/", location), expected);
        };
        check("http://c/d?e", "http://c/d?e");
        check("//c/d", "https://c/d");
        check("/d?e=f", "https://a:1/d?e=f");
        check("d", "https://a:1/v2/b/blobs/uploads/d");
    }
}

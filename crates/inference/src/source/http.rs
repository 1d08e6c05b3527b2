//! Files of web servers.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, ETAG, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, LOCATION,
    RANGE, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::origin::{BoxFuture, Entry, Opened, Origin, OriginError, Part};
use super::tls;

/// As many as any browser follows.
const REDIRECTS_MAX: usize = 10;
/// How long a connection may take to come about.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// A checksum with a file's name beside it.
const CHECKSUM_BYTES_MAX: usize = 4096;

/// What a request to a store carries.
pub(super) type Body = BoxBody<Bytes, object_store::client::HttpError>;

/// A client of web servers, with or without TLS.
pub(super) type Web = Client<HttpsConnector<HttpConnector>, Body>;

/// Makes a client; connects to nobody yet.
pub(super) fn web() -> Web {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIME_MAX));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls::client())
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector)
}

/// One file of a web server.
pub(super) struct WebFile {
    web: Web,
    url: Uri,
    authorization: Option<HeaderValue>,
}

impl WebFile {
    pub(super) fn new(web: Web, url: &str, authorization: Option<&str>) -> Result<WebFile, OriginError> {
        let no_url = |_| OriginError::lasting("the address is no URL");
        let (url, from_url) = take_password(url);
        let url: Uri = url.parse().map_err(no_url)?;
        let given = authorization.map(str::to_owned).or(from_url);
        let given = given.map(|text| HeaderValue::from_str(&text)).transpose();
        let mut authorization = given
            .map_err(|_| OriginError::lasting("the authorization has characters that no header can hold"))?;
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Ok(WebFile { web, url, authorization })
    }

    /// Asks and follows redirects; who we are is told to the first host only.
    async fn get(&self, first: &Uri, headers: &HeaderMap) -> Result<Response<Incoming>, OriginError> {
        let mut url = first.clone();
        for _ in 0..REDIRECTS_MAX {
            let mut request =
                Request::get(&url).body(Full::default().map_err(|never| match never {}).boxed());
            if let Ok(request) = &mut request {
                request.headers_mut().extend(headers.clone());
                let is_same = url.authority() == self.url.authority() && url.scheme() == self.url.scheme();
                if let Some(authorization) = self.authorization.clone().filter(|_| is_same) {
                    request.headers_mut().insert(AUTHORIZATION, authorization);
                }
            }
            let request = request.map_err(|_| OriginError::lasting("the address can't be asked for"))?;
            let host = url.authority().map_or_else(String::new, ToString::to_string);
            let answer = self.web.request(request).await.map_err(|error| {
                OriginError::passing(format!(
                    "no answer of `{}`",
                    host.rsplit('@').next().unwrap_or_default()
                ))
                .caused(error)
            })?;
            let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            match location.filter(|_| answer.status().is_redirection()) {
                Some(location) => url = resolve(&url, location)?,
                None => return Ok(answer),
            }
        }
        Err(OriginError::lasting(format!("more than {REDIRECTS_MAX} redirects")))
    }

    async fn open_part(&self, part: Part<'_>) -> Result<Opened, OriginError> {
        let mut headers = ours();
        let text = |text: &str| HeaderValue::from_str(text).ok();
        if part.offset > 0 {
            headers.insert(
                RANGE,
                HeaderValue::from_str(&format!("bytes={}-", part.offset)).expect("digits are text"),
            );
            // only a strong tag vouches for single bytes
            if let Some(version) = part.version.filter(|version| !version.starts_with("W/")).and_then(text) {
                headers.insert(IF_RANGE, version);
            }
        }
        if let Some(version) = part.unless.filter(|version| version.ends_with('"')).and_then(text) {
            headers.insert(IF_NONE_MATCH, version);
        }
        let answer = self.get(&self.url, &headers).await?;
        let (offset, size) = match answer.status() {
            StatusCode::OK => (0, content_length(answer.headers())),
            StatusCode::PARTIAL_CONTENT => range(answer.headers())?,
            StatusCode::NOT_MODIFIED => return Ok(Opened::Unchanged),
            status => return Err(refusal(status)),
        };
        let version = [ETAG, LAST_MODIFIED].into_iter().find_map(|name| answer.headers().get(name).cloned());
        let version = version.and_then(|version| version.to_str().ok().map(str::to_owned));
        let broken = |error| OriginError::passing("the connection broke").caused(error);
        let stream = answer.into_body().into_data_stream().map(move |piece| piece.map_err(broken));
        Ok(Opened::Bytes { offset, size, version, stream: Box::pin(stream) })
    }

    /// `FILE.sha256` beside the file, as `sha256sum` writes it.
    async fn beside(&self) -> Option<String> {
        let text = self.url.to_string();
        let (path, query) =
            text.split_once('?').map_or((text.as_str(), None), |(path, query)| (path, Some(query)));
        // a signature in the query is that of one path
        if query.is_some() {
            return None;
        }
        let answer = self.get(&format!("{path}.sha256").parse().ok()?, &ours()).await.ok()?;
        if answer.status() != StatusCode::OK {
            return None;
        }
        let body = Limited::new(answer.into_body(), CHECKSUM_BYTES_MAX).collect().await.ok()?;
        String::from_utf8(body.to_bytes().into()).ok()
    }
}

impl Origin for WebFile {
    fn entries(&self) -> BoxFuture<'_, Result<Vec<Entry>, OriginError>> {
        Box::pin(async { Ok(vec![Entry::default()]) })
    }

    fn open<'a>(&'a self, _: &'a Entry, part: Part<'a>) -> BoxFuture<'a, Result<Opened, OriginError>> {
        Box::pin(self.open_part(part))
    }

    fn checksum<'a>(&'a self, _: &'a Entry) -> BoxFuture<'a, Option<String>> {
        Box::pin(self.beside())
    }
}

/// A server that packs a file on the way could not resume it.
fn ours() -> HeaderMap {
    let agent = HeaderValue::from_static(concat!("pinnace/", env!("CARGO_PKG_VERSION")));
    HeaderMap::from_iter([(USER_AGENT, agent), (ACCEPT_ENCODING, HeaderValue::from_static("identity"))])
}

/// A user and password in the address become what HTTP calls basic authorization.
fn take_password(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let end = rest.find('/').unwrap_or(rest.len());
    let Some((user, host)) = rest[..end].rsplit_once('@') else { return (url.to_owned(), None) };
    let user: Vec<u8> = percent_encoding::percent_decode_str(user).collect();
    let proof = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, user);
    (format!("{scheme}://{host}{}", &rest[end..]), Some(format!("Basic {proof}")))
}

fn resolve(base: &Uri, location: &str) -> Result<Uri, OriginError> {
    let base = url::Url::parse(&base.to_string()).ok();
    let url = base.and_then(|base| base.join(location).ok()).map(String::from);
    let is_web = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    let url = url.and_then(|url| url.parse().ok()).filter(is_web);
    url.ok_or_else(|| OriginError::lasting("it redirects to no address of the web"))
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads `bytes 5-9/10`.
fn range(headers: &HeaderMap) -> Result<(u64, Option<u64>), OriginError> {
    let text = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()?.strip_prefix("bytes "));
    let parsed = text.and_then(|text| {
        let (range, size) = text.split_once('/')?;
        Some((range.split('-').next()?.trim().parse().ok()?, size.trim().parse().ok()))
    });
    parsed.ok_or_else(|| OriginError::lasting("it sends a part without saying which"))
}

/// A refusal that may end: too much asked, a server or a gateway in trouble, a part that is no more.
fn refusal(status: StatusCode) -> OriginError {
    let is_passing = status.is_server_error() || matches!(status.as_u16(), 408 | 412 | 416 | 423 | 425 | 429);
    OriginError { message: format!("it answers {status}"), is_passing, source: None }
}

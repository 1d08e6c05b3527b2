//! HTTP and HTTPS: any status from 200 to 399 is a success.

use std::time::Duration;

use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::Outcome;
use super::check::{HttpTarget, connect};
use super::tls;

/// As many as Go's client follows.
const MAX_REDIRECTS: usize = 10;
/// As much of an answer as Kubernetes reads.
const BODY_LIMIT: usize = 10 * 1024;

/// Asks once, following redirects on the same host.
pub(crate) async fn check(target: &HttpTarget, timeout: Duration) -> Outcome {
    let deadline = Instant::now() + timeout;
    let mut target = target.clone();
    for _ in 0..=MAX_REDIRECTS {
        let (status, location) = match ask(&target, deadline).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        match location.and_then(|location| redirected(&target, &location)) {
            Some(next) if status.is_redirection() => target = next,
            Some(_) | None if (200..400).contains(&status.as_u16()) => return Outcome::Success,
            Some(_) | None => {
                return Outcome::Failure(format!("HTTP probe failed with statuscode: {}", status.as_u16()));
            }
        }
    }
    Outcome::Failure(format!("{}: stopped after {MAX_REDIRECTS} redirects", url(&target)))
}

/// Returns where a redirect leads; `None` if to another host, which Kubernetes takes as a success.
fn redirected(target: &HttpTarget, location: &str) -> Option<HttpTarget> {
    let uri: Uri = location.parse().ok()?;
    if uri.authority().is_some_and(|authority| authority.as_str() != target.host) {
        return None;
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let is_https = uri.scheme_str().map_or(target.is_https, |scheme| scheme == "https");
    Some(HttpTarget { path: path.to_owned(), is_https, ..target.clone() })
}

async fn ask(target: &HttpTarget, deadline: Instant) -> Result<(StatusCode, Option<String>), Outcome> {
    let left = deadline.saturating_duration_since(Instant::now());
    let stream = connect(target.address, left).await.map_err(|outcome| match outcome {
        Outcome::Refused(message) => Outcome::Refused(format!("Get \"{}\": {message}", url(target))),
        Outcome::Failure(message) => Outcome::Failure(format!("Get \"{}\": {message}", url(target))),
        Outcome::Success => Outcome::Success,
    })?;
    // The kernel may hold a small request back for an earlier acknowledgement otherwise.
    let _ = stream.set_nodelay(true);
    let answer = async {
        if target.is_https {
            exchange(tls::connect(stream, target.address.ip()).await?, target).await
        } else {
            exchange(stream, target).await
        }
    };
    match tokio::time::timeout_at(deadline, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(message)) => Err(Outcome::Failure(format!("Get \"{}\": {message}", url(target)))),
        Err(_) => Err(Outcome::Failure(format!(
            "Get \"{}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            url(target)
        ))),
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    target: &HttpTarget,
) -> Result<(StatusCode, Option<String>), String> {
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let request = request(target).map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(text)?;
        let (parts, body) = response.into_parts();
        // Read, so that the app does not see a reset; bounded, so that it cannot flood the node.
        let _ = Limited::new(body, BODY_LIMIT).collect().await;
        let location = parts.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        Ok((parts.status, location.map(str::to_owned)))
    };
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // The connection may end with the answer already in hand.
        _ = connection => answer.await,
    }
}

fn request(target: &HttpTarget) -> Result<Request<Empty<Bytes>>, http::Error> {
    let named = |name: &str| target.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let host = named("host").map_or(target.host.as_str(), |(_, value)| value.as_str());
    let mut request = Request::get(target.path.as_str()).header(header::HOST, host);
    if named("user-agent").is_none() {
        request = request.header(header::USER_AGENT, "kube-probe/1.36");
    }
    if named("accept").is_none() {
        request = request.header(header::ACCEPT, "*/*");
    }
    for (name, value) in target.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        request = request.header(name, value);
    }
    request.header(header::CONNECTION, "close").body(Empty::new())
}

fn url(target: &HttpTarget) -> String {
    let scheme = if target.is_https { "https" } else { "http" };
    format!("{scheme}://{}{}", target.host, target.path)
}

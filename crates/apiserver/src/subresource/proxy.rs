//! `proxy`: HTTP to a pod, or to a ready pod behind a service.

use api::status::ApiError;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;

use crate::{
    Body,
    core::{Call, Core},
    route::Target,
    streams::PodRef,
    subresource::container,
};

/// Headers of the hop between client and server, and what proves who the client is.
const OWN_HEADERS: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Where a request goes.
struct Destination {
    pod: PodRef,
    port: u16,
}

/// Passes a request on and answers with what comes back.
pub(crate) async fn serve<B>(
    core: &Core,
    call: &Call,
    method: Method,
    uri: &Uri,
    body: B,
) -> Result<Response<Body>, ApiError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if let Some(elsewhere) = redirect(&call.target.tail, &method, uri) {
        return Ok(elsewhere);
    }
    let destination =
        if call.target.row.plural == "services" { behind_service(core, call)? } else { of_pod(core, call)? };
    let unreachable = |error: &dyn std::fmt::Display| {
        ApiError::unavailable(format!("error trying to reach pod {}: {error}", destination.pod.name))
    };
    let connection = core.config.node_streams.port_forward(destination.pod.clone(), destination.port);
    let connection = connection.await.map_err(|error| unreachable(&error))?;
    // a body that is not Unpin goes into the box as well
    let body = body.map_err(|error| io::Error::other(error.into())).boxed_unsync();
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(connection))
        .await
        .map_err(|error| unreachable(&error))?;
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%error, "a proxied connection broke");
        }
    });
    let request = request(call, method, uri, body)?;
    let answer = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
    let (mut parts, body) = answer.into_parts();
    for name in &OWN_HEADERS {
        parts.headers.remove(name);
    }
    Ok(Response::from_parts(parts, body.map_err(io::Error::other).boxed_unsync()))
}

/// Links of a page are relative to its folder, so that the address of the whole has to end with a slash.
fn redirect(tail: &str, method: &Method, uri: &Uri) -> Option<Response<Body>> {
    if !tail.is_empty() || !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = HeaderValue::from_str(&format!("{}/{query}", uri.path())).ok()?;
    let mut response = Response::new(crate::respond::body(Bytes::new()));
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(header::LOCATION, location);
    Some(response)
}

fn request(call: &Call, method: Method, uri: &Uri, body: Body) -> Result<Request<Body>, ApiError> {
    let tail = if call.target.tail.is_empty() { "/" } else { &call.target.tail };
    let path = uri.query().map_or_else(|| tail.to_owned(), |query| format!("{tail}?{query}"));
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .body(body)
        .map_err(|error| ApiError::bad_request(format!("the path cannot be passed on: {error}")))?;
    *request.headers_mut() = call.headers.clone();
    for name in &OWN_HEADERS {
        request.headers_mut().remove(name);
    }
    request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
    if let Ok(original) = HeaderValue::from_str(uri.path()) {
        request.headers_mut().insert("x-forwarded-uri", original);
    }
    Ok(request)
}

/// Splits `[scheme:]name[:port]`; only plain HTTP is spoken.
fn split(name: &str) -> Result<(&str, &str), ApiError> {
    let parts: Vec<&str> = name.split(':').collect();
    match parts.as_slice() {
        [name] => Ok((name, "")),
        [name, port] | ["http" | "", name, port] => Ok((name, port)),
        _ => Err(ApiError::bad_request(format!("invalid proxy request \"{name}\": want [http:]name[:port]"))),
    }
}

fn of_pod(core: &Core, call: &Call) -> Result<Destination, ApiError> {
    let (name, port) = split(call.target.name()?)?;
    let target = Target { name: Some(name.to_owned()), ..call.target.clone() };
    let (object, pod) = container::bound_pod(core, &Call { target, ..call.clone() })?;
    let declared = || {
        let containers = object["spec"]["containers"].as_array()?;
        containers.iter().find_map(|container| container["ports"][0]["containerPort"].as_u64())
    };
    let number = match port {
        "" => declared().and_then(|port| u16::try_from(port).ok()).or(Some(80)),
        text => text.parse().ok(),
    };
    let port = number.ok_or_else(|| ApiError::bad_request(format!("invalid port \"{port}\"")))?;
    Ok(Destination { pod, port })
}

/// Picks a ready endpoint of a service, at random.
fn behind_service(core: &Core, call: &Call) -> Result<Destination, ApiError> {
    let (name, wanted) = split(call.target.name()?)?;
    let service = core.find_core("services", call.target.namespace(), name)?.object;
    let ports = service["spec"]["ports"].as_array().cloned().unwrap_or_default();
    let is_wanted = |port: &&Value| match wanted {
        "" => ports.len() == 1,
        text => port["name"] == text || port["port"].as_u64() == text.parse().ok(),
    };
    let port = ports.iter().find(is_wanted);
    let port = port.ok_or_else(|| {
        ApiError::unavailable(format!("no service port \"{wanted}\" found for service \"{name}\""))
    })?;
    let slices = core.row("discovery.k8s.io", "v1", "endpointslices")?;
    let mut candidates = Vec::new();
    for slice in core.all(slices, call.target.namespace()) {
        if slice["metadata"]["labels"]["kubernetes.io/service-name"] != name {
            continue;
        }
        let named = |other: &&Value| {
            other["name"].as_str().unwrap_or_default() == port["name"].as_str().unwrap_or_default()
        };
        let number = slice["ports"].as_array().and_then(|all| all.iter().find(named)?["port"].as_u64());
        let Some(number) = number.and_then(|number| u16::try_from(number).ok()) else { continue };
        let ready = slice["endpoints"].as_array().into_iter().flatten();
        let ready = ready.filter(|endpoint| endpoint["conditions"]["ready"].as_bool().unwrap_or(true));
        let pods = ready.filter(|endpoint| endpoint["targetRef"]["kind"] == "Pod");
        candidates.extend(
            pods.filter_map(|endpoint| Some((endpoint["targetRef"]["name"].as_str()?.to_owned(), number))),
        );
    }
    let chosen = fastrand::choice(&candidates);
    let (pod, port) = chosen
        .ok_or_else(|| ApiError::unavailable(format!("no endpoints available for service \"{name}\"")))?;
    let target = call.target.sibling(core.row("", "v1", "pods")?, pod);
    let (_, pod) = container::bound_pod(core, &Call { target, ..call.clone() })?;
    Ok(Destination { pod, port: *port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_carry_scheme_and_port() {
        assert_eq!(split("web").unwrap(), ("web", ""));
        assert_eq!(split("web:8080").unwrap(), ("web", "8080"));
        assert_eq!(split("http:web:http").unwrap(), ("web", "http"));
        assert!(split("https:web:443").is_err());
        assert!(split("a:b:c:d").is_err());
    }

    #[test]
    fn the_address_of_the_whole_ends_with_a_slash() {
        let location = |tail: &str, method: Method, uri: &'static str| {
            let response = redirect(tail, &method, &Uri::from_static(uri))?;
            assert_eq!(response.status(), StatusCode::MOVED_PERMANENTLY);
            Some(response.headers()[header::LOCATION].to_str().unwrap().to_owned())
        };
        assert_eq!(location("", Method::GET, "/p/proxy?a=b"), Some("/p/proxy/?a=b".to_owned()));
        assert_eq!(location("/", Method::GET, "/p/proxy/"), None);
        assert_eq!(location("/x", Method::HEAD, "/p/proxy/x"), None);
        assert_eq!(location("", Method::POST, "/p/proxy"), None, "a body would be lost");
    }
}

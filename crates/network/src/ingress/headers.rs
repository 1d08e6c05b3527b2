//! Headers on their way through (RFC 9110, section 7.6): those of one hop are taken off, those that
//! tell of the client are put on.

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Uri, Version,
    header::{self, Entry},
    uri::PathAndQuery,
};

use super::{accept::Client, answer::Refusal};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Never passed on, whether or not `Connection` names them.
const OF_ONE_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
];

/// Whether a header is of one hop, whatever the case of its name.
pub(super) fn is_of_one_hop(name: &str) -> bool {
    OF_ONE_HOP.iter().any(|known| known.as_str().eq_ignore_ascii_case(name))
}

/// The host that a request is for, as it was written.
pub(super) fn authority<B>(request: &Request<B>) -> Result<String, Refusal> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::Malformed("the request names more than one host"));
    }
    if let Some(authority) = request.uri().authority() {
        // A name and a password have no business here.
        let text = authority.as_str();
        return Ok(text.rsplit_once('@').map_or(text, |(_, host)| host).to_owned());
    }
    match host.map(HeaderValue::to_str) {
        Some(Ok(host)) => Ok(host.to_owned()),
        Some(Err(_)) => Err(Refusal::Malformed("the request's host is not text")),
        None if request.version() == Version::HTTP_11 => Err(Refusal::Malformed("the request names no host")),
        None => Ok(String::new()),
    }
}

/// Takes the port off.
pub(super) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') => host,
        _ => authority,
    }
}

/// Makes the head of a request that goes to an endpoint. What the client itself says of who it is
/// does not count: anybody may write it.
pub(super) fn for_endpoint(headers: &mut HeaderMap, client: &Client, authority: &str) -> Result<(), Refusal> {
    remove_of_one_hop(headers);
    // Both follow from the body that is sent.
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::EXPECT);
    join_cookies(headers)?;
    let malformed = |_| Refusal::Malformed("the request's host is not text");
    let host = HeaderValue::from_str(authority).map_err(malformed)?;
    let address =
        HeaderValue::from_str(&client.address.ip().to_canonical().to_string()).map_err(malformed)?;
    headers.insert(FORWARDED_FOR, address.clone());
    headers.insert(REAL_IP, address);
    headers.insert(FORWARDED_HOST, host.clone());
    headers.insert(FORWARDED_PORT, HeaderValue::from(client.port));
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(client.scheme));
    headers.insert(header::HOST, host);
    Ok(())
}

/// Tidies the head of an endpoint's response.
pub(super) fn for_client(headers: &mut HeaderMap) {
    remove_of_one_hop(headers);
}

/// The request's target in the form that servers expect.
pub(super) fn origin_form(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::from(path)
}

fn remove_of_one_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> =
            tokens(headers, &header::CONNECTION).filter_map(|token| token.parse().ok()).collect();
        for name in named {
            // Naming these cannot take them off: the next hop needs them.
            if name != header::HOST && name != header::CONTENT_LENGTH {
                headers.remove(name);
            }
        }
    }
    for name in &OF_ONE_HOP {
        headers.remove(name);
    }
}

/// HTTP/2 splits cookies for better compression; HTTP/1.1 wants one header (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let Entry::Occupied(cookies) = headers.entry(header::COOKIE) else { return Ok(()) };
    if cookies.iter().nth(1).is_none() {
        return Ok(());
    }
    let parts: Vec<&[u8]> = cookies.iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::from_bytes(&parts.join(b"; ".as_slice()))
        .map_err(|_| Refusal::Malformed("the request's cookies are not text"))?;
    headers.insert(header::COOKIE, joined);
    Ok(())
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client::for_test("192.0.2.7:4711".parse().unwrap(), "https", 8443)
    }

    #[test]
    fn headers_of_one_hop_stay_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Private, host"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("x-kept", "1"),
            ("host", "evil"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        for_endpoint(&mut headers, &client(), "good:8080").unwrap();
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "host",
                "x-forwarded-for",
                "x-forwarded-host",
                "x-forwarded-port",
                "x-forwarded-proto",
                "x-kept",
                "x-real-ip"
            ]
        );
        assert_eq!(headers["host"], "good:8080");
    }

    #[test]
    fn the_client_cannot_forge_where_it_comes_from() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, HeaderValue::from_static("10.0.0.1"));
        headers.append(FORWARDED_FOR, HeaderValue::from_static("10.0.0.2"));
        for_endpoint(&mut headers, &client(), "h").unwrap();
        assert_eq!(headers.get_all(FORWARDED_FOR).iter().collect::<Vec<_>>(), ["192.0.2.7"]);
        assert_eq!(headers[FORWARDED_PROTO], "https");
        assert_eq!(headers[FORWARDED_PORT], "8443");
    }

    #[test]
    fn split_cookies_are_joined() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1"));
        headers.append(header::COOKIE, HeaderValue::from_static("b=2"));
        join_cookies(&mut headers).unwrap();
        assert_eq!(headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }

    #[test]
    fn a_host_is_compared_without_its_port() {
        for (authority, host) in [
            ("a.b", "a.b"),
            ("a.b:8080", "a.b"),
            ("a.b:", "a.b"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(without_port(authority), host, "{authority}");
        }
    }

    #[test]
    fn a_request_names_one_host() {
        let ask = |hosts: &[&'static str], version, uri: &str| {
            let mut request = Request::new(());
            *request.version_mut() = version;
            *request.uri_mut() = uri.parse().unwrap();
            for host in hosts {
                request.headers_mut().append(header::HOST, HeaderValue::from_static(host));
            }
            authority(&request).map_err(|refusal| refusal.status().as_u16())
        };
        assert_eq!(ask(&["a"], Version::HTTP_11, "/"), Ok("a".to_owned()));
        assert_eq!(ask(&["a", "b"], Version::HTTP_11, "/"), Err(400));
        assert_eq!(ask(&[], Version::HTTP_11, "/"), Err(400));
        assert_eq!(ask(&[], Version::HTTP_10, "/"), Ok(String::new()));
        assert_eq!(ask(&["a"], Version::HTTP_11, "http://u:p@b:1/x"), Ok("b:1".to_owned()));
    }
}

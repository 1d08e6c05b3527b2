//! Heads of requests: read strictly (RFC 9112), written anew for an endpoint.

use std::{mem::MaybeUninit, time::Instant};

use http::{Method, Uri};
use httparse::{Header, Status};

use super::{
    super::{accept::Client, answer::Refusal, headers},
    connection::Connection,
    framing::Framing,
};

/// As many headers as hyper takes; more are answered with 431.
const MAX_HEADERS: usize = 100;

/// Not passed on either: what we write ourselves. What the client itself says of who it is does not
/// count: anybody may write it.
const WRITTEN: [&str; 8] = [
    "content-length",
    "expect",
    "host",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// What matters of a request's head.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Without port.
    pub(super) host: String,
    pub(super) path: String,
    /// Path and query.
    pub(super) target: String,
    /// The host as it was written, with its port.
    pub(super) authority: String,
    pub(super) is_http_10: bool,
    /// The client wants to ask more on this connection.
    pub(super) keeps_alive: bool,
    pub(super) framing: Framing,
    pub(super) expects_continue: bool,
    pub(super) wants_upgrade: bool,
    /// Doing it twice is as good as once (RFC 9110, 9.2.2).
    pub(super) is_idempotent: bool,
    /// When its head was there.
    pub(super) came: Instant,
}

/// Reads a head; returns what matters of it and its length, or `None` while it is not complete. Its
/// new form, for an endpoint, is added to `output`.
pub(super) fn read(
    bytes: &[u8],
    client: &Client,
    output: &mut Vec<u8>,
) -> Result<Option<(Request, usize)>, Refusal> {
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut []);
    let length = match parsed.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLong),
        Err(_) => return Err(Refusal::Malformed("this is no HTTP request")),
    };
    let mut facts = Facts::default();
    for header in &*parsed.headers {
        facts.note(header)?;
    }
    let request = facts.request(&parsed)?;
    write(&parsed, &request, &facts, client, output)?;
    Ok(Some((request, length)))
}

/// What the headers say.
#[derive(Debug, Default)]
struct Facts<'b> {
    host: Option<&'b str>,
    length: Option<u64>,
    is_chunked: bool,
    connection: Connection<'b>,
    upgrade: Option<&'b [u8]>,
    expects_continue: bool,
    has_idempotency_key: bool,
    has_cookie: bool,
    has_cookies: bool,
}

impl<'b> Facts<'b> {
    fn note(&mut self, header: &Header<'b>) -> Result<(), Refusal> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        // By length first: most headers are none of these.
        match header.name.len() {
            4 if is("host") => {
                if self.host.is_some() {
                    return Err(Refusal::Malformed("the request names more than one host"));
                }
                self.host = Some(text(header.value, "the request's host is not text")?);
            }
            6 if is("expect") => self.expects_continue = header.value.eq_ignore_ascii_case(b"100-continue"),
            6 if is("cookie") => (self.has_cookie, self.has_cookies) = (true, self.has_cookie),
            7 if is("upgrade") => self.upgrade = Some(header.value),
            10 if is("connection") => self.connection.note(text(header.value, "`Connection` is not text")?),
            14 if is("content-length") => {
                let length = content_length(header.value)
                    .ok_or(Refusal::Malformed("the request's `Content-Length` is no number"))?;
                if self.length.is_some_and(|known| known != length) {
                    return Err(Refusal::Malformed("the request has two lengths"));
                }
                self.length = Some(length);
            }
            15 if is("idempotency-key") => self.has_idempotency_key = true,
            17 if is("transfer-encoding") => {
                if self.is_chunked || !header.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::Malformed("no `Transfer-Encoding` but `chunked` is understood"));
                }
                self.is_chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn request(&self, parsed: &httparse::Request<'_, 'b>) -> Result<Request, Refusal> {
        let malformed = Refusal::Malformed("this is no HTTP request");
        let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(malformed);
        };
        let is_http_10 = version == 0;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| malformed)?;
        let target = Target::read(target)?;
        if self.host.is_none() && target.authority.is_none() && !is_http_10 {
            return Err(Refusal::Malformed("the request names no host"));
        }
        let authority = target.authority.or(self.host.map(str::to_owned)).unwrap_or_default();
        let framing = match (self.is_chunked, self.length) {
            (true, Some(_)) => return Err(Refusal::Malformed("the request has two lengths")),
            (true, None) if is_http_10 => return Err(Refusal::Malformed("HTTP/1.0 knows no chunks")),
            (true, None) => Framing::Chunked,
            (false, length) => Framing::Length(length.unwrap_or(0)),
        };
        let path = target.text.split('?').next().unwrap_or_default().to_owned();
        Ok(Request {
            host: headers::without_port(&authority).to_owned(),
            path,
            target: target.text,
            authority,
            is_http_10,
            keeps_alive: self.connection.lasts(is_http_10),
            framing,
            expects_continue: self.expects_continue && !is_http_10,
            wants_upgrade: self.connection.has_upgrade
                && self.upgrade.is_some()
                && !is_http_10
                && framing == Framing::Length(0),
            is_idempotent: method.is_idempotent() || self.has_idempotency_key,
            method,
            came: Instant::now(),
        })
    }

    fn leaves_out(&self, name: &str) -> bool {
        self.connection.keeps_back(name)
            || WRITTEN.iter().any(|written| written.eq_ignore_ascii_case(name))
            || (self.has_cookies && name.eq_ignore_ascii_case("cookie"))
    }
}

/// Where a request wants to go.
struct Target {
    authority: Option<String>,
    /// In the form that servers expect.
    text: String,
}

impl Target {
    fn read(target: &str) -> Result<Self, Refusal> {
        if target.starts_with('/') {
            let text = target.split('#').next().unwrap_or_default().to_owned();
            return Ok(Self { authority: None, text });
        }
        let malformed = |_| Refusal::Malformed("the request's target is not understood");
        let uri: Uri = target.parse().map_err(malformed)?;
        // A name and a password have no business here.
        let host = |authority: &http::uri::Authority| {
            let text = authority.as_str();
            text.rsplit_once('@').map_or(text, |(_, host)| host).to_owned()
        };
        Ok(Self { authority: uri.authority().map(host), text: headers::origin_form(&uri).to_string() })
    }
}

fn text<'b>(value: &'b [u8], complaint: &'static str) -> Result<&'b str, Refusal> {
    let is_text = value.iter().all(|byte| (b' '..=b'~').contains(byte));
    let text = std::str::from_utf8(value).ok().filter(|_| is_text);
    text.ok_or(Refusal::Malformed(complaint))
}

/// Reads a length: digits and nothing else.
pub(super) fn content_length(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| is_number)?.parse().ok()
}

/// Writes the head that goes to an endpoint.
fn write(
    parsed: &httparse::Request<'_, '_>,
    request: &Request,
    facts: &Facts<'_>,
    client: &Client,
    output: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| output.extend_from_slice(part));
    put(&[request.method.as_str().as_bytes(), b" ", request.target.as_bytes(), b" HTTP/1.1\r\nhost: "]);
    put(&[request.authority.as_bytes(), b"\r\n"]);
    for header in &*parsed.headers {
        if !facts.leaves_out(header.name) {
            put(&[header.name.as_bytes(), b": ", header.value, b"\r\n"]);
        }
    }
    if facts.has_cookies {
        // One header only, as the rules of cookies have it (RFC 6265, 5.4).
        let cookies = parsed.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("cookie"));
        let cookies: Vec<&[u8]> = cookies.map(|header| header.value).collect();
        put(&[b"cookie: ", &cookies.join(b"; ".as_slice()), b"\r\n"]);
    }
    put(&[client.told(), b"x-forwarded-host: ", request.authority.as_bytes(), b"\r\n"]);
    match request.framing {
        Framing::Chunked => put(&[b"transfer-encoding: chunked\r\n"]),
        Framing::Length(0) if facts.length.is_none() && !wants_length(&request.method) => {}
        Framing::Length(length) => put(&[b"content-length: ", length.to_string().as_bytes(), b"\r\n"]),
        Framing::UntilClose => return Err(Refusal::Malformed("the request's body has no end")),
    }
    if let (true, Some(protocol)) = (request.wants_upgrade, facts.upgrade) {
        put(&[b"connection: upgrade\r\nupgrade: ", protocol, b"\r\n"]);
    }
    put(&[b"\r\n"]);
    Ok(())
}

/// Says whether servers expect a length even where there is no body (RFC 9110, 8.6).
fn wants_length(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(text: &str) -> Result<Option<(Request, String)>, Refusal> {
        let client = Client::for_test("192.0.2.7:4711".parse().unwrap(), "https", 8443);
        let mut output = Vec::new();
        let read = read(text.as_bytes(), &client, &mut output)?;
        Ok(read.map(|(request, _)| (request, String::from_utf8(output).unwrap())))
    }

    #[test]
    fn a_head_is_written_anew_for_the_endpoint() {
        let (request, text) = rewrite(
            "POST http://u:p@Good:8080/a?b#c HTTP/1.1\r\nHost: other\r\nX-Kept: 1\r\nX-Forwarded-For: 10.0.0.1\r\n\
             Connection: close, X-Private, host\r\nX-Private: 2\r\nTE: trailers\r\nCookie: a=1\r\nCookie: b=2\r\n\
             Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        )
        .unwrap()
        .unwrap();
        assert_eq!(
            text,
            "POST /a?b HTTP/1.1\r\nhost: Good:8080\r\nX-Kept: 1\r\ncookie: a=1; b=2\r\n\
             x-forwarded-for: 192.0.2.7\r\nx-real-ip: 192.0.2.7\r\nx-forwarded-port: 8443\r\n\
             x-forwarded-proto: https\r\nx-forwarded-host: Good:8080\r\ncontent-length: 3\r\n\r\n"
        );
        assert_eq!((request.host.as_str(), request.path.as_str()), ("Good", "/a"));
        assert!(!request.keeps_alive && request.expects_continue && !request.is_idempotent);
        assert_eq!(request.framing, Framing::Length(3));
    }

    #[test]
    fn an_incomplete_head_waits_for_the_rest() {
        let whole = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        for end in 0..whole.len() {
            assert!(rewrite(&whole[..end]).unwrap().is_none(), "{end}");
        }
        assert!(rewrite(whole).unwrap().is_some());
    }

    #[test]
    fn a_connection_lasts_as_its_version_and_header_say() {
        let keeps = |version, connection: &str| {
            let text = format!("GET / HTTP/{version}\r\nHost: h\r\n{connection}\r\n");
            rewrite(&text).unwrap().unwrap().0.keeps_alive
        };
        assert!(keeps("1.1", ""));
        assert!(!keeps("1.1", "Connection: foo, Close\r\n"));
        assert!(!keeps("1.0", ""));
        assert!(keeps("1.0", "Connection: Keep-Alive\r\n"));
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        for head in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked, gzip",
            "Transfer-Encoding: \u{b}chunked",
            "Content-Length: +3",
            "Content-Length: 3, 3",
            "Content-Length: 18446744073709551616",
            "Host: other",
            " folded",
        ] {
            let found = rewrite(&format!("GET / HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\n"));
            assert_eq!(found.err().map(|refusal| refusal.status().as_u16()), Some(400), "{head:?}");
        }
        let old = "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(rewrite(old).is_err());
        assert!(rewrite("GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n").is_ok(), "judged by the method later");
    }
}

//! Heads of responses: read, and written anew for the client.

use std::{cell::RefCell, mem::MaybeUninit, time::SystemTime};

use http::Method;
use httparse::{Header, Status};

use super::{
    connection::Connection,
    framing::Framing,
    request::{Request, content_length},
};

/// A response's head may be this long, and have this many headers; more is a fault of the
/// application (502).
pub(super) const MAX_HEAD_BYTES: usize = 64 << 10;
const MAX_HEADERS: usize = 128;

/// What matters of a response's head.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) framing: Framing,
    /// The endpoint's connection can be used again.
    pub(super) endpoint_keeps_alive: bool,
    /// Whether the body goes to the client in chunks.
    pub(super) is_chunked: bool,
    /// Whether the client's connection goes on afterwards.
    pub(super) client_keeps_alive: bool,
}

/// Reads a head; returns what matters of it and its length, or `None` while it is not complete. Its
/// new form, for the client, is added to `output`. `closes`: the client's connection is to end.
pub(super) fn read(
    bytes: &[u8],
    request: &Request,
    closes: bool,
    output: &mut Vec<u8>,
) -> Result<Option<(Response, usize)>, String> {
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let length = match config.parse_response_with_uninit_headers(&mut parsed, bytes, &mut headers) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() >= MAX_HEAD_BYTES => {
            return Err("the head of its answer is too long".to_owned());
        }
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("its answer is no HTTP response: {error}")),
    };
    let mut facts = Facts::default();
    for header in &*parsed.headers {
        facts.note(header)?;
    }
    let response = facts.response(&parsed, request, closes)?;
    write(&parsed, request, &response, &facts, output);
    Ok(Some((response, length)))
}

#[derive(Debug, Default)]
struct Facts<'b> {
    length: Option<u64>,
    has_transfer_encoding: bool,
    is_chunked: bool,
    connection: Connection<'b>,
    upgrade: Option<&'b [u8]>,
    has_date: bool,
}

impl<'b> Facts<'b> {
    fn note(&mut self, header: &Header<'b>) -> Result<(), String> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        match header.name.len() {
            4 if is("date") => self.has_date = true,
            7 if is("upgrade") => self.upgrade = Some(header.value),
            10 if is("connection") => {
                self.connection.note(std::str::from_utf8(header.value).unwrap_or_default());
            }
            14 if is("content-length") => {
                let length = content_length(header.value).ok_or("its `Content-Length` is no number")?;
                if self.length.is_some_and(|known| known != length) {
                    return Err("its answer has two lengths".to_owned());
                }
                self.length = Some(length);
            }
            17 if is("transfer-encoding") => {
                self.has_transfer_encoding = true;
                let last = header.value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
                self.is_chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
                if header.value.len() > "chunked".len() + 1 {
                    return Err("its `Transfer-Encoding` is not understood".to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn response(
        &self,
        parsed: &httparse::Response<'_, '_>,
        request: &Request,
        closes: bool,
    ) -> Result<Response, String> {
        let status = parsed.code.unwrap_or_default();
        if status < 100 || (self.has_transfer_encoding && !self.is_chunked) {
            return Err("its answer is no HTTP response".to_owned());
        }
        // RFC 9112, 6.3.
        let has_no_body = request.method == Method::HEAD || status < 200 || matches!(status, 204 | 304);
        let framing = match (has_no_body, self.is_chunked, self.length) {
            (true, _, _) => Framing::Length(0),
            (false, true, _) => Framing::Chunked,
            (false, false, Some(length)) => Framing::Length(length),
            (false, false, None) => Framing::UntilClose,
        };
        let is_http_10 = parsed.version == Some(0);
        let is_open_ended = !matches!(framing, Framing::Length(_));
        Ok(Response {
            status,
            framing,
            endpoint_keeps_alive: framing != Framing::UntilClose
                && self.connection.lasts(is_http_10)
                // Who sends both lengths is not to be trusted with another request.
                && !(self.is_chunked && self.length.is_some()),
            is_chunked: is_open_ended && !request.is_http_10,
            client_keeps_alive: request.keeps_alive && !closes && !(is_open_ended && request.is_http_10),
        })
    }

    fn leaves_out(&self, name: &str) -> bool {
        self.connection.keeps_back(name) || name.eq_ignore_ascii_case("content-length")
    }
}

fn write(
    parsed: &httparse::Response<'_, '_>,
    request: &Request,
    response: &Response,
    facts: &Facts<'_>,
    output: &mut Vec<u8>,
) {
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| output.extend_from_slice(part));
    let [hundreds, tens, ones] = [100, 10, 1].map(|place| b'0' + (response.status / place % 10) as u8);
    let reason = parsed.reason.unwrap_or_default();
    put(&[b"HTTP/1.1 ", &[hundreds, tens, ones], b" ", reason.as_bytes(), b"\r\n"]);
    for header in &*parsed.headers {
        if !facts.leaves_out(header.name) {
            put(&[header.name.as_bytes(), b": ", header.value, b"\r\n"]);
        }
    }
    if !facts.has_date {
        with_date(|date| put(&[b"date: ", date, b"\r\n"]));
    }
    if response.status == 101 {
        put(&[b"connection: upgrade\r\nupgrade: ", facts.upgrade.unwrap_or_default(), b"\r\n\r\n"]);
        return;
    }
    match (response.is_chunked, facts.length) {
        (true, _) => put(&[b"transfer-encoding: chunked\r\n"]),
        // Of an answer without body, it tells what the body would be.
        (false, Some(length)) if !facts.is_chunked && response.status >= 200 && response.status != 204 => {
            put(&[b"content-length: ", length.to_string().as_bytes(), b"\r\n"]);
        }
        (false, _) => {}
    }
    match (response.client_keeps_alive, request.is_http_10) {
        (false, _) => put(&[b"connection: close\r\n"]),
        (true, true) => put(&[b"connection: keep-alive\r\n"]),
        (true, false) => {}
    }
    put(&[b"\r\n"]);
}

/// Hands out the time as HTTP writes it; written once a second for each thread.
pub(in crate::ingress) fn with_date<T>(then: impl FnOnce(&[u8]) -> T) -> T {
    thread_local! {
        static DATE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    DATE.with_borrow_mut(|(written, text)| {
        if *written != second {
            (*written, *text) = (second, httpdate::fmt_http_date(now));
        }
        then(text.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, is_http_10: bool) -> Request {
        Request {
            method,
            host: String::new(),
            path: String::new(),
            target: String::new(),
            authority: String::new(),
            is_http_10,
            keeps_alive: true,
            framing: Framing::Length(0),
            expects_continue: false,
            wants_upgrade: false,
            is_idempotent: true,
            came: std::time::Instant::now(),
        }
    }

    fn check(method: Method, is_http_10: bool, head: &str, expected: Option<(Framing, &str)>) {
        let mut output = Vec::new();
        let found = read(head.as_bytes(), &request(method, is_http_10), false, &mut output);
        let found = found.ok().map(|read| read.expect("complete").0.framing);
        assert_eq!(found, expected.map(|(framing, _)| framing), "{head:?}");
        if let Some((_, text)) = expected {
            let output = String::from_utf8(output).unwrap();
            let lines = output.split("\r\n").filter(|line| !line.starts_with("date: "));
            assert_eq!(lines.collect::<Vec<_>>().join("|"), text, "{head:?}");
        }
    }

    #[test]
    fn a_head_is_written_anew_for_the_client() {
        use Framing::{Chunked, Length, UntilClose};
        let get = Method::GET;
        let plain = "HTTP/1.1 200 Fine\r\nX: y\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\n";
        check(get.clone(), false, plain, Some((Length(2), "HTTP/1.1 200 Fine|X: y|content-length: 2||")));
        check(
            get.clone(),
            true,
            plain,
            Some((Length(2), "HTTP/1.1 200 Fine|X: y|content-length: 2|connection: keep-alive||")),
        );
        check(Method::HEAD, false, plain, Some((Length(0), "HTTP/1.1 200 Fine|X: y|content-length: 2||")));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(get.clone(), false, chunked, Some((Chunked, "HTTP/1.1 200 OK|transfer-encoding: chunked||")));
        check(get.clone(), true, chunked, Some((Chunked, "HTTP/1.1 200 OK|connection: close||")));
        let open = "HTTP/1.0 200 OK\r\nConnection: close, X\r\nX: 1\r\n\r\n";
        check(get.clone(), false, open, Some((UntilClose, "HTTP/1.1 200 OK|transfer-encoding: chunked||")));
        check(get, false, "HTTP/1.1 304 \r\n\r\n", Some((Length(0), "HTTP/1.1 304 ||")));
    }

    #[test]
    fn garbage_is_refused() {
        for head in [
            "HTTP/1.1 abc\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "\0\x01\r\n\r\n",
        ] {
            check(Method::GET, false, head, None);
        }
    }
}

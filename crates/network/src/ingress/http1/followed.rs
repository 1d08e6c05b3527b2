//! Messages of HTTP/1 that others exchange through us, unchanged: what matters is when none is under way,
//! since only then can one side be replaced without the other noticing.

use std::{collections::VecDeque, net::SocketAddr};

use bytes::{Buf, BytesMut};
use http::Method;

use super::{
    super::accept::Client,
    MAX_HEAD_BYTES,
    framing::{Decoder, Encoder},
    request::{self, Request},
    response,
};

/// More requests ahead of their answers than this are not followed.
const MAX_AHEAD: usize = 64;

/// Follows one connection. What it does not understand (another protocol, an upgrade, a message that is
/// framed badly) ends that: the connection is never between messages again.
#[derive(Debug)]
pub(crate) struct Followed {
    client: Client,
    requests: Side,
    answers: Side,
    /// Requests that began and are not answered yet.
    ahead: VecDeque<Request>,
    is_understood: bool,
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    /// A head that is not whole yet, or what follows it.
    bytes: BytesMut,
    body: Option<Decoder>,
}

/// It is no HTTP/1 that we could follow.
struct Lost;

impl Followed {
    pub(crate) fn new(client: SocketAddr) -> Self {
        Self {
            client: Client::new(client, "http", 0),
            requests: Side::default(),
            answers: Side::default(),
            ahead: VecDeque::new(),
            is_understood: true,
        }
    }

    /// Notes what the client has sent.
    pub(crate) fn asked(&mut self, bytes: &[u8]) {
        self.take(bytes, Self::follow_requests);
    }

    /// Notes what the client has been sent.
    pub(crate) fn answered(&mut self, bytes: &[u8]) {
        self.take(bytes, Self::follow_answers);
    }

    /// Says whether it can be followed so far.
    pub(crate) fn is_understood(&self) -> bool {
        self.is_understood
    }

    /// Says whether every request that has begun is answered, and none is half there. Also true before the
    /// first byte.
    pub(crate) fn is_between(&self) -> bool {
        self.is_understood && self.ahead.is_empty() && self.requests.is_at_head() && self.answers.is_at_head()
    }

    fn take(&mut self, bytes: &[u8], follow: impl FnOnce(&mut Self, &[u8]) -> Result<(), Lost>) {
        if self.is_understood && follow(self, bytes).is_err() {
            self.is_understood = false;
            self.ahead.clear();
            (self.requests, self.answers) = (Side::default(), Side::default());
        }
    }

    fn follow_requests(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        self.requests.bytes.extend_from_slice(bytes);
        while self.requests.pass_body()? && !self.requests.bytes.is_empty() {
            let mut rewritten = Vec::new();
            match request::read(&self.requests.bytes, &self.client, &mut rewritten) {
                Ok(Some((request, _))) if request.wants_upgrade || request.method == Method::CONNECT => {
                    return Err(Lost);
                }
                Ok(Some((request, length))) if self.ahead.len() < MAX_AHEAD => {
                    self.requests.begin_body(length, Decoder::new(request.framing));
                    self.ahead.push_back(request);
                }
                Ok(None) if self.requests.bytes.len() < MAX_HEAD_BYTES => return Ok(()),
                Ok(_) | Err(_) => return Err(Lost),
            }
        }
        Ok(())
    }

    fn follow_answers(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        self.answers.bytes.extend_from_slice(bytes);
        loop {
            let had_body = self.answers.body.is_some();
            if !self.answers.pass_body()? {
                return Ok(());
            }
            if had_body {
                self.ahead.pop_front();
            }
            if self.answers.bytes.is_empty() {
                return Ok(());
            }
            // Who speaks first speaks something else.
            let request = self.ahead.front().ok_or(Lost)?;
            let mut rewritten = Vec::new();
            let read = response::read(&self.answers.bytes, request, false, &mut rewritten);
            let Some((response, length)) = read.map_err(|_| Lost)? else { return Ok(()) };
            match response.status {
                101 => return Err(Lost),
                // The answer proper follows.
                ..200 => self.answers.bytes.advance(length),
                _ => {
                    self.answers.begin_body(length, Decoder::new(response.framing));
                    if self.answers.body.is_none() {
                        self.ahead.pop_front();
                    }
                }
            }
        }
    }
}

impl Side {
    fn is_at_head(&self) -> bool {
        self.bytes.is_empty() && self.body.is_none()
    }

    fn begin_body(&mut self, head: usize, body: Decoder) {
        self.bytes.advance(head);
        self.body = (!body.is_done()).then_some(body);
    }

    /// Passes what is there of a body; says whether a head may follow.
    fn pass_body(&mut self) -> Result<bool, Lost> {
        let Some(body) = &mut self.body else { return Ok(true) };
        let mut nowhere = Vec::new();
        body.pass(&mut self.bytes, &mut Encoder::new(&mut nowhere, false, false)).map_err(|_| Lost)?;
        if !body.is_done() {
            return Ok(false);
        }
        self.body = None;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows a talk: `>` comes from the client, `<` goes to it; says after each piece whether nothing is
    /// under way. Each is also taken byte by byte, which must come to the same.
    fn check(talk: &[(&str, bool)]) {
        for piece_bytes in [usize::MAX, 1] {
            let mut followed = Followed::new(([192, 0, 2, 7], 4711).into());
            assert!(followed.is_between());
            for (piece, expected) in talk {
                let (direction, text) = piece.split_at(1);
                for bytes in text.as_bytes().chunks(piece_bytes) {
                    match direction {
                        ">" => followed.asked(bytes),
                        _ => followed.answered(bytes),
                    }
                }
                assert_eq!(followed.is_between(), *expected, "after {piece:?}");
            }
        }
    }

    #[test]
    fn between_is_after_the_last_byte_of_an_answer() {
        check(&[
            (">GET / HTTP/1.1\r\nHost: h\r\n\r\n", false),
            ("<HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", false),
            ("<{", false),
            ("<}", true),
            (">POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", false),
            (">0\r\n\r\n", false),
            ("<HTTP/1.1 100 Continue\r\n\r\n", false),
            ("<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false),
            ("<0\r\n\r\n", true),
            (">HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", false),
            ("<HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", true),
            (">GET / HTTP/1.1\r\nHo", false),
        ]);
    }

    #[test]
    fn requests_ahead_of_their_answers_are_under_way() {
        let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        let none = "HTTP/1.1 204 No Content\r\n\r\n";
        check(&[(&format!(">{get}{get}"), false), (&format!("<{none}"), false), (&format!("<{none}"), true)]);
        // An answer may come before the whole question; the rest of that is on its way.
        check(&[
            (">POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab", false),
            (&format!("<{none}"), false),
            (">cd", true),
        ]);
    }

    #[test]
    fn what_is_not_understood_is_never_between() {
        let get = ">GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        check(&[("<SSH-2.0-OpenSSH_9.6\r\n", false)]);
        check(&[(">\u{16}\u{3}\u{1}\u{2}", false), ("<x", false)]);
        check(&[(">PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false)]);
        check(&[(get, false), ("<HTTP/1.0 200 OK\r\n\r\nuntil the end", false)]);
        check(&[(get, false), ("<+OK\r\n\r\n", false), (get, false)]);
        let upgrade = "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        check(&[(&format!(">{upgrade}"), false), ("<HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false)]);
        check(&[(&format!(">{}", "a".repeat(MAX_HEAD_BYTES)), false)]);
    }
}

//! What a message says of the connection it comes on (RFC 9110, section 7.6.1).

use super::super::headers;

/// The tokens of its `Connection` headers.
#[derive(Debug, Default)]
pub(super) struct Connection<'b> {
    closes: bool,
    keeps_alive: bool,
    pub(super) has_upgrade: bool,
    /// Headers that it takes off, beyond the usual ones: hardly ever any.
    named: Vec<&'b str>,
}

impl<'b> Connection<'b> {
    /// Takes in one `Connection` header.
    pub(super) fn note(&mut self, value: &'b str) {
        for token in value.split(',').map(str::trim).filter(|token| !token.is_empty()) {
            if token.eq_ignore_ascii_case("close") {
                self.closes = true;
            } else if token.eq_ignore_ascii_case("keep-alive") {
                self.keeps_alive = true;
            } else if token.eq_ignore_ascii_case("upgrade") {
                self.has_upgrade = true;
            } else {
                self.named.push(token);
            }
        }
    }

    /// Says whether its sender wants to go on with the connection after the message.
    pub(super) fn lasts(&self, is_http_10: bool) -> bool {
        !self.closes && (!is_http_10 || self.keeps_alive)
    }

    /// Says whether a header is for this hop alone.
    pub(super) fn keeps_back(&self, name: &str) -> bool {
        headers::is_of_one_hop(name) || self.named.iter().any(|named| named.eq_ignore_ascii_case(name))
    }
}

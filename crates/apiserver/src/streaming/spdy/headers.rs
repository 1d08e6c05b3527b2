//! Header blocks: zlib streams that last as long as the connection, begun with a shared dictionary.

use std::io;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::frame::invalid;

/// Names and values; a block of the control frame's bound may not inflate beyond this.
const MAX_BLOCK: usize = 64 << 10;
const MAX_HEADERS: usize = 256;

/// The words at the head of the dictionary, each preceded by its length (SPDY/3, section 2.6.10.1).
const WORDS: &[&str] = &[
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
];

/// The rest of it.
const TAIL: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505\
203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden\
404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug \
Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,\
application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch\
charset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

fn dictionary() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1423);
    for word in WORDS {
        push(&mut bytes, word);
    }
    bytes.extend_from_slice(TAIL.as_bytes());
    bytes
}

fn push(out: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).expect("the server's own header texts are short");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Names in lower case, and values.
pub(super) type Headers = Vec<(String, String)>;

/// Writes header blocks.
pub(super) struct Encoder(Compress);

impl Encoder {
    pub(super) fn new() -> io::Result<Self> {
        let mut compress = Compress::new(Compression::fast(), true);
        compress.set_dictionary(&dictionary()).map_err(io::Error::other)?;
        Ok(Self(compress))
    }

    pub(super) fn encode(&mut self, headers: &[(&str, &str)]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        let count = u32::try_from(headers.len()).unwrap_or(0);
        plain.extend_from_slice(&count.to_be_bytes());
        for (name, value) in headers {
            push(&mut plain, name);
            push(&mut plain, value);
        }
        // room for the plain text, which never grows by more, and the flush
        let mut block = Vec::with_capacity(plain.len() + 256);
        self.0.compress_vec(&plain, &mut block, FlushCompress::Sync).map_err(io::Error::other)?;
        Ok(block)
    }
}

/// Reads header blocks.
pub(super) struct Decoder(Decompress);

impl Decoder {
    pub(super) fn new() -> Self {
        Self(Decompress::new(true))
    }

    pub(super) fn decode(&mut self, block: &[u8]) -> io::Result<Headers> {
        parse(&self.inflate(block)?).ok_or_else(|| invalid("a header block that makes no sense"))
    }

    fn inflate(&mut self, block: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::with_capacity(4096);
        let start = self.0.total_in();
        loop {
            let used = usize::try_from(self.0.total_in() - start).unwrap_or(usize::MAX);
            let rest = block.get(used..).unwrap_or_default();
            let before = (self.0.total_in(), self.0.total_out());
            match self.0.decompress_vec(rest, &mut plain, FlushDecompress::Sync) {
                Ok(Status::StreamEnd) => return Err(invalid("a header stream that ends")),
                Ok(Status::Ok | Status::BufError) => {}
                Err(error) if error.needs_dictionary().is_some() => {
                    self.0.set_dictionary(&dictionary()).map_err(|_| invalid("a foreign dictionary"))?;
                    continue;
                }
                Err(_) => return Err(invalid("a header block that does not inflate")),
            }
            if plain.len() >= MAX_BLOCK {
                return Err(invalid("a header block that is too long"));
            }
            let has_room = plain.len() < plain.capacity();
            let is_stuck = before == (self.0.total_in(), self.0.total_out());
            if is_stuck || (has_room && self.0.total_in() - start == block.len() as u64) {
                return Ok(plain);
            }
            plain.reserve(4096);
        }
    }
}

fn parse(plain: &[u8]) -> Option<Headers> {
    let mut rest = plain;
    let count = take_length(&mut rest)?;
    if count > MAX_HEADERS {
        return None;
    }
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        let name = take_text(&mut rest)?.to_ascii_lowercase();
        headers.push((name, take_text(&mut rest)?));
    }
    Some(headers)
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let (bytes, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    usize::try_from(u32::from_be_bytes(*bytes)).ok()
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = take_length(rest)?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_is_the_specified_one() {
        let (mut a, mut b) = (1_u32, 0_u32);
        for byte in dictionary() {
            a = (a + u32::from(byte)) % 65521;
            b = (b + a) % 65521;
        }
        assert_eq!((b << 16) | a, 0xe3c6_a7c2);
    }

    #[test]
    fn blocks_of_one_connection_read_back_in_order() {
        let mut encoder = Encoder::new().unwrap();
        let mut decoder = Decoder::new();
        for number in 0..100 {
            let port = number.to_string();
            let long = "x".repeat(number * 50);
            let block = encoder.encode(&[("streamtype", "data"), ("port", &port), ("long", &long)]).unwrap();
            let read = decoder.decode(&block).unwrap();
            assert_eq!(read[0], ("streamtype".to_owned(), "data".to_owned()));
            assert_eq!((read[1].1.as_str(), read[2].1.as_str()), (port.as_str(), long.as_str()));
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let _ = Decoder::new().decode(&bytes);
            let _ = parse(&bytes);
            // and a good block whose bytes were changed
            if let Ok(mut block) = Encoder::new().and_then(|mut encoder| encoder.encode(&[("streamtype", "data")])) {
                for (place, byte) in bytes.iter().enumerate().take(block.len()) {
                    block[place] ^= byte & 1;
                }
                let _ = Decoder::new().decode(&block);
            }
        }
    }

    #[test]
    fn garbage_and_bombs_are_refused() {
        assert!(Decoder::new().decode(b"no zlib at all").is_err());
        assert!(Decoder::new().decode(&[]).is_err());
        let bomb = "x".repeat(1 << 20);
        let block = Encoder::new().unwrap().encode(&[("a", &bomb)]);
        assert!(block.and_then(|block| Decoder::new().decode(&block)).is_err());
    }
}

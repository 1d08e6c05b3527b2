//! Bodies of HTTP/1 messages: where they end, and how they are written anew. What was read is never
//! passed on as it was framed, so that nobody behind us can see another end than we did.

use bytes::{Buf, BytesMut};

/// A line of a chunk's size, or of a trailer, may be this long.
const MAX_LINE_BYTES: usize = 8 << 10;

/// Trailers may be this many bytes together.
const MAX_TRAILER_BYTES: usize = 32 << 10;

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    /// By the end of the connection; only in responses.
    UntilClose,
}

/// A body that is not framed as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Misframed;

/// Finds the data of a body in what has been read.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    trailer_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// This many bytes of the body are left.
    Length(u64),
    UntilClose,
    ChunkSize,
    /// This many bytes of a chunk are left.
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Done,
}

impl Decoder {
    pub(super) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, trailer_bytes: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Says whether the end of the connection is a proper end of the body.
    pub(super) fn may_end_here(&self) -> bool {
        matches!(self.state, State::Done | State::UntilClose)
    }

    /// Moves what is there of the body from `input` to `output`.
    pub(super) fn pass(&mut self, input: &mut BytesMut, output: &mut Encoder<'_>) -> Result<(), Misframed> {
        if self.is_done() {
            return Ok(());
        }
        while !self.is_done() && !input.is_empty() {
            match self.state {
                State::Length(left) | State::Chunk(left) => {
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    output.data(&input[..count]);
                    input.advance(count);
                    self.has_passed(left - count as u64);
                }
                State::UntilClose => {
                    output.data(input);
                    input.clear();
                }
                State::ChunkSize => {
                    let Some(line) = take_line(input)? else { return Ok(()) };
                    self.state = match chunk_size(&line)? {
                        0 => State::Trailers,
                        size => State::Chunk(size),
                    };
                }
                State::ChunkEnd => {
                    let Some(line) = take_line(input)? else { return Ok(()) };
                    if !line.is_empty() {
                        return Err(Misframed);
                    }
                    self.state = State::ChunkSize;
                }
                State::Trailers => {
                    let Some(line) = take_line(input)? else { return Ok(()) };
                    self.trailer(&line, output)?;
                }
                State::Done => return Ok(()),
            }
        }
        if self.is_done() {
            output.end();
        }
        Ok(())
    }

    fn has_passed(&mut self, left: u64) {
        self.state = match (self.state, left) {
            (State::Length(_), 0) => State::Done,
            (State::Length(_), left) => State::Length(left),
            (_, 0) => State::ChunkEnd,
            (_, left) => State::Chunk(left),
        };
    }

    fn trailer(&mut self, line: &[u8], output: &mut Encoder<'_>) -> Result<(), Misframed> {
        self.trailer_bytes += line.len();
        if line.is_empty() {
            self.state = State::Done;
            return Ok(());
        }
        if self.trailer_bytes > MAX_TRAILER_BYTES {
            return Err(Misframed);
        }
        let mut headers = [httparse::EMPTY_HEADER; 1];
        let whole = [line, b"\r\n\r\n"].concat();
        match httparse::parse_headers(&whole, &mut headers) {
            Ok(httparse::Status::Complete((_, [header]))) => output.trailer(header),
            _ => return Err(Misframed),
        }
        Ok(())
    }
}

/// Takes a line that ends with CR LF, without it.
fn take_line(input: &mut BytesMut) -> Result<Option<BytesMut>, Misframed> {
    let end = input.iter().position(|byte| *byte == b'\n');
    match end {
        Some(end) if end > 0 && input[end - 1] == b'\r' && end <= MAX_LINE_BYTES => {
            let mut line = input.split_to(end + 1);
            line.truncate(end - 1);
            Ok(Some(line))
        }
        None if input.len() <= MAX_LINE_BYTES => Ok(None),
        _ => Err(Misframed),
    }
}

/// Reads the size of a chunk; what follows a `;` means nothing to us.
fn chunk_size(line: &[u8]) -> Result<u64, Misframed> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(digits).map_err(|_| Misframed)?.trim_end_matches([' ', '\t']);
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_number { u64::from_str_radix(text, 16).map_err(|_| Misframed) } else { Err(Misframed) }
}

/// Frames a body anew into a buffer.
#[derive(Debug)]
pub(super) struct Encoder<'a> {
    output: &'a mut Vec<u8>,
    /// With chunks, else as it is.
    chunked: bool,
    passes_trailers: bool,
    trailers: Vec<u8>,
    /// Bytes of the body that have passed.
    pub(super) passed: u64,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(output: &'a mut Vec<u8>, chunked: bool, passes_trailers: bool) -> Self {
        Self { output, chunked, passes_trailers, trailers: Vec::new(), passed: 0 }
    }

    pub(super) fn buffered(&self) -> &[u8] {
        self.output
    }

    pub(super) fn clear(&mut self) {
        self.output.clear();
    }

    /// Adds a part of the body.
    pub(super) fn data(&mut self, data: &[u8]) {
        if data.is_empty() {
            // An empty chunk would be the end.
            return;
        }
        self.passed += data.len() as u64;
        if self.chunked {
            push_hex(self.output, data.len());
            self.output.extend_from_slice(b"\r\n");
            self.output.extend_from_slice(data);
            self.output.extend_from_slice(b"\r\n");
        } else {
            self.output.extend_from_slice(data);
        }
    }

    fn trailer(&mut self, header: &httparse::Header<'_>) {
        if self.passes_trailers {
            self.trailers.extend_from_slice(header.name.as_bytes());
            self.trailers.extend_from_slice(b": ");
            self.trailers.extend_from_slice(header.value);
            self.trailers.extend_from_slice(b"\r\n");
        }
    }

    /// Ends the body.
    pub(super) fn end(&mut self) {
        if self.chunked {
            self.output.extend_from_slice(b"0\r\n");
            self.output.append(&mut self.trailers);
            self.output.extend_from_slice(b"\r\n");
        }
    }
}

fn push_hex(output: &mut Vec<u8>, number: usize) {
    let digits = (usize::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (number >> (place * 4)) & 0xf;
        output.push(b"0123456789abcdef"[digit]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes in pieces of every length, and checks what comes out framed with chunks.
    fn check(framing: Framing, body: &str, expected: Result<(&str, &str), Misframed>) {
        for piece in 1..=body.len() {
            let mut output = Vec::new();
            let mut encoder = Encoder::new(&mut output, true, true);
            let mut decoder = Decoder::new(framing);
            let mut input = BytesMut::new();
            let mut found = Ok(());
            for part in body.as_bytes().chunks(piece) {
                input.extend_from_slice(part);
                found = found.and_then(|()| decoder.pass(&mut input, &mut encoder));
            }
            let rest = String::from_utf8_lossy(&input).into_owned();
            match (expected, found) {
                (Ok((data, left)), Ok(())) => {
                    assert!(decoder.may_end_here(), "{body:?} by {piece}");
                    assert_eq!(rest, left, "{body:?} by {piece}");
                    let mut plain = Vec::new();
                    let mut again = Decoder::new(Framing::Chunked);
                    if !decoder.is_done() {
                        encoder.end();
                    }
                    let mut written = BytesMut::from(output.as_slice());
                    again.pass(&mut written, &mut Encoder::new(&mut plain, false, true)).unwrap();
                    assert!(again.is_done() && written.is_empty());
                    assert_eq!(plain, data.as_bytes(), "{body:?} by {piece}");
                }
                (Err(_), Err(_)) => {}
                (expected, found) => panic!("{body:?} by {piece}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_body_ends_where_its_frame_says() {
        check(Framing::Length(3), "abcdef", Ok(("abc", "def")));
        check(Framing::UntilClose, "abcdef", Ok(("abcdef", "")));
        check(Framing::Chunked, "3\r\nabc\r\n0\r\n\r\nnext", Ok(("abc", "next")));
        check(
            Framing::Chunked,
            "A;x=y\r\n0123456789\r\n1 \r\nz\r\n0\r\nt: v\r\n\r\n",
            Ok(("0123456789z", "")),
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for body in [
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "0x3\r\nabc\r\n0\r\n\r\n",
            "+3\r\nabc\r\n0\r\n\r\n",
            "\r\nabc\r\n0\r\n\r\n",
            " 3\r\nabc\r\n0\r\n\r\n",
            "11111111111111111\r\nabc\r\n0\r\n\r\n",
            "0\r\nbad trailer\r\n\r\n",
        ] {
            check(Framing::Chunked, body, Err(Misframed));
        }
    }

    #[test]
    fn trailers_pass_only_where_they_may() {
        let pass = |trailers| {
            let mut output = Vec::new();
            let mut input = BytesMut::from("1\r\na\r\n0\r\ngrpc-status: 0\r\n\r\n");
            let mut encoder = Encoder::new(&mut output, true, trailers);
            Decoder::new(Framing::Chunked).pass(&mut input, &mut encoder).unwrap();
            String::from_utf8(output).unwrap()
        };
        assert_eq!(pass(true), "1\r\na\r\n0\r\ngrpc-status: 0\r\n\r\n");
        assert_eq!(pass(false), "1\r\na\r\n0\r\n\r\n");
    }

    #[test]
    fn sizes_are_written_in_hexadecimal() {
        for number in [0, 1, 15, 16, 255, 4096, 65_535, 1 << 20] {
            let mut output = Vec::new();
            push_hex(&mut output, number);
            assert_eq!(String::from_utf8(output).unwrap(), format!("{number:x}"));
        }
    }
}

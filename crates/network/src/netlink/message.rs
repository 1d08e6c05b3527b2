//! The bytes of netlink messages: a header, a fixed body, and nested attributes, all padded to four.

/// `NLM_F_*` (`linux/netlink.h`).
pub(crate) const REQUEST: u16 = 0x1;
pub(crate) const ACK: u16 = 0x4;
pub(crate) const DUMP: u16 = 0x300;
pub(crate) const REPLACE: u16 = 0x100;
pub(crate) const EXCLUSIVE: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;
pub(crate) const APPEND: u16 = 0x800;

const MULTI: u16 = 0x2;
const KIND_ERROR: u16 = 2;
const KIND_DONE: u16 = 3;
const HEADER_BYTES: usize = 16;
const ATTRIBUTE_HEADER_BYTES: usize = 4;
const NESTED: u16 = 0x8000;
/// The two highest bits of an attribute's type are flags.
const ATTRIBUTE_KIND_MASK: u16 = 0x3fff;

/// A message under construction. Sizes stay far below 64 KiB: a message carries a rule or a link.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    pub(crate) fn new(kind: u16, flags: u16) -> Self {
        Self { kind, flags: flags | REQUEST, body: Vec::with_capacity(128) }
    }

    pub(crate) fn len(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }

    /// Returns the body without the header.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn wants_answer(&self) -> bool {
        self.flags & ACK != 0
    }

    /// Asks for an answer.
    pub(crate) fn with_answer(mut self) -> Self {
        self.flags |= ACK;
        self
    }

    /// Appends the fixed part.
    pub(crate) fn fixed(mut self, bytes: &[u8]) -> Self {
        self.body.extend_from_slice(bytes);
        self.pad();
        self
    }

    pub(crate) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        self.put(kind, value);
        self
    }

    pub(crate) fn text(mut self, kind: u16, value: &str) -> Self {
        self.put_text(kind, value);
        self
    }

    pub(crate) fn nest(mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> Self {
        self.put_nest(kind, fill);
        self
    }

    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) {
        self.put_header(kind, value.len());
        self.body.extend_from_slice(value);
        self.pad();
    }

    /// Adds a text with its closing zero.
    pub(crate) fn put_text(&mut self, kind: u16, value: &str) {
        self.put_header(kind, value.len() + 1);
        self.body.extend_from_slice(value.as_bytes());
        self.body.push(0);
        self.pad();
    }

    /// Adds a number as nftables wants it.
    pub(crate) fn put_be32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    pub(crate) fn put_nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.body.len();
        self.put_header(kind | NESTED, 0);
        fill(self);
        let length = self.body.len() - start;
        self.body[start..start + 2].copy_from_slice(&short(length).to_ne_bytes());
    }

    /// Adds bytes without an attribute of their own: the fixed part of a nested message.
    pub(crate) fn put_raw(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
        self.pad();
    }

    fn put_header(&mut self, kind: u16, length: usize) {
        self.body.extend_from_slice(&short(ATTRIBUTE_HEADER_BYTES + length).to_ne_bytes());
        self.body.extend_from_slice(&kind.to_ne_bytes());
    }

    fn pad(&mut self) {
        self.body.resize(self.body.len().next_multiple_of(4), 0);
    }

    pub(super) fn write(&self, sequence: u32, out: &mut Vec<u8>) {
        let length = u32::try_from(self.len()).expect("a message is far below 4 GiB");
        out.extend_from_slice(&length.to_ne_bytes());
        out.extend_from_slice(&self.kind.to_ne_bytes());
        out.extend_from_slice(&self.flags.to_ne_bytes());
        out.extend_from_slice(&sequence.to_ne_bytes());
        out.extend_from_slice(&0_u32.to_ne_bytes());
        out.extend_from_slice(&self.body);
    }
}

fn short(length: usize) -> u16 {
    u16::try_from(length).expect("an attribute is far below 64 KiB")
}

/// One message of an answer.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    kind: u16,
    flags: u16,
    pub(super) sequence: u32,
    pub(super) body: &'a [u8],
}

impl Answer<'_> {
    /// Returns the negative error number, or 0 for a plain acknowledgement.
    pub(super) fn error_code(&self) -> Option<i32> {
        (self.kind == KIND_ERROR)
            .then(|| self.body.first_chunk::<4>().map_or(-libc::EPROTO, |code| i32::from_ne_bytes(*code)))
    }

    pub(super) fn is_done(&self) -> bool {
        self.kind == KIND_DONE
    }

    pub(super) fn is_part(&self) -> bool {
        self.flags & MULTI != 0
    }
}

/// Splits an answer into its messages; stops at the first that is cut short.
pub(super) fn parse(mut bytes: &[u8]) -> impl Iterator<Item = Answer<'_>> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let message = bytes.get(..length)?;
        let body = message.get(HEADER_BYTES..)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Answer {
            kind: u16::from_ne_bytes([message[4], message[5]]),
            flags: u16::from_ne_bytes([message[6], message[7]]),
            sequence: u32::from_ne_bytes([message[8], message[9], message[10], message[11]]),
            body,
        })
    })
}

/// Splits attributes; stops at the first that is cut short.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let attribute = bytes.get(..length)?;
        let value = attribute.get(ATTRIBUTE_HEADER_BYTES..)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([attribute[2], attribute[3]]) & ATTRIBUTE_KIND_MASK, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_written() {
        let message = Message::new(1, ACK).fixed(&[1]).text(2, "eth0").nest(3, |m| m.put(4, &[9, 8]));
        assert_eq!(message.body[..4], [1, 0, 0, 0]);
        let outer: Vec<_> = attributes(&message.body[4..]).collect();
        assert_eq!(outer[0], (2, b"eth0\0".as_slice()));
        assert_eq!(attributes(outer[1].1).collect::<Vec<_>>(), [(4, [9, 8].as_slice())]);
    }

    #[test]
    fn an_answer_cut_anywhere_is_not_read_beyond_its_end() {
        let mut bytes = Vec::new();
        Message::new(KIND_ERROR, 0).fixed(&[0; 20]).write(7, &mut bytes);
        Message::new(KIND_DONE, 0).fixed(&[0; 4]).write(8, &mut bytes);
        for end in 0..=bytes.len() {
            let count = parse(&bytes[..end]).count();
            assert_eq!(count, usize::from(end >= 36) + usize::from(end >= 56));
        }
        // Lengths that lie end the walk instead of looping.
        assert_eq!(parse(&[0; 64]).count(), 0);
        assert_eq!(attributes(&[0; 64]).count(), 0);
    }
}

//! Reads a pickle's bytes in order.

use super::{PickleError, Span};

#[derive(Debug)]
pub(super) struct Cursor<'a> {
    pub(super) data: &'a [u8],
    pub(super) position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<Span, PickleError> {
        let rest = self.data.len() - self.position;
        if length > rest {
            return Err(PickleError::Truncated { offset: self.data.len() });
        }
        let beyond = PickleError::Array { offset: self.position, problem: "is beyond 4 GiB" };
        let span = Span::new(self.position, length).ok_or(beyond)?;
        self.position += length;
        Ok(span)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let span = self.take(N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.data[span.range()]);
        Ok(bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, PickleError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, PickleError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, PickleError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A length of one, four or eight bytes, then as many bytes.
    pub(super) fn sized<const N: usize>(&mut self) -> Result<Span, PickleError> {
        let mut length = [0; 8];
        length[..N].copy_from_slice(&self.array::<N>()?);
        let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
        self.take(length)
    }

    /// Up to a line feed, which is skipped.
    pub(super) fn line(&mut self) -> Result<Span, PickleError> {
        let rest = &self.data[self.position..];
        let length = rest.iter().position(|&byte| byte == b'\n');
        let length = length.ok_or(PickleError::Truncated { offset: self.data.len() })?;
        let span = self.take(length)?;
        self.position += 1;
        Ok(span)
    }

    pub(super) fn bytes(&self, span: Span) -> &'a [u8] {
        &self.data[span.range()]
    }
}

/// A little-endian two's complement integer of any length; `None` beyond 64 bits.
pub(super) fn integer(bytes: &[u8]) -> Option<i64> {
    let (low, high) = bytes.split_at(bytes.len().min(8));
    let is_negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let fill = if is_negative { 0xff } else { 0 };
    let mut value = [fill; 8];
    value[..low.len()].copy_from_slice(low);
    let value = i64::from_le_bytes(value);
    let is_whole = high.iter().all(|&byte| byte == fill) && (value < 0) == is_negative;
    is_whole.then_some(value)
}

/// Protocol 0 strings: `\uXXXX` and `\UXXXXXXXX` are escapes, all other bytes are Latin-1.
pub(super) fn raw_unicode_escape(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        let digits = match (first, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => 0,
        };
        if digits == 0 {
            text.push(char::from(*first));
            rest = after;
        } else {
            let digits_end = 1 + digits;
            let code = std::str::from_utf8(after.get(1..digits_end)?).ok()?;
            text.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
            rest = &after[digits_end..];
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_length_are_read() {
        assert_eq!(integer(&[]), Some(0));
        assert_eq!(integer(&[0xff]), Some(-1));
        assert_eq!(integer(&[0xff, 0]), Some(255));
        assert_eq!(integer(&[0, 0, 0, 0, 0, 0, 0, 0x80]), Some(i64::MIN));
        assert_eq!(integer(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0]), None);
        assert_eq!(integer(&[1; 9]), None);
    }

    #[test]
    fn escapes_of_protocol_0_are_resolved() {
        assert_eq!(raw_unicode_escape(b"a\\u0416\\U0001f600\xe9\\x").as_deref(), Some("aЖ😀é\\x"));
        assert_eq!(raw_unicode_escape(b"\\u04"), None);
        assert_eq!(raw_unicode_escape(b"\\ud800"), None);
    }
}

//! Reads protobuf's wire format: fields, one after another, never beyond the slice.
//!
//! A reader of our own, because ONNX needs little of protobuf: four wire types and nested messages. Bytes stay
//! slices of the file, so weights are copied once, into the tensor they make.

use super::error::OnnxError;
use super::outside::Outside;

/// The most messages inside messages: a graph in a loop in a branch is three graphs deep, nine messages.
pub(super) const MAX_DEPTH: usize = 40;

/// A message being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    bytes: &'a [u8],
    /// Where the message starts in the file, for errors.
    start: usize,
    at: usize,
    depth: usize,
    /// Where constants may lie that are not in the file.
    outside: Option<&'a Outside<'a>>,
}

/// One field's content.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(Message<'a>),
}

impl<'a> Message<'a> {
    pub(super) fn new(bytes: &'a [u8], outside: Option<&'a Outside<'a>>) -> Self {
        Message { bytes, start: 0, at: 0, depth: 0, outside }
    }

    pub(super) fn outside(&self) -> Option<&'a Outside<'a>> {
        self.outside
    }

    /// What is left of the message.
    pub(super) fn bytes(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Where in the file the reader stands.
    pub(super) fn offset(&self) -> usize {
        self.start + self.at
    }

    pub(super) fn problem(&self, problem: &'static str) -> OnnxError {
        OnnxError::Damaged { offset: self.offset(), problem }
    }

    /// The next field and its number; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, OnnxError> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| self.problem("has a field number too large"))?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = self.varint()?;
                let start = self.offset();
                let bytes = self.take(length)?;
                if self.depth >= MAX_DEPTH {
                    return Err(self.problem("is nested too deep"));
                }
                Field::Bytes(Message { bytes, start, at: 0, depth: self.depth + 1, outside: self.outside })
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(self.problem("has a field of an unknown kind")),
        };
        Ok(Some((number, field)))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], OnnxError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.get(..length) else {
            return Err(self.problem("breaks off: the file was not written or copied whole"));
        };
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], OnnxError> {
        let taken = self.take(N as u64)?;
        taken.try_into().map_err(|_| self.problem("breaks off"))
    }

    fn varint(&mut self) -> Result<u64, OnnxError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.problem("has a number that does not end"))
    }
}

impl<'a> Field<'a> {
    /// The message or bytes a field holds.
    pub(super) fn message(self, at: &Message<'_>) -> Result<Message<'a>, OnnxError> {
        match self {
            Field::Bytes(message) => Ok(message),
            Field::Varint(_) | Field::Fixed32(_) | Field::Fixed64(_) => {
                Err(at.problem("has a number where a message should be"))
            }
        }
    }

    pub(super) fn text(self, at: &Message<'_>) -> Result<&'a str, OnnxError> {
        let bytes = self.message(at)?.bytes();
        std::str::from_utf8(bytes).map_err(|_| at.problem("has a name that is not UTF-8"))
    }

    #[expect(clippy::cast_possible_wrap, reason = "negative numbers are written as large ones")]
    pub(super) fn int(self, at: &Message<'_>) -> Result<i64, OnnxError> {
        match self {
            Field::Varint(value) => Ok(value as i64),
            Field::Bytes(_) | Field::Fixed32(_) | Field::Fixed64(_) => {
                Err(at.problem("has something else where an integer should be"))
            }
        }
    }

    /// Adds one integer, or a packed run of them.
    pub(super) fn ints(self, at: &Message<'_>, into: &mut Vec<i64>) -> Result<(), OnnxError> {
        match self {
            Field::Bytes(mut packed) => {
                while packed.at < packed.bytes.len() {
                    into.push(Field::Varint(packed.varint()?).int(at)?);
                }
                Ok(())
            }
            field => {
                into.push(field.int(at)?);
                Ok(())
            }
        }
    }

    /// Adds one float, or a packed run of them.
    pub(super) fn floats(self, at: &Message<'_>, into: &mut Vec<f32>) -> Result<(), OnnxError> {
        match self {
            Field::Fixed32(bits) => into.push(f32::from_bits(bits)),
            Field::Bytes(packed) => {
                let (chunks, rest) = packed.bytes().as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(at.problem("has a list of floats cut in half"));
                }
                into.extend(chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)));
            }
            Field::Varint(_) | Field::Fixed64(_) => {
                return Err(at.problem("has something else where a float should be"));
            }
        }
        Ok(())
    }

    /// Adds one double, or a packed run of them.
    pub(super) fn doubles(self, at: &Message<'_>, into: &mut Vec<f64>) -> Result<(), OnnxError> {
        match self {
            Field::Fixed64(bits) => into.push(f64::from_bits(bits)),
            Field::Bytes(packed) => {
                let (chunks, rest) = packed.bytes().as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(at.problem("has a list of doubles cut in half"));
                }
                into.extend(chunks.iter().map(|chunk| f64::from_le_bytes(*chunk)));
            }
            Field::Varint(_) | Field::Fixed32(_) => {
                return Err(at.problem("has something else where a double should be"));
            }
        }
        Ok(())
    }
}

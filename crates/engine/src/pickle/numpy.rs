//! What would have been numpy arrays, dtypes and scalars.
//!
//! [`dtype`] says what the bytes of an item mean, [`array`] joins bytes, dtype and shape.

mod array;
mod dtype;

use std::borrow::Cow;

pub(crate) use array::Array;
pub(crate) use dtype::{Dtype, Scalar};

use super::{Id, Node, View};
use dtype::Kind;

/// The most fields of a structured dtype, and the most dimensions: numpy's own limit is 64.
const MAX_PARTS: usize = 64;

/// Why something is no array the engine reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArrayError {
    #[error("is not a numpy array but {0}")]
    NotAnArray(String),
    #[error("has a dtype that is not supported: {0}")]
    Dtype(String),
    #[error("has a shape that does not fit its data")]
    Shape,
    #[error("has items of another kind than expected")]
    Items,
}

/// A bytes object, in any of the ways it is pickled.
fn bytes(view: View<'_>) -> Option<Cow<'_, [u8]>> {
    if let Node::Bytes(span) = view.node() {
        return Some(Cow::Borrowed(view.graph.bytes(*span)));
    }
    match view.class()? {
        // protocols 0 to 2 write bytes as text of the same code points
        ("_codecs", "encode") if view.argument(1)?.str()? == "latin1" => {
            let text = view.argument(0)?.str()?;
            let bytes: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(character).ok()).collect();
            bytes.map(Cow::Owned)
        }
        // protocol 2: bytearray(text, "latin-1")
        ("builtins" | "__builtin__", "bytearray") if view.argument(1).is_some() => {
            let text = view
                .argument(0)?
                .str()
                .filter(|_| view.argument(1).and_then(|name| name.str()) == Some("latin-1"))?;
            text.chars()
                .map(|character| u8::try_from(character).ok())
                .collect::<Option<Vec<u8>>>()
                .map(Cow::Owned)
        }
        ("builtins" | "__builtin__", "bytearray" | "bytes") => match view.argument(0) {
            None => Some(Cow::Borrowed(&[])),
            // one step only: bytearray(bytearray(…)) is nobody's array
            Some(inner) => match inner.node() {
                Node::Bytes(span) => Some(Cow::Borrowed(view.graph.bytes(*span))),
                _ => None,
            },
        },
        _ => None,
    }
}

impl<'g> View<'g> {
    /// A bytes object or bytearray, in any of the ways it is pickled.
    pub(crate) fn bytes(&self) -> Option<Cow<'g, [u8]>> {
        bytes(*self)
    }
}

/// The function and the type that have been seen to make integers of eight bytes, low ones first.
#[derive(Debug, Default)]
pub(crate) struct LongInts(Option<(Id, Id)>);

impl View<'_> {
    /// What would have been a numpy scalar.
    pub(super) fn scalar(&self) -> Option<Scalar> {
        let ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") = self.class()? else {
            return None;
        };
        let dtype = Dtype::read(self.argument(0)?).ok()?;
        let item = bytes(self.argument(1)?)?;
        if item.len() == dtype.size { dtype.scalar(&item) } else { None }
    }

    /// As [`View::int`], quick where many numbers in turn are numpy's, of one type.
    pub(crate) fn int_like(&self, known: &mut LongInts) -> Option<i64> {
        let Node::Call(callable, arguments) = self.node() else { return self.int() };
        let Some([dtype, item]) = self.graph.items(self.graph.node(*arguments)) else { return self.int() };
        if known.0 == Some((*callable, *dtype))
            && let Node::Bytes(span) = self.graph.node(*item)
            && let Ok(item) = <[u8; 8]>::try_from(self.graph.bytes(*span))
        {
            return Some(i64::from_le_bytes(item));
        }
        let value = self.int()?;
        let dtype_read = Dtype::read(self.argument(0)?).ok();
        if dtype_read.is_some_and(|dtype| dtype.kind == Kind::Int && dtype.size == 8 && !dtype.is_big_endian)
        {
            known.0 = Some((*callable, *dtype));
        }
        Some(value)
    }

    /// A Python or numpy scalar.
    pub(crate) fn any_scalar(&self) -> Option<Scalar> {
        match self.node() {
            Node::Bool(value) => Some(Scalar::Bool(*value)),
            Node::Int(value) => Some(Scalar::Int(*value)),
            Node::Float(value) => Some(Scalar::Float(*value)),
            Node::Str(_) | Node::OwnedStr(_) => self.str().map(|text| Scalar::Text(text.to_owned())),
            _ => self.scalar(),
        }
    }
}

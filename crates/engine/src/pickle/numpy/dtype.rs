//! What the bytes of an array's item mean.

use super::{ArrayError, MAX_PARTS};
use crate::pickle::View;

/// The kind of an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Unsigned,
    Float,
    /// UTF-32 code points, padded with zeros.
    Unicode,
    /// Bytes, padded with zeros.
    Bytes,
    Objects,
    Structure(Vec<Field>),
}

/// One field of a structured item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) offset: usize,
    pub(crate) dtype: Dtype,
}

/// What the bytes of an item mean.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dtype {
    pub(crate) kind: Kind,
    /// Bytes per item.
    pub(crate) size: usize,
    pub(super) is_big_endian: bool,
}

/// One item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Scalar {
    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self {
            Scalar::Bool(value) => Some(*value),
            Scalar::Int(_) | Scalar::Float(_) | Scalar::Text(_) => None,
        }
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Scalar::Int(value) => Some(*value),
            Scalar::Bool(_) | Scalar::Float(_) | Scalar::Text(_) => None,
        }
    }

    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Scalar::Float(value) => Some(*value),
            #[expect(clippy::cast_precision_loss, reason = "as numpy's astype(float) does")]
            Scalar::Int(value) => Some(*value as f64),
            Scalar::Bool(_) | Scalar::Text(_) => None,
        }
    }
}

impl Dtype {
    /// Reads a pickled `numpy.dtype`.
    pub(crate) fn read(view: View<'_>) -> Result<Self, ArrayError> {
        Self::read_nested(view, 0)
    }

    fn read_nested(view: View<'_>, depth: usize) -> Result<Self, ArrayError> {
        let refuse = || ArrayError::Dtype(view.describe());
        if view.class() != Some(("numpy", "dtype")) || depth > 1 {
            return Err(refuse());
        }
        let code = view.argument(0).and_then(|code| code.str()).ok_or_else(refuse)?;
        let unknown = || ArrayError::Dtype(code.chars().take(20).collect());
        let order = view.state().and_then(|state| state.item(1)).and_then(|order| order.str());
        let is_big_endian = order == Some(">");
        let (kind, digits) = code.split_at_checked(1).ok_or_else(unknown)?;
        let count: usize = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| unknown())? };
        let (kind, size) = match (kind, count) {
            ("b", 1) | ("?", _) => (Kind::Bool, 1),
            ("i", 1 | 2 | 4 | 8) => (Kind::Int, count),
            ("u", 1 | 2 | 4 | 8) => (Kind::Unsigned, count),
            ("f", 4 | 8) => (Kind::Float, count),
            ("U", _) => (Kind::Unicode, count.checked_mul(4).ok_or_else(unknown)?),
            ("S", _) => (Kind::Bytes, count),
            ("O", _) => (Kind::Objects, 8),
            ("V", _) => (Kind::Structure(fields(view, depth).ok_or_else(unknown)?), count),
            _ => return Err(unknown()),
        };
        let dtype = Dtype { kind, size, is_big_endian };
        if dtype.is_sound() { Ok(dtype) } else { Err(unknown()) }
    }

    pub(crate) fn has_objects(&self) -> bool {
        self.kind == Kind::Objects
    }

    /// Every field lies within the item, none holds objects.
    fn is_sound(&self) -> bool {
        let Kind::Structure(fields) = &self.kind else { return true };
        fields.iter().all(|field| {
            let end = field.offset.checked_add(field.dtype.size);
            !field.dtype.has_objects() && end.is_some_and(|end| end <= self.size)
        })
    }

    /// Reads an item; objects and structures are none.
    pub(super) fn scalar(&self, item: &[u8]) -> Option<Scalar> {
        let mut little = [0u8; 8];
        match &self.kind {
            Kind::Unicode => return utf32(item, self.is_big_endian).map(Scalar::Text),
            Kind::Bytes | Kind::Objects | Kind::Structure(_) => return None,
            Kind::Bool | Kind::Int | Kind::Unsigned | Kind::Float => {
                little[..item.len()].copy_from_slice(item);
                if self.is_big_endian {
                    little[..item.len()].reverse();
                }
            }
        }
        let unused = 64 - 8 * u32::try_from(item.len()).ok()?;
        match (&self.kind, item.len()) {
            (Kind::Bool, _) => Some(Scalar::Bool(little[0] != 0)),
            // the sign is carried up by shifting it out and back
            (Kind::Int, _) => Some(Scalar::Int(i64::from_le_bytes(little) << unused >> unused)),
            (Kind::Unsigned, _) => i64::try_from(u64::from_le_bytes(little)).ok().map(Scalar::Int),
            (Kind::Float, 4) => {
                let single = f32::from_le_bytes([little[0], little[1], little[2], little[3]]);
                Some(Scalar::Float(f64::from(single)))
            }
            _ => Some(Scalar::Float(f64::from_le_bytes(little))),
        }
    }
}

fn utf32(item: &[u8], is_big_endian: bool) -> Option<String> {
    let codes = item.chunks_exact(4).map(|code| {
        let code = [code[0], code[1], code[2], code[3]];
        if is_big_endian { u32::from_be_bytes(code) } else { u32::from_le_bytes(code) }
    });
    let characters: Option<Vec<char>> = codes.map(char::from_u32).collect();
    Some(characters?.into_iter().collect::<String>().trim_end_matches('\0').to_owned())
}

fn fields(view: View<'_>, depth: usize) -> Option<Vec<Field>> {
    let state = view.state()?;
    let names = state.item(3)?.items()?;
    let by_name = state.item(4)?;
    if names.len() > MAX_PARTS {
        return None;
    }
    let field = |name: &str| {
        let entry = by_name.get(name)?;
        let dtype = Dtype::read_nested(entry.item(0)?, depth + 1).ok()?;
        Some(Field { name: name.to_owned(), offset: usize::try_from(entry.item(1)?.int()?).ok()?, dtype })
    };
    names.map(|name| field(name.str()?)).collect()
}

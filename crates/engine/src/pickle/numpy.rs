//! What would have been numpy arrays, dtypes and scalars.

use std::borrow::Cow;

use super::{Node, RawContent, View};

/// The most fields of a structured dtype, and the most dimensions: numpy's own limit is 64.
const MAX_PARTS: usize = 64;

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
    is_big_endian: bool,
}

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
    fn scalar(&self, item: &[u8]) -> Option<Scalar> {
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

/// An array.
#[derive(Debug)]
pub(crate) struct Array<'g> {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    is_fortran: bool,
    content: Content<'g>,
}

#[derive(Debug)]
enum Content<'g> {
    Bytes(Cow<'g, [u8]>),
    Objects(Vec<View<'g>>),
}

impl<'g> Array<'g> {
    /// Reads what would have been a `numpy.ndarray`, in any of the ways it is pickled.
    pub(crate) fn read(view: View<'g>) -> Result<Self, ArrayError> {
        let refuse = || ArrayError::NotAnArray(view.describe());
        if let Node::Array(raw) = view.node() {
            return match &raw.content {
                RawContent::Bytes(span) => {
                    let state = View::new(view.graph, raw.state);
                    let is_fortran = state.get("order").and_then(|order| order.str()) == Some("F");
                    let content = Content::Bytes(Cow::Borrowed(view.graph.bytes(*span)));
                    Self::described(state.get("dtype"), state.get("shape"), is_fortran, content)
                }
                // a pickle of its own holds no joblib wrapper again, so this ends
                RawContent::Pickled(id) if !matches!(view.graph.node(*id), Node::Array(_)) => {
                    Self::read(View::new(view.graph, *id))
                }
                RawContent::Pickled(_) => Err(refuse()),
            };
        }
        match view.class().ok_or_else(refuse)? {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Self::reconstructed(view),
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => {
                let bytes = view.argument(0).and_then(bytes).ok_or_else(refuse)?;
                let is_fortran = view.argument(3).and_then(|order| order.str()) == Some("F");
                Self::described(view.argument(1), view.argument(2), is_fortran, Content::Bytes(bytes))
            }
            _ => Err(refuse()),
        }
    }

    /// `_reconstruct(ndarray, (0,), b'b')` with the state (version, shape, dtype, order, data).
    fn reconstructed(view: View<'g>) -> Result<Self, ArrayError> {
        let refuse = || ArrayError::NotAnArray(view.describe());
        if view.argument(0).and_then(|class| class.global()) != Some(("numpy", "ndarray")) {
            return Err(refuse());
        }
        let state = view.state().ok_or_else(refuse)?;
        let is_fortran = state.item(3).and_then(|order| order.bool()).unwrap_or(false);
        let data = state.item(4).ok_or_else(refuse)?;
        let content = match data.node() {
            Node::List(_) => Content::Objects(data.items().into_iter().flatten().collect()),
            _ => Content::Bytes(bytes(data).ok_or_else(refuse)?),
        };
        Self::described(state.item(2), state.item(1), is_fortran, content)
    }

    fn described(
        dtype: Option<View<'g>>,
        shape: Option<View<'g>>,
        is_fortran: bool,
        content: Content<'g>,
    ) -> Result<Self, ArrayError> {
        let dtype = Dtype::read(dtype.ok_or(ArrayError::Shape)?)?;
        let shape = shape.and_then(|shape| shape.sizes()).ok_or(ArrayError::Shape)?;
        let count = shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side));
        let count = count.filter(|_| shape.len() <= MAX_PARTS).ok_or(ArrayError::Shape)?;
        let fits = match &content {
            // items of no size would let a few bytes claim any number of them
            Content::Bytes(bytes) => {
                !dtype.has_objects()
                    && (dtype.size > 0 || count == 0)
                    && count.checked_mul(dtype.size) == Some(bytes.len())
            }
            Content::Objects(objects) => dtype.has_objects() && objects.len() == count,
        };
        if !fits {
            return Err(ArrayError::Shape);
        }
        Ok(Array { dtype, shape, is_fortran, content })
    }

    /// The number of items.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// All items as numbers, the last dimension running fastest.
    pub(crate) fn floats(&self) -> Result<Vec<f64>, ArrayError> {
        let Content::Bytes(bytes) = &self.content else { return Err(ArrayError::Items) };
        let stored: Vec<f64> =
            if self.dtype.kind == Kind::Float && self.dtype.size == 8 && !self.dtype.is_big_endian {
                bytes.as_chunks::<8>().0.iter().map(|item| f64::from_le_bytes(*item)).collect()
            } else {
                let items = bytes.chunks_exact(self.dtype.size.max(1));
                let floats = items.map(|item| self.dtype.scalar(item)?.as_float());
                floats.collect::<Option<_>>().ok_or(ArrayError::Items)?
            };
        Ok(if self.is_fortran && self.shape.len() > 1 { transposed(&stored, &self.shape)? } else { stored })
    }

    /// All items of two dimensions as numbers, the first dimension running fastest, made
    /// straight from the bytes: a model's largest array is never in memory a third time.
    pub(crate) fn floats_by_column(&self) -> Result<Vec<f64>, ArrayError> {
        /// Columns at a time, so that what is written stays in the cache.
        const BLOCK: usize = 64;
        let ([rows, columns], Content::Bytes(bytes)) = (&self.shape[..], &self.content) else {
            return Err(ArrayError::Shape);
        };
        let size = self.dtype.size.max(1);
        let is_plain = self.dtype.kind == Kind::Float && size == 8 && !self.dtype.is_big_endian;
        if self.is_fortran || !is_plain || *rows == 1 {
            let stored = Array { is_fortran: false, ..self.shallow() };
            let floats = stored.floats()?;
            return if self.is_fortran || *rows == 1 {
                Ok(floats)
            } else {
                transposed(&floats, &[*columns, *rows])
            };
        }
        let items = bytes.as_chunks::<8>().0;
        let mut floats = vec![0.0; items.len()];
        for start in (0..*columns).step_by(BLOCK) {
            let end = (start + BLOCK).min(*columns);
            for row in 0..*rows {
                for (column, item) in (start..end).zip(&items[row * columns + start..row * columns + end]) {
                    floats[column * rows + row] = f64::from_le_bytes(*item);
                }
            }
        }
        Ok(floats)
    }

    /// The same array, its bytes borrowed.
    fn shallow(&self) -> Array<'_> {
        let content = match &self.content {
            Content::Bytes(bytes) => Content::Bytes(Cow::Borrowed(bytes)),
            Content::Objects(objects) => Content::Objects(objects.clone()),
        };
        let (dtype, shape) = (self.dtype.clone(), self.shape.clone());
        Array { dtype, shape, is_fortran: self.is_fortran, content }
    }

    /// All items of one dimension as numbers, texts or truth values.
    pub(crate) fn scalars(&self) -> Result<Vec<Scalar>, ArrayError> {
        if self.shape.len() != 1 {
            return Err(ArrayError::Shape);
        }
        match &self.content {
            Content::Bytes(bytes) => {
                let items = bytes.chunks_exact(self.dtype.size.max(1));
                items.map(|item| self.dtype.scalar(item)).collect::<Option<_>>().ok_or(ArrayError::Items)
            }
            Content::Objects(objects) => objects
                .iter()
                .map(|object| object.any_scalar())
                .collect::<Option<_>>()
                .ok_or(ArrayError::Items),
        }
    }

    /// The bytes of text in all items, at most; `None` where an item is no scalar.
    pub(crate) fn text_length(&self) -> Option<usize> {
        match &self.content {
            Content::Bytes(bytes) => Some(bytes.len()),
            Content::Objects(objects) => {
                let lengths = objects.iter().map(|object| match object.str() {
                    Some(text) => Some(text.len()),
                    None => object.any_scalar().map(|_| 0),
                });
                lengths.sum()
            }
        }
    }

    /// The field of a one-dimensional structured array, by name.
    pub(crate) fn field(&self, name: &str) -> Option<Column<'_>> {
        let (Kind::Structure(fields), Content::Bytes(bytes)) = (&self.dtype.kind, &self.content) else {
            return None;
        };
        let field = fields.iter().find(|field| field.name == name)?;
        (self.shape.len() == 1).then_some(Column { bytes, step: self.dtype.size, field })
    }

    /// The names of a structured array's fields.
    pub(crate) fn field_names(&self) -> impl Iterator<Item = &str> {
        let fields = match &self.dtype.kind {
            Kind::Structure(fields) => fields.as_slice(),
            _ => &[],
        };
        fields.iter().map(|field| field.name.as_str())
    }
}

/// One field of every item.
pub(crate) struct Column<'a> {
    bytes: &'a [u8],
    step: usize,
    field: &'a Field,
}

impl Column<'_> {
    pub(crate) fn scalars(&self) -> impl Iterator<Item = Option<Scalar>> + '_ {
        let range = self.field.offset..self.field.offset + self.field.dtype.size;
        self.bytes
            .chunks_exact(self.step.max(1))
            .map(move |item| self.field.dtype.scalar(&item[range.clone()]))
    }
}

/// From column-major to row-major; two dimensions, which is all that models have.
fn transposed(stored: &[f64], shape: &[usize]) -> Result<Vec<f64>, ArrayError> {
    let [rows, columns] = *shape else { return Err(ArrayError::Shape) };
    Ok((0..rows).flat_map(|row| (0..columns).map(move |column| stored[column * rows + row])).collect())
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

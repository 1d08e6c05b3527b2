//! Arrays, in any of the ways they are pickled.

use std::borrow::Cow;

use super::dtype::{Dtype, Field, Kind, Scalar};
use super::{ArrayError, MAX_PARTS, bytes};
use crate::pickle::{Node, RawContent, View};

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
        match view.argument(0).and_then(|class| class.global()).ok_or_else(refuse)? {
            ("numpy", "ndarray" | "memmap" | "matrix") => {}
            // what `mmap_mode` leaves behind when such a model is saved again
            ("numpy.core.memmap" | "numpy._core.memmap", "memmap") => {}
            _ => return Err(refuse()),
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

    /// All items as truth values, the last dimension running fastest.
    #[cfg(test)]
    pub(crate) fn flags(&self) -> Option<Vec<bool>> {
        let Content::Bytes(bytes) = &self.content else { return None };
        let flags: Vec<f64> = bytes.iter().map(|byte| f64::from(*byte)).collect();
        let is_turned = self.is_fortran && self.shape.len() > 1;
        let flags = if is_turned { transposed(&flags, &self.shape).ok()? } else { flags };
        (self.dtype.kind == Kind::Bool).then(|| flags.into_iter().map(|flag| flag != 0.0).collect())
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

    /// The items that are objects, the last dimension running fastest.
    pub(crate) fn all_objects(&self) -> Option<Vec<View<'g>>> {
        let Content::Objects(objects) = &self.content else { return None };
        match self.shape[..] {
            [rows, columns] if self.is_fortran => {
                let order = (0..rows).flat_map(|row| (0..columns).map(move |column| column * rows + row));
                Some(order.map(|place| objects[place]).collect())
            }
            [] | [_] | [_, _] => Some(objects.clone()),
            _ => None,
        }
    }

    /// The items of one dimension that are objects.
    pub(crate) fn objects(&self) -> Option<Vec<View<'g>>> {
        match &self.content {
            Content::Objects(objects) if self.shape.len() == 1 => Some(objects.clone()),
            Content::Objects(_) | Content::Bytes(_) => None,
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

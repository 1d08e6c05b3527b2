//! Makes the nodes of arrays: what a pickle of them looks like, their bytes left where they are.

use std::ops::Range;

use serde_json::value::RawValue;

use super::npy::{Head, Items};
use super::schema::{Reader, State, Text};
use super::{SkopsError, shown};
use crate::pickle::Id;

impl Reader<'_> {
    pub(super) fn file(&self, state: &State<'_>) -> Result<(Range<usize>, String), SkopsError> {
        let name = state.file.clone().ok_or_else(|| self.broken("an array names no file"))?;
        let range = self.archive.find(&name);
        let missing = || SkopsError::File { file: shown(&name), problem: "is missing" };
        Ok((range.ok_or_else(missing)?, name))
    }

    fn head(&self, name: &str, range: &Range<usize>) -> Result<Head, SkopsError> {
        let broken = || SkopsError::File { file: shown(name), problem: "is no array that numpy wrote" };
        Head::read(&self.archive.data[range.clone()]).ok_or_else(broken)
    }

    pub(super) fn array(&mut self, state: &State<'_>) -> Result<Id, SkopsError> {
        if state.kind.as_deref() == Some("json") {
            return self.objects(state);
        }
        let (range, name) = self.file(state)?;
        self.stored(&name, range, matches!(&*state.class, "ndarray" | "memmap" | "matrix"))
    }

    /// The array in a file, or the scalar.
    fn stored(&mut self, name: &str, range: Range<usize>, is_array: bool) -> Result<Id, SkopsError> {
        let head = self.head(name, &range)?;
        let dtype = self.dtype(&head.items)?;
        let bytes = self.builder.bytes(range.start + head.start..range.end);
        let bytes = self.add(bytes)?;
        if !is_array {
            let scalar = self.builder.object(("numpy.core.multiarray", "scalar"), &[dtype, bytes], None);
            return self.add(scalar);
        }
        self.reconstructed(&head.shape, dtype, head.is_fortran, bytes)
    }

    /// What a pickle of an array looks like.
    fn reconstructed(
        &mut self,
        shape: &[usize],
        dtype: Id,
        is_fortran: bool,
        data: Id,
    ) -> Result<Id, SkopsError> {
        let sides = shape.iter().map(|side| {
            let side = i64::try_from(*side).map_err(|_| self.broken("an array is larger than any memory"))?;
            let id = self.builder.int(side);
            self.add(id)
        });
        let sides = sides.collect::<Result<Vec<_>, _>>()?;
        let state = [
            self.builder.int(1),
            self.builder.tuple(&sides),
            Ok(dtype),
            self.builder.bool(is_fortran),
            Ok(data),
        ];
        let state = state.into_iter().map(|id| self.add(id)).collect::<Result<Vec<_>, _>>()?;
        let state = self.builder.tuple(&state);
        let state = self.add(state)?;
        let class = self.builder.global("numpy", "ndarray");
        let class = self.add(class)?;
        let array = self.builder.object(("numpy.core.multiarray", "_reconstruct"), &[class], Some(state));
        self.add(array)
    }

    /// An array of objects: lists in lists, as many as the array has dimensions.
    fn objects(&mut self, state: &State<'_>) -> Result<Id, SkopsError> {
        let shape = self.shape(state)?;
        let raw: Vec<&RawValue> = self.parse(self.content(state)?)?;
        let mut items = Vec::new();
        self.flat(&raw, shape.len(), &mut items)?;
        let items = self.builder.list(items);
        let items = self.add(items)?;
        let dtype = self.dtype(&Items::Plain("|O8".to_owned()))?;
        self.reconstructed(&shape, dtype, false, items)
    }

    fn flat(&mut self, raw: &[&RawValue], dimensions: usize, items: &mut Vec<Id>) -> Result<(), SkopsError> {
        for (number, raw) in raw.iter().enumerate() {
            self.inside(number.to_string(), |reader| {
                if dimensions <= 1 {
                    items.push(reader.object(raw)?);
                    return Ok(());
                }
                let inner: State<'_> = reader.parse(raw)?;
                let inner: Vec<&RawValue> = reader.parse(reader.content(&inner)?)?;
                reader.flat(&inner, dimensions - 1, items)
            })?;
        }
        Ok(())
    }

    /// A tuple of numbers, described or, in the oldest files, plain.
    fn shape(&mut self, state: &State<'_>) -> Result<Vec<usize>, SkopsError> {
        let raw = state.shape.ok_or_else(|| self.broken("an array has no shape"))?;
        if raw.get().starts_with('[') {
            return self.parse(raw);
        }
        let described: State<'_> = self.parse(raw)?;
        let sides: Vec<State<'_>> = self.parse(self.content(&described)?)?;
        let mut shape = Vec::with_capacity(sides.len());
        for side in &sides {
            let Text(written) = self.parse(self.content(side)?)?;
            shape.push(written.parse().map_err(|_| self.broken("a shape is no number"))?);
        }
        Ok(shape)
    }

    pub(super) fn dtype_of(&mut self, state: &State<'_>) -> Result<Id, SkopsError> {
        let inner: State<'_> = self.parse(self.content(state)?)?;
        if inner.kind.as_deref() == Some("json") {
            return self.dtype(&Items::Plain("|O8".to_owned()));
        }
        let (range, name) = self.file(&inner)?;
        let head = self.head(&name, &range)?;
        self.dtype(&head.items)
    }

    /// What a pickle of a dtype looks like.
    fn dtype(&mut self, items: &Items) -> Result<Id, SkopsError> {
        let (code, order, names, fields) = match items {
            Items::Plain(code) => {
                let (order, code) = split(code).ok_or_else(|| self.broken("a dtype is damaged"))?;
                (code.to_owned(), order.to_owned(), self.builder.none(), self.builder.none())
            }
            Items::Fields(fields) => {
                let (mut names, mut pairs, mut offset) = (Vec::new(), Vec::new(), 0usize);
                for (name, code) in fields {
                    let size = size_of(code).ok_or_else(|| self.broken("a dtype is damaged"))?;
                    if !name.is_empty() {
                        let inner = self.dtype(&Items::Plain(code.clone()))?;
                        let place = i64::try_from(offset).map_err(|_| self.broken("a dtype is damaged"))?;
                        let place = self.builder.int(place);
                        let entry = [inner, self.add(place)?];
                        let entry = self.builder.tuple(&entry);
                        let entry = self.add(entry)?;
                        let key = self.builder.text(name);
                        let key = self.add(key)?;
                        names.push(key);
                        pairs.push((key, entry));
                    }
                    offset = offset.checked_add(size).ok_or_else(|| self.broken("a dtype is damaged"))?;
                }
                let (names, fields) = (self.builder.tuple(&names), self.builder.dictionary(pairs));
                (format!("V{offset}"), "|".to_owned(), names, fields)
            }
        };
        let state = [self.builder.int(3), self.builder.text(&order), self.builder.none(), names, fields];
        let state = state.into_iter().map(|id| self.add(id)).collect::<Result<Vec<_>, _>>()?;
        let state = self.builder.tuple(&state);
        let state = self.add(state)?;
        let code = self.builder.text(&code);
        let code = self.add(code)?;
        let dtype = self.builder.object(("numpy", "dtype"), &[code], Some(state));
        self.add(dtype)
    }

    /// A sparse matrix: an archive of its own, whose files the outer one lists as `outer/inner`.
    pub(super) fn sparse(&mut self, state: &State<'_>) -> Result<Id, SkopsError> {
        let (_, name) = self.file(state)?;
        let mut pairs = Vec::new();
        for (attribute, file) in
            [("data", "data"), ("indices", "indices"), ("indptr", "indptr"), ("_shape", "shape")]
        {
            let path = format!("{name}/{file}.npy");
            let missing = || SkopsError::File { file: shown(&path), problem: "is missing" };
            let range = self.archive.find(&path).ok_or_else(missing)?;
            let value = match attribute {
                "_shape" => self.sides(&path, range)?,
                _ => self.stored(&path, range, true)?,
            };
            let key = self.builder.text(attribute);
            pairs.push((self.add(key)?, value));
        }
        let attributes = self.builder.dictionary(pairs);
        let attributes = self.add(attributes)?;
        let matrix = self.builder.object((&state.module, &state.class), &[], Some(attributes));
        self.add(matrix)
    }

    /// An array of 64-bit numbers as a tuple.
    fn sides(&mut self, name: &str, range: Range<usize>) -> Result<Id, SkopsError> {
        let head = self.head(name, &range)?;
        if head.items != Items::Plain("<i8".to_owned()) {
            return Err(SkopsError::File { file: shown(name), problem: "is no shape" });
        }
        let bytes = &self.archive.data[range.start + head.start..range.end];
        let sides =
            bytes.as_chunks::<8>().0.iter().take(2).map(|side| self.builder.int(i64::from_le_bytes(*side)));
        let sides = sides.collect::<Result<Vec<_>, _>>();
        let tuple = sides.and_then(|sides| self.builder.tuple(&sides));
        self.add(tuple)
    }
}

/// A dtype's byte order and the rest of its code.
fn split(code: &str) -> Option<(&str, &str)> {
    let rest = code.strip_prefix(['<', '>', '|', '='])?;
    Some((&code[..1], rest))
}

/// How many bytes an item takes.
fn size_of(code: &str) -> Option<usize> {
    let (_, rest) = split(code)?;
    let (kind, digits) = rest.split_at_checked(1)?;
    let count: usize = digits.parse().ok()?;
    count.checked_mul(if kind == "U" { 4 } else { 1 })
}

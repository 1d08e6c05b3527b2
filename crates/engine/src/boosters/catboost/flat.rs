//! FlatBuffers, as much of them as a model needs: tables, lists, texts; every place is checked.

use super::super::BoosterError;

/// A table: fields by number, each where the table's own list says, or not at all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Where the list of fields is, and its length in bytes.
    fields: usize,
    length: usize,
}

/// A list of things of the same size.
#[derive(Debug, Clone, Copy)]
pub(super) struct List<'b> {
    bytes: &'b [u8],
    at: usize,
    pub(super) length: usize,
}

fn damaged(at: usize) -> BoosterError {
    BoosterError::Syntax { offset: at, problem: "a reference leads out of the file" }
}

fn array<const LENGTH: usize>(bytes: &[u8], at: usize) -> Result<[u8; LENGTH], BoosterError> {
    let part = at.checked_add(LENGTH).and_then(|end| bytes.get(at..end));
    part.and_then(|part| part.try_into().ok()).ok_or_else(|| damaged(at))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<usize, BoosterError> {
    array(bytes, at).map(|bytes| u32::from_le_bytes(bytes) as usize)
}

/// Where the reference at a place leads.
fn followed(bytes: &[u8], at: usize) -> Result<usize, BoosterError> {
    at.checked_add(u32_at(bytes, at)?).ok_or_else(|| damaged(at))
}

impl<'b> Table<'b> {
    /// The table a whole buffer is of.
    pub(super) fn root(bytes: &'b [u8]) -> Result<Self, BoosterError> {
        Self::new(bytes, followed(bytes, 0)?)
    }

    fn new(bytes: &'b [u8], at: usize) -> Result<Self, BoosterError> {
        let back = i64::from(i32::from_le_bytes(array(bytes, at)?));
        let fields = i64::try_from(at)
            .ok()
            .and_then(|at| usize::try_from(at - back).ok())
            .ok_or_else(|| damaged(at))?;
        let length = usize::from(u16::from_le_bytes(array(bytes, fields)?));
        Ok(Table { bytes, at, fields, length })
    }

    /// The length of the whole buffer.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Where a field is, if it is there.
    fn field(&self, number: usize) -> Result<Option<usize>, BoosterError> {
        let place = 4 + 2 * number;
        if place + 2 > self.length {
            return Ok(None);
        }
        let offset = usize::from(u16::from_le_bytes(array(self.bytes, self.fields + place)?));
        Ok((offset != 0).then_some(self.at + offset))
    }

    pub(super) fn i32(&self, number: usize, default: i32) -> Result<i32, BoosterError> {
        let field = self.field(number)?.map(|at| array(self.bytes, at).map(i32::from_le_bytes));
        field.unwrap_or(Ok(default))
    }

    pub(super) fn u8(&self, number: usize) -> Result<u8, BoosterError> {
        self.field(number)?.map_or(Ok(0), |at| array::<1>(self.bytes, at).map(|[byte]| byte))
    }

    pub(super) fn f64(&self, number: usize, default: f64) -> Result<f64, BoosterError> {
        let field = self.field(number)?.map(|at| array(self.bytes, at).map(f64::from_le_bytes));
        field.unwrap_or(Ok(default))
    }

    pub(super) fn table(&self, number: usize) -> Result<Option<Table<'b>>, BoosterError> {
        let field = self.field(number)?;
        field.map(|at| Table::new(self.bytes, followed(self.bytes, at)?)).transpose()
    }

    /// A list of things of `size` bytes; empty when it is not there.
    pub(super) fn list(&self, number: usize, size: usize) -> Result<List<'b>, BoosterError> {
        let Some(at) = self.field(number)? else { return Ok(List { bytes: self.bytes, at: 0, length: 0 }) };
        let at = followed(self.bytes, at)?;
        let length = u32_at(self.bytes, at)?;
        if length > self.bytes.len().saturating_sub(at + 4) / size {
            return Err(damaged(at));
        }
        Ok(List { bytes: self.bytes, at: at + 4, length })
    }

    pub(super) fn text(&self, number: usize) -> Result<Option<&'b str>, BoosterError> {
        let list = self.list(number, 1)?;
        let text = std::str::from_utf8(&list.bytes[list.at..list.at + list.length]);
        let text =
            text.map_err(|_| BoosterError::Syntax { offset: list.at, problem: "a text is not Unicode" })?;
        Ok(self.field(number)?.map(|_| text))
    }
}

impl<'b> List<'b> {
    pub(super) fn tables(self) -> impl Iterator<Item = Result<Table<'b>, BoosterError>> {
        (0..self.length).map(move |item| Table::new(self.bytes, followed(self.bytes, self.at + 4 * item)?))
    }

    fn items<const SIZE: usize>(self) -> impl Iterator<Item = [u8; SIZE]> + use<'b, SIZE> {
        let bytes = &self.bytes[self.at..self.at + self.length * SIZE];
        bytes.as_chunks::<SIZE>().0.iter().copied()
    }

    pub(super) fn u32s(self) -> Vec<usize> {
        self.items().map(|item| u32::from_le_bytes(item) as usize).collect()
    }

    pub(super) fn f32s(self) -> Vec<f64> {
        self.items().map(|item| f64::from(f32::from_le_bytes(item))).collect()
    }

    pub(super) fn f64s(self) -> Vec<f64> {
        self.items().map(f64::from_le_bytes).collect()
    }

    /// Pairs of small numbers.
    pub(super) fn pairs(self) -> Vec<(usize, usize)> {
        let pair = |[a, b, c, d]: [u8; 4]| {
            (usize::from(u16::from_le_bytes([a, b])), usize::from(u16::from_le_bytes([c, d])))
        };
        self.items().map(pair).collect()
    }
}

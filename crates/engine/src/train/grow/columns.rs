//! What a feature has at a node's rows.
//!
//! An entry is a value and its row in one number, so that sorting numbers sorts values. Of sparse
//! rows only what is kept is an entry; the zeros are one block that never moves.

use crate::sparse::SparseMatrix;
use crate::train::sample::Rows;

/// A value, ordered as a whole number, above its row.
pub(super) type Entry = u64;

/// The features, in a form that a tree is grown from.
pub(super) enum Columns<'a> {
    /// Feature after feature, in single precision as the grown tree will compare.
    Dense {
        values: Vec<f32>,
        rows: usize,
        width: usize,
    },
    Sparse(&'a SparseMatrix),
}

/// Makes an entry.
pub(super) fn entry(value: f32, row: u32) -> Entry {
    // both zeros become one
    let bits = (value + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(row)
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of the number")]
pub(super) fn row_of(entry: Entry) -> u32 {
    entry as u32
}

pub(super) fn value_of(entry: Entry) -> f32 {
    let ordered = (entry >> 32) as u32;
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

#[expect(clippy::cast_possible_truncation, reason = "trees compare in single precision")]
fn single(value: f64) -> f32 {
    value as f32
}

impl<'a> Columns<'a> {
    /// `None` when a number is beyond single precision.
    pub(super) fn new(rows: &'a Rows) -> Option<Self> {
        match rows {
            Rows::Sparse(sparse) => {
                let fits = sparse.iter().all(|row| row.values.iter().all(|value| single(*value).is_finite()));
                fits.then_some(Columns::Sparse(sparse))
            }
            Rows::Dense(dense) => {
                let mut values = vec![0.0; dense.values.len()];
                for (row, numbers) in dense.iter().enumerate() {
                    for (column, number) in numbers.iter().enumerate() {
                        values[column * dense.rows + row] = single(*number);
                    }
                }
                let fits = values.iter().all(|value| value.is_finite());
                fits.then_some(Columns::Dense { values, rows: dense.rows, width: dense.width })
            }
        }
    }

    pub(super) fn width(&self) -> usize {
        match self {
            Columns::Dense { width, .. } => *width,
            Columns::Sparse(sparse) => sparse.width(),
        }
    }

    /// The value of one row.
    pub(super) fn value(&self, feature: u32, row: u32) -> f32 {
        match self {
            Columns::Dense { values, rows, .. } => values[feature as usize * rows + row as usize],
            Columns::Sparse(sparse) => single(sparse.row(row as usize).get(feature)),
        }
    }

    /// The entries of one feature, sorted.
    pub(super) fn gather_one(&self, feature: u32, rows: &[u32], entries: &mut Vec<Entry>) {
        entries.clear();
        match self {
            Columns::Dense { values, rows: height, .. } => {
                let column = &values[feature as usize * height..(feature as usize + 1) * height];
                entries.extend(rows.iter().map(|&row| entry(column[row as usize], row)));
            }
            Columns::Sparse(_) => {
                let values = rows.iter().map(|&row| (self.value(feature, row), row));
                entries
                    .extend(values.filter(|(value, _)| *value != 0.0).map(|(value, row)| entry(value, row)));
            }
        }
        entries.sort_unstable();
    }
}

/// The entries of a node's sparse rows, feature after feature.
pub(super) struct Gathered {
    /// How many entries each feature has, then where its next one goes; zero between uses.
    places: Vec<u32>,
    pub(super) touched: Vec<u32>,
    entries: Vec<Entry>,
}

/// A feature that is not asked for.
const UNWANTED: u32 = u32::MAX;

impl Gathered {
    pub(super) fn new(width: usize) -> Self {
        Gathered { places: vec![0; width], touched: Vec::new(), entries: Vec::new() }
    }

    /// Finds the features that some row of a node has.
    pub(super) fn touch(&mut self, matrix: &SparseMatrix, rows: &[u32]) {
        self.touched.clear();
        for &row in rows {
            for &column in matrix.row(row as usize).columns {
                if self.places[column as usize] == 0 {
                    self.touched.push(column);
                }
                self.places[column as usize] += 1;
            }
        }
        self.touched.sort_unstable();
    }

    /// Calls with each wanted one of the features touched and its entries, sorted; forgets them.
    pub(super) fn visit(
        &mut self,
        matrix: &SparseMatrix,
        rows: &[u32],
        is_wanted: impl Fn(u32) -> bool,
        mut visit: impl FnMut(u32, &[Entry]),
    ) {
        let mut next = 0;
        for &column in &self.touched {
            let place = &mut self.places[column as usize];
            if is_wanted(column) {
                next += std::mem::replace(place, next);
            } else {
                *place = UNWANTED;
            }
        }
        self.entries.clear();
        self.entries.resize(next as usize, 0);
        for &row in rows {
            let kept = matrix.row(row as usize);
            for (&column, &value) in kept.columns.iter().zip(kept.values) {
                let place = &mut self.places[column as usize];
                if *place != UNWANTED {
                    self.entries[*place as usize] = entry(single(value), row);
                    *place += 1;
                }
            }
        }
        let mut start = 0;
        for &column in &self.touched {
            let end = std::mem::take(&mut self.places[column as usize]);
            if end != UNWANTED {
                let entries = &mut self.entries[start as usize..end as usize];
                entries.sort_unstable();
                visit(column, entries);
                start = end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_sort_as_their_values() {
        let values = [f32::MIN, -1.5, -1e-40, 0.0, 1e-40, 0.5, f32::MAX];
        let entries: Vec<Entry> =
            values.iter().zip((0..7).rev()).map(|(value, row)| entry(*value, row)).collect();
        assert!(entries.is_sorted());
        let back: Vec<f32> = entries.iter().map(|entry| value_of(*entry)).collect();
        assert_eq!(back, values);
        assert_eq!(row_of(entries[0]), 6);
        assert_eq!(entry(-0.0, 3), entry(0.0, 3));
    }
}

//! The columns that trees ask for, gathered from rows as keys.
//!
//! A text's vocabulary is far larger than what its trees ask for: only these columns are looked
//! at, under their number here, a place.

use std::ops::Range;

use super::grown::Node;
use super::number::Number;
use crate::data::{Matrix, Row};

/// Rows that are gathered side by side: as many numbers of single precision as the widest
/// registers hold.
pub(super) const LANES: usize = 16;

/// What LightGBM takes for zero.
const ZERO: f64 = 1e-35f32 as f64;

/// One column that splits ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    column: u32,
    /// Whether zeros count as missing.
    zero_is_missing: bool,
}

/// The columns that splits ask for, ascending.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    asked: Vec<Asked>,
    /// What a sparse row has where it has nothing.
    absent: f64,
}

impl Columns {
    pub(super) fn of<'n>(splits: impl Iterator<Item = &'n Node>, absent: f64) -> Self {
        let mut asked: Vec<Asked> = splits.map(Asked::by).collect();
        asked.sort_unstable();
        asked.dedup();
        Columns { asked, absent }
    }

    /// The place of what a split asks for.
    pub(super) fn place(&self, split: &Node) -> Option<usize> {
        self.asked.binary_search(&Asked::by(split)).ok()
    }

    /// The column of a place, and whether zeros count as missing there.
    pub(super) fn at(&self, place: usize) -> (u32, bool) {
        (self.asked[place].column, self.asked[place].zero_is_missing)
    }

    /// The first place of the same column.
    pub(super) fn first_place(&self, place: usize) -> usize {
        let column = self.asked[place].column;
        let is_same = |place: &usize| self.asked[*place].column == column;
        place.checked_sub(1).filter(is_same).unwrap_or(place)
    }

    /// How many places there are. A leaf reads the first and ignores it, so there is one.
    pub(super) fn places(&self) -> usize {
        self.asked.len().max(1)
    }

    /// The keys of one row, by place.
    pub(super) fn row<N: Number>(&self, matrix: &Matrix<'_>, row: usize, keys: &mut [N::Key]) {
        self.gather::<N>(matrix.row(row), |place, key| keys[place] = key);
    }

    /// The keys of up to [`LANES`] rows, by place and lane; lanes without a row repeat the last.
    pub(super) fn block<N: Number>(
        &self,
        matrix: &Matrix<'_>,
        rows: Range<usize>,
        block: &mut [[N::Key; LANES]],
    ) {
        let lanes = (rows.start..).map(|row| row.min(rows.end - 1)).take(LANES);
        for (lane, row) in lanes.enumerate() {
            self.gather::<N>(matrix.row(row), |place, key| block[place][lane] = key);
        }
    }

    fn gather<N: Number>(&self, row: Row<'_>, mut set: impl FnMut(usize, N::Key)) {
        match row {
            Row::Dense(values) => {
                for (place, asked) in self.asked.iter().enumerate() {
                    set(place, asked.key::<N>(values[asked.column as usize]));
                }
            }
            Row::Sparse(row) => {
                for (place, asked) in self.asked.iter().enumerate() {
                    set(place, asked.key::<N>(self.absent));
                }
                for (column, value) in row.entries() {
                    let first = self.asked.partition_point(|asked| asked.column < column);
                    let same = self.asked[first..].iter().take_while(|asked| asked.column == column);
                    same.enumerate().for_each(|(next, asked)| set(first + next, asked.key::<N>(value)));
                }
            }
        }
    }
}

impl Asked {
    fn by(split: &Node) -> Self {
        Asked { column: split.feature, zero_is_missing: split.zero_is_missing }
    }

    #[inline]
    fn key<N: Number>(self, value: f64) -> N::Key {
        if self.zero_is_missing && value.abs() <= ZERO { N::MISSING } else { N::key(value) }
    }
}

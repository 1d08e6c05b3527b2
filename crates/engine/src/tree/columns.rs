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

/// One column that splits ask for, in one way: what is missing is then the least of all keys where
/// it goes left, and the largest where it goes right, so that comparing is all there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    pub(super) column: u32,
    /// Whether zeros count as missing.
    pub(super) zero_is_missing: bool,
    /// Whether what is missing goes left.
    pub(super) missing_left: bool,
    /// Whether categories are looked up in sets.
    pub(super) is_categorical: bool,
}

/// The columns that splits ask for, ascending.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    asked: Vec<Asked>,
    /// What a sparse row has where it has nothing.
    absent: f64,
    /// Whether rows may miss something; else it does not matter where that would go.
    takes_missing: bool,
}

impl Columns {
    pub(super) fn of<'n>(splits: impl Iterator<Item = &'n Node>, absent: f64, takes_missing: bool) -> Self {
        let mut columns = Columns { asked: Vec::new(), absent, takes_missing };
        let mut asked: Vec<Asked> = splits.map(|split| columns.asked_by(split)).collect();
        asked.sort_unstable();
        asked.dedup();
        columns.asked = asked;
        columns
    }

    fn asked_by(&self, split: &Node) -> Asked {
        Asked {
            column: split.feature,
            zero_is_missing: split.zero_is_missing,
            missing_left: split.missing_left || !self.takes_missing,
            is_categorical: split.is_categorical,
        }
    }

    /// The place of what a split asks for.
    pub(super) fn place(&self, split: &Node) -> Option<usize> {
        self.asked.binary_search(&self.asked_by(split)).ok()
    }

    /// What is asked for at a place.
    pub(super) fn at(&self, place: usize) -> Asked {
        self.asked[place]
    }

    /// The first place of the same column.
    pub(super) fn first_place(&self, place: usize) -> usize {
        let column = self.asked[place].column;
        self.asked.partition_point(|asked| asked.column < column)
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
    #[inline]
    fn key<N: Number>(self, value: f64) -> N::Key {
        if value.is_nan() || (self.zero_is_missing && value.abs() <= ZERO) {
            return if self.missing_left { N::MISSING } else { N::LAST };
        }
        N::key(value)
    }
}

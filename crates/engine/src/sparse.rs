//! Sparse rows and matrices: only what differs from zero is kept.

/// One row: columns ascending, each once, with their values.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SparseRow {
    pub(crate) columns: Vec<u32>,
    pub(crate) values: Vec<f64>,
}

impl SparseRow {
    pub(crate) fn clear(&mut self) {
        self.columns.clear();
        self.values.clear();
    }

    /// Adds an entry behind the others.
    pub(crate) fn push(&mut self, column: usize, value: f64) {
        // no model has 2^32 columns: they are read as vectors of that length
        self.columns.push(u32::try_from(column).unwrap_or(u32::MAX));
        self.values.push(value);
    }

    pub(crate) fn as_ref(&self) -> RowRef<'_> {
        RowRef { columns: &self.columns, values: &self.values }
    }
}

/// A borrowed row; the invariants of [`SparseRow`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowRef<'a> {
    pub(crate) columns: &'a [u32],
    pub(crate) values: &'a [f64],
}

impl RowRef<'_> {
    /// The value at a column, zero when it is not kept.
    pub(crate) fn get(&self, column: u32) -> f64 {
        match self.columns.binary_search(&column) {
            Ok(position) => self.values[position],
            Err(_) => 0.0,
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, f64)> + '_ {
        self.columns.iter().copied().zip(self.values.iter().copied())
    }
}

/// Rows after each other (compressed sparse rows).
#[derive(Debug, Clone)]
pub(crate) struct SparseMatrix {
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
    width: usize,
}

impl SparseMatrix {
    pub(crate) fn new(width: usize) -> Self {
        SparseMatrix { starts: vec![0], columns: Vec::new(), values: Vec::new(), width }
    }

    pub(crate) fn push(&mut self, row: RowRef<'_>) {
        self.columns.extend_from_slice(row.columns);
        self.values.extend_from_slice(row.values);
        self.starts.push(self.columns.len());
    }

    pub(crate) fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The column of the first entry whose value is not as asked.
    pub(crate) fn find_not(&self, is_fine: impl Fn(f64) -> bool) -> Option<usize> {
        let entry = self.values.iter().position(|value| !is_fine(*value))?;
        Some(self.columns[entry] as usize)
    }

    /// The number of entries kept.
    pub(crate) fn entries(&self) -> usize {
        self.columns.len()
    }

    /// The row that holds an entry, counted over the whole matrix.
    pub(crate) fn row_at_entry(&self, entry: usize) -> usize {
        self.starts.partition_point(|&start| start <= entry).saturating_sub(1).min(self.rows())
    }

    pub(crate) fn row(&self, row: usize) -> RowRef<'_> {
        let range = self.starts[row]..self.starts[row + 1];
        RowRef { columns: &self.columns[range.clone()], values: &self.values[range] }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = RowRef<'_>> {
        (0..self.rows()).map(|row| self.row(row))
    }

    /// The same matrix, every entry multiplied by the factor of its column.
    pub(crate) fn scaled(&self, factor: impl Fn(usize) -> f64) -> SparseMatrix {
        let mut scaled = self.clone();
        for (value, &column) in scaled.values.iter_mut().zip(&scaled.columns) {
            *value *= factor(column as usize);
        }
        scaled
    }

    /// The same matrix, the values of each row changed.
    pub(crate) fn with_rows(mut self, change: impl Fn(&mut [f64])) -> SparseMatrix {
        for row in 0..self.rows() {
            change(&mut self.values[self.starts[row]..self.starts[row + 1]]);
        }
        self
    }

    /// The same entries, columns after each other; within a column rows ascend.
    pub(crate) fn transposed(&self) -> SparseMatrix {
        let mut starts = vec![0usize; self.width + 1];
        for &column in &self.columns {
            starts[column as usize + 1] += 1;
        }
        for column in 0..self.width {
            starts[column + 1] += starts[column];
        }
        let mut next = starts.clone();
        let mut columns = vec![0u32; self.columns.len()];
        let mut values = vec![0.0; self.values.len()];
        for (row, entries) in (0u32..).zip(self.iter()) {
            for (column, value) in entries.entries() {
                let place = &mut next[column as usize];
                columns[*place] = row;
                values[*place] = value;
                *place += 1;
            }
        }
        SparseMatrix { starts, columns, values, width: self.rows() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_gives_the_matrix_back() {
        let mut matrix = SparseMatrix::new(4);
        matrix.push(RowRef { columns: &[0, 3], values: &[1.0, 2.0] });
        matrix.push(RowRef { columns: &[], values: &[] });
        matrix.push(RowRef { columns: &[1, 3], values: &[3.0, 4.0] });
        let back = matrix.transposed().transposed();
        assert_eq!(back.starts, matrix.starts);
        assert_eq!(back.columns, matrix.columns);
        assert_eq!(back.values, matrix.values);
        assert_eq!(matrix.row(2).get(3), 4.0);
        assert_eq!(matrix.row(2).get(2), 0.0);
    }
}

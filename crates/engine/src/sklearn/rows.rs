//! Matrices that models keep: dense, or sparse as scipy saves them.

use super::ExtractError;
use super::estimator::Estimator;
use crate::data::Dense;
use crate::neighbours::index::Rows;
use crate::pickle::View;
use crate::sparse::{SparseMatrix, SparseRow};

/// A matrix of finite numbers, dense or sparse as it was saved.
pub(super) fn rows<'g>(
    estimator: &Estimator<'g>,
    attribute: &'static str,
    view: View<'g>,
) -> Result<Rows, ExtractError> {
    let class = view.class().filter(|(module, _)| module.starts_with("scipy.sparse"));
    match class {
        Some((_, "csr_matrix" | "csr_array")) => sparse(estimator, attribute, view).map(Rows::Sparse),
        _ => {
            let stored = estimator.matrix_of(attribute, view)?;
            Ok(Rows::Dense(Dense { values: stored.values, rows: stored.rows, width: stored.columns }))
        }
    }
}

/// A matrix of finite numbers, the zeros of a sparse one written out.
pub(super) fn dense<'g>(
    estimator: &Estimator<'g>,
    attribute: &'static str,
    view: View<'g>,
) -> Result<Dense, ExtractError> {
    match rows(estimator, attribute, view)? {
        Rows::Dense(dense) => Ok(dense),
        Rows::Sparse(sparse) => {
            estimator.spend(attribute, sparse.rows(), sparse.width())?;
            Ok(sparse.to_dense())
        }
    }
}

/// Compressed sparse rows; the columns of a row need not ascend.
fn sparse<'g>(
    estimator: &Estimator<'g>,
    attribute: &'static str,
    view: View<'g>,
) -> Result<SparseMatrix, ExtractError> {
    let misfit = || estimator.misfit(attribute);
    let part = |name: &str| estimator.vector_of(attribute, view.attribute(name).ok_or_else(misfit)?);
    let shape = view.attribute("_shape").and_then(|shape| shape.sizes()).ok_or_else(misfit)?;
    let [count, width] = shape[..] else { return Err(misfit()) };
    let (values, columns, starts) = (part("data")?, part("indices")?, part("indptr")?);
    if values.len() != columns.len() || Some(starts.len()) != count.checked_add(1) {
        return Err(misfit());
    }
    let whole =
        |number: f64, bound: usize| whole(number).filter(|number| *number <= bound).ok_or_else(misfit);
    let mut matrix = SparseMatrix::new(width);
    let mut row = SparseRow::default();
    for bounds in starts.windows(2) {
        let (start, end) = (whole(bounds[0], values.len())?, whole(bounds[1], values.len())?);
        let entries = columns.get(start..end).zip(values.get(start..end)).ok_or_else(misfit)?;
        let mut entries: Vec<(usize, f64)> = entries
            .0
            .iter()
            .zip(entries.1)
            .map(|(column, value)| Ok((whole(*column, width)?, *value)))
            .collect::<Result<_, ExtractError>>()?;
        entries.sort_by_key(|(column, _)| *column);
        row.clear();
        for (column, value) in entries {
            if column >= width || row.columns.last().is_some_and(|last| *last as usize == column) {
                return Err(misfit());
            }
            row.push(column, value);
        }
        matrix.push(row.as_ref());
    }
    Ok(matrix)
}

/// A float that is a position.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number is checked")]
fn whole(number: f64) -> Option<usize> {
    (number >= 0.0 && number.fract() == 0.0 && number < 2f64.powi(52)).then_some(number as usize)
}

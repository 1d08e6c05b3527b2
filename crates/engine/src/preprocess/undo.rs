//! Scalings undone: what a regressor learned of a scaled target becomes the target again.

use super::normal;
use super::reshape::{Power, Quantiles, interpolated};
use super::select::Function;
use crate::data::{Data, Dense};
use crate::fitted::{Regress, Takes};
use crate::model::PredictError;

/// One step back.
#[derive(Debug, Clone)]
pub(crate) enum Undo {
    /// By output: subtract, divide, multiply, add.
    Linear(Vec<Line>),
    Function(Function),
    /// By output its power.
    Powers(Vec<Power>),
    /// By output its quantiles, and the shares they are at.
    Quantiles(Quantiles),
}

/// `(x - before) / divisor * factor + after`, the order in which scikit-learn undoes a scaling.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) before: f64,
    pub(crate) divisor: f64,
    pub(crate) factor: f64,
    pub(crate) after: f64,
}

impl Undo {
    fn of(&self, output: usize, value: f64) -> f64 {
        match self {
            Undo::Linear(lines) => {
                let Line { before, divisor, factor, after } = lines[output];
                (value - before) / divisor * factor + after
            }
            Undo::Function(function) => function.of(value),
            Undo::Powers(powers) => powers[output].undone(value),
            Undo::Quantiles(Quantiles { columns, references, is_normal }) => {
                quantile(&columns[output], references, *is_normal, value)
            }
        }
    }

    /// Whether it is for so many outputs.
    pub(crate) fn fits(&self, outputs: usize) -> bool {
        match self {
            Undo::Linear(lines) => lines.len() == outputs,
            Undo::Function(_) => true,
            Undo::Powers(powers) => powers.len() == outputs,
            Undo::Quantiles(Quantiles { columns, references, .. }) => {
                columns.len() == outputs && columns.iter().all(|column| column.len() == references.len())
            }
        }
    }
}

fn quantile(quantiles: &[f64], references: &[f64], is_normal: bool, value: f64) -> f64 {
    /// scikit-learn's distance from the bounds, for the normal distribution.
    const BOUND: f64 = 1e-7;
    let (Some(low), Some(high)) = (quantiles.first(), quantiles.last()) else { return value };
    let share = if is_normal { normal::share(value) } else { value };
    let is_low = if is_normal { share - BOUND < 0.0 } else { share == 0.0 };
    let is_high = if is_normal { share + BOUND > 1.0 } else { share == 1.0 };
    match (is_low, is_high) {
        (_, true) if !is_low => *high,
        (true, _) => *low,
        _ => interpolated(share, references.iter().copied().zip(quantiles.iter().copied())),
    }
}

/// A regressor whose numbers are taken back through steps.
#[derive(Debug)]
pub(crate) struct Undone {
    pub(crate) regressor: Box<dyn Regress>,
    pub(crate) steps: Vec<Undo>,
}

impl Regress for Undone {
    fn takes(&self) -> Takes {
        self.regressor.takes()
    }

    fn outputs(&self) -> usize {
        self.regressor.outputs()
    }

    fn name(&self) -> &'static str {
        self.regressor.name()
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let mut values = self.regressor.predict(data)?;
        for row in 0..values.rows {
            for (output, value) in values.row_mut(row).iter_mut().enumerate() {
                *value = self.steps.iter().fold(*value, |value, step| step.of(output, value));
            }
        }
        Ok(values)
    }
}

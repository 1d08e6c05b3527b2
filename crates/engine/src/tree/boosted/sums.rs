//! What trees add up to.

use super::super::grown::Tree;
use super::super::number::Number;
use super::super::packed::{Gaps, PackedTrees};
use crate::data::{Accepts, Data, Dense, Matrix, Row};
use crate::explain::{Attributed, Unexplained};
use crate::model::PredictError;

/// What sums are rounded to after each addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    Single,
    Double,
}

/// Trees whose leaves are added to a start value.
#[derive(Debug, Clone)]
pub(crate) struct Sums<N: Number> {
    trees: PackedTrees<N>,
    start: Vec<f64>,
    /// By tree the sum its leaves are added to.
    places: Vec<u32>,
    accepts: Accepts,
    precision: Precision,
    /// The start is added at the end, to the sums times this: CatBoost's way, and that of XGBoost
    /// before 1.3.
    scale: Option<f64>,
    /// By leaf over all trees; empty when leaves are numbers.
    linear: Vec<LinearLeaf>,
}

/// A leaf that is a sum of features with weights: LightGBM's linear trees.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LinearLeaf {
    pub(crate) constant: f64,
    /// Features and their weights; where one is missing the leaf's own number counts.
    pub(crate) terms: Vec<(u32, f64)>,
}

impl<N: Number> Sums<N> {
    /// Joins trees of one value a leaf, tree `t` for sum `t % sums`; `None` when they have more, or
    /// no sum to go to.
    pub(crate) fn new(trees: &[Tree], start: Vec<f64>, width: usize, accepts: Accepts) -> Option<Self> {
        let sums = u32::try_from(start.len()).ok().filter(|sums| *sums > 0)?;
        let fits = trees.iter().all(|tree| tree.outputs() == 1);
        let places = (0..sums).cycle().take(trees.len()).collect();
        let trees = PackedTrees::new(trees, 1, width).ok()?;
        let (precision, scale, linear) = (Precision::Double, None, Vec::new());
        fits.then_some(Sums { trees, start, places, accepts, precision, scale, linear })
    }

    /// Joins trees as XGBoost has them: added in single precision, the sum of each tree told by
    /// `places`; what a sparse row does not hold is missing. Trees of several values a leaf add to
    /// all sums. `None` when the parts do not fit.
    pub(crate) fn single(trees: &[Tree], places: Vec<u32>, start: Vec<f64>, width: usize) -> Option<Self> {
        let outputs = trees.first().map_or(1, Tree::outputs);
        let fits = !start.is_empty()
            && (outputs == 1 || outputs == start.len())
            && trees.iter().all(|tree| tree.outputs() == outputs)
            && places.len() == trees.len()
            && places.iter().all(|&place| (place as usize) < start.len());
        let gaps = Gaps { absent: f64::NAN, takes_missing: true };
        let trees = PackedTrees::with_gaps(trees, outputs, width, gaps).ok()?;
        let (precision, scale, linear) = (Precision::Single, None, Vec::new());
        let accepts = Accepts::Anything;
        fits.then_some(Sums { trees, start, places, accepts, precision, scale, linear })
    }

    /// Joins trees as CatBoost has them: the sums, from zero, times `scale`, then `bias` is added.
    /// `None` when the parts do not fit.
    pub(crate) fn scaled(trees: &[Tree], scale: f64, bias: Vec<f64>, width: usize) -> Option<Self> {
        let places = vec![0; trees.len()];
        let sums = Self::single(trees, places, bias, width)?;
        Some(Sums { precision: Precision::Double, scale: Some(scale), ..sums })
    }

    /// The same sums, the start added at the end.
    pub(crate) fn starting_late(self) -> Self {
        Sums { scale: Some(1.0), ..self }
    }

    /// The same sums with leaves that are sums themselves; `None` when there are not as many as
    /// leaves, or one asks for a feature that is not there.
    pub(crate) fn with_linear_leaves(self, linear: Vec<LinearLeaf>) -> Option<Self> {
        let is_there = |leaf: &LinearLeaf| leaf.terms.iter().all(|term| (term.0 as usize) < self.width());
        let fits = linear.len() == self.trees.leaves() && linear.iter().all(is_there);
        fits.then_some(Sums { linear, ..self })
    }

    /// What [`Sums::new`] makes it of; `None` if it adds up in another way.
    pub(crate) fn as_plain(&self) -> Option<(&PackedTrees<N>, &[f64], Accepts)> {
        let is_plain = self.precision == Precision::Double && self.scale.is_none() && self.linear.is_empty();
        let sums = self.start.len();
        let in_turn = self.places.iter().enumerate().all(|(tree, place)| *place as usize == tree % sums);
        let one_each = self.trees.outputs() == 1;
        (is_plain && in_turn && one_each).then_some((&self.trees, &self.start[..], self.accepts))
    }

    /// How they are computed, in words.
    pub(crate) fn kernel(&self) -> String {
        self.trees.kernel()
    }

    pub(crate) fn width(&self) -> usize {
        self.trees.width()
    }

    /// How many sums there are.
    pub(crate) fn outputs(&self) -> usize {
        self.start.len()
    }

    /// The sums of each row.
    pub(crate) fn of_data(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let matrix = data.matrix(self.width(), self.accepts)?;
        let sums = self.start.len();
        let mut all = Dense::zeros(matrix.rows(), sums);
        if self.scale.is_none() {
            all.values.chunks_exact_mut(sums).for_each(|row| row.copy_from_slice(&self.start));
        }
        match self.precision {
            _ if !self.linear.is_empty() => self.add_linear(&matrix, &mut all),
            Precision::Single if self.trees.outputs() > 1 => self.add_rows(&matrix, &mut all, as_single),
            Precision::Double if self.trees.outputs() > 1 => self.add_rows(&matrix, &mut all, |sum| sum),
            Precision::Single => self.add(&matrix, &mut all, |sum, value| as_single(sum + value)),
            Precision::Double => self.add(&matrix, &mut all, |sum, value| sum + value),
        }
        if let Some(scale) = self.scale {
            let row = |row: &mut [f64]| {
                row.iter_mut().zip(&self.start).for_each(|(sum, start)| {
                    let whole = *sum * scale + start;
                    *sum = if self.precision == Precision::Single { as_single(whole) } else { whole };
                });
            };
            all.values.chunks_exact_mut(sums).for_each(row);
        }
        Ok(all)
    }

    /// What each feature adds to each sum, in double precision whatever the sums are rounded to.
    pub(crate) fn attribute(&self, rows: &Data<'_>) -> Result<Attributed, Unexplained> {
        if !self.linear.is_empty() {
            return Err(Unexplained::LinearLeaves);
        }
        self.trees.explainable()?;
        let matrix = rows.matrix(self.width(), self.accepts)?;
        let scale = self.scale.unwrap_or(1.0);
        // the sums that the values of a tree's leaves go to
        let places = |tree: usize| match self.trees.outputs() {
            1 => self.places[tree] as usize..self.places[tree] as usize + 1,
            outputs => 0..outputs,
        };
        let mut bases = self.start.clone();
        self.trees.means(|tree, means| {
            places(tree).zip(means).for_each(|(place, mean)| bases[place] += mean * scale);
        });
        let mut attributed = Attributed::new(self.of_data(rows)?, bases);
        for row in 0..matrix.rows() {
            self.trees.attribute(&matrix, row, &mut attributed, |tree, leaf, add| {
                let values = places(tree).zip(self.trees.values(leaf));
                values.for_each(|(place, value)| add(place, value * scale));
            });
        }
        Ok(attributed)
    }

    /// The sum of two numbers of single precision is the same whether it is rounded at once or from
    /// the exact sum, which double precision holds closely enough.
    #[inline(always)]
    fn add(&self, matrix: &Matrix<'_>, all: &mut Dense, plus: impl Fn(f64, f64) -> f64) {
        let (sums, values) = (self.start.len(), self.trees.all_values());
        if sums == 1 {
            self.trees.visit(matrix, |first, _, leaves| {
                for (sum, &leaf) in all.values[first..].iter_mut().zip(leaves) {
                    *sum = plus(*sum, values[leaf as usize]);
                }
            });
            return;
        }
        self.trees.visit(matrix, |first, tree, leaves| {
            let mut place = first * sums + self.places[tree] as usize;
            for &leaf in leaves {
                all.values[place] = plus(all.values[place], values[leaf as usize]);
                place += sums;
            }
        });
    }

    /// Several values a leaf, one for each sum.
    fn add_rows(&self, matrix: &Matrix<'_>, all: &mut Dense, rounded: impl Fn(f64) -> f64) {
        let sums = self.start.len();
        self.trees.visit(matrix, |first, _, leaves| {
            for (row, &leaf) in (first..).zip(leaves) {
                let row = &mut all.values[row * sums..][..sums];
                for (sum, value) in row.iter_mut().zip(self.trees.values(leaf)) {
                    *sum = rounded(*sum + value);
                }
            }
        });
    }

    fn add_linear(&self, matrix: &Matrix<'_>, all: &mut Dense) {
        let sums = self.start.len();
        self.trees.visit(matrix, |first, tree, leaves| {
            for (row, &leaf) in (first..).zip(leaves) {
                let own = self.trees.values(leaf)[0];
                let value = self.linear[leaf as usize].of(matrix.row(row)).unwrap_or(own);
                all.values[row * sums + self.places[tree] as usize] += value;
            }
        });
    }
}

impl LinearLeaf {
    /// Its sum for a row; `None` if a feature it asks for is missing.
    fn of(&self, row: Row<'_>) -> Option<f64> {
        let mut sum = self.constant;
        for &(feature, weight) in &self.terms {
            let value = match row {
                Row::Dense(values) => values[feature as usize],
                Row::Sparse(row) => {
                    row.entries().find(|(column, _)| *column == feature).map_or(0.0, |(_, value)| value)
                }
            };
            if value.is_nan() {
                return None;
            }
            sum += value * weight;
        }
        Some(sum)
    }
}

fn as_single(value: f64) -> f64 {
    super::super::as_single(value)
}

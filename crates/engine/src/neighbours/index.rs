//! Finds the nearest rows, one by one or along a search tree that came with the model.
//!
//! A tree changes no distance; it decides which of several rows equally far are kept, so it is
//! walked as scikit-learn walks its own: the nearer half first, the left one of equals.

use super::Metric;
use crate::data::{Accepts, Data, Dense, Row};
use crate::model::PredictError;
use crate::sparse::SparseMatrix;

/// The rows of the training data.
#[derive(Debug)]
pub(crate) enum Rows {
    Dense(Dense),
    Sparse(SparseMatrix),
}

/// One node of a search tree: rows `start..end` of its order.
#[derive(Debug, Clone)]
pub(crate) struct Split {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) is_leaf: bool,
    pub(crate) radius: f64,
}

/// What a node of a search tree knows of where its rows are.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// The lowest and the highest value of each column, node after node.
    Boxes { low: Vec<f64>, high: Vec<f64> },
    /// The centre, node after node; the radius is the node's.
    Balls { centres: Vec<f64> },
}

/// A search tree: node `i` has the halves `2 i + 1` and `2 i + 2`.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) order: Vec<usize>,
    pub(crate) splits: Vec<Split>,
    pub(crate) shape: Shape,
}

/// Rows to find neighbours among.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) rows: Rows,
    pub(crate) metric: Metric,
    tree: Option<Tree>,
    /// For products of a brute search: the sum of each row's squares.
    squares: Option<Vec<f64>>,
}

/// A row of the training data, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Neighbour {
    pub(crate) row: usize,
    pub(crate) distance: f64,
}

impl Rows {
    pub(crate) fn count(&self) -> usize {
        match self {
            Rows::Dense(dense) => dense.rows,
            Rows::Sparse(sparse) => sparse.rows(),
        }
    }

    pub(crate) fn width(&self) -> usize {
        match self {
            Rows::Dense(dense) => dense.width,
            Rows::Sparse(sparse) => sparse.width(),
        }
    }

    fn row(&self, row: usize) -> Row<'_> {
        match self {
            Rows::Dense(dense) => Row::Dense(dense.row(row)),
            Rows::Sparse(sparse) => Row::Sparse(sparse.row(row)),
        }
    }

    /// The product of a row with another one, its zeros written out.
    pub(crate) fn product(&self, row: usize, other: &[f64]) -> f64 {
        let mut sum = 0.0;
        self.row(row).for_each(|column, value| sum += value * other[column]);
        sum
    }

    /// The sum of each row's squares.
    pub(crate) fn squares(&self) -> Vec<f64> {
        let square = |row| {
            let mut sum = 0.0;
            self.row(row).for_each(|_, value| sum += value * value);
            sum
        };
        (0..self.count()).map(square).collect()
    }

    /// Calls with each row, its zeros written out.
    fn for_each(&self, mut call: impl FnMut(usize, &[f64])) {
        match self {
            Rows::Dense(dense) => dense.iter().enumerate().for_each(|(number, row)| call(number, row)),
            Rows::Sparse(sparse) => {
                let mut written = vec![0.0; sparse.width()];
                for (number, row) in sparse.iter().enumerate() {
                    row.entries().for_each(|(column, value)| written[column as usize] = value);
                    call(number, &written);
                    row.entries().for_each(|(column, _)| written[column as usize] = 0.0);
                }
            }
        }
    }
}

impl Index {
    /// Joins the parts; `None` when they do not fit each other, or the tree leads nowhere.
    pub(crate) fn new(rows: Rows, metric: Metric, tree: Option<Tree>) -> Option<Self> {
        let fits = rows.count() > 0 && metric.fits(rows.width());
        let is_sound = tree.as_ref().is_none_or(|tree| tree.is_sound(&rows));
        // scikit-learn multiplies matrices there, which also of the nearest rows leaves something
        let is_product = tree.is_none() && metric == Metric::Euclidean;
        let squares = is_product.then(|| rows.squares());
        (fits && is_sound).then_some(Index { rows, metric, tree, squares })
    }

    pub(crate) fn width(&self) -> usize {
        self.rows.width()
    }

    /// The nearest rows of each row asked for, the nearest first.
    pub(crate) fn nearest(&self, data: &Data<'_>, count: usize) -> Result<Vec<Vec<Neighbour>>, PredictError> {
        let accepts = if self.metric == Metric::NanEuclidean { Accepts::Missing } else { Accepts::Finite };
        let matrix = data.matrix(self.width(), accepts)?;
        let mut found = Vec::with_capacity(matrix.rows());
        matrix.map_rows(0, |row, _| found.push(self.nearest_of(row, count)));
        Ok(found)
    }

    fn nearest_of(&self, row: &[f64], count: usize) -> Vec<Neighbour> {
        let mut nearest =
            Nearest { most: count.min(self.rows.count()), kept: Vec::with_capacity(count.min(4096)) };
        match &self.tree {
            Some(tree) => self.descend(tree, 0, self.least(tree, 0, row), row, &mut nearest),
            None => self.each(row, |number, reduced| nearest.offer(number, reduced)),
        }
        nearest.kept.into_iter().map(|found| self.measured(found)).collect()
    }

    fn measured(&self, found: Neighbour) -> Neighbour {
        Neighbour { distance: self.metric.distance(found.distance), ..found }
    }

    /// The rows not farther than a radius, in the order of the training data.
    pub(crate) fn within(&self, data: &Data<'_>, radius: f64) -> Result<Vec<Vec<Neighbour>>, PredictError> {
        let matrix = data.matrix(self.width(), Accepts::Finite)?;
        let limit = self.metric.reduce(radius);
        let mut found = Vec::with_capacity(matrix.rows());
        matrix.map_rows(0, |row, _| {
            let mut inside = Vec::new();
            self.each(row, |row, distance| {
                if distance <= limit {
                    inside.push(self.measured(Neighbour { row, distance }));
                }
            });
            found.push(inside);
        });
        Ok(found)
    }

    /// The reduced distance of every row.
    fn each(&self, row: &[f64], mut call: impl FnMut(usize, f64)) {
        match &self.squares {
            Some(squares) => {
                let own: f64 = row.iter().map(|value| value * value).sum();
                for (number, square) in squares.iter().enumerate() {
                    let product = self.rows.product(number, row);
                    call(number, (own - 2.0 * product + square).max(0.0));
                }
            }
            None => self.rows.for_each(|number, other| call(number, self.metric.reduced(row, other))),
        }
    }

    /// The least reduced distance a row may have to those of a node.
    fn least(&self, tree: &Tree, node: usize, row: &[f64]) -> f64 {
        let range = node * row.len()..(node + 1) * row.len();
        match &tree.shape {
            Shape::Boxes { low, high } => {
                let outside = row.iter().zip(&low[range.clone()]).zip(&high[range]);
                let outside = outside.map(|((value, low), high)| {
                    let (below, above) = (low - value, value - high);
                    0.5 * ((below + below.abs()) + (above + above.abs()))
                });
                match &self.metric {
                    Metric::Chebyshev => outside.fold(0.0, f64::max),
                    Metric::Manhattan => outside.sum(),
                    Metric::Minkowski { power, weights: Some(weights) } => {
                        outside.zip(weights).map(|(apart, weight)| weight * apart.powf(*power)).sum()
                    }
                    Metric::Minkowski { power, weights: None } => {
                        outside.map(|apart| apart.powf(*power)).sum()
                    }
                    _ => outside.map(|apart| apart * apart).sum(),
                }
            }
            Shape::Balls { centres } => {
                let distance = self.metric.distance(self.metric.reduced(row, &centres[range]));
                self.metric.reduce((distance - tree.splits[node].radius).max(0.0))
            }
        }
    }

    fn descend(&self, tree: &Tree, node: usize, least: f64, row: &[f64], nearest: &mut Nearest) {
        let (Some(split), Rows::Dense(rows)) = (tree.splits.get(node), &self.rows) else { return };
        if least > nearest.farthest() {
            return;
        }
        if split.is_leaf {
            for &number in &tree.order[split.start..split.end] {
                nearest.offer(number, self.metric.reduced(row, rows.row(number)));
            }
            return;
        }
        let (left, right) = (2 * node + 1, 2 * node + 2);
        let (to_left, to_right) = (self.least(tree, left, row), self.least(tree, right, row));
        let mut halves = [(left, to_left), (right, to_right)];
        if to_right < to_left {
            halves.swap(0, 1);
        }
        halves.into_iter().for_each(|(half, least)| self.descend(tree, half, least, row, nearest));
    }
}

impl Tree {
    /// Whether all its nodes are of these rows, and each inner one has halves.
    fn is_sound(&self, rows: &Rows) -> bool {
        let width = rows.width();
        let sides = self.splits.len().checked_mul(width);
        let has_shape = match &self.shape {
            Shape::Boxes { low, high } => sides == Some(low.len()) && sides == Some(high.len()),
            Shape::Balls { centres } => sides == Some(centres.len()),
        };
        let is_sound = |(number, split): (usize, &Split)| {
            let has_rows = split.start <= split.end && split.end <= self.order.len();
            has_rows && (split.is_leaf || 2 * number + 2 < self.splits.len())
        };
        matches!(rows, Rows::Dense(_))
            && has_shape
            && self.order.iter().all(|row| *row < rows.count())
            && !self.splits.is_empty()
            && self.splits.iter().enumerate().all(is_sound)
    }
}

/// The nearest rows so far, the nearest first.
struct Nearest {
    most: usize,
    kept: Vec<Neighbour>,
}

impl Nearest {
    fn farthest(&self) -> f64 {
        match self.kept.last() {
            Some(last) if self.kept.len() == self.most => last.distance,
            _ => f64::INFINITY,
        }
    }

    /// Keeps a row if it is nearer than the farthest: of equals the first to come stays.
    fn offer(&mut self, row: usize, distance: f64) {
        if distance >= self.farthest() || distance.is_nan() || self.most == 0 {
            return;
        }
        if self.kept.len() == self.most {
            self.kept.pop();
        }
        let place = self.kept.partition_point(|kept| kept.distance <= distance);
        self.kept.insert(place, Neighbour { row, distance });
    }
}

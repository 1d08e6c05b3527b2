//! Trees whose leaves are averaged; a single decision tree is a forest of one.

use super::grown::Tree;
use super::packed::{Gaps, PackedTrees};
use crate::data::{Accepts, Data, Dense, Matrix};
use crate::explain::{Attributed, Unexplained};
use crate::fitted::{Classify, Gives, Regress, Takes, Transform, Verdict};
use crate::model::PredictError;
use crate::sparse::{SparseMatrix, SparseRow};

/// Trees whose leaves are averaged, compared in single precision as scikit-learn does.
#[derive(Debug, Clone)]
struct Average {
    trees: PackedTrees<f32>,
    /// Whether a missing value (NaN) has a side to go to.
    takes_missing: bool,
    /// Whether no number is looked at before it goes its way.
    takes_all: bool,
}

impl Average {
    /// Joins trees of the same outputs; `None` without any, or when they differ.
    fn new(trees: &[Tree], width: usize, takes_missing: bool) -> Option<Self> {
        let outputs = trees.first()?.outputs();
        let fits = trees.iter().all(|tree| tree.outputs() == outputs);
        let trees =
            PackedTrees::with_gaps(trees, outputs, width, Gaps { absent: 0.0, takes_missing }).ok()?;
        fits.then_some(Average { trees, takes_missing, takes_all: false })
    }

    fn accepts(&self) -> Accepts {
        match (self.takes_all, self.takes_missing) {
            (true, _) => Accepts::Anything,
            (false, true) => Accepts::SingleOrMissing,
            (false, false) => Accepts::Single,
        }
    }

    /// Adds up the leaves a row falls to, tree after tree.
    fn sum(&self, matrix: &Matrix<'_>) -> Dense {
        match (matrix.rows(), self.trees.outputs()) {
            (1, 1) => self.sum_of_row::<1>(matrix),
            (1, 2) => self.sum_of_row::<2>(matrix),
            (1, 3) => self.sum_of_row::<3>(matrix),
            _ => self.sum_of_rows(matrix),
        }
    }

    /// Of one row, in registers.
    fn sum_of_row<const OUTPUTS: usize>(&self, matrix: &Matrix<'_>) -> Dense {
        let mut sums = [0.0; OUTPUTS];
        self.trees.visit(matrix, |_, _, leaves| {
            for &leaf in leaves {
                sums.iter_mut().zip(self.trees.values(leaf)).for_each(|(sum, value)| *sum += value);
            }
        });
        Dense { values: sums.to_vec(), rows: 1, width: OUTPUTS }
    }

    fn sum_of_rows(&self, matrix: &Matrix<'_>) -> Dense {
        let outputs = self.trees.outputs();
        let mut sums = Dense::zeros(matrix.rows(), outputs);
        self.trees.visit(matrix, |first, _, leaves| {
            for (row, &leaf) in (first..).zip(leaves) {
                let sums = &mut sums.values[row * outputs..][..outputs];
                sums.iter_mut().zip(self.trees.values(leaf)).for_each(|(sum, value)| *sum += value);
            }
        });
        sums
    }

    fn of_data(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let mut averages = self.sum(&data.matrix(self.trees.width(), self.accepts())?);
        if self.trees.trees() > 1 {
            #[expect(clippy::cast_precision_loss, reason = "nobody grows 2^52 trees")]
            let count = self.trees.trees() as f64;
            averages.values.iter_mut().for_each(|sum| *sum /= count);
        }
        Ok(averages)
    }

    fn attribute(&self, rows: &Data<'_>) -> Result<Attributed, Unexplained> {
        self.trees.explainable()?;
        let matrix = rows.matrix(self.trees.width(), self.accepts())?;
        let outputs = self.trees.outputs();
        #[expect(clippy::cast_precision_loss, reason = "nobody grows 2^52 trees")]
        let part = 1.0 / self.trees.trees() as f64;
        let mut bases = vec![0.0; outputs];
        self.trees.means(|_, means| {
            bases.iter_mut().zip(means).for_each(|(base, mean)| *base += mean * part);
        });
        let mut attributed = Attributed::new(self.of_data(rows)?, bases);
        for row in 0..matrix.rows() {
            self.trees.attribute(&matrix, row, &mut attributed, |_, leaf, add| {
                let values = self.trees.values(leaf).iter().enumerate();
                values.for_each(|(output, value)| add(output, value * part));
            });
        }
        Ok(attributed)
    }
}

/// Trees whose class shares are averaged.
#[derive(Debug, Clone)]
pub(crate) struct Forest(Average);

impl Forest {
    /// Joins trees of the same classes; `None` without any or when they differ.
    pub(crate) fn new(trees: &[Tree], width: usize, takes_missing: bool) -> Option<Self> {
        Average::new(trees, width, takes_missing).map(Forest)
    }

    pub(crate) fn takes_missing(&self) -> bool {
        self.0.takes_missing
    }

    pub(crate) fn trees(&self) -> &PackedTrees<f32> {
        &self.0.trees
    }
}

impl Classify for Forest {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.0.trees.width())
    }

    fn classes(&self) -> usize {
        self.0.trees.outputs()
    }

    fn name(&self) -> &'static str {
        if self.0.trees.trees() == 1 { "decision tree" } else { "random forest" }
    }

    fn kernel(&self) -> Option<String> {
        Some(self.0.trees.kernel())
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        self.0.of_data(data).map(Verdict::of_probabilities)
    }

    fn attribute(&self, rows: &Data<'_>, _: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        self.0.attribute(rows)
    }
}

/// Trees whose values are averaged.
#[derive(Debug, Clone)]
pub(crate) struct ForestRegressor(Average);

impl ForestRegressor {
    /// Joins trees of the same outputs; `None` without any or when they differ.
    pub(crate) fn new(trees: &[Tree], width: usize, takes_missing: bool) -> Option<Self> {
        Average::new(trees, width, takes_missing).map(ForestRegressor)
    }

    pub(crate) fn takes_missing(&self) -> bool {
        self.0.takes_missing
    }

    pub(crate) fn trees(&self) -> &PackedTrees<f32> {
        &self.0.trees
    }
}

impl Regress for ForestRegressor {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.0.trees.width())
    }

    fn outputs(&self) -> usize {
        self.0.trees.outputs()
    }

    fn name(&self) -> &'static str {
        if self.0.trees.trees() == 1 { "decision tree regressor" } else { "random forest regressor" }
    }

    fn kernel(&self) -> Option<String> {
        Some(self.0.trees.kernel())
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        self.0.of_data(data)
    }

    fn attribute(&self, rows: &Data<'_>, _: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        self.0.attribute(rows)
    }
}

/// Which leaf of each tree a row falls to, a column for each leaf: scikit-learn's random trees
/// embedding.
#[derive(Debug, Clone)]
pub(crate) struct LeafColumns(Average);

impl LeafColumns {
    /// Joins trees of one value a leaf; `None` without any.
    pub(crate) fn new(trees: &[Tree], width: usize, takes_missing: bool) -> Option<Self> {
        Average::new(trees, width, takes_missing).filter(|trees| trees.trees.outputs() == 1).map(LeafColumns)
    }
}

impl Transform for LeafColumns {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.0.trees.width())
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.0.trees.leaves())
    }

    fn name(&self) -> &'static str {
        "one column a leaf"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let matrix = data.matrix(self.0.trees.width(), self.0.accepts())?;
        let mut found = vec![SparseRow::default(); matrix.rows()];
        self.0.trees.visit(&matrix, |first, _, leaves| {
            for (row, &leaf) in (first..).zip(leaves) {
                found[row].push(leaf as usize, 1.0);
            }
        });
        let mut columns = SparseMatrix::new(self.0.trees.leaves());
        found.iter().for_each(|row| columns.push(row.as_ref()));
        Ok(Data::Sparse(columns))
    }
}

/// Trees that tell how unusual a row is: scikit-learn's isolation forest. The first class is the
/// outliers', the second the others'.
#[derive(Debug, Clone)]
pub(crate) struct IsolationForest {
    /// At each leaf the length of the way to it.
    lengths: Average,
    /// The length of all ways together that is usual.
    usual: f64,
    offset: f64,
}

impl IsolationForest {
    /// Joins trees of one value a leaf; `None` without any.
    pub(crate) fn new(
        trees: &[Tree],
        width: usize,
        usual_length: f64,
        offset: f64,
        takes_missing: bool,
    ) -> Option<Self> {
        let lengths = Average::new(trees, width, takes_missing).filter(|trees| trees.trees.outputs() == 1)?;
        let lengths = Average { takes_all: takes_missing, ..lengths };
        #[expect(clippy::cast_precision_loss, reason = "nobody grows 2^52 trees")]
        let usual = lengths.trees.trees() as f64 * usual_length;
        Some(IsolationForest { lengths, usual, offset })
    }
}

impl Classify for IsolationForest {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.lengths.trees.width())
    }

    fn classes(&self) -> usize {
        2
    }

    fn name(&self) -> &'static str {
        "isolation forest"
    }

    fn kernel(&self) -> Option<String> {
        Some(self.lengths.trees.kernel())
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let matrix = data.matrix(self.lengths.trees.width(), self.lengths.accepts())?;
        let mut lengths = self.lengths.sum(&matrix);
        for length in &mut lengths.values {
            // where no way has a length, nothing is unusual
            let share = if self.usual == 0.0 { 1.0 } else { *length / self.usual };
            *length = -(-share).exp2() - self.offset;
        }
        let classes = lengths.values.iter().map(|decision| usize::from(*decision >= 0.0)).collect();
        Ok(Verdict { classes, probabilities: None, decisions: Some(lengths) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::grown::Node;
    use super::*;
    use crate::sparse::{RowRef, SparseMatrix};

    fn split(feature: u32, threshold: f64, left: u32, right: u32) -> Node {
        Node { threshold, feature, left, right, missing_left: true, ..Node::leaf() }
    }

    fn forest() -> Forest {
        let nodes = vec![split(1, 0.5, 1, 2), Node::leaf(), Node::leaf()];
        let tree = Tree::new(nodes, vec![1.0, 0.0, 0.25, 0.75], 2, 3).unwrap();
        Forest::new(&[tree], 3, true).unwrap()
    }

    #[test]
    fn a_row_falls_to_its_leaf() {
        let check = |rows: &[[f64; 3]], expected: &[f64]| {
            let dense = Dense { values: rows.concat(), rows: rows.len(), width: 3 };
            let said = forest().judge(&Data::Dense(dense)).unwrap();
            assert_eq!(said.probabilities.unwrap().values, expected);
        };
        check(&[[0.0, 0.0, 0.0]], &[1.0, 0.0]);
        check(&[[0.0, 0.6, 0.0]], &[0.25, 0.75]);
        check(&[[9.0, f64::NAN, 9.0]], &[1.0, 0.0]);
        check(&[[0.0, 0.6, 0.0]; 19], &[0.25, 0.75].repeat(19));
    }

    #[test]
    fn a_sparse_row_is_a_row_with_zeros() {
        let mut matrix = SparseMatrix::new(3);
        matrix.push(RowRef { columns: &[], values: &[] });
        matrix.push(RowRef { columns: &[1, 2], values: &[0.6, 7.0] });
        let said = forest().judge(&Data::Sparse(matrix)).unwrap();
        assert_eq!(said.probabilities.unwrap().values, [1.0, 0.0, 0.25, 0.75]);
    }

    /// Whatever the number of rows, of trees, and missing values among them: the same leaves.
    #[test]
    fn walking_side_by_side_changes_nothing() {
        let mut random = fastrand::Rng::with_seed(11);
        let width = 5;
        let trees: Vec<Tree> = (0..19).map(|_| grown(&mut random, width)).collect();
        let average = Average::new(&trees, width, true).unwrap();
        for rows in [1, 7, 8, 9, 64, 200] {
            let mut cell = || if random.u8(0..9) == 0 { f64::NAN } else { random.f64() };
            let values: Vec<f64> = (0..rows * width).map(|_| cell()).collect();
            let all = average.of_data(&Data::Dense(Dense { values: values.clone(), rows, width })).unwrap();
            for (row, expected) in values.chunks(width).zip(all.iter()) {
                let sum: f64 = trees.iter().map(|tree| walked(tree, row)).sum();
                assert_eq!(expected, [sum / 19.0]);
            }
        }
    }

    /// A tree of random splits.
    fn grown(random: &mut fastrand::Rng, width: usize) -> Tree {
        let mut nodes = vec![Node::leaf()];
        for node in 0..random.usize(0..40) {
            if node < nodes.len() && (node == 0 || random.bool()) {
                let left = u32::try_from(nodes.len()).unwrap();
                let feature = u32::try_from(random.usize(0..width)).unwrap();
                let threshold = f64::from(random.f32());
                let missing_left = random.bool();
                nodes[node] = Node { missing_left, ..split(feature, threshold, left, left + 1) };
                nodes.extend([Node::leaf(); 2]);
            }
        }
        let leaves = nodes.iter().filter(|node| node.is_leaf()).count();
        Tree::new(nodes, (0..leaves).map(|_| random.f64()).collect(), 1, width).unwrap()
    }

    /// The value of a row's leaf, found by following the nodes one by one.
    fn walked(tree: &Tree, row: &[f64]) -> f64 {
        let mut node = &tree.nodes[0];
        while !node.is_leaf() {
            let value = super::super::as_single(row[node.feature as usize]);
            let goes_left = if value.is_nan() { node.missing_left } else { value <= node.threshold };
            node = &tree.nodes[if goes_left { node.left } else { node.right } as usize];
        }
        tree.values[node.right as usize]
    }
}

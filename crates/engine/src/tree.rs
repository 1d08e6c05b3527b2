//! Decision trees and forests of them.
//!
//! Nodes are validated once, so that a walk always ends at a leaf and never leaves its arrays.

use crate::linear::first_largest;
use crate::sparse::RowRef;

/// The children of a node that has none.
const NO_CHILD: u32 = u32::MAX;

/// One node of a tree as it comes from a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Node {
    /// Up to here (inclusive) a value goes left.
    pub(crate) threshold: f64,
    /// The feature compared, any number at a leaf.
    pub(crate) feature: u32,
    /// The left child, greater than the node's own index; [`Node::leaf`] has none.
    pub(crate) left: u32,
    /// The right child; at a leaf of a [`Tree`] the number of the leaf.
    pub(crate) right: u32,
    /// Whether a missing value goes left.
    pub(crate) missing_left: bool,
}

impl Node {
    /// A node without children.
    pub(crate) fn leaf() -> Self {
        Node { threshold: 0.0, feature: 0, left: NO_CHILD, right: NO_CHILD, missing_left: false }
    }

    pub(crate) fn is_leaf(&self) -> bool {
        self.left == NO_CHILD
    }
}

/// One tree: nodes, and for each leaf the share of each class.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// Leaf after leaf, `classes` values each.
    shares: Vec<f64>,
    classes: usize,
}

/// Why nodes do not make a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TreeError {
    #[error("a tree has no nodes")]
    Empty,
    #[error("a tree has {shares} class values for {leaves} leaves and {classes} classes")]
    Shares { leaves: usize, classes: usize, shares: usize },
    #[error("node {node} has a child that is not below it")]
    Child { node: usize },
    #[error("node {node} asks for feature {feature} of {width}")]
    Feature { node: usize, feature: u32, width: usize },
}

impl Tree {
    /// Validates nodes for rows of `width` features; `shares` has a value per class for each leaf
    /// in the order of the nodes.
    ///
    /// Children must come after their parent, which makes every walk end; scikit-learn numbers
    /// nodes as it grows them, so theirs do.
    pub(crate) fn new(
        mut nodes: Vec<Node>,
        shares: Vec<f64>,
        classes: usize,
        width: usize,
    ) -> Result<Self, TreeError> {
        if nodes.is_empty() {
            return Err(TreeError::Empty);
        }
        let mut leaves = 0;
        for (node, number) in nodes.iter_mut().filter(|node| node.is_leaf()).zip(0u32..) {
            node.right = number;
            leaves += 1;
        }
        if usize::checked_mul(leaves, classes) != Some(shares.len()) || classes == 0 {
            return Err(TreeError::Shares { leaves, classes, shares: shares.len() });
        }
        for (index, node) in nodes.iter().enumerate().filter(|(_, node)| !node.is_leaf()) {
            let is_below = |child: u32| child as usize > index && (child as usize) < nodes.len();
            if !is_below(node.left) || !is_below(node.right) {
                return Err(TreeError::Child { node: index });
            }
            if node.feature as usize >= width {
                return Err(TreeError::Feature { node: index, feature: node.feature, width });
            }
        }
        Ok(Tree { nodes, shares, classes })
    }

    pub(crate) fn parts(&self) -> (&[Node], &[f64]) {
        (&self.nodes, &self.shares)
    }

    /// The shares of the classes at the leaf a row falls to.
    fn leaf(&self, value_of: &impl Fn(u32) -> f64) -> &[f64] {
        let mut index = 0;
        loop {
            let node = &self.nodes[index];
            if node.is_leaf() {
                let first = node.right as usize * self.classes;
                return &self.shares[first..first + self.classes];
            }
            let value = value_of(node.feature);
            let goes_left = if value.is_nan() { node.missing_left } else { value <= node.threshold };
            index = if goes_left { node.left } else { node.right } as usize;
        }
    }
}

/// Trees whose class shares are averaged; a single decision tree is a forest of one.
#[derive(Debug, Clone)]
pub(crate) struct Forest {
    trees: Vec<Tree>,
    classes: usize,
    width: usize,
    /// Whether a missing value (NaN) has a side to go to.
    takes_missing: bool,
}

impl Forest {
    /// Joins trees of the same classes; `None` without any or when they differ.
    pub(crate) fn new(trees: Vec<Tree>, width: usize, takes_missing: bool) -> Option<Self> {
        let classes = trees.first()?.classes;
        let fits = trees.iter().all(|tree| tree.classes == classes);
        fits.then_some(Forest { trees, classes, width, takes_missing })
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn classes(&self) -> usize {
        self.classes
    }

    pub(crate) fn takes_missing(&self) -> bool {
        self.takes_missing
    }

    pub(crate) fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// Fills in the probabilities and returns the predicted class.
    pub(crate) fn predict(&self, row: RowRef<'_>, probabilities: &mut Vec<f64>) -> usize {
        probabilities.clear();
        probabilities.resize(self.classes, 0.0);
        let is_dense = row.columns.len() == self.width;
        for tree in &self.trees {
            let shares = if is_dense {
                tree.leaf(&|feature| as_single(row.values[feature as usize]))
            } else {
                tree.leaf(&|feature| as_single(row.get(feature)))
            };
            for (sum, share) in probabilities.iter_mut().zip(shares) {
                *sum += share;
            }
        }
        if self.trees.len() > 1 {
            #[expect(clippy::cast_precision_loss, reason = "nobody grows 2^52 trees")]
            let count = self.trees.len() as f64;
            probabilities.iter_mut().for_each(|sum| *sum /= count);
        }
        first_largest(probabilities)
    }
}

/// scikit-learn rounds every input to single precision before a tree compares it.
pub(crate) fn as_single(value: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "the rounding is the purpose")]
    let single = value as f32;
    f64::from(single)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(feature: u32, threshold: f64, left: u32, right: u32) -> Node {
        Node { threshold, feature, left, right, missing_left: true }
    }

    #[test]
    fn a_row_falls_to_its_leaf() {
        let nodes = vec![split(1, 0.5, 1, 2), Node::leaf(), Node::leaf()];
        let tree = Tree::new(nodes, vec![1.0, 0.0, 0.25, 0.75], 2, 3).unwrap();
        let forest = Forest::new(vec![tree], 3, true).unwrap();
        let mut probabilities = Vec::new();
        let mut check = |columns: &[u32], values: &[f64], class, expected: &[f64]| {
            assert_eq!(forest.predict(RowRef { columns, values }, &mut probabilities), class);
            assert_eq!(probabilities, expected);
        };
        check(&[], &[], 0, &[1.0, 0.0]);
        check(&[1], &[0.6], 1, &[0.25, 0.75]);
        check(&[0, 1, 2], &[9.0, f64::NAN, 9.0], 0, &[1.0, 0.0]);
    }

    #[test]
    fn nodes_that_lead_nowhere_are_refused() {
        let check = |nodes: Vec<Node>, expected| {
            let leaves = nodes.iter().filter(|node| node.is_leaf()).count();
            let shares = vec![0.0; leaves * 2];
            assert_eq!(Tree::new(nodes, shares, 2, 3).unwrap_err(), expected);
        };
        check(vec![split(0, 0.0, 0, 0)], TreeError::Child { node: 0 });
        check(vec![split(0, 0.0, 1, 2), Node::leaf()], TreeError::Child { node: 0 });
        let asks = vec![split(3, 0.0, 1, 2), Node::leaf(), Node::leaf()];
        check(asks, TreeError::Feature { node: 0, feature: 3, width: 3 });
        check(vec![], TreeError::Empty);
    }
}

//! CatBoost's usual trees, which ask the same of all rows at each level, as ordinary ones.

use super::super::BoosterError;
use super::Feature;
use crate::tree::arranged::{ArrangeError, Arranged, Branch};
use crate::tree::{Node, Tree};

/// The deepest tree CatBoost grows.
const MOST_DEPTH: usize = 16;

/// Whether a number is above a border.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    /// Its place among the features of numbers.
    pub(super) feature: usize,
    pub(super) border: f64,
}

impl Split {
    /// As a node: what is above goes right.
    pub(super) fn node(self, features: &[Feature], number: usize) -> Result<Node, BoosterError> {
        let wrong = |problem: &str| BoosterError::tree(number, problem);
        let feature =
            features.get(self.feature).ok_or_else(|| wrong("asks for a feature that is not there"))?;
        let column = u32::try_from(feature.column).map_err(|_| wrong("has too large a feature"))?;
        if self.border.is_nan() {
            return Err(wrong("has a border that is no number"));
        }
        let missing_left = !feature.missing_is_above;
        Ok(Node { threshold: self.border, feature: column, missing_left, ..Node::leaf() })
    }
}

/// Grows the tree of `splits`, the first of which is the lowest bit of a leaf's number. Its values
/// are `outputs` for each leaf.
pub(super) fn tree(
    splits: &[Split],
    values: &[f64],
    outputs: usize,
    features: &[Feature],
    number: usize,
) -> Result<Tree, BoosterError> {
    let wrong = |problem: &str| BoosterError::tree(number, problem);
    let depth = splits.len();
    if depth > MOST_DEPTH {
        return Err(wrong("is deeper than any tree of CatBoost"));
    }
    let leaves = 1usize << depth;
    if leaves.checked_mul(outputs) != Some(values.len()) {
        return Err(wrong("has another number of values than leaves"));
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(wrong("has a leaf that is no number"));
    }
    let nodes = splits.iter().map(|split| split.node(features, number)).collect::<Result<Vec<_>, _>>()?;
    // numbered in breadth: the children of `node` are `2 node + 1` and `2 node + 2`
    let arranged = Arranged::new(2 * leaves - 1, 0, |node| {
        let level = (node + 1).ilog2() as usize;
        if level < depth {
            let (left, right) = (2 * node + 1, 2 * node + 2);
            return Ok::<_, ArrangeError>(Branch::Split { split: nodes[level], left, right });
        }
        // the way down, its first step in the highest bit, read from the lowest
        let way = node + 1 - leaves;
        let leaf = (0..depth).fold(0, |leaf, level| leaf | (((way >> (depth - 1 - level)) & 1) << level));
        Ok(Branch::Leaf(leaf))
    });
    let arranged = arranged.map_err(|error| BoosterError::tree(number, error))?;
    let tree = arranged.into_tree(outputs, super::width(features), Vec::new(), |leaf, all| {
        all.extend_from_slice(&values[leaf * outputs..(leaf + 1) * outputs]);
    });
    tree.map_err(|error| BoosterError::tree(number, error))
}

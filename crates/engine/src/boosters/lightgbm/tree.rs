//! One tree of the text format.

use super::super::BoosterError;
use super::{Section, numbers};
use crate::tree::arranged::{ArrangeError, Arranged, Branch};
use crate::tree::boosted::LinearLeaf;
use crate::tree::grown::{Bits, CategorySet};
use crate::tree::{Node, Tree};

/// A tree and, where it is linear, its leaves in the order of the tree's.
pub(super) struct Grown {
    pub(super) tree: Tree,
    pub(super) linear: Option<Vec<LinearLeaf>>,
}

/// The bits of `decision_type`.
const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;

/// What counts as missing at a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// Nothing; NaN is zero.
    None,
    /// Zeros and NaN.
    Zero,
    Nan,
}

/// The splits of a tree as the file lists them.
struct Splits {
    features: Vec<u32>,
    thresholds: Vec<f64>,
    decisions: Vec<u8>,
    left: Vec<i32>,
    right: Vec<i32>,
}

pub(super) fn read(section: &Section<'_>, width: usize) -> Result<Grown, BoosterError> {
    let leaves = section.count("num_leaves")?;
    if leaves == 0 {
        return Err(BoosterError::field("num_leaves", "is zero"));
    }
    let values: Vec<f64> = section.numbers("leaf_value", leaves)?;
    if values.iter().any(|value| !value.is_finite()) {
        return Err(BoosterError::field("leaf_value", "has a value that is not finite"));
    }
    let sets = sets(section, leaves - 1)?;
    let splits = Splits::read(section, leaves - 1)?;
    // splits are numbered first, then leaves
    let total = leaves - 1 + leaves;
    let arranged = Arranged::new(total, 0, |node| match node.checked_sub(leaves - 1) {
        Some(leaf) => Ok(Branch::Leaf(leaf)),
        None => splits.branch(node, leaves),
    });
    let covers = covers(section, leaves);
    let arranged = arranged.map_err(|error| mismatch(&error))?;
    let arranged = arranged.covered(|node| covers.get(node).copied().unwrap_or(0.0));
    let linear = match section.find("is_linear").map(str::trim) {
        Some("1") => Some(linear(section, leaves)?),
        _ => None,
    };
    let mut in_order = Vec::new();
    let tree = arranged.into_tree(1, width, sets, |leaf, all| {
        all.push(values[leaf]);
        in_order.extend(linear.as_ref().map(|linear| linear[leaf].clone()));
    });
    Ok(Grown { tree: tree.map_err(|error| mismatch(&error))?, linear: linear.is_some().then_some(in_order) })
}

/// How many training rows came to each split, then to each leaf; none where the file does not tell.
fn covers(section: &Section<'_>, leaves: usize) -> Vec<f64> {
    let read = |key: &str, count: usize| section.numbers::<f64>(key, count).unwrap_or_default();
    let of_splits = if leaves > 1 { read("internal_count", leaves - 1) } else { Vec::new() };
    let of_leaves = read("leaf_count", leaves);
    let is_whole = of_splits.len() == leaves - 1 && of_leaves.len() == leaves;
    if is_whole { [of_splits, of_leaves].concat() } else { Vec::new() }
}

/// The leaves of a tree of numbers among trees of sums.
pub(super) fn plain(tree: &Tree) -> Vec<LinearLeaf> {
    tree.values().iter().map(|&constant| LinearLeaf { constant, terms: Vec::new() }).collect()
}

fn mismatch(error: &ArrangeError) -> BoosterError {
    BoosterError::Mismatch { problem: error.to_string() }
}

impl Splits {
    fn read(section: &Section<'_>, count: usize) -> Result<Self, BoosterError> {
        if count == 0 {
            let (features, thresholds, decisions) = (Vec::new(), Vec::new(), Vec::new());
            return Ok(Splits { features, thresholds, decisions, left: Vec::new(), right: Vec::new() });
        }
        Ok(Splits {
            features: section.numbers("split_feature", count)?,
            thresholds: section.numbers("threshold", count)?,
            decisions: match section.find("decision_type") {
                Some(_) => section.numbers("decision_type", count)?,
                None => vec![0; count],
            },
            left: section.numbers("left_child", count)?,
            right: section.numbers("right_child", count)?,
        })
    }

    fn branch(&self, node: usize, leaves: usize) -> Result<Branch, ArrangeError> {
        // a negative child is a leaf: -1 the first
        let child = |child: i32| match usize::try_from(child) {
            Ok(split) if split < leaves - 1 => split,
            Ok(_) => usize::MAX,
            Err(_) => {
                (leaves - 1).saturating_add(usize::try_from(-(i64::from(child) + 1)).unwrap_or(usize::MAX))
            }
        };
        let (decision, threshold) = (self.decisions[node], self.thresholds[node]);
        let is_default_left = decision & DEFAULT_LEFT != 0;
        let missing = match decision >> 2 & 3 {
            0 => Missing::None,
            1 => Missing::Zero,
            _ => Missing::Nan,
        };
        let plain = Node { feature: self.features[node], threshold, ..Node::leaf() };
        let split = if decision & CATEGORICAL != 0 {
            Node { is_categorical: true, missing_left: false, ..plain }
        } else {
            match missing {
                Missing::None => Node { missing_left: 0.0 <= threshold, ..plain },
                Missing::Zero => Node { missing_left: is_default_left, zero_is_missing: true, ..plain },
                Missing::Nan => Node { missing_left: is_default_left, ..plain },
            }
        };
        Ok(Branch::Split { split, left: child(self.left[node]), right: child(self.right[node]) })
    }
}

/// The sets of categories that go left.
fn sets(section: &Section<'_>, splits: usize) -> Result<Vec<CategorySet>, BoosterError> {
    let count = section.find("num_cat").map_or(Ok(0), |_| section.count("num_cat"))?;
    if count == 0 {
        return Ok(Vec::new());
    }
    if count > splits {
        return Err(BoosterError::field("num_cat", "is more than there are splits"));
    }
    let wrong = || BoosterError::field("cat_boundaries", "do not fit `cat_threshold`");
    let ends: Vec<usize> = section.numbers("cat_boundaries", count + 1)?;
    let words: Vec<u32> = numbers(section.get("cat_threshold")?).ok_or_else(wrong)?;
    let mut start = 0;
    let sets = ends.windows(2).map(|ends| {
        // one behind the other, so that all together are no larger than what the file has
        let range = (ends[0] == start && ends[1] >= ends[0]).then(|| words.get(ends[0]..ends[1])).flatten();
        start = ends[1];
        let listed = Bits(range.ok_or_else(wrong)?.into());
        Ok(CategorySet { listed, listed_left: true, known: None })
    });
    sets.collect()
}

/// The leaves of a linear tree: a constant, features and their weights.
fn linear(section: &Section<'_>, leaves: usize) -> Result<Vec<LinearLeaf>, BoosterError> {
    let constants: Vec<f64> = section.numbers("leaf_const", leaves)?;
    let counts: Vec<usize> = section.numbers("num_features", leaves)?;
    let wrong = |key: &str| BoosterError::field(key, "does not fit `num_features`");
    let features: Vec<u32> = numbers(section.get("leaf_features")?).ok_or_else(|| wrong("leaf_features"))?;
    let weights: Vec<f64> = numbers(section.get("leaf_coeff")?).ok_or_else(|| wrong("leaf_coeff"))?;
    let mut terms = features.into_iter().zip(weights);
    let leaves = constants.into_iter().zip(counts).map(|(constant, count)| {
        let terms: Vec<(u32, f64)> = terms.by_ref().take(count).collect();
        match terms.len() == count {
            true => Ok(LinearLeaf { constant, terms }),
            false => Err(wrong("leaf_coeff")),
        }
    });
    leaves.collect()
}

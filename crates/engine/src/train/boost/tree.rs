//! Grows one tree on histograms, the leaf with the most to gain first.

use super::bins::Bins;
use super::histogram::{Bin, Histogram, Ordered, offsets};
use super::loss::Slopes;
use crate::train::options::Parameters;
use crate::tree::Node;

/// The least second derivative of a side; scikit-learn's `min_hessian_to_split`.
const LEAST_HESSIAN: f64 = 1e-3;

/// What a tree is grown from.
pub(super) struct Growth<'a> {
    pub(super) bins: &'a Bins,
    pub(super) slopes: &'a Slopes,
    pub(super) parameters: &'a Parameters,
}

/// A grown tree.
pub(super) struct Grown {
    pub(super) nodes: Vec<Node>,
    pub(super) leaves: Vec<Leaf>,
}

/// A leaf with its rows.
pub(super) struct Leaf {
    node: usize,
    pub(super) value: f64,
    pub(super) rows: Vec<u32>,
    pub(super) held_out: Vec<u32>,
}

impl Grown {
    /// The values of the leaves in the order of their nodes.
    pub(super) fn values(&self) -> Vec<f64> {
        let mut leaves: Vec<(usize, f64)> = self.leaves.iter().map(|leaf| (leaf.node, leaf.value)).collect();
        leaves.sort_unstable_by_key(|(node, _)| *node);
        leaves.into_iter().map(|(_, value)| value).collect()
    }
}

/// Sums over a node's rows.
#[derive(Debug, Clone, Copy)]
struct Sums {
    gradients: f64,
    hessians: f64,
}

#[derive(Debug, Clone, Copy)]
struct Split {
    gain: f64,
    feature: usize,
    bin: usize,
    missing_left: bool,
    left: Sums,
    right: Sums,
}

/// A node that may be divided.
struct Open {
    node: usize,
    depth: usize,
    /// By their place among the fitted rows.
    places: Vec<u32>,
    rows: Vec<u32>,
    held_out: Vec<u32>,
    sums: Sums,
    value: f64,
    histogram: Option<Histogram>,
    split: Option<Split>,
}

/// A tree in the making.
struct Making<'a> {
    growth: &'a Growth<'a>,
    offsets: Vec<usize>,
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
    open: Vec<Open>,
}

impl Growth<'_> {
    pub(super) fn grow(&self, fitted: &[u32], held_out: &[u32], gains: &mut [f64]) -> Grown {
        let offsets = offsets(self.bins);
        let mut making =
            Making { growth: self, offsets, nodes: vec![Node::leaf()], leaves: Vec::new(), open: Vec::new() };
        making.root(fitted, held_out);
        while let Some(node) = making.pop() {
            making.divide(node, gains);
        }
        let learning_rate = self.parameters.learning_rate;
        making.leaves.iter_mut().for_each(|leaf| leaf.value *= learning_rate);
        Grown { nodes: making.nodes, leaves: making.leaves }
    }

    /// What a leaf of such sums is worth.
    fn value(&self, sums: Sums) -> f64 {
        -sums.gradients / (sums.hessians + self.parameters.l2_regularization + 1e-15)
    }

    fn best_split(&self, offsets: &[usize], node: &Open) -> Option<Split> {
        let histogram = node.histogram.as_ref()?;
        let mut best: Option<Split> = None;
        for feature in 0..self.bins.width() {
            let scan = Scan { growth: self, bins: histogram.feature(offsets, feature), feature, node };
            if let Some(split) = scan.best()
                && best.is_none_or(|best| split.gain > best.gain)
            {
                best = Some(split);
            }
        }
        best
    }
}

impl Making<'_> {
    fn root(&mut self, fitted: &[u32], held_out: &[u32]) {
        let growth = self.growth;
        let places: Vec<u32> = (0u32..).take(fitted.len()).collect();
        let histogram = self.histogram(&places, fitted);
        // scikit-learn adds up the first feature's intervals
        let bins = if growth.bins.width() > 0 { histogram.feature(&self.offsets, 0) } else { &[] };
        let gradients = bins.iter().map(|bin| bin.gradients).sum();
        let hessians = match growth.slopes.hessians {
            Some(_) => bins.iter().map(|bin| bin.hessians).sum(),
            None => crate::train::float(fitted.len()),
        };
        let sums = Sums { gradients, hessians };
        let (rows, held_out) = (fitted.to_vec(), held_out.to_vec());
        let mut root = Open {
            node: 0,
            depth: 0,
            places,
            rows,
            held_out,
            sums,
            value: 0.0,
            histogram: None,
            split: None,
        };
        if fitted.len() < 2 * growth.parameters.min_samples_leaf || hessians < LEAST_HESSIAN {
            return self.close(root);
        }
        root.histogram = Some(histogram);
        self.consider(root);
    }

    fn histogram(&self, places: &[u32], rows: &[u32]) -> Histogram {
        let slopes = self.growth.slopes;
        let gradients: Vec<f32> = places.iter().map(|place| slopes.gradients[*place as usize]).collect();
        let hessians: Option<Vec<f32>> = slopes
            .hessians
            .as_ref()
            .map(|hessians| places.iter().map(|place| hessians[*place as usize]).collect());
        let ordered = Ordered { rows, gradients: &gradients, hessians: hessians.as_deref() };
        Histogram::of(self.growth.bins, &self.offsets, &ordered)
    }

    /// Keeps a node for dividing, if anything is to be gained.
    fn consider(&mut self, mut node: Open) {
        node.split = self.growth.best_split(&self.offsets, &node);
        if node.split.is_some() { self.open.push(node) } else { self.close(node) }
    }

    fn close(&mut self, node: Open) {
        let Open { node, value, rows, held_out, .. } = node;
        self.nodes[node] = self.nodes[node].covering(crate::train::float(rows.len()));
        self.leaves.push(Leaf { node, value, rows, held_out });
    }

    /// The node with the most to gain, the first of equals.
    fn pop(&mut self) -> Option<Open> {
        let gain = |open: &Open| open.split.map_or(0.0, |split| split.gain);
        let mut best = 0;
        for place in 1..self.open.len() {
            if gain(&self.open[place]) > gain(&self.open[best]) {
                best = place;
            }
        }
        (!self.open.is_empty()).then(|| self.open.remove(best))
    }

    fn divide(&mut self, mut node: Open, gains: &mut [f64]) {
        let Some(split) = node.split else { return };
        let parameters = self.growth.parameters;
        let bins = self.growth.bins;
        gains[split.feature] += split.gain;
        let cover = crate::train::float(node.rows.len());
        let (left, right) = self.halves(&node, split);
        let missing_left = match bins.has_missing(split.feature) {
            true => split.missing_left,
            false => left.rows.len() > right.rows.len(),
        };
        let number = |node: usize| u32::try_from(node).unwrap_or(u32::MAX);
        self.nodes[node.node] = Node {
            threshold: bins.threshold(split.feature, split.bin),
            feature: number(split.feature),
            left: number(left.node),
            right: number(right.node),
            missing_left,
            ..Node::leaf()
        }
        .covering(cover);
        self.nodes.extend([Node::leaf(); 2]);
        let leaves = self.leaves.len() + self.open.len() + 2;
        if parameters.max_leaf_nodes == Some(leaves) {
            self.close(left);
            self.close(right);
            return std::mem::take(&mut self.open).into_iter().for_each(|open| self.close(open));
        }
        if parameters.max_depth == Some(node.depth + 1) {
            self.close(left);
            return self.close(right);
        }
        let may_split = |half: &Open| half.rows.len() >= 2 * parameters.min_samples_leaf;
        let (splits_left, splits_right) = (may_split(&left), may_split(&right));
        let (mut left, mut right) = (left, right);
        if let (true, Some(whole)) = (splits_left || splits_right, node.histogram.take()) {
            let left_is_smaller = left.rows.len() < right.rows.len();
            let (smaller, larger) =
                if left_is_smaller { (&mut left, &mut right) } else { (&mut right, &mut left) };
            let histogram = self.histogram(&smaller.places, &smaller.rows);
            larger.histogram = Some(whole.without(&histogram));
            smaller.histogram = Some(histogram);
        }
        for (half, splits) in [(left, splits_left), (right, splits_right)] {
            if splits { self.consider(half) } else { self.close(half) }
        }
    }

    fn halves(&self, node: &Open, split: Split) -> (Open, Open) {
        let bins = self.growth.bins;
        let column = bins.column(split.feature);
        let missing = bins.count(split.feature);
        let goes_left = |row: u32| {
            let bin = usize::from(column[row as usize]);
            if bin == missing { split.missing_left } else { bin <= split.bin }
        };
        let half = |node: usize, sums: Sums, depth: usize| Open {
            node,
            depth,
            places: Vec::new(),
            rows: Vec::new(),
            held_out: Vec::new(),
            sums,
            value: self.growth.value(sums),
            histogram: None,
            split: None,
        };
        let mut left = half(self.nodes.len(), split.left, node.depth + 1);
        let mut right = half(self.nodes.len() + 1, split.right, node.depth + 1);
        for (place, row) in node.places.iter().zip(&node.rows) {
            let side = if goes_left(*row) { &mut left } else { &mut right };
            side.places.push(*place);
            side.rows.push(*row);
        }
        for row in &node.held_out {
            if goes_left(*row) { left.held_out.push(*row) } else { right.held_out.push(*row) }
        }
        (left, right)
    }
}

/// The search for the best split of one feature at one node.
struct Scan<'a> {
    growth: &'a Growth<'a>,
    bins: &'a [Bin],
    feature: usize,
    node: &'a Open,
}

/// What has come to one side so far.
#[derive(Clone, Copy)]
struct Side {
    rows: usize,
    sums: Sums,
}

impl Scan<'_> {
    /// Missing cells go right while intervals go left one by one, then the other way around.
    fn best(&self) -> Option<Split> {
        let has_missing = self.growth.bins.has_missing(self.feature);
        let count = self.bins.len() - 1;
        let last = count - 1 + usize::from(has_missing);
        let rightwards = (0..last).map(|bin| (bin, bin));
        let best = self.pass(rightwards, None, false);
        if !has_missing {
            return best;
        }
        let leftwards = (0..count.saturating_sub(1)).rev().map(|bin| (bin, bin + 1));
        self.pass(leftwards, best, true)
    }

    /// Moves intervals to a side: for each the one the split is at, and the one that moves.
    fn pass(
        &self,
        moves: impl Iterator<Item = (usize, usize)>,
        before: Option<Split>,
        is_leftwards: bool,
    ) -> Option<Split> {
        let parameters = self.growth.parameters;
        let (total, rows) = (self.node.sums, self.node.rows.len());
        let loss = self.node.value * total.gradients;
        let mut best = before;
        let mut moved = Side { rows: 0, sums: Sums { gradients: 0.0, hessians: 0.0 } };
        for (at, bin) in moves {
            self.add(&mut moved, self.bins[bin]);
            let rest = Side {
                rows: rows - moved.rows,
                sums: Sums {
                    gradients: total.gradients - moved.sums.gradients,
                    hessians: total.hessians - moved.sums.hessians,
                },
            };
            let least = parameters.min_samples_leaf;
            if moved.rows < least {
                continue;
            }
            if rest.rows < least {
                break;
            }
            if moved.sums.hessians < LEAST_HESSIAN {
                continue;
            }
            if rest.sums.hessians < LEAST_HESSIAN {
                break;
            }
            let (left, right) = if is_leftwards { (rest.sums, moved.sums) } else { (moved.sums, rest.sums) };
            let gain =
                loss - self.growth.value(left) * left.gradients - self.growth.value(right) * right.gradients;
            if gain > best.map_or(0.0, |best| best.gain) {
                best = Some(Split {
                    gain,
                    feature: self.feature,
                    bin: at,
                    missing_left: is_leftwards,
                    left,
                    right: Sums {
                        gradients: total.gradients - left.gradients,
                        hessians: total.hessians - left.hessians,
                    },
                });
            }
        }
        best
    }

    fn add(&self, side: &mut Side, bin: Bin) {
        side.rows += bin.rows as usize;
        side.sums.gradients += bin.gradients;
        side.sums.hessians += match self.growth.slopes.hessians {
            Some(_) => bin.hessians,
            None => f64::from(bin.rows),
        };
    }
}

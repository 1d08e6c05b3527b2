//! What each feature adds to the sum of some trees: exact Shapley values, a feature that is not in a
//! coalition being averaged over the training rows that came to each side of its splits.
//!
//! Lundberg and others, "From local explanations to global understanding with explainable AI for
//! trees", Nature Machine Intelligence 2020, algorithm 2: polynomial in the depth of the trees.

use super::super::grown::Tree;
use super::super::number::Number;
use super::super::walk::sends_left;
use super::{Chunk, PackedTrees};
use crate::data::Matrix;
use crate::explain::{Attributed, Unexplained};

/// Deeper trees than any that helps would take too much of the stack.
const DEEPEST: usize = 512;

/// Steps that one row may take, a few seconds.
const MOST_STEPS: usize = 2_000_000_000;

/// A feature on the way to a leaf.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// The feature's slot; of none at the root.
    slot: usize,
    /// The share of training rows that goes this way whatever the feature's value.
    absent: f64,
    /// One if the row's own value goes this way, else zero.
    present: f64,
    /// The weight of all coalitions of so many of the steps before.
    weight: f64,
}

/// The way to a node: a stretch of the shared list of steps.
#[derive(Debug, Clone, Copy)]
struct Way {
    start: usize,
    length: usize,
}

/// One row on its way through one tree.
struct Explained<'p, N: Number, F: FnMut(usize, u32, f64)> {
    trees: &'p PackedTrees<N>,
    chunk: &'p Chunk<N::Key>,
    keys: &'p [N::Key],
    steps: Vec<Step>,
    /// Called with a feature's slot, a leaf and what the leaf's values are multiplied by.
    add: F,
}

impl<N: Number> PackedTrees<N> {
    /// Whether the trees can be explained.
    pub(crate) fn explainable(&self) -> Result<(), Unexplained> {
        self.explainable.get_or_init(|| self.try_explainable()).clone()
    }

    fn try_explainable(&self) -> Result<(), Unexplained> {
        if !self.covers.is_known() {
            return Err(Unexplained::NoCovers);
        }
        let mut steps = 0usize;
        for (nodes, values) in self.grown() {
            let leaves = values.len() / self.outputs;
            let depth = Tree { nodes, values, outputs: self.outputs, sets: Vec::new() }.depth();
            if depth > DEEPEST {
                return Err(Unexplained::TooLarge);
            }
            let way = depth.min(self.width) + 1;
            steps = steps.saturating_add(leaves.saturating_mul(way * way));
        }
        if steps > MOST_STEPS { Err(Unexplained::TooLarge) } else { Ok(()) }
    }

    /// By tree the mean over its training rows of each value.
    pub(crate) fn means(&self, mut add: impl FnMut(usize, &[f64])) {
        let mut means = vec![0.0; self.outputs];
        for chunk in &self.chunks {
            let mut shares = vec![0.0; chunk.grove.len()];
            for (tree, (root, end)) in chunk.trees.clone().zip(chunk.grove.spans()) {
                shares[root as usize] = 1.0;
                means.fill(0.0);
                // children come after their parent
                for index in root as usize..end as usize {
                    let (_, (_, left)) = chunk.grove.node(index);
                    if left == index {
                        let values = self.values(chunk.grove.leaf(index));
                        means.iter_mut().zip(values).for_each(|(mean, value)| *mean += shares[index] * value);
                    } else {
                        let to_left = self.share_to_left(chunk, left);
                        shares[left] = shares[index] * to_left;
                        shares[left + 1] = shares[index] * (1.0 - to_left);
                    }
                }
                add(tree, &means);
            }
        }
    }

    /// The share of a node's training rows that went left, told by its left child.
    fn share_to_left(&self, chunk: &Chunk<N::Key>, left: usize) -> f64 {
        let left = chunk.first_node + left;
        let (left, right) = (self.covers.get(left), self.covers.get(left + 1));
        let both = left + right;
        if both > 0.0 { left / both } else { 0.5 }
    }

    /// Sets down what features add to each of so many sums of one row.
    ///
    /// `sums` tells what a leaf of a tree adds: it calls back with a sum's number and a value.
    pub(crate) fn attribute(
        &self,
        matrix: &Matrix<'_>,
        row: usize,
        attributed: &mut Attributed,
        sums: impl Fn(usize, u32, &mut dyn FnMut(usize, f64)),
    ) {
        let mut keys = vec![N::Key::default(); self.columns.places()];
        self.columns.row::<N>(matrix, row, &mut keys);
        let outputs = attributed.bases.len();
        let mut amounts = vec![0.0; self.columns.places() * outputs];
        let mut steps = Vec::new();
        let trees = |chunk: &Chunk<N::Key>| chunk.trees.clone().zip(chunk.grove.spans()).collect::<Vec<_>>();
        let all =
            self.chunks.iter().flat_map(|chunk| trees(chunk).into_iter().map(move |tree| (chunk, tree)));
        for (chunk, (tree, (root, _))) in all {
            let add = |slot: usize, leaf, weight| {
                let amounts = &mut amounts[slot * outputs..][..outputs];
                sums(tree, leaf, &mut |sum, value| amounts[sum] += weight * value);
            };
            steps.clear();
            steps.push(Step { slot: usize::MAX, absent: 1.0, present: 1.0, weight: 1.0 });
            let mut explained = Explained { trees: self, chunk, keys: &keys, steps, add };
            explained.visit(root as usize, Way { start: 0, length: 1 });
            steps = explained.steps;
        }
        for (slot, amounts) in amounts.chunks(outputs).enumerate() {
            for (output, amount) in amounts.iter().enumerate().filter(|(_, amount)| **amount != 0.0) {
                attributed.push(row, output, self.columns.at(slot).column as usize, *amount);
            }
        }
    }
}

impl<N: Number, F: FnMut(usize, u32, f64)> Explained<'_, N, F> {
    /// Follows both children of a node; the way to it is the last of the steps.
    fn visit(&mut self, index: usize, way: Way) {
        let (threshold, (place, left)) = self.chunk.grove.node(index);
        if left == index {
            return self.settle(self.chunk.grove.leaf(index), way);
        }
        let slot = self.trees.columns.first_place(place);
        let asked = self.trees.columns.at(place);
        let goes_left = sends_left::<N>(threshold, self.keys[place], asked, &self.trees.sets);
        let to_left = self.trees.share_to_left(self.chunk, left);
        for (child, share, is_own) in [(left, to_left, goes_left), (left + 1, 1.0 - to_left, !goes_left)] {
            let end = self.steps.len();
            self.steps.extend_from_within(way.start..way.start + way.length);
            let mut child_way = Way { start: end, length: way.length };
            let (mut absent, mut present) = (share, if is_own { 1.0 } else { 0.0 });
            let seen = self.steps[end..].iter().position(|step| step.slot == slot);
            if let Some(seen) = seen {
                absent *= self.steps[end + seen].absent;
                present *= self.steps[end + seen].present;
                self.unwind(&mut child_way, seen);
            }
            // where neither goes, nothing is added
            if absent != 0.0 || present != 0.0 {
                self.extend(&mut child_way, Step { slot, absent, present, weight: 0.0 });
                self.visit(child, child_way);
            }
            self.steps.truncate(end);
        }
    }

    /// Goes one step further.
    fn extend(&mut self, way: &mut Way, step: Step) {
        let before = way.length;
        self.steps.push(step);
        way.length += 1;
        let steps = &mut self.steps[way.start..];
        let all = float(before + 1);
        for place in (0..before).rev() {
            let weight = steps[place].weight;
            steps[place + 1].weight += step.present * weight * float(place + 1) / all;
            steps[place].weight = step.absent * weight * float(before - place) / all;
        }
    }

    /// Takes a step back, as if it had never been gone.
    fn unwind(&mut self, way: &mut Way, taken: usize) {
        let steps = &mut self.steps[way.start..];
        let last = way.length - 1;
        let Step { absent, present, .. } = steps[taken];
        let all = float(last + 1);
        let mut next = steps[last].weight;
        for place in (0..last).rev() {
            let weight = steps[place].weight;
            if present != 0.0 {
                steps[place].weight = next * all / (float(place + 1) * present);
                next = weight - steps[place].weight * absent * float(last - place) / all;
            } else {
                steps[place].weight = weight * all / (absent * float(last - place));
            }
        }
        for place in taken..last {
            let weight = steps[place].weight;
            steps[place] = Step { weight, ..steps[place + 1] };
        }
        self.steps.pop();
        way.length -= 1;
    }

    /// Adds what each feature on the way adds at a leaf.
    fn settle(&mut self, leaf: u32, way: Way) {
        for taken in 1..way.length {
            let step = self.steps[way.start + taken];
            let weight = self.weight_without(way, taken) * (step.present - step.absent);
            (self.add)(step.slot, leaf, weight);
        }
    }

    /// The weight of all coalitions, had one step not been gone.
    fn weight_without(&self, way: Way, taken: usize) -> f64 {
        let steps = &self.steps[way.start..way.start + way.length];
        let last = way.length - 1;
        let Step { absent, present, .. } = steps[taken];
        let all = float(last + 1);
        let (mut next, mut total) = (steps[last].weight, 0.0);
        for place in (0..last).rev() {
            if present != 0.0 {
                let weight = next * all / (float(place + 1) * present);
                total += weight;
                next = steps[place].weight - weight * absent * float(last - place) / all;
            } else {
                total += steps[place].weight * all / (absent * float(last - place));
            }
        }
        total
    }
}

#[expect(clippy::cast_precision_loss, reason = "the length of a way")]
fn float(length: usize) -> f64 {
    length as f64
}

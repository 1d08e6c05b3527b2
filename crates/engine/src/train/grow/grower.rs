//! Divides rows until nothing is left to divide.

use super::columns::{Columns, Entry, Gathered, row_of, value_of};
use super::tally::Tally;
use crate::tree::Node;

/// Values that are no further apart are one to scikit-learn, too.
const APART: f32 = 1e-7;

/// When to divide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) max_depth: usize,
    pub(super) min_split: usize,
    pub(super) min_leaf: usize,
    pub(super) min_decrease: f64,
    /// How many features are looked at for a split.
    pub(super) features: usize,
}

/// Where a node's rows may be divided.
#[derive(Debug, Clone, Copy)]
struct Split {
    feature: u32,
    threshold: f64,
    purity: f64,
}

/// A node to be made.
struct Task {
    first: usize,
    last: usize,
    depth: usize,
    /// The parent whose right child this is, to be told its number.
    right_of: Option<usize>,
}

pub(super) struct Grower<'a, T> {
    columns: &'a Columns<'a>,
    rules: Rules,
    tally: T,
    random: fastrand::Rng,
    /// Row numbers; each node owns a range of them.
    order: Vec<u32>,
    /// By row what it counts.
    weights: &'a [f64],
    /// What all rows count.
    total: f64,
    nodes: Vec<Node>,
    values: Vec<f64>,
    gains: Vec<f64>,
    /// The features in the random order of their draw, shuffled further with each draw.
    features: Vec<u32>,
    gathered: Gathered,
    entries: Vec<Entry>,
    is_wanted: Vec<bool>,
    spare: Vec<u32>,
}

impl<'a, T: Tally> Grower<'a, T> {
    /// Rows that count nothing are left out.
    pub(super) fn new(
        columns: &'a Columns<'a>,
        rules: Rules,
        weights: &'a [f64],
        tally: T,
        random: fastrand::Rng,
    ) -> Self {
        let width = columns.width();
        let is_sampled = rules.features < width;
        let is_sparse = matches!(columns, Columns::Sparse(_));
        let order: Vec<u32> =
            (0u32..).zip(weights).filter(|(_, weight)| **weight > 0.0).map(|(row, _)| row).collect();
        Grower {
            columns,
            rules,
            tally,
            random,
            order,
            weights,
            total: weights.iter().sum(),
            nodes: Vec::new(),
            values: Vec::new(),
            gains: vec![0.0; width],
            features: (0u32..).take(width).collect(),
            gathered: Gathered::new(if is_sparse { width } else { 0 }),
            entries: Vec::new(),
            is_wanted: vec![!is_sampled; if is_sparse { width } else { 0 }],
            spare: Vec::new(),
        }
    }

    /// The nodes, the values of the leaves, and what each feature that divides rows gained.
    pub(super) fn grow(mut self, progress: &mut dyn FnMut(f64)) -> (Vec<Node>, Vec<f64>, Vec<(u32, f64)>) {
        let mut tasks = vec![Task { first: 0, last: self.order.len(), depth: 0, right_of: None }];
        let mut settled = 0;
        while let Some(task) = tasks.pop() {
            let index = self.nodes.len();
            if let Some(parent) = task.right_of {
                self.nodes[parent].right = number(index);
            }
            let rows = &self.order[task.first..task.last];
            self.tally.enter(rows);
            let cover = rows.iter().map(|row| self.weights[*row as usize]).sum();
            let least = self.rules.min_split.max(2 * self.rules.min_leaf);
            let may_split = task.depth < self.rules.max_depth && rows.len() >= least && !self.tally.is_pure();
            let split = if may_split { self.best_split(task.first..task.last) } else { None };
            let gain = |split: &Split| split.purity - self.tally.whole();
            let split = split.filter(|split| gain(split) / self.total >= self.rules.min_decrease);
            let Some(split) = split else {
                self.tally.answer(&mut self.values);
                self.nodes.push(Node::leaf().covering(cover));
                settled += task.last - task.first;
                progress(crate::train::share(settled, self.order.len()));
                continue;
            };
            self.gains[split.feature as usize] += gain(&split).max(0.0);
            let middle = self.divide(task.first..task.last, split);
            let node = Node {
                threshold: split.threshold,
                feature: split.feature,
                left: number(index + 1),
                right: 0,
                missing_left: middle - task.first > task.last - middle,
                ..Node::leaf()
            };
            self.nodes.push(node.covering(cover));
            let depth = task.depth + 1;
            tasks.push(Task { first: middle, last: task.last, depth, right_of: Some(index) });
            tasks.push(Task { first: task.first, last: middle, depth, right_of: None });
        }
        let gains = (0u32..).zip(self.gains).filter(|(_, gain)| *gain > 0.0).collect();
        (self.nodes, self.values, gains)
    }

    fn best_split(&mut self, range: std::ops::Range<usize>) -> Option<Split> {
        let seed = self.random.u64(..);
        match self.columns {
            Columns::Dense { .. } => self.best_dense(range, seed),
            Columns::Sparse(matrix) => {
                let is_sampled = self.rules.features < self.columns.width();
                let drawn = if is_sampled { self.draw(self.rules.features) } else { 0 };
                let rows = &self.order[range.clone()];
                self.gathered.touch(matrix, rows);
                self.features[..drawn].iter().for_each(|feature| self.is_wanted[*feature as usize] = true);
                let mut scan = Scan::new(&mut self.tally, rows.len(), self.rules.min_leaf, seed);
                let is_wanted = &self.is_wanted;
                self.gathered.visit(
                    matrix,
                    rows,
                    |feature| is_wanted[feature as usize],
                    |feature, entries| scan.sparse(feature, entries),
                );
                let best = scan.best;
                self.features[..drawn].iter().for_each(|feature| self.is_wanted[*feature as usize] = false);
                if best.is_some() || !is_sampled { best } else { self.best_of_touched(range) }
            }
        }
    }

    /// Draws features into the front of `features`.
    fn draw(&mut self, count: usize) -> usize {
        for place in 0..count {
            let other = self.random.usize(place..self.features.len());
            self.features.swap(place, other);
        }
        count
    }

    /// Features in random order: as many as are asked for, and further until one divides the rows.
    fn best_dense(&mut self, range: std::ops::Range<usize>, seed: u64) -> Option<Split> {
        let width = self.features.len();
        let is_sampled = self.rules.features < width;
        let mut best: Option<Split> = None;
        for looked_at in 0..width {
            if looked_at >= self.rules.features && best.is_some() {
                break;
            }
            if is_sampled {
                let other = self.random.usize(looked_at..width);
                self.features.swap(looked_at, other);
            }
            let feature = self.features[looked_at];
            let rows = &self.order[range.clone()];
            self.columns.gather_one(feature, rows, &mut self.entries);
            let mut scan = Scan::new(&mut self.tally, rows.len(), self.rules.min_leaf, seed);
            scan.best = best;
            scan.dense(feature, &self.entries);
            best = scan.best;
        }
        best
    }

    /// None of the features drawn divides the rows: those that some row has, one by one.
    fn best_of_touched(&mut self, range: std::ops::Range<usize>) -> Option<Split> {
        let mut touched = std::mem::take(&mut self.gathered.touched);
        self.random.shuffle(&mut touched);
        let rows = &self.order[range];
        let mut best = None;
        for &feature in &touched {
            self.columns.gather_one(feature, rows, &mut self.entries);
            let mut scan = Scan::new(&mut self.tally, rows.len(), self.rules.min_leaf, 0);
            scan.sparse(feature, &self.entries);
            best = scan.best;
            if best.is_some() {
                break;
            }
        }
        self.gathered.touched = touched;
        best
    }

    /// Reorders a node's rows, left ones first, each side in its old order.
    fn divide(&mut self, range: std::ops::Range<usize>, split: Split) -> usize {
        let rows = &mut self.order[range.clone()];
        self.spare.clear();
        let mut left = 0;
        for place in 0..rows.len() {
            let row = rows[place];
            if f64::from(self.columns.value(split.feature, row)) <= split.threshold {
                rows[left] = row;
                left += 1;
            } else {
                self.spare.push(row);
            }
        }
        rows[left..].copy_from_slice(&self.spare);
        range.start + left
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or_else(|_| unreachable!("there are at most twice as many nodes as rows"))
}

/// The search for the best split of one node.
struct Scan<'t, T> {
    tally: &'t mut T,
    rows: usize,
    min_leaf: usize,
    best: Option<Split>,
    /// Decides between features that divide the rows equally well, as is usual where rows are few: the first of them
    /// each time would make a tree of the words that come first in the alphabet.
    seed: u64,
}

impl<'t, T: Tally> Scan<'t, T> {
    fn new(tally: &'t mut T, rows: usize, min_leaf: usize, seed: u64) -> Self {
        Scan { tally, rows, min_leaf, best: None, seed }
    }

    fn is_better(&self, feature: u32, purity: f64) -> bool {
        self.best.is_none_or(|best| {
            let is_drawn = || self.lot(feature) < self.lot(best.feature);
            purity > best.purity || (purity == best.purity && feature != best.feature && is_drawn())
        })
    }

    /// A feature's place in a random order of all.
    fn lot(&self, feature: u32) -> u64 {
        let mixed = (self.seed ^ u64::from(feature)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
    }

    /// Every row has an entry.
    fn dense(&mut self, feature: u32, entries: &[Entry]) {
        let is_constant = match entries {
            [first, .., last] => value_of(*last) <= value_of(*first) + APART,
            _ => true,
        };
        if !is_constant {
            self.pass(feature, entries.iter().rev(), None, |nearer, farther| (nearer, farther));
        }
    }

    /// Rows without an entry are zero.
    fn sparse(&mut self, feature: u32, entries: &[Entry]) {
        let negatives = entries.partition_point(|entry| value_of(*entry) < 0.0);
        let positives = entries.partition_point(|entry| value_of(*entry) <= 0.0);
        let has_zeros = entries.len() < self.rows || positives > negatives;
        let zero = has_zeros.then_some(0.0);
        let floor = zero.or_else(|| entries[..negatives].last().map(|entry| value_of(*entry)));
        let ceiling = zero.or_else(|| entries[positives..].first().map(|entry| value_of(*entry)));
        self.pass(feature, entries[positives..].iter().rev(), floor, |nearer, farther| (nearer, farther));
        self.pass(feature, entries[..negatives].iter(), ceiling, |nearer, farther| (farther, nearer));
    }

    /// Moves entries to the far side, outermost first, and weighs a split after each value;
    /// `beyond` is the next value after the last entry, if there is one.
    fn pass<'e>(
        &mut self,
        feature: u32,
        entries: impl Iterator<Item = &'e Entry> + Clone,
        beyond: Option<f32>,
        in_order: impl Fn(f32, f32) -> (f32, f32),
    ) {
        let following = entries.clone().skip(1).map(|entry| Some(value_of(*entry))).chain([beyond]);
        let mut moved = 0;
        for (entry, next) in entries.clone().zip(following) {
            self.tally.shift(row_of(*entry));
            moved += 1;
            let value = value_of(*entry);
            let Some(next) = next.filter(|next| (next - value).abs() > APART) else { continue };
            if moved < self.min_leaf || self.rows - moved < self.min_leaf {
                continue;
            }
            let purity = self.tally.purity();
            if self.is_better(feature, purity) {
                let (low, high) = in_order(next, value);
                self.best = Some(Split { feature, threshold: between(low, high), purity });
            }
        }
        self.tally.restore(entries.map(|entry| row_of(*entry)));
    }
}

/// The middle of two values, or the lower one when rounding leaves no middle.
fn between(low: f32, high: f32) -> f64 {
    let (low, high) = (f64::from(low), f64::from(high));
    let middle = low / 2.0 + high / 2.0;
    if middle == high || !middle.is_finite() { low } else { middle }
}

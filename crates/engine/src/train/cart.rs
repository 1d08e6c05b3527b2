//! Grows a decision tree (CART, Gini impurity) over sparse rows.
//!
//! At each node only the entries of its rows are gathered, feature by feature; the many zeros of
//! a text are moved from one side of a split to the other as one block, for free: a pass over
//! the positive values from the top, one over the negative ones from the bottom.

use super::{Options, Sample, share};
use crate::tree::{Forest, Node, Tree, as_single};

pub(super) fn fit(sample: &Sample<'_>, options: &Options, progress: &mut dyn FnMut(f64)) -> Forest {
    let mut grower = Grower::new(sample);
    grower.grow(options, progress);
    let width = sample.matrix.width();
    let tree = Tree::new(grower.nodes, grower.shares, sample.classes, width)
        .unwrap_or_else(|_| unreachable!("children are numbered after their parent"));
    Forest::new(&[tree], width, false).unwrap_or_else(|| unreachable!("there is one tree"))
}

/// Where a node's rows may be divided.
#[derive(Debug, Clone, Copy)]
struct Split {
    feature: u32,
    threshold: f64,
    /// The sum over both sides of squared class counts over rows; larger is purer.
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

/// One value of a feature at one row of a node.
#[derive(Debug, Clone, Copy)]
struct Entry {
    value: f64,
    class: u32,
}

struct Grower<'a> {
    sample: &'a Sample<'a>,
    /// Row numbers; each node owns a range of them.
    order: Vec<u32>,
    nodes: Vec<Node>,
    shares: Vec<f64>,
    gathered: Gathered,
    /// Class counts of the rows moved to the far side; all zero between uses.
    moved: Vec<u32>,
}

impl<'a> Grower<'a> {
    fn new(sample: &'a Sample<'a>) -> Self {
        Grower {
            sample,
            order: (0u32..).take(sample.matrix.rows()).collect(),
            nodes: Vec::new(),
            shares: Vec::new(),
            gathered: Gathered::new(sample.matrix.width()),
            moved: vec![0; sample.classes],
        }
    }

    fn grow(&mut self, options: &Options, progress: &mut dyn FnMut(f64)) {
        let mut tasks = vec![Task { first: 0, last: self.order.len(), depth: 0, right_of: None }];
        let mut settled = 0;
        while let Some(task) = tasks.pop() {
            let index = self.nodes.len();
            if let Some(parent) = task.right_of {
                self.nodes[parent].right = node_number(index);
            }
            let counts = self.counts(&task);
            let rows = task.last - task.first;
            let may_split = task.depth < options.max_depth && rows >= 2 * options.min_leaf.max(1);
            let split =
                if may_split { self.best_split(&task, &counts, options.min_leaf.max(1)) } else { None };
            let Some(split) = split else {
                self.shares.extend(counts.iter().map(|&count| share(count as usize, rows)));
                self.nodes.push(Node::leaf());
                settled += rows;
                progress(share(settled, self.order.len()));
                continue;
            };
            self.nodes.push(Node {
                threshold: split.threshold,
                feature: split.feature,
                left: node_number(index + 1),
                right: 0,
                ..Node::leaf()
            });
            let middle = self.divide(&task, split);
            let depth = task.depth + 1;
            tasks.push(Task { first: middle, last: task.last, depth, right_of: Some(index) });
            tasks.push(Task { first: task.first, last: middle, depth, right_of: None });
        }
    }

    fn counts(&self, task: &Task) -> Vec<u32> {
        let mut counts = vec![0u32; self.sample.classes];
        for &row in &self.order[task.first..task.last] {
            counts[self.sample.targets[row as usize] as usize] += 1;
        }
        counts
    }

    fn best_split(&mut self, task: &Task, counts: &[u32], min_leaf: usize) -> Option<Split> {
        let rows = task.last - task.first;
        let squares = counts.iter().map(|&count| u64::from(count) * u64::from(count)).sum();
        if counts.iter().any(|&count| count as usize == rows) {
            return None;
        }
        self.gathered.gather(self.sample, &self.order[task.first..task.last]);
        let mut scan = Scan { counts, squares, rows, min_leaf, moved: &mut self.moved, best: None };
        for (feature, entries) in self.gathered.by_feature() {
            scan.feature(feature, entries);
        }
        scan.best
    }

    /// Reorders the node's rows, left ones first, each side in its old order.
    fn divide(&mut self, task: &Task, split: Split) -> usize {
        let rows = &mut self.order[task.first..task.last];
        let (left, right): (Vec<u32>, Vec<u32>) = rows.iter().partition(|&&row| {
            as_single(self.sample.matrix.row(row as usize).get(split.feature)) <= split.threshold
        });
        rows[..left.len()].copy_from_slice(&left);
        rows[left.len()..].copy_from_slice(&right);
        task.first + left.len()
    }
}

fn node_number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or_else(|_| unreachable!("there are at most twice as many nodes as rows"))
}

#[expect(clippy::cast_precision_loss, reason = "squares of row counts below 2^26")]
fn share_of_squares(squares: u64, rows: usize) -> f64 {
    squares as f64 / rows as f64
}

/// The entries of a node's rows, feature after feature.
struct Gathered {
    /// How many entries each feature has, then where its next one goes; zero between uses.
    places: Vec<u32>,
    touched: Vec<u32>,
    entries: Vec<Entry>,
}

impl Gathered {
    fn new(width: usize) -> Self {
        Gathered { places: vec![0; width], touched: Vec::new(), entries: Vec::new() }
    }

    fn gather(&mut self, sample: &Sample<'_>, rows: &[u32]) {
        self.touched.clear();
        let kept = |row: &u32| sample.matrix.row(*row as usize);
        for (column, _) in rows.iter().flat_map(|row| kept(row).columns.iter().map(|&column| (column, ()))) {
            if self.places[column as usize] == 0 {
                self.touched.push(column);
            }
            self.places[column as usize] += 1;
        }
        self.touched.sort_unstable();
        let mut next = 0;
        for &column in &self.touched {
            let count = std::mem::replace(&mut self.places[column as usize], next);
            next += count;
        }
        self.entries.clear();
        self.entries.resize(next as usize, Entry { value: 0.0, class: 0 });
        for row in rows {
            let class = sample.targets[*row as usize];
            for (&column, &value) in kept(row).columns.iter().zip(kept(row).values) {
                let place = &mut self.places[column as usize];
                self.entries[*place as usize] = Entry { value: as_single(value), class };
                *place += 1;
            }
        }
    }

    /// Each feature with its entries; forgets the places.
    fn by_feature(&mut self) -> impl Iterator<Item = (u32, &mut [Entry])> {
        let mut rest = self.entries.as_mut_slice();
        let mut start = 0;
        let places = &mut self.places;
        self.touched.iter().map(move |&column| {
            let end = std::mem::take(&mut places[column as usize]);
            let (entries, after) = std::mem::take(&mut rest).split_at_mut((end - start) as usize);
            rest = after;
            start = end;
            (column, entries)
        })
    }
}

/// The search for the best split of one node.
struct Scan<'a> {
    counts: &'a [u32],
    squares: u64,
    rows: usize,
    min_leaf: usize,
    moved: &'a mut [u32],
    best: Option<Split>,
}

impl Scan<'_> {
    fn feature(&mut self, feature: u32, entries: &mut [Entry]) {
        entries.sort_unstable_by(|a, b| a.value.total_cmp(&b.value));
        let negatives = entries.partition_point(|entry| entry.value < 0.0);
        let positives = entries.partition_point(|entry| entry.value <= 0.0);
        let has_zeros = entries.len() < self.rows || positives > negatives;
        let floor = if has_zeros { Some(0.0) } else { entries[..negatives].last().map(|entry| entry.value) };
        let ceiling =
            if has_zeros { Some(0.0) } else { entries[positives..].first().map(|entry| entry.value) };
        let (below, above) = (&entries[..negatives], &entries[positives..]);
        self.pass(feature, above.iter().rev(), floor, |nearer, farther| (nearer, farther));
        self.pass(feature, below.iter(), ceiling, |nearer, farther| (farther, nearer));
    }

    /// Moves entries to the far side, outermost first, and weighs a split after each value;
    /// `beyond` is the next value after the last entry, if there is one.
    fn pass<'e>(
        &mut self,
        feature: u32,
        entries: impl Iterator<Item = &'e Entry> + Clone,
        beyond: Option<f64>,
        in_order: impl Fn(f64, f64) -> (f64, f64),
    ) {
        let (mut near, mut far, mut count) = (self.squares, 0u64, 0usize);
        let following = entries.clone().skip(1).map(|entry| Some(entry.value)).chain([beyond]);
        for (entry, next) in entries.clone().zip(following) {
            let class = entry.class as usize;
            let moved = u64::from(self.moved[class]);
            let left = u64::from(self.counts[class]) - moved;
            far += 2 * moved + 1;
            near -= 2 * left - 1;
            self.moved[class] += 1;
            count += 1;
            let Some(next) = next.filter(|&next| next != entry.value) else { continue };
            if count < self.min_leaf || self.rows - count < self.min_leaf {
                continue;
            }
            let purity = share_of_squares(near, self.rows - count) + share_of_squares(far, count);
            if self.best.is_none_or(|best| purity > best.purity) {
                let (low, high) = in_order(next, entry.value);
                self.best = Some(Split { feature, threshold: between(low, high), purity });
            }
        }
        entries.for_each(|entry| self.moved[entry.class as usize] = 0);
    }
}

/// The middle of two values, or the lower one when rounding leaves no middle.
fn between(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    if middle == high || !middle.is_finite() { low } else { middle }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Data, Dense};
    use crate::fitted::{Classify, Verdict};
    use crate::sparse::{RowRef, SparseMatrix};
    use crate::train::Algorithm;

    fn grown(rows: &[&[f64]], targets: &[u32]) -> Forest {
        let width = rows[0].len();
        let mut matrix = SparseMatrix::new(width);
        for row in rows {
            let kept: Vec<(u32, f64)> =
                (0u32..).zip(row.iter().copied()).filter(|entry| entry.1 != 0.0).collect();
            let (columns, values): (Vec<u32>, Vec<f64>) = kept.into_iter().unzip();
            matrix.push(RowRef { columns: &columns, values: &values });
        }
        let sample = Sample { matrix: &matrix, targets, classes: 2 };
        fit(&sample, &Options::new(Algorithm::Tree), &mut |_| ())
    }

    fn judged(forest: &Forest, row: &[f64]) -> Verdict {
        let dense = Dense { values: row.to_vec(), rows: 1, width: row.len() };
        forest.judge(&Data::Dense(dense)).unwrap()
    }

    fn check(rows: &[&[f64]], targets: &[u32], feature: u32, threshold: f64, nodes: usize) {
        let forest = grown(rows, targets);
        let (tree, _) = forest.trees().grown().next().unwrap();
        assert_eq!((tree[0].feature, tree[0].threshold, tree.len()), (feature, threshold, nodes));
        for (row, &target) in rows.iter().zip(targets) {
            assert_eq!(judged(&forest, row).classes, [target as usize]);
        }
    }

    #[test]
    fn splits_lie_between_neighbours_whatever_their_sign() {
        check(&[&[1.0], &[2.0], &[4.0]], &[0, 0, 1], 0, 3.0, 3);
        check(&[&[0.0], &[0.0], &[4.0]], &[0, 0, 1], 0, 2.0, 3);
        check(&[&[-3.0], &[0.0], &[0.0]], &[0, 1, 1], 0, -1.5, 3);
        check(&[&[-3.0], &[-1.0], &[5.0]], &[0, 1, 1], 0, -2.0, 3);
        check(&[&[-3.0, 1.0], &[-1.0, 0.0], &[5.0, 1.0]], &[0, 1, 0], 1, 0.5, 3);
        check(&[&[-2.0], &[2.0]], &[0, 1], 0, 0.0, 3);
    }

    #[test]
    fn exclusive_or_takes_two_levels() {
        let rows: [&[f64]; 4] = [&[0.0, 0.0], &[0.0, 1.0], &[1.0, 0.0], &[1.0, 1.0]];
        let forest = grown(&rows, &[0, 1, 1, 0]);
        assert_eq!(rows.map(|row| judged(&forest, row).classes[0]), [0, 1, 1, 0]);
    }

    #[test]
    fn rows_that_cannot_be_told_apart_share_a_leaf() {
        let forest = grown(&[&[1.0], &[1.0]], &[0, 1]);
        assert_eq!(forest.trees().grown().next().unwrap().0.len(), 1);
    }

    #[test]
    fn a_shallow_tree_is_the_one_scikit_learn_grows() {
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/");
        let json = |name: &str| -> serde_json::Value {
            serde_json::from_str(&std::fs::read_to_string(format!("{data}{name}")).unwrap()).unwrap()
        };
        let numbers = |value: &serde_json::Value| -> Vec<Vec<f64>> {
            let rows = value.as_array().unwrap().iter();
            rows.map(|row| row.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()).collect()
        };
        let expected = &json("1.6/expected.json")["fit"]["tree"];
        let columns: Vec<u32> = (0..4).collect();
        let mut matrix = SparseMatrix::new(4);
        for row in numbers(&expected["rows"]) {
            matrix.push(RowRef { columns: &columns, values: &row });
        }
        let targets: Vec<u32> = expected["labels"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| u32::try_from(v.as_u64().unwrap()).unwrap())
            .collect();
        let sample = Sample { matrix: &matrix, targets: &targets, classes: 3 };
        let options = Options { max_depth: 3, ..Options::new(Algorithm::Tree) };
        let forest = fit(&sample, &options, &mut |_| ());
        let rows = numbers(&json("inputs.json")["rows"]);
        for (row, expected) in rows.into_iter().zip(numbers(&expected["probabilities"])) {
            let said = judged(&forest, &row).probabilities.unwrap();
            for (said, expected) in said.values.iter().zip(expected) {
                assert!((said - expected).abs() < 1e-11, "{row:?}: {said} {expected}");
            }
        }
    }
}

//! What a model's training data looked like, column by column: what a server compares its traffic with.
//!
//! Every column is cut into parts that each value falls into one of; the summary knows the share of each part. Counting
//! parts in what comes in, and comparing the shares with these (by the population stability index, for one), tells how
//! far the world has moved from what the model learned. `train` writes a summary into the model's record;
//! [`crate::Model::training_data`] reads it.

use serde::{Deserialize, Serialize};

use crate::Cell;

/// What the table that a model was trained on looked like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingData {
    /// How many rows it had, held-out ones included.
    pub rows: u64,
    /// The columns learned from, in the order of [`crate::Model::columns`].
    pub columns: Vec<ColumnData>,
    /// What was to be predicted: classes are categories.
    pub target: Shape,
}

/// What a column looked like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnData {
    /// Its name.
    pub name: String,
    /// The share of cells with nothing in them, 0 to 1.
    pub missing: f64,
    /// What the other cells were like; shares are of these alone.
    pub shape: Shape,
}

/// What values were like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Shape {
    /// Numbers.
    Number(Bins),
    /// Categories: the commonest and their shares, commonest first; what is not listed has the rest.
    Category {
        /// Name and share, in falling order of share.
        top: Vec<(String, f64)>,
        /// The share of all that are not listed.
        others: f64,
    },
    /// Texts.
    Text {
        /// How many characters a text has.
        characters: Bins,
        /// How many terms the model's first step finds in a text: see [`crate::Model::count_terms`].
        terms: Bins,
        /// The share of a text's terms that the model does not know, over texts it was not fitted on if there were any.
        unknown: Bins,
    },
}

/// Numbers, cut into parts by their quantiles.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Bins {
    /// Ascending; part `n` ends at `edges[n]` (inclusive), the last part has no end.
    pub edges: Vec<f64>,
    /// The share of each part: one more than edges, summing to one; empty if there was no number.
    pub shares: Vec<f64>,
    /// The least number, zero if there was none.
    pub least: f64,
    /// The largest number, zero if there was none.
    pub largest: f64,
    /// The mean, zero if there was no number.
    pub mean: f64,
}

/// How many terms a text has for a model, and how many of them it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TermCount {
    /// All, repetitions included.
    pub terms: usize,
    /// Those without a column.
    pub unknown: usize,
}

/// In so many parts of equal share numbers are cut, as far as they differ.
const PARTS: usize = 10;

/// So many categories are kept by name.
const TOP: usize = 30;

impl Bins {
    /// Cuts numbers at their deciles; those that are not finite are left out.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().filter(|number| number.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let (Some(&least), Some(&largest)) = (sorted.first(), sorted.last()) else { return Bins::default() };
        let count = sorted.len();
        // where one number fills several parts they are one, which ends at it
        let mut edges: Vec<f64> = (1..PARTS).map(|part| sorted[(count * part).div_ceil(PARTS) - 1]).collect();
        edges.dedup();
        edges.retain(|edge| *edge < largest);
        let ends: Vec<usize> = (edges.iter().map(|edge| sorted.partition_point(|number| number <= edge)))
            .chain([count])
            .collect();
        let starts = [0].into_iter().chain(ends.iter().copied());
        let shares = starts.zip(&ends).map(|(start, end)| float(end - start) / float(count)).collect();
        let sum: f64 = sorted.iter().sum();
        // a sum that is too large to hold is of numbers whose rounding does not matter
        let shared = || sorted.iter().map(|number| number / float(count)).sum();
        let mean = if sum.is_finite() { sum / float(count) } else { shared() };
        Bins { edges, shares, least, largest, mean }
    }

    /// The part that a number falls into; `None` for what is no number, and where no part is known.
    pub fn part(&self, number: f64) -> Option<usize> {
        let is_known = !number.is_nan() && !self.shares.is_empty();
        is_known.then(|| self.edges.partition_point(|edge| *edge < number))
    }
}

impl Shape {
    /// Counts categories.
    pub fn of_categories<'a>(categories: impl IntoIterator<Item = &'a str>) -> Self {
        let mut counts = std::collections::HashMap::<&str, usize>::new();
        categories.into_iter().for_each(|category| *counts.entry(category).or_default() += 1);
        let count = float(counts.values().sum::<usize>().max(1));
        let mut sorted: Vec<(&str, usize)> = counts.into_iter().collect();
        sorted.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let (top, others) = sorted.split_at(sorted.len().min(TOP));
        let share = |counted: usize| float(counted) / count;
        Shape::Category {
            top: top.iter().map(|(name, counted)| ((*name).to_owned(), share(*counted))).collect(),
            others: share(others.iter().map(|(_, counted)| counted).sum()),
        }
    }

    /// The shares of the parts that [`Shape::part`] tells; none of texts, whose three measures have parts of their own.
    pub fn shares(&self) -> Vec<f64> {
        match self {
            Shape::Number(bins) => bins.shares.clone(),
            Shape::Category { top, others } => top.iter().map(|(_, share)| *share).chain([*others]).collect(),
            Shape::Text { .. } => Vec::new(),
        }
    }

    /// The part that a cell falls into; `None` if it is missing or of another kind.
    pub fn part(&self, cell: &Cell) -> Option<usize> {
        match (self, cell) {
            (_, Cell::Missing) | (Shape::Text { .. }, _) => None,
            (Shape::Number(bins), Cell::Number(number)) => bins.part(*number),
            (Shape::Number(bins), Cell::Bool(truth)) => bins.part(f64::from(u8::from(*truth))),
            (Shape::Number(bins), Cell::Text(text)) => bins.part(text.trim().parse().ok()?),
            (Shape::Category { .. }, Cell::Number(number)) if number.is_nan() => None,
            (Shape::Category { .. }, Cell::Number(number)) => Some(self.place(&number.to_string())),
            (Shape::Category { .. }, Cell::Bool(truth)) => Some(self.place(&truth.to_string())),
            (Shape::Category { .. }, Cell::Text(text)) => Some(self.place(text.trim())),
        }
    }

    /// The place of a category, that of the others for one that is not listed.
    fn place(&self, category: &str) -> usize {
        let Shape::Category { top, .. } = self else { return 0 };
        top.iter().position(|(name, _)| name == category).unwrap_or(top.len())
    }
}

#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_cut_into_equal_shares() {
        let bins = Bins::of((1..=100).map(f64::from).chain([f64::NAN, f64::INFINITY]));
        assert_eq!(bins.edges, [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]);
        assert!(bins.shares.iter().all(|share| *share == 0.1) && bins.shares.len() == 10);
        assert_eq!((bins.least, bins.largest), (1.0, 100.0));
        assert!((bins.mean - 50.5).abs() < 1e-9);
        let parts = [-9.0, 10.0, 10.5, 90.0, 91.0, f64::INFINITY].map(|number| bins.part(number));
        assert_eq!(parts, [0, 0, 1, 8, 9, 9].map(Some));
        assert_eq!(bins.part(f64::NAN), None);
    }

    #[test]
    fn a_number_that_fills_several_parts_is_one() {
        let bins = Bins::of([0.0; 8].into_iter().chain([1.0, 2.0]));
        assert_eq!((bins.edges, bins.shares), (vec![0.0, 1.0], vec![0.8, 0.1, 0.1]));
        let bins = Bins::of([3.0; 5]);
        assert_eq!((bins.edges, bins.shares), (vec![], vec![1.0]));
        assert_eq!(Bins::of([f64::NAN]).part(1.0), None);
    }

    #[test]
    fn categories_fall_into_their_own_parts_and_others_into_the_last() {
        let shape = Shape::of_categories(["b", "a", "b", "c"]);
        assert_eq!(shape.shares(), [0.5, 0.25, 0.25, 0.0]);
        let parts = [Cell::Text(" c ".to_owned()), Cell::Text("new".to_owned()), Cell::Missing];
        assert_eq!(parts.each_ref().map(|cell| shape.part(cell)), [Some(2), Some(3), None]);
        let many: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        let shape = Shape::of_categories(many.iter().map(String::as_str));
        assert_eq!((shape.shares().len(), shape.shares()[TOP]), (TOP + 1, 0.25));
        assert_eq!(shape.part(&Cell::Number(0.0)), Some(0));
    }
}

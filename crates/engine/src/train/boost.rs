//! Fits gradient boosting on histograms: scikit-learn's `HistGradientBoosting*`, number for
//! number.
//!
//! [`bins`] cuts each feature into at most 255 intervals; [`tree`] grows a tree on histograms of
//! the loss's slopes, best leaf first; [`loss`] says what the slopes are.

mod bins;
mod histogram;
mod loss;
mod tree;

use super::options::EarlyStopping;
use super::sample::Sample;
use super::split;
use super::{Options, TrainError};
use crate::data::Accepts;
use crate::tree::Tree;
use crate::tree::boosted::{BoostedClassifier, BoostedLink, BoostedRegressor, Sums};
use bins::Bins;
use loss::Loss;

/// From more rows than this on, `early_stopping=auto` holds rows out.
const MANY_ROWS: usize = 10_000;

/// A fitted model before it is a classifier or a regressor.
pub(super) struct Boosted {
    trees: Vec<Tree>,
    start: Vec<f64>,
    width: usize,
    pub(super) importances: Vec<f64>,
}

pub(super) fn fit(
    sample: &Sample,
    options: &Options,
    progress: &mut dyn FnMut(f64),
) -> Result<Boosted, TrainError> {
    let parameters = &options.parameters;
    let rows = sample.rows.count();
    let stops_early = match parameters.early_stopping {
        EarlyStopping::Auto => rows > MANY_ROWS,
        EarlyStopping::On => true,
        EarlyStopping::Off => false,
    };
    let all: Vec<usize> = (0..rows).collect();
    let (fitted, held_out) = if stops_early {
        let target = super::target_of(&sample.goal);
        let split = split::held_out(&target, &all, parameters.validation_fraction, options.seed);
        (split.fitted, split.held_out)
    } else {
        (all, Vec::new())
    };
    let bins = Bins::new(&sample.rows, &fitted, parameters.max_bins, options.seed)
        .ok_or_else(|| too_wide(sample, options))?;
    let mut rounds = Rounds::new(sample, &bins, options, (&fitted, &held_out));
    let mut trees = Vec::new();
    for round in 0..parameters.max_iter {
        progress(super::share(round, parameters.max_iter));
        let grew = rounds.next(&mut trees)?;
        if !grew || rounds.should_stop() {
            break;
        }
    }
    progress(1.0);
    let mut importances = rounds.gains;
    crate::linear::normalize(&mut importances);
    importances.iter_mut().filter(|share| share.is_nan()).for_each(|share| *share = 0.0);
    Ok(Boosted { trees, start: rounds.loss.start().to_vec(), width: sample.rows.width(), importances })
}

fn too_wide(sample: &Sample, options: &Options) -> TrainError {
    let (rows, features) = (sample.rows.count(), sample.rows.width());
    let needed_mib = rows.saturating_mul(features) >> 20;
    let advice = "take fewer words by `--set tfidf__max_features=1000`, or another algorithm";
    TrainError::TooWide { algorithm: options.algorithm, needed_mib, rows, features, advice }
}

/// Boosting in the making.
struct Rounds<'a> {
    bins: &'a Bins,
    options: &'a Options,
    loss: Loss<'a>,
    fitted: Vec<u32>,
    held_out: Vec<u32>,
    /// The losses on the rows held out, before the first round and after each.
    losses: Vec<f64>,
    gains: Vec<f64>,
}

impl<'a> Rounds<'a> {
    fn new(
        sample: &'a Sample,
        bins: &'a Bins,
        options: &'a Options,
        (fitted, held_out): (&[usize], &[usize]),
    ) -> Self {
        let number = |row: &usize| u32::try_from(*row).unwrap_or(u32::MAX);
        let fitted: Vec<u32> = fitted.iter().map(number).collect();
        let held_out: Vec<u32> = held_out.iter().map(number).collect();
        let loss = Loss::new(sample, &fitted);
        let losses = if held_out.is_empty() { Vec::new() } else { vec![loss.mean(&held_out)] };
        let gains = vec![0.0; sample.rows.width()];
        Rounds { bins, options, loss, fitted, held_out, losses, gains }
    }

    /// Grows a tree for each sum; false when none of them divides anything.
    fn next(&mut self, trees: &mut Vec<Tree>) -> Result<bool, TrainError> {
        let mut grew = false;
        let mut grown = Vec::new();
        self.loss.prepare(&self.fitted);
        for sum in 0..self.loss.sums() {
            let slopes = self.loss.slopes(sum, &self.fitted);
            let growth =
                tree::Growth { bins: self.bins, slopes: &slopes, parameters: &self.options.parameters };
            let tree = growth.grow(&self.fitted, &self.held_out, &mut self.gains);
            grew |= tree.nodes.len() > 1;
            grown.push((sum, tree));
        }
        for (sum, tree) in grown {
            for leaf in &tree.leaves {
                for &row in leaf.rows.iter().chain(&leaf.held_out) {
                    self.loss.add(sum, row, leaf.value);
                }
            }
            let values = tree.values();
            if !values.iter().all(|value| value.is_finite()) {
                return Err(TrainError::NotFinite);
            }
            let tree = Tree::new(tree.nodes, values, 1, self.bins.width());
            trees.push(tree.unwrap_or_else(|_| unreachable!("children are numbered after their parent")));
        }
        if !self.held_out.is_empty() {
            self.losses.push(self.loss.mean(&self.held_out));
        }
        Ok(grew)
    }

    /// Whether none of the last rounds was better than the one before them.
    fn should_stop(&self) -> bool {
        let parameters = &self.options.parameters;
        let Some(reference) = self.losses.len().checked_sub(parameters.n_iter_no_change + 1) else {
            return false;
        };
        let Some((first, recent)) = self.losses[reference..].split_first() else { return false };
        !recent.iter().any(|loss| -loss > -first + parameters.tol)
    }
}

impl Boosted {
    pub(super) fn into_classifier(self, classes: usize) -> Result<BoostedClassifier<f64>, TrainError> {
        let link = if classes == 2 { BoostedLink::Sigmoid } else { BoostedLink::Softmax };
        let sums = self.into_sums()?;
        BoostedClassifier::new(sums, link, false).ok_or(TrainError::NoFeatures)
    }

    pub(super) fn into_regressor(self) -> Result<BoostedRegressor<f64>, TrainError> {
        Ok(BoostedRegressor { sums: self.into_sums()?, is_exponential: false })
    }

    fn into_sums(self) -> Result<Sums<f64>, TrainError> {
        Sums::new(&self.trees, self.start, self.width, Accepts::Anything).ok_or(TrainError::NoFeatures)
    }
}

//! Grows decision trees (CART) and forests of them.
//!
//! [`tally`] weighs the two sides of a split, [`columns`] gathers what a feature has at a node,
//! [`grower`] divides rows until nothing is left to divide. The trees of a forest are grown on all
//! cores; each has its own random numbers, so that the cores change nothing.

mod columns;
mod grower;
mod tally;

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::options::{Criterion, MaxFeatures};
use super::sample::{Goal, Sample};
use super::{Algorithm, Options, TrainError};
use crate::tree::Tree;
use columns::Columns;
use grower::{Grower, Rules};
use tally::{Entropy, Gini, Spread, Tally};

/// Trees, and how much each feature did for them, which adds up to one.
pub(super) struct Grown {
    pub(super) trees: Vec<Tree>,
    pub(super) importances: Vec<f64>,
}

pub(super) fn fit(
    sample: &Sample,
    options: &Options,
    progress: &mut dyn FnMut(f64),
) -> Result<Grown, TrainError> {
    match &sample.goal {
        Goal::Numbers(numbers) => {
            let mean = numbers.iter().sum::<f64>() / super::float(numbers.len());
            let new = |weights: &[f64]| Spread::new(numbers, mean, weights);
            grow(sample, options, 1, &new, progress)
        }
        Goal::Classes { of, count }
            if matches!(options.parameters.criterion, Some(Criterion::Entropy | Criterion::LogLoss)) =>
        {
            grow(sample, options, *count, &|weights: &[f64]| Entropy::new(of, *count, weights), progress)
        }
        Goal::Classes { of, count } => {
            grow(sample, options, *count, &|weights: &[f64]| Gini::new(of, *count, weights), progress)
        }
    }
}

/// A tree, and what each feature that divides rows in it gained.
type OneTree = (Tree, Vec<(u32, f64)>);

/// What all trees share.
struct Plan<'a> {
    columns: Columns<'a>,
    sample: &'a Sample,
    rules: Rules,
    bootstrap: bool,
    seed: u64,
    outputs: usize,
}

fn grow<T: Tally>(
    sample: &Sample,
    options: &Options,
    outputs: usize,
    new: &(impl Fn(&[f64]) -> T + Sync),
    progress: &mut dyn FnMut(f64),
) -> Result<Grown, TrainError> {
    let parameters = &options.parameters;
    let is_forest = options.algorithm == Algorithm::Forest;
    let width = sample.rows.width();
    let default = match &sample.goal {
        Goal::Classes { .. } if is_forest => MaxFeatures::Sqrt,
        Goal::Classes { .. } | Goal::Numbers(_) => MaxFeatures::All,
    };
    let rules = Rules {
        max_depth: parameters.max_depth.unwrap_or(usize::MAX),
        min_split: parameters.min_samples_split,
        min_leaf: parameters.min_samples_leaf,
        min_decrease: parameters.min_impurity_decrease,
        features: parameters.max_features.unwrap_or(default).of(width),
    };
    let columns = Columns::new(&sample.rows).ok_or(TrainError::NotFinite)?;
    let bootstrap = is_forest && parameters.bootstrap;
    let plan = Plan { columns, sample, rules, bootstrap, seed: options.seed, outputs };
    let count = if is_forest { parameters.n_estimators } else { 1 };
    let grown =
        if count == 1 { vec![plan.tree(0, new, progress)] } else { plan.forest(count, new, progress) };
    let mut importances = vec![0.0; width];
    let mut trees = Vec::with_capacity(grown.len());
    for (tree, gains) in grown {
        let total: f64 = gains.iter().map(|(_, gain)| gain).sum();
        gains.iter().for_each(|(feature, gain)| importances[*feature as usize] += gain / total);
        trees.push(tree);
    }
    crate::linear::normalize(&mut importances);
    importances.iter_mut().filter(|share| share.is_nan()).for_each(|share| *share = 0.0);
    Ok(Grown { trees, importances })
}

impl Plan<'_> {
    /// One tree, and what each feature gained in it.
    fn tree<T: Tally>(
        &self,
        number: usize,
        new: impl Fn(&[f64]) -> T,
        progress: &mut dyn FnMut(f64),
    ) -> OneTree {
        // any odd factor far from a power of two keeps the trees' seeds apart
        let mut random = fastrand::Rng::with_seed(
            self.seed.wrapping_add((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        );
        let rows = self.sample.rows.count();
        let mut weights: Vec<f64> = (0..rows).map(|row| self.sample.weight(row)).collect();
        if self.bootstrap {
            let mut drawn = vec![0u32; rows];
            (0..rows).for_each(|_| drawn[random.usize(0..rows)] += 1);
            weights.iter_mut().zip(drawn).for_each(|(weight, times)| *weight *= f64::from(times));
        }
        let grower = Grower::new(&self.columns, self.rules, &weights, new(&weights), random);
        let (nodes, values, gains) = grower.grow(progress);
        let tree = Tree::new(nodes, values, self.outputs, self.columns.width());
        (tree.unwrap_or_else(|_| unreachable!("children are numbered after their parent")), gains)
    }

    fn forest<T: Tally>(
        &self,
        count: usize,
        new: &(impl Fn(&[f64]) -> T + Sync),
        progress: &mut dyn FnMut(f64),
    ) -> Vec<OneTree> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(count);
        let next = AtomicUsize::new(0);
        let mut grown: Vec<Option<OneTree>> = (0..count).map(|_| None).collect();
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            for _ in 0..threads {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count
                            || sender.send((number, self.tree(number, new, &mut |_| ()))).is_err()
                        {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            for (done, (number, tree)) in receiver.iter().enumerate() {
                progress(super::share(done + 1, count));
                grown[number] = Some(tree);
            }
        });
        grown.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests;

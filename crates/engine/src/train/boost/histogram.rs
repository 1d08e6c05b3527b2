//! Sums of slopes by interval.

use std::num::NonZero;
use std::thread;

use super::bins::Bins;

/// Below this many cells, starting threads costs more than they save.
const WORTH_THREADS: usize = 300_000;

/// What the rows of one interval add up to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bin {
    pub(super) gradients: f64,
    pub(super) hessians: f64,
    pub(super) rows: u32,
}

/// The intervals of all features, one behind another.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    bins: Vec<Bin>,
}

/// Where each feature's intervals begin, and the end.
pub(super) fn offsets(bins: &Bins) -> Vec<usize> {
    let mut offsets = vec![0];
    let mut end = 0;
    for feature in 0..bins.width() {
        // one more for missing cells
        end += bins.count(feature) + 1;
        offsets.push(end);
    }
    offsets
}

/// The slopes of a node's rows, in their order.
pub(super) struct Ordered<'a> {
    pub(super) rows: &'a [u32],
    pub(super) gradients: &'a [f32],
    pub(super) hessians: Option<&'a [f32]>,
}

impl Histogram {
    /// Adds up a node's rows, feature by feature.
    pub(super) fn of(bins: &Bins, offsets: &[usize], ordered: &Ordered<'_>) -> Self {
        let mut all = vec![Bin::default(); offsets.last().copied().unwrap_or(0)];
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        if threads == 1 || ordered.rows.len() * bins.width() < WORTH_THREADS {
            add_features(bins, offsets, ordered, 0..bins.width(), &mut all);
            return Histogram { bins: all };
        }
        let each = bins.width().div_ceil(threads);
        let mut rest = all.as_mut_slice();
        thread::scope(|scope| {
            for first in (0..bins.width()).step_by(each) {
                let last = (first + each).min(bins.width());
                let (part, after) = std::mem::take(&mut rest).split_at_mut(offsets[last] - offsets[first]);
                rest = after;
                scope.spawn(move || add_features(bins, offsets, ordered, first..last, part));
            }
        });
        Histogram { bins: all }
    }

    /// What is left of a node without one of its halves.
    pub(super) fn without(mut self, half: &Histogram) -> Self {
        for (bin, half) in self.bins.iter_mut().zip(&half.bins) {
            bin.gradients -= half.gradients;
            bin.hessians -= half.hessians;
            bin.rows -= half.rows;
        }
        self
    }

    pub(super) fn feature(&self, offsets: &[usize], feature: usize) -> &[Bin] {
        &self.bins[offsets[feature]..offsets[feature + 1]]
    }
}

fn add_features(
    bins: &Bins,
    offsets: &[usize],
    ordered: &Ordered<'_>,
    features: std::ops::Range<usize>,
    all: &mut [Bin],
) {
    let start = offsets[features.start];
    for feature in features {
        let sums = &mut all[offsets[feature] - start..offsets[feature + 1] - start];
        let column = bins.column(feature);
        match ordered.hessians {
            Some(hessians) => {
                for ((row, gradient), hessian) in ordered.rows.iter().zip(ordered.gradients).zip(hessians) {
                    let bin = &mut sums[usize::from(column[*row as usize])];
                    bin.gradients += f64::from(*gradient);
                    bin.hessians += f64::from(*hessian);
                    bin.rows += 1;
                }
            }
            None => {
                for (row, gradient) in ordered.rows.iter().zip(ordered.gradients) {
                    let bin = &mut sums[usize::from(column[*row as usize])];
                    bin.gradients += f64::from(*gradient);
                    bin.rows += 1;
                }
            }
        }
    }
}

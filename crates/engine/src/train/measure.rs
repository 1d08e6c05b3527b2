//! How good a fitted model is on rows it has not seen.

use super::dataset::Target;
use super::report::{CurvePoint, HeldOut};
use super::split::{self, Split};
use super::{Dataset, Options, Progress, Stage, TrainError, fit, float, share};
use crate::metrics::{self, Metrics};
use crate::model::{Parts, answer};

/// Rows predicted at a time.
const BATCH: usize = 1024;

/// The parts of the fitted rows that a learning curve is drawn through.
const PARTS: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 1.0];

/// What a model says of rows, and how right it is; `None` without rows.
pub(super) fn held_out(
    parts: &Parts,
    dataset: &Dataset,
    rows: &[usize],
) -> Result<Option<HeldOut>, TrainError> {
    if rows.is_empty() {
        return Ok(None);
    }
    let mut predictions = Vec::with_capacity(rows.len());
    for batch in rows.chunks(BATCH) {
        let data = parts.chain.apply(dataset.data(batch)).map_err(TrainError::Evaluate)?;
        predictions.extend(answer(parts, &data).map_err(TrainError::Evaluate)?);
    }
    let told: Vec<usize> = predictions.iter().map(|prediction| prediction.class).collect();
    let scores: Vec<f64> = predictions.iter().map(|prediction| prediction.score).collect();
    Ok(Some(match &dataset.target {
        Target::Classes { of, classes } => {
            let truth: Vec<usize> = rows.iter().map(|row| of[*row] as usize).collect();
            let probabilities: Vec<Vec<f64>> =
                predictions.into_iter().map(|prediction| prediction.probabilities).collect();
            let measured = metrics::classification(&truth, &told, &probabilities, classes.len());
            HeldOut {
                metrics: Metrics::Classification(measured),
                classes: truth,
                probabilities,
                numbers: Vec::new(),
            }
        }
        Target::Numbers(numbers) => {
            let truth: Vec<f64> = rows.iter().map(|row| numbers[*row]).collect();
            let metrics = Metrics::Regression(metrics::regression(&truth, &scores));
            let numbers = truth.into_iter().zip(scores).collect();
            HeldOut { metrics, classes: Vec::new(), probabilities: Vec::new(), numbers }
        }
    }))
}

/// What always naming the commonest fitted class would reach on the rows held out; zero, the R² of
/// the mean, where numbers are predicted.
pub(super) fn baseline(dataset: &Dataset, split: &Split) -> Option<f64> {
    if split.held_out.is_empty() {
        return None;
    }
    let Target::Classes { of, classes } = &dataset.target else { return Some(0.0) };
    let count = |rows: &[usize], class: usize| rows.iter().filter(|row| of[**row] as usize == class).count();
    // of equally common ones the last
    let commonest = (0..classes.len()).max_by_key(|class| count(&split.fitted, *class))?;
    Some(share(count(&split.held_out, commonest), split.held_out.len()))
}

/// Fits and measures fold after fold.
pub(super) fn folds(
    dataset: &Dataset,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Metrics>, TrainError> {
    let splits = match options.folds {
        0 => return Ok(Vec::new()),
        folds => split::folds(&dataset.target, folds, options.seed),
    };
    let mut measured = Vec::new();
    for (number, split) in splits.iter().enumerate() {
        progress(Progress { stage: Stage::Evaluate, fraction: share(number, 2 * splits.len()) });
        if split.fitted.is_empty() {
            continue;
        }
        let outcome = fit(dataset, &split.fitted, options, &mut |_| ())?;
        measured.extend(held_out(&outcome.parts, dataset, &split.held_out)?.map(|held_out| held_out.metrics));
    }
    Ok(measured)
}

/// Fits growing parts of the fitted rows, and measures each on its own rows and on those held out.
pub(super) fn learning_curve(
    dataset: &Dataset,
    split: &Split,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<CurvePoint>, TrainError> {
    if !options.has_learning_curve || split.held_out.is_empty() {
        return Ok(Vec::new());
    }
    let mut curve = Vec::new();
    for (number, part) in PARTS.into_iter().enumerate() {
        let fraction = 0.5 + share(number, 2 * PARTS.len());
        progress(Progress { stage: Stage::Evaluate, fraction });
        let rows = match part {
            1.0 => split.fitted.clone(),
            part => split::held_out(&dataset.target, &split.fitted, 1.0 - part, options.seed).fitted,
        };
        let classes_seen = match &dataset.target {
            Target::Classes { of, .. } => {
                rows.iter().map(|row| of[*row]).collect::<std::collections::HashSet<_>>().len()
            }
            Target::Numbers(_) => 2,
        };
        if rows.len() < 2 || classes_seen < 2 {
            continue;
        }
        // a part may be too small to teach: then the curve begins later
        let Ok(outcome) = fit(dataset, &rows, options, &mut |_| ()) else { continue };
        let own = held_out(&outcome.parts, dataset, &rows)?;
        let others = held_out(&outcome.parts, dataset, &split.held_out)?;
        if let (Some(own), Some(others)) = (own, others) {
            let (fitted, held_out) = (own.metrics.score(), others.metrics.score());
            curve.push(CurvePoint { rows: rows.len(), fitted, held_out });
        }
    }
    Ok(curve)
}

/// The mean and the standard deviation of the folds' measures.
pub(super) fn spread(values: &[f64]) -> (f64, f64) {
    let count = float(values.len().max(1));
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

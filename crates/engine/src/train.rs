//! Trains a classifier from a CSV table.
//!
//! [`dataset`] reads the table, [`split`] holds rows out, [`features`] makes rows of numbers,
//! [`logistic`] (over [`lbfgs`]) and [`cart`] fit. Everything is deterministic: the same table,
//! options and seed give the same model on any number of threads.

mod cart;
mod dataset;
mod error;
mod features;
mod lbfgs;
mod logistic;
mod options;
mod split;

use std::time::Instant;

pub use dataset::{Columns, Dataset};
pub use error::{DataError, TrainError};
pub use options::{Algorithm, Options, Progress, Report, Stage, Trained, UnknownAlgorithm};

use crate::Model;
use crate::fitted::{Classify, Head};
use crate::model::Parts;
use features::Fitted;

/// Trains a model; `progress` is called now and then from this thread, its fractions growing
/// from 0 to 1 within each stage, its stages in the order of [`Stage`].
///
/// # Errors
/// When the table cannot teach a classifier.
pub fn train(
    dataset: &Dataset,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Trained, TrainError> {
    options.check()?;
    let started = Instant::now();
    let split = split::stratified(dataset.targets(), dataset.classes().len(), options);
    let Fitted { steps, names, matrix } = features::fit(dataset, &split.fitted, options, progress)?;
    let targets: Vec<u32> = split.fitted.iter().map(|&row| dataset.targets()[row]).collect();
    let sample = Sample { matrix: &matrix, targets: &targets, classes: dataset.classes().len() };
    let mut fit_progress = |fraction| progress(Progress { stage: Stage::Fit, fraction });
    let classifier: Box<dyn Classify> = match options.algorithm {
        Algorithm::Logistic => Box::new(logistic::fit(&sample, options, &mut fit_progress)),
        Algorithm::Tree => Box::new(cart::fit(&sample, options, &mut fit_progress)),
    };
    let origin = format!("pinnace {}", env!("CARGO_PKG_VERSION"));
    let head = Head::Classifier(classifier, dataset.classes().to_vec());
    let parts = Parts::new(origin, names, steps, Some(head)).map_err(|_| TrainError::NoFeatures)?;
    let model = Model::new("model", parts);
    let accuracy = evaluate(&model, dataset, &split.held_out, progress)?;
    let report = Report {
        rows_fitted: split.fitted.len(),
        rows_held_out: split.held_out.len(),
        features: matrix.width(),
        classes: dataset.classes().len(),
        accuracy,
        baseline: split.baseline,
        elapsed: started.elapsed(),
    };
    Ok(Trained { model, report })
}

/// What a classifier is fitted to: rows of features and the class of each.
struct Sample<'a> {
    matrix: &'a crate::sparse::SparseMatrix,
    targets: &'a [u32],
    classes: usize,
}

fn evaluate(
    model: &Model,
    dataset: &Dataset,
    held_out: &[usize],
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<f64>, TrainError> {
    /// Rows between two calls of `progress`.
    const STEP: usize = 500;
    let mut right = 0;
    for (number, rows) in held_out.chunks(STEP).enumerate() {
        progress(Progress { stage: Stage::Evaluate, fraction: share(number * STEP, held_out.len()) });
        let inputs: Vec<_> = rows.iter().map(|&row| dataset.input(row)).collect();
        let predictions = model.predict_batch(&inputs).map_err(TrainError::Evaluate)?;
        let pairs = predictions.iter().zip(rows);
        right += pairs.filter(|(said, row)| said.class == dataset.targets()[**row] as usize).count();
    }
    progress(Progress { stage: Stage::Evaluate, fraction: 1.0 });
    Ok((!held_out.is_empty()).then(|| share(right, held_out.len())))
}

#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

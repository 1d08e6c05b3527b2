//! Trains a model from a table.
//!
//! [`dataset`] reads the table and finds out what its columns are, [`split`] holds rows out,
//! [`features`] fits the steps that make numbers of cells; [`logistic`] (over [`lbfgs`]),
//! [`squares`], [`grow`] and [`boost`] fit heads. [`measure`] says how good the model is, and
//! [`report`] what there is to tell, [`profile`] what the table looked like. Everything is
//! deterministic: the same table, options and seed give the same model on any number of threads.

mod boost;
mod dataset;
mod error;
mod features;
mod grow;
mod importance;
mod lbfgs;
mod logistic;
mod measure;
mod options;
mod profile;
mod report;
mod sample;
mod split;
mod squares;

use std::time::Instant;

pub use dataset::{ColumnKind, Columns, Dataset, hash_of};
pub use error::{DataError, TrainError};
pub use importance::Importance;
pub use options::{
    Algorithm, ClassWeight, Criterion, EarlyStopping, MaxFeatures, Options, ParameterError, Parameters, Task,
    UnknownAlgorithm,
};
pub use report::{CurvePoint, HeldOut, Progress, Report, Stage, Summary, SummaryOfColumn, Trained};

use crate::Model;
use crate::fitted::{Chain, Head, Transform};
use crate::model::Parts;
use crate::tree::{Forest, ForestRegressor};
use dataset::Target;
use sample::{Goal, Rows, Sample};

/// Trains a model; `progress` is called now and then from this thread, its fractions growing
/// from 0 to 1 within each stage, its stages in the order of [`Stage`].
///
/// # Errors
/// When the table cannot teach the algorithm.
pub fn train(
    dataset: &Dataset,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Trained, TrainError> {
    options.check()?;
    check(dataset, options)?;
    let started = Instant::now();
    let all: Vec<usize> = (0..dataset.rows()).collect();
    let split = split::held_out(&dataset.target, &all, options.held_out, options.seed);
    let outcome = fit(dataset, &split.fitted, options, progress)?;
    let fit_time = started.elapsed();
    progress(Progress { stage: Stage::Evaluate, fraction: 0.0 });
    let held_out = measure::held_out(&outcome.parts, dataset, &split.held_out)?;
    let folds = measure::folds(dataset, options, progress)?;
    let learning_curve = measure::learning_curve(dataset, &split, options, progress)?;
    progress(Progress { stage: Stage::Evaluate, fraction: 1.0 });
    let metrics = held_out.as_ref().map(|held_out| held_out.metrics.clone());
    let has_texts = dataset.columns().any(|(_, kind)| kind == ColumnKind::Text);
    let mut report = Report {
        rows_fitted: split.fitted.len(),
        rows_held_out: split.held_out.len(),
        features: outcome.features.len(),
        classes: dataset.classes().len(),
        accuracy: metrics.as_ref().map(crate::metrics::Metrics::score),
        baseline: measure::baseline(dataset, &split),
        metrics,
        held_out,
        folds,
        learning_curve,
        importances: outcome.importances,
        parameters: options.parameters.listed(options.algorithm, dataset.task(), has_texts),
        summary: report::summary(dataset),
        notes: dataset.notes().iter().cloned().chain(outcome.notes).collect(),
        fit_time,
        elapsed: started.elapsed(),
    };
    let mut parts = outcome.parts;
    let profile = profile::of(dataset, &split, &parts);
    parts.record = Some(report::record(dataset, options, &report, &profile));
    report.elapsed = started.elapsed();
    Ok(Trained { model: Model::new("model", parts), report })
}

/// Refuses what does not go together.
fn check(dataset: &Dataset, options: &Options) -> Result<(), TrainError> {
    if let [label] = dataset.classes() {
        return Err(TrainError::OneClass { label: label.to_string() });
    }
    let (algorithm, task) = (options.algorithm, dataset.task());
    if !algorithm.can(task) {
        let advice = match task {
            Task::Classify => {
                "take `logistic`, `tree`, `forest` or `boosting`, or make a number of the label by `--task regress`"
            }
            Task::Regress => {
                "take `linear`, `ridge`, `tree`, `forest` or `boosting`, or make classes of the label by `--task classify`"
            }
        };
        return Err(TrainError::Task { algorithm, task, advice });
    }
    let judges_by_task = matches!(algorithm, Algorithm::Tree | Algorithm::Forest);
    if let Some(criterion) =
        options.parameters.criterion.filter(|criterion| !criterion.fits(task) && judges_by_task)
    {
        let expected = match task {
            Task::Classify => "`gini`, `entropy` or `log_loss`",
            Task::Regress => "`squared_error`",
        };
        return Err(TrainError::Criterion { criterion, task, expected });
    }
    if let ClassWeight::Named(named) = &options.class_weight {
        let classes: Vec<String> = dataset.classes().iter().map(ToString::to_string).collect();
        if let Some((class, _)) = named.iter().find(|(class, _)| !classes.contains(class)) {
            let at_hand = crate::rows::at_hand(&classes);
            return Err(TrainError::NoClass { class: class.clone(), at_hand });
        }
    }
    Ok(())
}

/// A model, and what is known of its features.
struct Outcome {
    parts: Parts,
    features: Vec<String>,
    importances: Vec<Importance>,
    notes: Vec<String>,
}

/// Fits steps and head to some rows.
fn fit(
    dataset: &Dataset,
    rows: &[usize],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, TrainError> {
    let features::Fitted { steps, names, features, notes } = features::fit(dataset, rows, options, progress)?;
    let (head, importances, steps) = {
        let (matrix, steps) = computed(dataset, rows, steps)?;
        let sample =
            Sample { rows: matrix, goal: goal(dataset, rows), weights: weights(dataset, rows, options) };
        let mut progress = |fraction| progress(Progress { stage: Stage::Fit, fraction });
        let (head, importances) = fit_head(&sample, dataset, options, &features, &mut progress)?;
        progress(1.0);
        (head, importances, steps)
    };
    let origin = format!("pinnace {}", env!("CARGO_PKG_VERSION"));
    let parts = Parts::new(origin, names, steps, Some(head)).map_err(|_| TrainError::NoFeatures)?;
    Ok(Outcome { parts, features, importances, notes })
}

/// What the steps make of some rows.
fn computed(
    dataset: &Dataset,
    rows: &[usize],
    steps: Vec<Box<dyn Transform>>,
) -> Result<(Rows, Vec<Box<dyn Transform>>), TrainError> {
    let chain = Chain::new(steps, None).map_err(|_| TrainError::NoFeatures)?;
    let data = chain.apply(dataset.data(rows)).map_err(TrainError::Evaluate)?;
    let matrix = Rows::of(data).ok_or(TrainError::NoFeatures)?.settled();
    if matrix.width() == 0 {
        return Err(TrainError::NoFeatures);
    }
    Ok((matrix, chain.into_steps()))
}

fn goal(dataset: &Dataset, rows: &[usize]) -> Goal {
    match &dataset.target {
        Target::Classes { of, classes } => {
            Goal::Classes { of: rows.iter().map(|row| of[*row]).collect(), count: classes.len() }
        }
        Target::Numbers(numbers) => Goal::Numbers(rows.iter().map(|row| numbers[*row]).collect()),
    }
}

/// A goal as rows are split by it.
fn target_of(goal: &Goal) -> Target {
    match goal {
        Goal::Classes { of, count } => Target::Classes {
            of: of.clone(),
            classes: (0i64..).take(*count).map(crate::Label::Int).collect(),
        },
        Goal::Numbers(numbers) => Target::Numbers(numbers.clone()),
    }
}

/// What each row counts; `None` where all count the same.
fn weights(dataset: &Dataset, rows: &[usize], options: &Options) -> Option<Vec<f64>> {
    let Target::Classes { of, classes } = &dataset.target else { return None };
    let by_class: Vec<f64> = match &options.class_weight {
        ClassWeight::Equal => return None,
        ClassWeight::Balanced => {
            let mut counts = vec![0usize; classes.len()];
            rows.iter().for_each(|row| counts[of[*row] as usize] += 1);
            let share = |count: usize| float(rows.len()) / (float(classes.len()) * float(count.max(1)));
            counts.into_iter().map(share).collect()
        }
        ClassWeight::Named(named) => {
            let weight = |class: &crate::Label| {
                let class = class.to_string();
                named.iter().rev().find(|(name, _)| *name == class).map_or(1.0, |(_, weight)| *weight)
            };
            classes.iter().map(weight).collect()
        }
    };
    Some(rows.iter().map(|row| by_class[of[*row] as usize]).collect())
}

fn fit_head(
    sample: &Sample,
    dataset: &Dataset,
    options: &Options,
    features: &[String],
    progress: &mut dyn FnMut(f64),
) -> Result<(Head, Vec<Importance>), TrainError> {
    let labels = dataset.classes();
    let width = sample.rows.width();
    match options.algorithm {
        Algorithm::Logistic => {
            if !sample.rows.are_finite() {
                return Err(TrainError::NotFinite);
            }
            let linear = logistic::fit(sample, options, progress)?;
            let importances = importance::of_weights(linear.parts().0, features, labels);
            Ok((Head::Classifier(Box::new(linear), labels.to_vec()), importances))
        }
        Algorithm::Linear | Algorithm::Ridge => {
            if !sample.rows.are_finite() {
                return Err(TrainError::NotFinite);
            }
            let linear = squares::fit(sample, options, progress)?;
            let importances = importance::of_weights(&linear.weights, features, labels);
            Ok((Head::Regressor(Box::new(linear)), importances))
        }
        Algorithm::Tree | Algorithm::Forest => {
            let grow::Grown { trees, importances } = grow::fit(sample, options, progress)?;
            let importances = importance::of_shares(&importances, features);
            let head = match dataset.task() {
                Task::Classify => {
                    let forest = Forest::new(&trees, width, false).ok_or(TrainError::NoFeatures)?;
                    Head::Classifier(Box::new(forest), labels.to_vec())
                }
                Task::Regress => {
                    let forest = ForestRegressor::new(&trees, width, false).ok_or(TrainError::NoFeatures)?;
                    Head::Regressor(Box::new(forest))
                }
            };
            Ok((head, importances))
        }
        Algorithm::Boosting => {
            let boosted = boost::fit(sample, options, progress)?;
            let importances = importance::of_shares(&boosted.importances, features);
            let head = match dataset.task() {
                Task::Classify => {
                    Head::Classifier(Box::new(boosted.into_classifier(labels.len())?), labels.to_vec())
                }
                Task::Regress => Head::Regressor(Box::new(boosted.into_regressor()?)),
            };
            Ok((head, importances))
        }
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { float(part) / float(whole) }
}

#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

//! How good predictions are: scikit-learn's measures, and the curves behind them.

mod curves;

pub use curves::{Calibrated, calibration, precision_recall, roc};

use serde::Serialize;

/// Measures of a classifier.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Classification {
    /// The rows measured on.
    pub rows: usize,
    /// The share of rows told right.
    pub accuracy: f64,
    /// The mean of precision and recall (harmonic): of two classes that of the second, of more the
    /// mean over all.
    pub f1: f64,
    /// The area under the ROC curve; of more than two classes the mean over each against the rest.
    pub roc_auc: Option<f64>,
    /// The mean negative logarithm of the true class's probability.
    pub log_loss: Option<f64>,
    /// By class.
    pub classes: Vec<OfClass>,
    /// How often each true class (row) was told as each class (column).
    pub confusion: Vec<Vec<usize>>,
}

/// Measures of one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfClass {
    /// The share of those told that are true.
    pub precision: f64,
    /// The share of those true that are told.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// The rows of the class.
    pub rows: usize,
}

/// Measures of a regressor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Regression {
    /// The rows measured on.
    pub rows: usize,
    /// The mean absolute error.
    pub mae: f64,
    /// The root of the mean squared error.
    pub rmse: f64,
    /// The share of the variance that is explained: one is perfect, zero is the mean.
    pub r2: f64,
}

/// Measures of either.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Metrics {
    /// Of a classifier.
    Classification(Classification),
    /// Of a regressor.
    Regression(Regression),
}

impl Metrics {
    /// The one measure that says most: accuracy, or R².
    pub fn score(&self) -> f64 {
        match self {
            Metrics::Classification(measures) => measures.accuracy,
            Metrics::Regression(measures) => measures.r2,
        }
    }

    /// Names and values of the measures that are one number.
    pub fn listed(&self) -> Vec<(&'static str, f64)> {
        match self {
            Metrics::Classification(measures) => {
                let mut listed = vec![("accuracy", measures.accuracy), ("F1", measures.f1)];
                listed.extend(measures.roc_auc.map(|value| ("ROC-AUC", value)));
                listed.extend(measures.log_loss.map(|value| ("log-loss", value)));
                listed
            }
            Metrics::Regression(measures) => {
                vec![("MAE", measures.mae), ("RMSE", measures.rmse), ("R²", measures.r2)]
            }
        }
    }
}

/// Measures predicted classes; `probabilities` has a row of them for each prediction, or is empty.
///
/// # Panics
/// When a class is not below `classes`, or there are not as many predictions as truths.
pub fn classification(
    truth: &[usize],
    predicted: &[usize],
    probabilities: &[Vec<f64>],
    classes: usize,
) -> Classification {
    assert_eq!(truth.len(), predicted.len(), "a prediction for each row");
    let mut confusion = vec![vec![0; classes]; classes];
    truth.iter().zip(predicted).for_each(|(truth, told)| confusion[*truth][*told] += 1);
    let right: usize = (0..classes).map(|class| confusion[class][class]).sum();
    let of_classes: Vec<OfClass> = (0..classes)
        .map(|class| {
            let rows = confusion[class].iter().sum();
            let told = confusion.iter().map(|row| row[class]).sum();
            let both = confusion[class][class];
            OfClass {
                precision: share(both, told),
                recall: share(both, rows),
                f1: share(2 * both, rows + told),
                rows,
            }
        })
        .collect();
    let f1 = match &of_classes[..] {
        [_, second] => second.f1,
        // scikit-learn's mean is over the classes that occur or are told
        _ => {
            let occurs =
                |class: &usize| of_classes[*class].rows > 0 || confusion.iter().any(|row| row[*class] > 0);
            let f1s = (0..classes).filter(occurs).map(|class| of_classes[class].f1);
            mean(f1s)
        }
    };
    let has_probabilities = probabilities.len() == truth.len() && !truth.is_empty();
    Classification {
        rows: truth.len(),
        accuracy: share(right, truth.len()),
        f1,
        roc_auc: has_probabilities.then(|| auc(truth, probabilities, classes)).flatten(),
        log_loss: has_probabilities.then(|| log_loss(truth, probabilities)),
        classes: of_classes,
        confusion,
    }
}

/// Measures predicted numbers.
///
/// # Panics
/// When there are not as many predictions as truths.
pub fn regression(truth: &[f64], predicted: &[f64]) -> Regression {
    assert_eq!(truth.len(), predicted.len(), "a prediction for each row");
    let middle = mean(truth.iter().copied());
    let errors = || truth.iter().zip(predicted).map(|(truth, told)| truth - told);
    let squares: f64 = errors().map(|error| error * error).sum();
    let spread: f64 = truth.iter().map(|truth| (truth - middle) * (truth - middle)).sum();
    let r2 = match (squares == 0.0, spread == 0.0) {
        (true, _) => 1.0,
        (false, true) => 0.0,
        (false, false) => 1.0 - squares / spread,
    };
    Regression {
        rows: truth.len(),
        mae: mean(errors().map(f64::abs)),
        rmse: mean(errors().map(|error| error * error)).sqrt(),
        r2,
    }
}

fn auc(truth: &[usize], probabilities: &[Vec<f64>], classes: usize) -> Option<f64> {
    let of_class = |class: usize| {
        let scores: Vec<f64> = probabilities.iter().map(|row| row[class]).collect();
        let positives: Vec<bool> = truth.iter().map(|truth| *truth == class).collect();
        area(&positives, &scores)
    };
    if classes == 2 {
        return of_class(1);
    }
    let areas: Vec<f64> = (0..classes).filter_map(of_class).collect();
    (!areas.is_empty()).then(|| mean(areas.into_iter()))
}

/// The area under the ROC curve: how often a positive row's score is the larger of a pair; `None`
/// without both kinds.
pub fn area(positives: &[bool], scores: &[f64]) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let (mut below, mut pairs) = (0.0, 0.0);
    for equals in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let up = float(equals.iter().filter(|row| positives[**row]).count());
        let down = float(equals.len()) - up;
        pairs += up * (below + down / 2.0);
        below += down;
    }
    let up = float(positives.len()) - below;
    (up > 0.0 && below > 0.0).then(|| pairs / (up * below))
}

fn log_loss(truth: &[usize], probabilities: &[Vec<f64>]) -> f64 {
    let loss = |(truth, row): (&usize, &Vec<f64>)| {
        let sum: f64 = row.iter().sum();
        -(row[*truth] / sum).clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
    };
    mean(truth.iter().zip(probabilities).map(loss))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    values.for_each(|value| {
        sum += value;
        count += 1;
    });
    if count == 0 { 0.0 } else { sum / float(count) }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    // expected values from scikit-learn 1.9.1, `sklearn.metrics`
    #[test]
    fn two_classes_are_measured_as_by_scikit_learn() {
        let truth = [0, 0, 1, 1, 1, 0];
        let positive = [0.1, 0.4, 0.35, 0.8, 0.4, 0.7];
        let probabilities: Vec<Vec<f64>> = positive.iter().map(|p| vec![1.0 - p, *p]).collect();
        let told = [0, 0, 0, 1, 0, 1];
        let measured = classification(&truth, &told, &probabilities, 2);
        let near =
            |value: f64, expected: f64| assert!((value - expected).abs() < 1e-12, "{value} {expected}");
        near(measured.accuracy, 0.5);
        near(measured.f1, 0.4);
        near(measured.roc_auc.unwrap(), 0.611_111_111_111_111_2);
        near(measured.log_loss.unwrap(), 0.668_235_891_906_132_5);
        assert_eq!(measured.confusion, [[2, 1], [2, 1]]);
    }

    #[test]
    fn three_classes_are_averaged() {
        let truth = [0, 1, 2, 2];
        let told = [0, 2, 2, 1];
        let measured = classification(&truth, &told, &[], 3);
        assert!((measured.f1 - 0.5).abs() < 1e-15, "{}", measured.f1);
        assert_eq!((measured.roc_auc, measured.log_loss), (None, None));
        assert_eq!(measured.classes[2].recall, 0.5);
    }

    #[test]
    fn numbers_are_measured() {
        let measured = regression(&[3.0, -0.5, 2.0, 7.0], &[2.5, 0.0, 2.0, 8.0]);
        assert!((measured.mae - 0.5).abs() < 1e-15);
        assert!((measured.rmse - 0.612_372_435_695_794_5).abs() < 1e-15);
        assert!((measured.r2 - 0.948_608_137_044_967_9).abs() < 1e-15);
        assert_eq!(regression(&[1.0, 1.0], &[1.0, 1.0]).r2, 1.0);
    }
}

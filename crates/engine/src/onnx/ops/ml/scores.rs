//! What classifiers of `ai.onnx.ml` share: labels, and what is done to scores at the end.

use super::super::super::error::Problem;
use super::super::super::spec::Spec;
use super::super::super::tensor::{Element, Tensor};

/// Class labels as the file has them.
#[derive(Debug, Clone)]
pub(in super::super::super) enum Labels {
    Texts(Vec<String>),
    Ints(Vec<i64>),
}

impl Labels {
    /// Reads the labels of a classifier; one of the two attributes is there.
    pub(super) fn of(spec: &Spec<'_>, texts: &'static str, ints: &'static str) -> Result<Self, Problem> {
        match (spec.texts(texts)?, spec.ints(ints)?) {
            (Some(texts), _) if !texts.is_empty() => {
                Ok(Labels::Texts(texts.into_iter().map(str::to_owned).collect()))
            }
            (_, Some(ints)) if !ints.is_empty() => Ok(Labels::Ints(ints.to_vec())),
            _ => Err(Problem::shape("names no classes")),
        }
    }

    pub(in super::super::super) fn len(&self) -> usize {
        match self {
            Labels::Texts(texts) => texts.len(),
            Labels::Ints(ints) => ints.len(),
        }
    }

    /// All labels, as a tensor.
    pub(super) fn tensor(&self) -> Tensor {
        match self {
            Labels::Texts(texts) => Tensor::line(texts.clone()),
            Labels::Ints(ints) => Tensor::line(ints.clone()),
        }
    }

    /// A label that stands for yes or no where only one class is named.
    pub(super) fn yes_or_no(&self, is_yes: bool) -> Labels {
        match self {
            Labels::Texts(_) => Labels::Texts(vec![u8::from(is_yes).to_string()]),
            Labels::Ints(_) => Labels::Ints(vec![i64::from(is_yes)]),
        }
    }
}

/// Joins labels of rows into one tensor.
pub(super) fn line(labels: Vec<Labels>) -> Tensor {
    fn all<T: Element>(values: impl Iterator<Item = T>) -> Tensor {
        Tensor::line(values.collect())
    }
    match labels.first() {
        Some(Labels::Texts(_)) => all(labels.into_iter().flat_map(|label| match label {
            Labels::Texts(texts) => texts,
            Labels::Ints(_) => Vec::new(),
        })),
        _ => all(labels.into_iter().flat_map(|label| match label {
            Labels::Ints(ints) => ints,
            Labels::Texts(_) => Vec::new(),
        })),
    }
}

/// What is done to the scores of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

/// How one score becomes two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Second {
    /// It stays one.
    No,
    /// What is left to one goes first.
    Complement,
    /// The opposite goes first.
    Opposite,
}

impl Transform {
    pub(super) fn of(spec: &Spec<'_>) -> Result<Self, Problem> {
        Transform::named(spec.text("post_transform")?.unwrap_or("NONE"))
    }

    pub(super) fn named(name: &str) -> Result<Self, Problem> {
        Ok(match name {
            "NONE" => Transform::None,
            "LOGISTIC" => Transform::Logistic,
            "SOFTMAX" => Transform::Softmax,
            "SOFTMAX_ZERO" => Transform::SoftmaxZero,
            "PROBIT" => Transform::Probit,
            other => {
                return Err(Problem::shape(format!(
                    "transforms its scores by `{other}`, which is not known"
                )));
            }
        })
    }

    /// Transforms the scores of a row, and adds them to `into`.
    pub(super) fn write(self, scores: &mut [f32], second: Second, into: &mut Vec<f32>) {
        match (scores, self) {
            ([score], Transform::Probit) => into.push(probit(*score)),
            ([score], _) => {
                let score = *score;
                match second {
                    Second::No => into.push(score),
                    Second::Complement | Second::Opposite if self == Transform::Logistic => {
                        into.extend([logistic(-score), logistic(score)]);
                    }
                    Second::Complement => into.extend([1.0 - score, score]),
                    Second::Opposite => into.extend([-score, score]),
                }
            }
            (scores, transform) => {
                transform.all(scores);
                into.extend_from_slice(scores);
            }
        }
    }

    fn all(self, scores: &mut [f32]) {
        match self {
            Transform::None => {}
            Transform::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            Transform::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
            Transform::Softmax | Transform::SoftmaxZero => {
                let largest = scores.iter().copied().fold(f32::MIN, f32::max);
                let mut sum = 0.0;
                for score in scores.iter_mut() {
                    // a score of zero means: no opinion
                    if self == Transform::SoftmaxZero && score.abs() <= 1e-7 {
                        *score *= (-largest).exp();
                    } else {
                        *score = (*score - largest).exp();
                        sum += *score;
                    }
                }
                scores.iter_mut().for_each(|score| *score /= sum);
            }
        }
    }
}

pub(super) fn logistic(value: f32) -> f32 {
    let share = 1.0 / (1.0 + (-value.abs()).exp());
    if value < 0.0 { 1.0 - share } else { share }
}

/// The quantile of the normal distribution, by Winitzki's approximation, as onnxruntime has it.
fn probit(value: f32) -> f32 {
    const A: f32 = 0.147;
    let share = 2.0 * value - 1.0;
    let log = ((1.0 - share) * (1.0 + share)).ln();
    let middle = 2.0 / (std::f32::consts::PI * A) + 0.5 * log;
    let inverse = (-middle + (middle * middle - log / A).sqrt()).sqrt();
    std::f32::consts::SQRT_2 * if share < 0.0 { -inverse } else { inverse }
}

/// The position of the first largest.
pub(super) fn first_largest(scores: &[f32]) -> usize {
    (1..scores.len()).fold(0, |best, place| if scores[place] > scores[best] { place } else { best })
}

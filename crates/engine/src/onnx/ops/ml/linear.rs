//! Linear models.

use super::super::super::error::Problem;
use super::super::super::product::Panels;
use super::super::super::spec::{Call, Kernel, Outputs, Spec, kernel, one};
use super::super::super::tensor::Tensor;
use super::super::Operator;
use super::ml;
use super::scores::{Labels, Second, Transform, first_largest, line};

pub(super) const OPERATORS: &[Operator] =
    &[ml("LinearClassifier", classifier), ml("LinearRegressor", regressor)];

/// Weights for a number of targets, and what is added to their sums.
struct Weights {
    panels: Panels,
    intercepts: Vec<f32>,
}

impl Weights {
    fn new(spec: &Spec<'_>, targets: usize) -> Result<Self, Problem> {
        let coefficients = spec.floats("coefficients")?.unwrap_or_default();
        let intercepts = spec.floats("intercepts")?.unwrap_or_default();
        if targets == 0 || coefficients.is_empty() || coefficients.len() % targets != 0 {
            return Err(Problem::shape(format!(
                "has {} coefficients for {targets} targets",
                coefficients.len()
            )));
        }
        if !intercepts.is_empty() && intercepts.len() != targets {
            return Err(Problem::shape(format!("has {} intercepts for {targets} targets", intercepts.len())));
        }
        let width = coefficients.len() / targets;
        let panels = Panels::new(width, targets, |feature, target| coefficients[target * width + feature]);
        Ok(Weights { panels, intercepts: intercepts.to_vec() })
    }

    fn sums(&self, call: &Call<'_>) -> Result<Vec<f32>, Problem> {
        let input = call.tensor(0)?;
        let width = input.shape().last().copied().unwrap_or(0);
        if width != self.panels.depth() || input.rank() > 2 {
            return Err(Problem::shape(format!(
                "takes rows of {} numbers, and is given the shape {:?}",
                self.panels.depth(),
                input.shape()
            )));
        }
        let mut sums = self.panels.times(&input.to_f32()?)?;
        if !self.intercepts.is_empty() {
            for row in sums.chunks_mut(self.intercepts.len()) {
                row.iter_mut().zip(&self.intercepts).for_each(|(sum, intercept)| *sum += intercept);
            }
        }
        Ok(sums)
    }
}

fn classifier(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let labels = Labels::of(spec, "classlabels_strings", "classlabels_ints")?;
    let transform = Transform::of(spec)?;
    spec.ignore(&["multi_class"]);
    let targets = spec.floats("intercepts")?.map_or(labels.len(), <[f32]>::len);
    let weights = Weights::new(spec, targets)?;
    if targets > 1 && targets > labels.len() {
        return Err(Problem::shape(format!("has {} labels for {targets} classes", labels.len())));
    }
    kernel(move |call| classified(&weights.sums(call)?, targets, &labels, transform))
}

fn classified(sums: &[f32], targets: usize, labels: &Labels, transform: Transform) -> Outputs {
    let rows = sums.len() / targets;
    let mut scores = Vec::with_capacity(rows * targets.max(2));
    let second = if targets == 1 && labels.len() == 2 { Second::Complement } else { Second::No };
    let mut named = Vec::with_capacity(rows);
    let mut row = Vec::with_capacity(targets);
    for sums in sums.chunks(targets) {
        named.push(match sums {
            [sum] if labels.len() == 2 => labels.at(usize::from(*sum > 0.0)),
            [sum] => labels.yes_or_no(*sum > 0.0),
            sums => labels.at(first_largest(sums)),
        });
        row.clear();
        row.extend_from_slice(sums);
        transform.write(&mut row, second, &mut scores);
    }
    let width = scores.len().checked_div(rows).unwrap_or(targets);
    Ok(vec![line(named).into(), Tensor::new(vec![rows, width], scores)?.into()])
}

impl Labels {
    /// The label at a position, alone.
    pub(super) fn at(&self, position: usize) -> Labels {
        match self {
            Labels::Texts(texts) => Labels::Texts(vec![texts[position].clone()]),
            Labels::Ints(ints) => Labels::Ints(vec![ints[position]]),
        }
    }
}

fn regressor(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let transform = Transform::of(spec)?;
    let targets = usize::try_from(spec.int("targets", 1)?).unwrap_or(0);
    let weights = Weights::new(spec, targets)?;
    kernel(move |call| {
        let sums = weights.sums(call)?;
        let mut scores = Vec::with_capacity(sums.len());
        for row in sums.chunks(targets) {
            transform.write(&mut row.to_vec(), Second::No, &mut scores);
        }
        one(Tensor::new(vec![scores.len() / targets, targets], scores)?)
    })
}

//! Naive Bayes, discriminant analysis, k-means.

use super::estimator::{Estimator, Stored};
use super::{Class, ExtractError, class, labels};
use crate::data::Dense;
use crate::fitted::{Fitted, Head, Transform};
use crate::likelihood::{CategoryLikelihood, Centres, LinearLikelihood, NormalLikelihood, Quadratic, Shape};
use crate::linear::{Coefficients, Linear, Link, Weights};
use crate::model::Label;
use crate::preprocess::project::Project;
use crate::preprocess::scale::Threshold;

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.naive_bayes", "GaussianNB", gaussian),
    class("sklearn.naive_bayes", "MultinomialNB", multinomial),
    class("sklearn.naive_bayes", "ComplementNB", complement),
    class("sklearn.naive_bayes", "BernoulliNB", bernoulli),
    class("sklearn.naive_bayes", "CategoricalNB", categorical),
    class("sklearn.discriminant_analysis", "LinearDiscriminantAnalysis", linear_discriminant),
    class("sklearn.discriminant_analysis", "QuadraticDiscriminantAnalysis", quadratic_discriminant),
    class("sklearn.cluster", "KMeans", centres),
    class("sklearn.cluster", "MiniBatchKMeans", centres),
];

fn dense(stored: Stored) -> Dense {
    Dense { values: stored.values, rows: stored.rows, width: stored.columns }
}

fn gaussian(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let classes = labels::classes(estimator)?;
    let (means, variances) = (dense(estimator.matrix("theta_")?), dense(estimator.matrix("var_")?));
    let likelihood = NormalLikelihood::new(means, variances, &estimator.vector("class_prior_")?);
    Ok(Fitted::classifier(likelihood.ok_or_else(|| estimator.misfit("theta_"))?, classes))
}

/// A row of logarithms for each class, made a row for each column.
fn by_column(stored: &Stored, value: impl Fn(f64) -> f64) -> Coefficients {
    let columns = 0..stored.columns;
    let values = columns
        .flat_map(|column| (0..stored.rows).map(move |row| stored.values[row * stored.columns + column]));
    Coefficients::F64(values.map(value).collect())
}

fn likelihood(
    estimator: &Estimator<'_>,
    stored: &Stored,
    coefficients: Coefficients,
    constants: Vec<f64>,
) -> Result<Fitted, ExtractError> {
    let weights = Weights::new(coefficients, constants, stored.columns)
        .filter(|weights| weights.outputs() == stored.rows);
    let weights = weights.ok_or_else(|| estimator.misfit("feature_log_prob_"))?;
    Ok(Fitted::classifier(LinearLikelihood(weights), labels::classes(estimator)?))
}

fn multinomial(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let stored = estimator.matrix("feature_log_prob_")?;
    likelihood(estimator, &stored, by_column(&stored, |value| value), estimator.vector("class_log_prior_")?)
}

/// The prior counts only if there is one class.
fn complement(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let stored = estimator.matrix("feature_log_prob_")?;
    let constants = match stored.rows {
        1 => estimator.vector("class_log_prior_")?,
        classes => vec![0.0; classes],
    };
    likelihood(estimator, &stored, by_column(&stored, |value| value), constants)
}

fn bernoulli(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let stored = estimator.matrix("feature_log_prob_")?;
    let absent = |present: f64| (1.0 - present.exp()).ln();
    let prior = estimator.vector("class_log_prior_")?;
    if prior.len() != stored.rows || stored.columns == 0 {
        return Err(estimator.misfit("class_log_prior_"));
    }
    let rows = stored.values.chunks(stored.columns).zip(prior);
    let constants =
        rows.map(|(row, prior)| prior + row.iter().map(|present| absent(*present)).sum::<f64>()).collect();
    let coefficients = by_column(&stored, |present| present - absent(present));
    let fitted = likelihood(estimator, &stored, coefficients, constants)?;
    if estimator.some("binarize").is_none() {
        return Ok(fitted);
    }
    let threshold = Threshold { width: stored.columns, threshold: estimator.number("binarize")? };
    Ok(Fitted { steps: vec![Box::new(threshold)], ..fitted })
}

/// By column a table of logarithms: a row for each class, a column for each category.
fn categorical(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "feature_log_prob_";
    let classes = labels::classes(estimator)?;
    let tables =
        estimator.items(ATTRIBUTE)?.into_iter().map(|view| estimator.matrix_of(ATTRIBUTE, view).map(dense));
    let tables = tables.collect::<Result<Vec<_>, _>>()?;
    let priors = estimator.vector("class_log_prior_")?;
    if priors.len() != classes.len() || tables.iter().any(|table| table.rows != classes.len()) {
        return Err(estimator.misfit(ATTRIBUTE));
    }
    Ok(Fitted::classifier(CategoryLikelihood { tables, priors }, classes))
}

fn linear_discriminant(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let classes = labels::classes(estimator)?;
    let stored = estimator.matrix("coef_")?;
    let weights =
        Weights::new(by_column(&stored, |value| value), estimator.vector("intercept_")?, stored.columns);
    let link = if classes.len() == 2 { Link::Sigmoid } else { Link::Softmax };
    let linear =
        weights.and_then(|weights| Linear::new(weights, link)).ok_or_else(|| estimator.misfit("coef_"))?;
    let head = Some(Head::Classifier(Box::new(linear), classes));
    Ok(Fitted { transform: discriminant_projection(estimator, stored.columns), head, ..Fitted::default() })
}

/// What separates the classes best; the `lsqr` solver finds no such directions.
fn discriminant_projection(estimator: &Estimator<'_>, width: usize) -> Option<Box<dyn Transform>> {
    let scalings = estimator.matrix("scalings_").ok().filter(|scalings| scalings.rows == width)?;
    let count = estimator.count("_max_components").ok()?.min(scalings.columns);
    let columns = 0..count;
    let directions = columns.flat_map(|column| (0..width).map(move |row| (row, column)));
    let directions =
        directions.map(|(row, column)| scalings.values[row * scalings.columns + column]).collect();
    let shift = match estimator.find("solver").and_then(|solver| solver.str()) {
        Some("svd") => Some(estimator.vector("xbar_").ok()?),
        _ => None,
    };
    Project::new(shift, directions, width, None).map(|project| Box::new(project) as Box<dyn Transform>)
}

fn quadratic_discriminant(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let classes = labels::classes(estimator)?;
    let means = estimator.matrix("means_")?;
    let width = means.columns;
    let (rotations, scalings) = (estimator.items("rotations_")?, estimator.items("scalings_")?);
    let priors = estimator.vector("priors_")?;
    if [means.rows, rotations.len(), scalings.len(), priors.len()].iter().any(|count| *count != classes.len())
        || width == 0
    {
        return Err(estimator.misfit("rotations_"));
    }
    let parts = means.values.chunks(width).zip(rotations).zip(scalings.into_iter().zip(priors));
    let shapes = parts.map(|((mean, rotation), (scaling, prior))| {
        let rotation = estimator.matrix_of("rotations_", rotation)?;
        let scaling = estimator.vector_of("scalings_", scaling)?;
        if rotation.rows != width || rotation.columns != scaling.len() {
            return Err(estimator.misfit("scalings_"));
        }
        let directions = Dense::from_rows(scaling.len(), width, |direction, places| {
            for (row, place) in places.iter_mut().enumerate() {
                *place = rotation.values[row * rotation.columns + direction] * scaling[direction].powf(-0.5);
            }
        });
        let volume: f64 = scaling.iter().map(|scaling| scaling.ln()).sum();
        Ok(Shape { mean: mean.to_vec(), directions, constant: prior.ln() - 0.5 * volume })
    });
    let shapes = shapes.collect::<Result<Vec<_>, ExtractError>>()?;
    Ok(Fitted::classifier(Quadratic { classes: shapes, width }, classes))
}

fn centres(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let centres = Centres(dense(estimator.matrix("cluster_centers_")?));
    let count = i64::try_from(centres.0.rows).map_err(|_| estimator.misfit("cluster_centers_"))?;
    let labels = (0..count).map(Label::Int).collect();
    let transform: Box<dyn Transform> = Box::new(centres.clone());
    Ok(Fitted { transform: Some(transform), ..Fitted::classifier(centres, labels) })
}

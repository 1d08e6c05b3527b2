//! Mixtures of normal distributions, envelopes, and other projections than principal components.

use super::estimator::Estimator;
use super::rows::dense;
use super::{Class, ExtractError, class};
use crate::committee::outliers::Outliers;
use crate::data::Dense;
use crate::fitted::{Fitted, Regress};
use crate::linear::{Coefficients, Inverse, LinearRegressor, Weights};
use crate::mixture::{Ellipse, Mixture, Part};
use crate::model::Label;
use crate::preprocess::project::Project;
use crate::preprocess::scale::{Scale, Scaling};

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.mixture", "GaussianMixture", mixture),
    class("sklearn.covariance", "EllipticEnvelope", envelope),
    class("sklearn.linear_model", "SGDOneClassSVM", one_class),
    class("sklearn.decomposition", "FastICA", independent),
    class("sklearn.decomposition", "FactorAnalysis", factors),
    class("sklearn.random_projection", "GaussianRandomProjection", random),
    class("sklearn.random_projection", "SparseRandomProjection", random),
    class("sklearn.cross_decomposition", "PLSRegression", least_squares),
    class("sklearn.cross_decomposition", "PLSCanonical", least_squares),
    class("sklearn.cross_decomposition", "CCA", least_squares),
    class("sklearn.neighbors", "NeighborhoodComponentsAnalysis", random),
];

const PRECISIONS: &str = "precisions_cholesky_";

/// Directions of each part, as the shape of the covariances has them.
fn directions(estimator: &Estimator<'_>, parts: usize, width: usize) -> Result<Vec<Dense>, ExtractError> {
    let array = estimator.array(PRECISIONS)?;
    let values = estimator.floats(PRECISIONS, &array)?;
    let misfit = || estimator.misfit(PRECISIONS);
    estimator.spend(PRECISIONS, parts, width.saturating_mul(width))?;
    // saved a column for each direction
    let turned = |block: &[f64]| {
        Dense::from_rows(width, width, |direction, places| {
            places.iter_mut().enumerate().for_each(|(row, place)| *place = block[row * width + direction]);
        })
    };
    let diagonal = |of: &dyn Fn(usize) -> f64| {
        Dense::from_rows(width, width, |direction, places| places[direction] = of(direction))
    };
    let square = width.checked_mul(width).filter(|square| *square > 0).ok_or_else(misfit)?;
    match (estimator.text("covariance_type")?, &array.shape[..]) {
        ("full", [count, _, _]) if *count == parts && values.len() == parts * square => {
            Ok(values.chunks(square).map(turned).collect())
        }
        ("tied", [_, _]) if values.len() == square => Ok(vec![turned(&values); parts]),
        ("diag", [count, columns]) if (*count, *columns) == (parts, width) => {
            Ok(values.chunks(width).map(|row| diagonal(&|direction| row[direction])).collect())
        }
        ("spherical", [count]) if *count == parts => {
            Ok(values.iter().map(|value| diagonal(&|_| *value)).collect())
        }
        _ => Err(misfit()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of columns")]
fn mixture(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let means = estimator.matrix("means_")?;
    let (count, width) = (means.rows, means.columns);
    let weights = estimator.vector("weights_")?;
    if weights.len() != count || width == 0 || count == 0 {
        return Err(estimator.misfit("weights_"));
    }
    let all = directions(estimator, count, width)?;
    let parts = means.values.chunks(width).zip(all).zip(weights).map(|((mean, directions), weight)| {
        let volume: f64 = (0..width).map(|place| directions.row(place)[place].ln()).sum();
        let constant = volume + weight.ln() - 0.5 * width as f64 * (2.0 * std::f64::consts::PI).ln();
        Part { mean: mean.to_vec(), directions, constant }
    });
    let mixture = Mixture { parts: parts.collect(), width };
    let count = i64::try_from(count).map_err(|_| estimator.misfit("means_"))?;
    Ok(Fitted::classifier(mixture, (0..count).map(Label::Int).collect()))
}

fn outliers(decision: Box<dyn Regress>) -> Fitted {
    Fitted::classifier(Outliers { decision, includes_edge: true }, vec![Label::Int(-1), Label::Int(1)])
}

fn envelope(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let (centre, precision) = (estimator.vector("location_")?, estimator.matrix("precision_")?);
    if precision.rows != centre.len() || precision.columns != centre.len() {
        return Err(estimator.misfit("precision_"));
    }
    let offset = estimator.number("offset_")?;
    Ok(outliers(Box::new(Ellipse { centre, precision: precision.values, offset })))
}

fn one_class(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let coefficients = estimator.vector("coef_")?;
    let [offset] = estimator.vector("offset_")?[..] else { return Err(estimator.misfit("offset_")) };
    let width = coefficients.len();
    let weights = Weights::new(Coefficients::F64(coefficients), vec![-offset], width);
    let weights = weights.ok_or_else(|| estimator.misfit("coef_"))?;
    Ok(outliers(Box::new(LinearRegressor { weights, inverse: Inverse::Identity })))
}

fn independent(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let directions = estimator.matrix("components_")?;
    let is_moved = estimator.find("mean_").is_some();
    let shift = if is_moved { Some(estimator.vector("mean_")?) } else { None };
    let project = Project::new(shift, directions.values, directions.columns, None);
    project.map(Fitted::transformer).ok_or_else(|| estimator.misfit("components_"))
}

/// The mean of the factors, given a row.
fn factors(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let components = estimator.matrix("components_")?;
    let noise = estimator.vector("noise_variance_")?;
    let (count, width) = (components.rows, components.columns);
    if noise.len() != width || width == 0 {
        return Err(estimator.misfit("noise_variance_"));
    }
    let scaled: Vec<f64> =
        components.values.iter().enumerate().map(|(place, value)| value / noise[place % width]).collect();
    let mut inner = Dense::from_rows(count, count, |row, places| {
        for (column, place) in places.iter_mut().enumerate() {
            let pairs =
                scaled[row * width..(row + 1) * width].iter().zip(&components.values[column * width..]);
            *place =
                f64::from(u8::from(row == column)) + pairs.map(|(left, right)| left * right).sum::<f64>();
        }
    });
    let mut directions = Dense { values: scaled, rows: count, width };
    solve(&mut inner, &mut directions).ok_or_else(|| estimator.misfit("components_"))?;
    let project = Project::new(Some(estimator.vector("mean_")?), directions.values, width, None);
    project.map(Fitted::transformer).ok_or_else(|| estimator.misfit("mean_"))
}

/// Solves `matrix × x = values`, a column of `values` after the other, by elimination with pivots.
fn solve(matrix: &mut Dense, values: &mut Dense) -> Option<()> {
    for step in 0..matrix.rows {
        let size = |row: &usize| matrix.row(*row)[step].abs();
        let pivot = (step..matrix.rows).max_by(|left, right| size(left).total_cmp(&size(right)))?;
        for table in [&mut *matrix, &mut *values] {
            let width = table.width;
            for column in 0..width {
                table.values.swap(step * width + column, pivot * width + column);
            }
        }
        let divisor = matrix.row(step)[step];
        if divisor == 0.0 || !divisor.is_finite() {
            return None;
        }
        for table in [&mut *matrix, &mut *values] {
            table.row_mut(step).iter_mut().for_each(|value| *value /= divisor);
        }
        for row in (0..matrix.rows).filter(|row| *row != step) {
            let factor = matrix.row(row)[step];
            for table in [&mut *matrix, &mut *values] {
                let from = table.row(step).to_vec();
                table.row_mut(row).iter_mut().zip(from).for_each(|(value, from)| *value -= factor * from);
            }
        }
    }
    Some(())
}

fn random(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "components_";
    let directions = dense(estimator, ATTRIBUTE, estimator.get(ATTRIBUTE)?)?;
    let project = Project::new(None, directions.values, directions.width, None);
    project.map(Fitted::transformer).ok_or_else(|| estimator.misfit(ATTRIBUTE))
}

fn least_squares(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let width = estimator.width()?;
    // until 1.2 the public name was a transposed copy
    let name = if estimator.find("_coef_").is_some() { "_coef_" } else { "coef_" };
    let stored = estimator.matrix(name)?;
    let turned = name == "coef_" && estimator.version < (1, 3);
    let (outputs, columns) =
        if turned { (stored.columns, stored.rows) } else { (stored.rows, stored.columns) };
    if columns != width {
        return Err(estimator.misfit("coef_"));
    }
    let by_column = match turned {
        true => stored.values,
        false => (0..width)
            .flat_map(|column| (0..outputs).map(move |row| (row, column)))
            .map(|(row, column)| stored.values[row * width + column])
            .collect(),
    };
    let intercepts = match estimator.find("intercept_") {
        Some(_) => estimator.vector("intercept_")?,
        None => estimator.vector("_y_mean")?,
    };
    let weights = Weights::new(Coefficients::F64(by_column), intercepts, width);
    let weights = weights.ok_or_else(|| estimator.misfit("coef_"))?;
    // since 1.5 the weights are for columns that were only moved
    let scale = if estimator.version < (1, 5) { Some(estimator.vector("_x_std")?) } else { None };
    let scaling = Scaling::Standard { mean: Some(estimator.vector("_x_mean")?), scale };
    let scale = Scale::new(width, scaling).ok_or_else(|| estimator.misfit("_x_mean"))?;
    let mut fitted = Fitted::regressor(LinearRegressor { weights, inverse: Inverse::Identity });
    fitted.steps.push(Box::new(scale));
    Ok(fitted)
}

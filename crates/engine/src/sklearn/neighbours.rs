//! `KNeighborsClassifier` and its kin: models that are their training data.

use std::sync::Arc;

use super::estimator::Estimator;
use super::rows::rows;
use super::{Class, ExtractError, class, labels};
use crate::data::Dense;
use crate::fitted::{Classify, Fitted, Head};
use crate::model::Label;
use crate::neighbours::index::{Rows, Tree};
use crate::neighbours::outlier::LocalOutliers;
use crate::neighbours::vote::{Circle, NeighbourClassifier, NeighbourRegressor, Neighbours};
use crate::neighbours::{Index, Metric, Shape, Split};
use crate::pickle::View;
use crate::pickle::numpy::{Array, Scalar};

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.neighbors", "KNeighborsClassifier", nearest_classifier),
    class("sklearn.neighbors", "KNeighborsRegressor", nearest_regressor),
    class("sklearn.neighbors", "RadiusNeighborsClassifier", radius_classifier),
    class("sklearn.neighbors", "RadiusNeighborsRegressor", radius_regressor),
    class("sklearn.neighbors", "LocalOutlierFactor", local_outliers),
];

const ROWS: &str = "_fit_X";

pub(super) fn metric(estimator: &Estimator<'_>) -> Result<Metric, ExtractError> {
    const ATTRIBUTE: &str = "effective_metric_";
    let name = estimator.get(ATTRIBUTE)?;
    let parameter = |name: &str| {
        estimator
            .some("effective_metric_params_")
            .and_then(|all| all.get(name))
            .filter(|value| !value.is_none())
    };
    let vector = |name: &str| match parameter(name) {
        Some(view) => estimator.vector_of("effective_metric_params_", view).map(Some),
        None => Ok(None),
    };
    let given = |name: &'static str| {
        parameter(name).ok_or_else(|| {
            let problem = format!("has no `{name}`, which scikit-learn computes of the rows asked for");
            estimator.problem("effective_metric_params_", problem)
        })
    };
    Ok(match name.str() {
        Some("euclidean" | "l2") => Metric::Euclidean,
        Some("sqeuclidean") => Metric::SquaredEuclidean,
        Some("manhattan" | "l1" | "cityblock") => Metric::Manhattan,
        Some("chebyshev" | "infinity") => Metric::Chebyshev,
        Some("minkowski" | "p") => {
            let power = parameter("p").map_or(Some(2.0), |power| power.float());
            let power = power.filter(|power| power.is_finite() && *power > 0.0);
            Metric::Minkowski { power: power.ok_or_else(|| estimator.misfit("p"))?, weights: vector("w")? }
        }
        Some("seuclidean") => {
            Metric::Standardized { variances: estimator.vector_of("effective_metric_params_", given("V")?)? }
        }
        Some("mahalanobis") => Metric::Mahalanobis {
            inverse: estimator.matrix_of("effective_metric_params_", given("VI")?)?.values,
        },
        Some("cosine") => Metric::Cosine,
        Some("correlation") => Metric::Correlation,
        Some("canberra") => Metric::Canberra,
        Some("braycurtis") => Metric::BrayCurtis,
        Some("hamming") => Metric::Hamming,
        Some("haversine") => Metric::Haversine,
        Some("nan_euclidean") => Metric::NanEuclidean,
        _ => return Err(estimator.refuse("metric", name, "a metric of one's own cannot be run")),
    })
}

fn index(estimator: &Estimator<'_>) -> Result<Index, ExtractError> {
    let rows = rows(estimator, ROWS, estimator.get(ROWS)?)?;
    if rows.width() != estimator.width()? {
        return Err(estimator.misfit(ROWS));
    }
    let tree = match estimator.text("_fit_method")? {
        "brute" => None,
        "kd_tree" | "ball_tree" => Some(tree(estimator, &rows)?),
        _ => return Err(estimator.misfit("_fit_method")),
    };
    Index::new(rows, metric(estimator)?, tree).ok_or_else(|| estimator.misfit("_tree"))
}

/// The search tree: its state is a tuple of rows, order, nodes, their shapes, and counters.
fn tree(estimator: &Estimator<'_>, rows: &Rows) -> Result<Tree, ExtractError> {
    const ATTRIBUTE: &str = "_tree";
    let view = estimator.get(ATTRIBUTE)?;
    let misfit = || estimator.misfit(ATTRIBUTE);
    let state = view.state().ok_or_else(misfit)?;
    let array = |place| estimator.array_of(ATTRIBUTE, state.item(place).ok_or_else(misfit)?);
    let order = array(1)?.scalars().map_err(|_| misfit())?;
    let place = |scalar: &Scalar| usize::try_from(scalar.as_int()?).ok().filter(|row| *row < rows.count());
    let order = order.iter().map(place).collect::<Option<Vec<_>>>().ok_or_else(misfit)?;
    let splits = splits(&array(2)?).ok_or_else(misfit)?;
    let shapes = array(3)?;
    let values = estimator.floats(ATTRIBUTE, &shapes)?;
    let shape = match shapes.shape[..] {
        [1, ..] => Shape::Balls { centres: values },
        [2, ..] => {
            let (low, high) = values.split_at(values.len() / 2);
            Shape::Boxes { low: low.to_vec(), high: high.to_vec() }
        }
        _ => return Err(misfit()),
    };
    Ok(Tree { order, splits, shape })
}

fn splits(nodes: &Array<'_>) -> Option<Vec<Split>> {
    let [start, end, leaf, radius] =
        ["idx_start", "idx_end", "is_leaf", "radius"].map(|name| nodes.field(name));
    let (start, end, leaf, radius) = (start?, end?, leaf?, radius?);
    let place = |scalar: Option<Scalar>| usize::try_from(scalar?.as_int()?).ok();
    let columns = start.scalars().zip(end.scalars()).zip(leaf.scalars().zip(radius.scalars()));
    let split = columns.map(|((start, end), (leaf, radius))| {
        let is_leaf = leaf?.as_int()? != 0;
        Some(Split { start: place(start)?, end: place(end)?, is_leaf, radius: radius?.as_float()? })
    });
    split.collect()
}

fn neighbours(estimator: &Estimator<'_>, circle: Circle) -> Result<Neighbours, ExtractError> {
    let weights = estimator.get("weights")?;
    let by_distance = match weights.str() {
        Some("distance") => true,
        Some("uniform") => false,
        None if weights.is_none() => false,
        _ => return Err(estimator.refuse("weights", weights, "a Python function cannot be run")),
    };
    Ok(Neighbours { index: Arc::new(index(estimator)?), circle, by_distance })
}

fn nearest(estimator: &Estimator<'_>) -> Result<Neighbours, ExtractError> {
    let count = estimator.count("n_neighbors")?;
    let neighbours = neighbours(estimator, Circle::Count(count))?;
    if count == 0 || count > neighbours.index.rows.count() {
        return Err(estimator.misfit("n_neighbors"));
    }
    Ok(neighbours)
}

fn nearest_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    classifier(estimator, &nearest(estimator)?)
}

fn nearest_regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    regressor(estimator, nearest(estimator)?)
}

fn within(estimator: &Estimator<'_>) -> Result<Neighbours, ExtractError> {
    neighbours(estimator, Circle::Radius(estimator.number("radius")?))
}

fn radius_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    if let Some(label) = estimator.some("outlier_label") {
        return Err(estimator.refuse("outlier_label", label, "only None is reproduced"));
    }
    classifier(estimator, &within(estimator)?)
}

fn radius_regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    regressor(estimator, within(estimator)?)
}

/// The outputs of the training data, a row for each of its rows.
fn outputs(estimator: &Estimator<'_>, rows: usize) -> Result<Dense, ExtractError> {
    const ATTRIBUTE: &str = "_y";
    let array = estimator.array(ATTRIBUTE)?;
    let width = match array.shape[..] {
        [_] => 1,
        [_, width] => width,
        _ => return Err(estimator.misfit(ATTRIBUTE)),
    };
    let values = estimator.floats(ATTRIBUTE, &array)?;
    if width == 0 || rows.checked_mul(width) != Some(values.len()) {
        return Err(estimator.misfit(ATTRIBUTE));
    }
    Ok(Dense { values, rows, width })
}

fn classifier(estimator: &Estimator<'_>, neighbours: &Neighbours) -> Result<Fitted, ExtractError> {
    let outputs = outputs(estimator, neighbours.index.rows.count())?;
    let head = |output: usize, labels: &[Label]| {
        let place = |row: &[f64]| (0..labels.len()).find(|place| same(*place, row[output]));
        let classes = outputs.iter().map(place).collect::<Option<Vec<_>>>();
        let classes = classes.ok_or_else(|| estimator.misfit("_y"))?;
        Ok(NeighbourClassifier { neighbours: neighbours.clone(), classes, count: labels.len() })
    };
    if !estimator.flag("outputs_2d_")? {
        let labels = labels::classes(estimator)?;
        return Ok(Fitted::classifier(head(0, &labels)?, labels));
    }
    let each = estimator.items("classes_")?;
    if each.len() != outputs.width {
        return Err(estimator.misfit("classes_"));
    }
    let heads = each.into_iter().enumerate().map(|(output, classes): (usize, View<'_>)| {
        let labels = labels::labels(estimator, "classes_", classes)?;
        Ok((Box::new(head(output, &labels)?) as Box<dyn Classify>, labels))
    });
    Ok(Fitted { head: Some(Head::Many(heads.collect::<Result<_, ExtractError>>()?)), ..Fitted::default() })
}

/// Whether a float is the number of a class.
#[expect(clippy::cast_precision_loss, reason = "there are few classes")]
fn same(place: usize, number: f64) -> bool {
    place as f64 == number
}

fn regressor(estimator: &Estimator<'_>, neighbours: Neighbours) -> Result<Fitted, ExtractError> {
    let values = outputs(estimator, neighbours.index.rows.count())?;
    Ok(Fitted::regressor(NeighbourRegressor { neighbours, values }))
}

fn local_outliers(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    if !estimator.flag("novelty")? {
        let novelty = estimator.get("novelty")?;
        return Err(estimator.refuse("novelty", novelty, "without it there is nothing to predict with"));
    }
    let index = index(estimator)?;
    let count = estimator.count("n_neighbors_")?;
    let distances = estimator.matrix("_distances_fit_X_")?;
    let densities = estimator.vector("_lrd")?;
    let rows = index.rows.count();
    if count == 0 || distances.columns < count || distances.rows != rows || densities.len() != rows {
        return Err(estimator.misfit("_distances_fit_X_"));
    }
    let reaches = distances.values.chunks(distances.columns).map(|row| row[count - 1]).collect();
    let offset = estimator.number("offset_")?;
    let outliers = LocalOutliers { index, count, reaches, densities, offset };
    Ok(Fitted::classifier(outliers, vec![Label::Int(-1), Label::Int(1)]))
}

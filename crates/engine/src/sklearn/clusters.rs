//! Nearest centroids, clusterings beyond k-means, pooled columns, splines, non-negative factors;
//! and estimators that only hold another.

use super::estimator::{Estimator, Stored};
use super::{Class, ExtractError, class, labels};
use crate::centroids::{Bisection, Bisections, Distance, Grouped, NearestCentroid, Pool, Pooling, Shares};
use crate::data::Dense;
use crate::factors::Factors;
use crate::fitted::{Fitted, Transform};
use crate::likelihood::Centres;
use crate::model::Label;
use crate::pickle::View;
use crate::splines::{Beyond, SplineColumns, Splines};

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.neighbors", "NearestCentroid", nearest_centroid),
    class("sklearn.cluster", "MeanShift", centres),
    class("sklearn.cluster", "AffinityPropagation", centres),
    class("sklearn.cluster", "Birch", subclusters),
    class("sklearn.cluster", "BisectingKMeans", bisections),
    class("sklearn.cluster", "FeatureAgglomeration", pool),
    class("sklearn.preprocessing", "SplineTransformer", splines),
    class("sklearn.decomposition", "NMF", factors),
    class("sklearn.semi_supervised", "SelfTrainingClassifier", self_trained),
    class("sklearn.frozen", "FrozenEstimator", frozen),
];

fn dense(stored: Stored) -> Dense {
    Dense { values: stored.values, rows: stored.rows, width: stored.columns }
}

fn nearest_centroid(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const POINTS: &str = "centroids_";
    const PRIORS: &str = "class_prior_";
    let classes = labels::classes(estimator)?;
    let points = dense(estimator.matrix(POINTS)?);
    let distance = match estimator.text("metric")? {
        "euclidean" => Distance::Euclidean,
        "manhattan" => Distance::Manhattan,
        _ => return Err(estimator.refuse("metric", estimator.get("metric")?, "it is not reproduced")),
    };
    // scikit-learn weighs by how common classes are since 1.6
    let shares = match estimator.find(PRIORS) {
        None => None,
        Some(_) => {
            let priors = estimator.vector(PRIORS)?;
            let mut deviations = estimator.vector("within_class_std_dev_")?;
            deviations.iter_mut().filter(|deviation| **deviation == 0.0).for_each(|none| *none = 1.0);
            if priors.len() != points.rows || deviations.len() != points.width {
                return Err(estimator.misfit(PRIORS));
            }
            #[expect(clippy::cast_precision_loss, reason = "a number of classes")]
            let usual = 1.0 / priors.len() as f64;
            let are_equal = priors.iter().all(|prior| (prior - usual).abs() <= 1e-8 + 1e-5 * usual);
            Some(Shares { priors: priors.iter().map(|prior| prior.ln()).collect(), deviations, are_equal })
        }
    };
    Ok(Fitted::classifier(NearestCentroid { points, distance, shares }, classes))
}

/// The numbers of clusters as their names.
fn numbers(estimator: &Estimator<'_>, count: usize) -> Result<Vec<Label>, ExtractError> {
    let count = i64::try_from(count).map_err(|_| estimator.misfit("cluster_centers_"))?;
    Ok((0..count).map(Label::Int).collect())
}

fn centres(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let points = dense(estimator.matrix("cluster_centers_")?);
    let count = points.rows;
    if count == 0 {
        return Err(estimator.problem("cluster_centers_", "is empty: it did not converge".to_owned()));
    }
    let grouped = Grouped { points, clusters: (0..count).collect(), count };
    Ok(Fitted::classifier(grouped, numbers(estimator, count)?))
}

/// A number that counts from zero.
fn place(number: f64, below: usize) -> Option<usize> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number is checked")]
    let place = ((0.0..1e9).contains(&number) && number.fract() == 0.0).then_some(number as usize);
    place.filter(|place| *place < below)
}

fn subclusters(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const GROUPS: &str = "subcluster_labels_";
    let points = dense(estimator.matrix("subcluster_centers_")?);
    let clusters = estimator.vector(GROUPS)?.into_iter().map(|number| place(number, points.rows));
    let clusters: Vec<usize> = clusters.collect::<Option<_>>().ok_or_else(|| estimator.misfit(GROUPS))?;
    if clusters.len() != points.rows || points.rows == 0 {
        return Err(estimator.misfit(GROUPS));
    }
    let count = clusters.iter().max().map_or(0, |last| last + 1);
    let transform: Box<dyn Transform> = Box::new(Centres(points.clone()));
    let grouped = Grouped { points, clusters, count };
    let labels = numbers(estimator, count)?;
    Ok(Fitted { transform: Some(transform), ..Fitted::classifier(grouped, labels) })
}

/// A tree of points that are told less the mean of the training data.
fn bisections(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const TREE: &str = "_bisecting_tree";
    let points = dense(estimator.matrix("cluster_centers_")?);
    let (count, width) = (points.rows, points.width);
    let mean = match estimator.find("_X_mean") {
        Some(_) => estimator.vector("_X_mean")?,
        None => vec![0.0; width],
    };
    if mean.len() != width || count == 0 {
        return Err(estimator.misfit("_X_mean"));
    }
    let misfit = || estimator.misfit(TREE);
    let mut found = vec![estimator.get(TREE)?];
    let mut nodes = Vec::new();
    while let Some(node) = found.get(nodes.len()).copied() {
        let below = |name: &str| node.attribute(name).filter(|below| !below.is_none());
        let (Some(left), Some(right)) = (below("left"), below("right")) else {
            let label = node.attribute("label").and_then(|label| label.int());
            let label = label.and_then(|label| usize::try_from(label).ok()).filter(|label| *label < count);
            nodes.push(Bisection::Cluster(label.ok_or_else(misfit)?));
            continue;
        };
        // every leaf is a cluster of its own, which also ends a tree that holds itself
        if found.len() + 2 > 2 * count {
            return Err(misfit());
        }
        let mut values = Vec::with_capacity(2 * width);
        for side in [left, right] {
            let centre = side.attribute("center").ok_or_else(misfit)?;
            let centre = estimator.vector_of(TREE, centre)?;
            if centre.len() != width {
                return Err(misfit());
            }
            values.extend(centre.iter().zip(&mean).map(|(value, mean)| value + mean));
        }
        let points = Dense { values, rows: 2, width };
        nodes.push(Bisection::Split { nodes: [found.len(), found.len() + 1], points });
        found.extend([left, right]);
    }
    let transform: Box<dyn Transform> = Box::new(Centres(points));
    let labels = numbers(estimator, count)?;
    Ok(Fitted {
        transform: Some(transform),
        ..Fitted::classifier(Bisections { nodes, width, count }, labels)
    })
}

fn pool(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const GROUPS: &str = "labels_";
    let width = estimator.width()?;
    let function = estimator.get("pooling_func")?;
    let pooling = match function.global() {
        Some((module, name)) if module.starts_with("numpy") => match name {
            "mean" => Some(Pooling::Mean),
            "sum" => Some(Pooling::Sum),
            "max" | "amax" => Some(Pooling::Largest),
            "min" | "amin" => Some(Pooling::Smallest),
            "median" => Some(Pooling::Median),
            _ => None,
        },
        _ => None,
    };
    let pooling = pooling
        .ok_or_else(|| estimator.refuse("pooling_func", function, "a Python function cannot be run"))?;
    let told = estimator.vector(GROUPS)?;
    let told: Option<Vec<usize>> = told.into_iter().map(|number| place(number, width)).collect();
    let told = told.filter(|told| told.len() == width).ok_or_else(|| estimator.misfit(GROUPS))?;
    let mut groups = vec![Vec::new(); told.iter().max().map_or(0, |last| last + 1)];
    told.into_iter().enumerate().for_each(|(column, group)| groups[group].push(column));
    if groups.is_empty() || groups.iter().any(Vec::is_empty) {
        return Err(estimator.misfit(GROUPS));
    }
    Ok(Fitted::transformer(Pool { pooling, groups, width }))
}

fn splines(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const SPLINES: &str = "bsplines_";
    let degree = estimator.count("degree")?;
    let extrapolation = estimator.get("extrapolation")?;
    let beyond = match extrapolation.str() {
        Some("error") => Beyond::Refused,
        Some("constant") => Beyond::Constant,
        Some("linear") => Beyond::Linear,
        Some("continue") => Beyond::Continued,
        Some("periodic") => Beyond::Periodic,
        _ => return Err(estimator.refuse("extrapolation", extrapolation, "it is not known")),
    };
    let takes_missing = match estimator.find("handle_missing").and_then(|how| how.str()) {
        None | Some("error") => false,
        Some("zeros") => true,
        Some(_) => return Err(estimator.misfit("handle_missing")),
    };
    let columns = estimator.items(SPLINES)?.into_iter().map(|view| spline(estimator, view, degree));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    if columns.len() != estimator.width()? {
        return Err(estimator.misfit(SPLINES));
    }
    let has_last = estimator.flag("include_bias")?;
    Ok(Fitted::transformer(SplineColumns { columns, beyond, has_last, takes_missing }))
}

/// One of scipy's splines, whose coefficients are those of a basis: it has as many as it tells.
fn spline<'g>(estimator: &Estimator<'g>, view: View<'g>, degree: usize) -> Result<Splines, ExtractError> {
    const SPLINES: &str = "bsplines_";
    let misfit = || estimator.misfit(SPLINES);
    // newer versions of scipy keep them under a name of their own
    let part =
        |name: &str, newer: &str| view.attribute(name).or_else(|| view.attribute(newer)).ok_or_else(misfit);
    let knots = estimator.vector_of(SPLINES, part("t", "_t")?)?;
    let weights = estimator.matrix_of(SPLINES, part("c", "_c")?)?;
    let count = weights.columns;
    let is_basis = weights.values.iter().enumerate().all(|(at, weight)| {
        let (row, column) = (at / count.max(1), at % count.max(1));
        *weight == f64::from(u8::from(row % count.max(1) == column))
    });
    let fits = view.attribute("k").and_then(|own| own.int()) == i64::try_from(degree).ok()
        && is_basis
        && Some(weights.rows) == knots.len().checked_sub(degree + 1);
    Splines::new(knots, degree, count).filter(|_| fits).ok_or_else(misfit)
}

/// What each row says alone: in a batch, scikit-learn stops when all rows together hardly change.
fn factors(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let solver = estimator.get("solver")?;
    if solver.str() != Some("cd") {
        return Err(estimator.refuse("solver", solver, "only `cd` is reproduced"));
    }
    if estimator.flag("shuffle")? {
        return Err(estimator.refuse("shuffle", estimator.get("shuffle")?, "chance is not reproduced"));
    }
    let parts = dense(estimator.matrix("components_")?);
    if parts.width != estimator.width()? || parts.rows == 0 {
        return Err(estimator.misfit("components_"));
    }
    estimator.spend("components_", parts.rows, parts.rows)?;
    // until 1.1 one penalty stood for both sides and was not scaled
    if estimator.some("alpha").is_some_and(|alpha| alpha.float().is_some_and(|alpha| alpha != 0.0)) {
        return Err(estimator.refuse("alpha", estimator.get("alpha")?, "only `alpha_W` is reproduced"));
    }
    #[expect(clippy::cast_precision_loss, reason = "a number of columns")]
    let penalty = parts.width as f64 * estimator.number("alpha_W")?;
    let ratio = estimator.number("l1_ratio")?;
    let rounds = estimator.count("max_iter")?.min(100_000);
    let penalties = (penalty * ratio, penalty * (1.0 - ratio));
    Ok(Fitted::transformer(Factors::new(parts, penalties, rounds, estimator.number("tol")?)))
}

fn self_trained(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let name = if estimator.find("estimator_").is_some() { "estimator_" } else { "base_estimator_" };
    estimator.read(estimator.get(name)?)
}

fn frozen(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    estimator.read(estimator.get("estimator")?)
}

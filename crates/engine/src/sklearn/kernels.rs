//! Models that hold their training data against a row: kernel ridge, Nyström, Gaussian processes.

use super::estimator::Estimator;
use super::rows::rows;
use super::{Class, ExtractError, class, labels};
use crate::data::Dense;
use crate::expansion::{Centring, Cosines, Expansion, ExpansionRegressor, Likeness, Spreading};
use crate::fitted::{Fitted, Head};
use crate::gaussian::laplace::{Laplace, NameOnly};
use crate::gaussian::{Covariance, Smoothness};
use crate::machine::{Kernel, Vectors};
use crate::pickle::View;

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.kernel_ridge", "KernelRidge", ridge),
    class("sklearn.kernel_approximation", "Nystroem", nystroem),
    class("sklearn.kernel_approximation", "RBFSampler", random_features),
    class("sklearn.decomposition", "KernelPCA", components),
    class("sklearn.semi_supervised", "LabelSpreading", spreading),
    class("sklearn.semi_supervised", "LabelPropagation", spreading),
    class("sklearn.gaussian_process", "GaussianProcessRegressor", process),
    class("sklearn.gaussian_process", "GaussianProcessClassifier", process_classifier),
    class("sklearn.gaussian_process", "_BinaryGaussianProcessClassifierLaplace", process_of_two),
];

/// The kernel by its name, with scikit-learn's defaults for what is None.
fn kernel(estimator: &Estimator<'_>, width: usize) -> Result<Kernel, ExtractError> {
    const PARAMETER: &str = "kernel";
    if let Some(parameters) = estimator.some("kernel_params")
        && parameters.pairs().is_none_or(|pairs| pairs.len() > 0)
    {
        return Err(estimator.refuse(
            "kernel_params",
            parameters,
            "only gamma, degree and coef0 are reproduced",
        ));
    }
    let number = |name: &'static str, usual: f64| match estimator.some(name) {
        Some(_) => estimator.number(name),
        None => Ok(usual),
    };
    #[expect(clippy::cast_precision_loss, reason = "a number of columns")]
    let usual = 1.0 / width as f64;
    // fitted ones remember what None became
    let gamma = match estimator.some("gamma_") {
        Some(_) => estimator.number("gamma_")?,
        None => number("gamma", usual)?,
    };
    let shift = number("coef0", 1.0)?;
    let name = estimator.get(PARAMETER)?;
    Ok(match name.str() {
        Some("linear") => Kernel::Linear,
        Some("rbf") => Kernel::Radial { gamma },
        Some("sigmoid") => Kernel::Sigmoid { gamma, shift },
        Some("poly" | "polynomial") => {
            let degree = number("degree", 3.0)?;
            let whole = (-100..=100).find(|whole| f64::from(*whole) == degree);
            let degree = whole.ok_or_else(|| estimator.misfit("degree"))?;
            Kernel::Polynomial { gamma, shift, degree }
        }
        _ => return Err(estimator.refuse(PARAMETER, name, "it is not reproduced")),
    })
}

fn likeness(estimator: &Estimator<'_>, attribute: &'static str) -> Result<Likeness, ExtractError> {
    let rows = rows(estimator, attribute, estimator.get(attribute)?)?;
    let width = estimator.width()?;
    if rows.width() != width {
        return Err(estimator.misfit(attribute));
    }
    Ok(Likeness::Vectors(Vectors::new(kernel(estimator, width)?, rows)))
}

/// Weights that were saved a row for each row of the training data, or one column of them.
fn by_output(estimator: &Estimator<'_>, attribute: &'static str) -> Result<Dense, ExtractError> {
    let array = estimator.array(attribute)?;
    let (rows, columns) = match array.shape[..] {
        [rows] => (rows, 1),
        [rows, columns] => (rows, columns),
        _ => return Err(estimator.misfit(attribute)),
    };
    let values = estimator.floats(attribute, &array)?;
    Ok(Dense::from_rows(columns, rows, |column, places| {
        places.iter_mut().enumerate().for_each(|(row, place)| *place = values[row * columns + column]);
    }))
}

fn fitting(
    estimator: &Estimator<'_>,
    expansion: Expansion,
    attribute: &'static str,
) -> Result<Expansion, ExtractError> {
    if expansion.fits() { Ok(expansion) } else { Err(estimator.misfit(attribute)) }
}

fn ridge(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const WEIGHTS: &str = "dual_coef_";
    let weights = by_output(estimator, WEIGHTS)?;
    let scales = vec![(1.0, 0.0); weights.rows];
    let expansion = Expansion { likeness: likeness(estimator, "X_fit_")?, centring: None, weights };
    let expansion = fitting(estimator, expansion, WEIGHTS)?;
    Ok(Fitted::regressor(ExpansionRegressor { expansion, scales }))
}

fn nystroem(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const WEIGHTS: &str = "normalization_";
    let stored = estimator.matrix(WEIGHTS)?;
    let weights = Dense { values: stored.values, rows: stored.rows, width: stored.columns };
    let expansion = Expansion { likeness: likeness(estimator, "components_")?, centring: None, weights };
    fitting(estimator, expansion, WEIGHTS).map(Fitted::transformer)
}

fn random_features(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let directions = by_output(estimator, "random_weights_")?;
    let offsets = estimator.vector("random_offset_")?;
    if directions.rows != offsets.len() || directions.width != estimator.width()? {
        return Err(estimator.misfit("random_offset_"));
    }
    Ok(Fitted::transformer(Cosines { directions, offsets }))
}

fn components(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const VECTORS: &str = "eigenvectors_";
    // 1.0 had them under two names, the older of which went later
    let name =
        if estimator.find(VECTORS).is_some() { (VECTORS, "eigenvalues_") } else { ("alphas_", "lambdas_") };
    let mut weights = by_output(estimator, name.0)?;
    let values = estimator.vector(name.1)?;
    if values.len() != weights.rows {
        return Err(estimator.misfit(name.1));
    }
    for (row, value) in values.into_iter().enumerate() {
        weights
            .row_mut(row)
            .iter_mut()
            .for_each(|weight| *weight = if value == 0.0 { 0.0 } else { *weight / value.sqrt() });
    }
    let centrer = estimator.get("_centerer")?;
    let part = |name: &str| centrer.attribute(name).ok_or_else(|| estimator.misfit("_centerer"));
    let columns = estimator.vector_of("_centerer", part("K_fit_rows_")?)?;
    let all = part("K_fit_all_")?.float().ok_or_else(|| estimator.misfit("_centerer"))?;
    let centring = Centring { columns, all };
    let expansion = Expansion { likeness: likeness(estimator, "X_fit_")?, centring: Some(centring), weights };
    fitting(estimator, expansion, VECTORS).map(Fitted::transformer)
}

fn spreading(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const WEIGHTS: &str = "label_distributions_";
    let classes = labels::classes(estimator)?;
    let weights = by_output(estimator, WEIGHTS)?;
    let kernel = estimator.get("kernel")?;
    if kernel.str() != Some("rbf") {
        return Err(estimator.refuse("kernel", kernel, "only `rbf` is reproduced"));
    }
    let expansion = Expansion { likeness: likeness(estimator, "X_")?, centring: None, weights };
    let expansion = fitting(estimator, expansion, WEIGHTS)?;
    if expansion.weights.rows != classes.len() {
        return Err(estimator.misfit(WEIGHTS));
    }
    Ok(Fitted::classifier(Spreading(expansion), classes))
}

fn process(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let stored = estimator.matrix("X_train_")?;
    let rows = Dense { values: stored.values, rows: stored.rows, width: stored.columns };
    let covariance = covariance(estimator, estimator.get("kernel_")?, 0)?;
    let weights = by_output(estimator, "alpha_")?;
    let several = |attribute: &'static str| -> Result<Vec<f64>, ExtractError> {
        if let Some(same) = estimator.get(attribute)?.float().filter(|same| same.is_finite()) {
            return Ok(vec![same; weights.rows]);
        }
        let array = estimator.array(attribute)?;
        match (&array.shape[..], estimator.floats(attribute, &array)?) {
            ([] | [1], values) => Ok(vec![values[0]; weights.rows]),
            ([length], values) if *length == weights.rows => Ok(values),
            _ => Err(estimator.misfit(attribute)),
        }
    };
    let scales = several("_y_train_std")?.into_iter().zip(several("_y_train_mean")?).collect();
    if !covariance.fits(rows.width) {
        return Err(estimator.misfit("kernel_"));
    }
    let likeness = Likeness::Covariance { covariance, rows };
    let expansion = fitting(estimator, Expansion { likeness, centring: None, weights }, "alpha_")?;
    Ok(Fitted::regressor(ExpansionRegressor { expansion, scales }))
}

/// One process of two classes, or several that are held against each other.
fn process_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let inner = estimator.member(estimator.get("base_estimator_")?)?;
    let fitted = (inner.class.read)(&inner)?;
    Ok(match fitted.head {
        Some(Head::Classifier(pairs, classes)) if inner.class.name == "OneVsOneClassifier" => {
            Fitted::classifier(NameOnly(pairs), classes)
        }
        head => Fitted { head, ..fitted },
    })
}

fn process_of_two(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let dense = |attribute: &'static str| {
        let stored = estimator.matrix(attribute)?;
        Ok(Dense { values: stored.values, rows: stored.rows, width: stored.columns })
    };
    let rows = dense("X_train_")?;
    let covariance = covariance(estimator, estimator.get("kernel_")?, 0)?;
    let (told, said) = (estimator.vector("y_train_")?, estimator.vector("pi_")?);
    if told.len() != said.len() {
        return Err(estimator.misfit("pi_"));
    }
    let weights = told.iter().zip(said).map(|(told, said)| told - said).collect();
    let process = Laplace::new(covariance, rows, weights, estimator.vector("W_sr_")?, dense("L_")?);
    let process = process.ok_or_else(|| estimator.misfit("X_train_"))?;
    Ok(Fitted::classifier(process, labels::classes(estimator)?))
}

/// A kernel of a Gaussian process: objects in objects.
fn covariance<'g>(
    estimator: &Estimator<'g>,
    view: View<'g>,
    depth: usize,
) -> Result<Covariance, ExtractError> {
    const ATTRIBUTE: &str = "kernel_";
    /// Sums and products in each other.
    const MAX_DEPTH: usize = 16;
    let misfit = || estimator.misfit(ATTRIBUTE);
    let name = match view.class() {
        Some(("sklearn.gaussian_process.kernels", name)) if depth < MAX_DEPTH => name,
        _ => return Err(estimator.refuse(ATTRIBUTE, view, "it is no kernel of scikit-learn")),
    };
    let part = |name: &str| {
        let inner = view.attribute(name).ok_or_else(misfit)?;
        covariance(estimator, inner, depth + 1).map(Box::new)
    };
    let number = |name: &str| view.attribute(name).and_then(|number| number.float()).ok_or_else(misfit);
    let lengths = || match view.attribute("length_scale").ok_or_else(misfit)? {
        length if length.float().is_some() => Ok(vec![length.float().unwrap_or(1.0)]),
        lengths => estimator.vector_of(ATTRIBUTE, lengths),
    };
    Ok(match name {
        "ConstantKernel" => Covariance::Constant(number("constant_value")?),
        "WhiteKernel" => Covariance::White(number("noise_level")?),
        "Sum" => Covariance::Sum(part("k1")?, part("k2")?),
        "Product" => Covariance::Product(part("k1")?, part("k2")?),
        "Exponentiation" => Covariance::Power(part("kernel")?, number("exponent")?),
        "RBF" => Covariance::Radial { lengths: lengths()? },
        "Matern" => {
            let smoothness = match number("nu")? {
                0.5 => Smoothness::Half,
                1.5 => Smoothness::ThreeHalves,
                2.5 => Smoothness::FiveHalves,
                f64::INFINITY => Smoothness::Infinite,
                _ => {
                    return Err(estimator.refuse(
                        ATTRIBUTE,
                        view,
                        "only nu of 0.5, 1.5, 2.5 and infinity are reproduced",
                    ));
                }
            };
            Covariance::Matern { lengths: lengths()?, smoothness }
        }
        "RationalQuadratic" => {
            Covariance::RationalQuadratic { length: number("length_scale")?, mixture: number("alpha")? }
        }
        "ExpSineSquared" => {
            Covariance::Periodic { length: number("length_scale")?, period: number("periodicity")? }
        }
        "DotProduct" => Covariance::Dot { shift: number("sigma_0")? },
        _ => return Err(estimator.refuse(ATTRIBUTE, view, "it is not reproduced")),
    })
}

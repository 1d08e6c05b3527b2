//! Support vector machines and neural networks.

use std::sync::Arc;

use super::estimator::Estimator;
use super::rows::{dense, rows};
use super::{Class, ExtractError, class, labels};
use crate::committee::outliers::Outliers;
use crate::fitted::{Classify, Fitted, Head};
use crate::linear::{Coefficients, Weights};
use crate::machine::{Decisions, Kernel, Platt, VectorClassifier, VectorRegressor, Vectors};
use crate::model::Label;
use crate::network::{Activation, Network, NetworkClassifier, NetworkLabel, NetworkRegressor};

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.svm", "SVC", vector_classifier),
    class("sklearn.svm", "NuSVC", vector_classifier),
    class("sklearn.svm", "SVR", vector_regressor),
    class("sklearn.svm", "NuSVR", vector_regressor),
    class("sklearn.svm", "OneClassSVM", one_class),
    class("sklearn.neural_network", "MLPClassifier", network_classifier),
    class("sklearn.neural_network", "MLPRegressor", network_regressor),
];

fn kernel(estimator: &Estimator<'_>) -> Result<Kernel, ExtractError> {
    let kernel = estimator.get("kernel")?;
    let gamma = || estimator.number("_gamma");
    let shift = || estimator.number("coef0");
    Ok(match kernel.str() {
        Some("linear") => Kernel::Linear,
        Some("rbf") => Kernel::Radial { gamma: gamma()? },
        Some("sigmoid") => Kernel::Sigmoid { gamma: gamma()?, shift: shift()? },
        Some("poly") => {
            let degree = i32::try_from(estimator.count("degree")?).map_err(|_| estimator.misfit("degree"))?;
            Kernel::Polynomial { gamma: gamma()?, shift: shift()?, degree }
        }
        _ => return Err(estimator.refuse("kernel", kernel, "a kernel of one's own cannot be run")),
    })
}

fn vectors(estimator: &Estimator<'_>) -> Result<Vectors, ExtractError> {
    let rows = rows(estimator, "support_vectors_", estimator.get("support_vectors_")?)?;
    if rows.width() != estimator.width()? {
        return Err(estimator.misfit("support_vectors_"));
    }
    Ok(Vectors::new(kernel(estimator)?, rows))
}

fn vector_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let classes = labels::classes(estimator)?;
    let counts = estimator.array("_n_support")?.scalars().map_err(|_| estimator.misfit("_n_support"))?;
    let counts: Option<Vec<usize>> =
        counts.iter().map(|count| usize::try_from(count.as_int()?).ok()).collect();
    let decisions = match estimator.text("decision_function_shape")? {
        "ovr" => Decisions::Classes,
        "ovo" => Decisions::Pairs,
        _ => return Err(estimator.misfit("decision_function_shape")),
    };
    let calibrations = match estimator.get("probability")?.bool() {
        Some(true) => {
            let (slopes, shifts) = (estimator.vector("_probA")?, estimator.vector("_probB")?);
            slopes.into_iter().zip(shifts).map(|(slope, shift)| Platt { slope, shift }).collect()
        }
        _ => Vec::new(),
    };
    let machine = VectorClassifier {
        vectors: vectors(estimator)?,
        counts: counts.ok_or_else(|| estimator.misfit("_n_support"))?,
        weights: dense(estimator, "_dual_coef_", estimator.get("_dual_coef_")?)?,
        intercepts: estimator.vector("_intercept_")?,
        calibrations,
        decisions,
        breaks_ties: estimator.flag("break_ties")?,
    };
    if !machine.fits() || machine.counts.len() != classes.len() {
        return Err(estimator.misfit("_dual_coef_"));
    }
    Ok(Fitted::classifier(machine, classes))
}

fn vector_regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let weights = dense(estimator, "_dual_coef_", estimator.get("_dual_coef_")?)?;
    let [intercept] = estimator.vector("_intercept_")?[..] else {
        return Err(estimator.misfit("_intercept_"));
    };
    let machine = VectorRegressor::new(vectors(estimator)?, weights.values, intercept);
    machine.map(Fitted::regressor).ok_or_else(|| estimator.misfit("_dual_coef_"))
}

/// Outliers are on the wrong side of the surface.
fn one_class(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let Some(Head::Regressor(decision)) = vector_regressor(estimator)?.head else {
        return Err(estimator.misfit("_dual_coef_"));
    };
    let outliers = Outliers { decision, includes_edge: false };
    Ok(Fitted::classifier(outliers, vec![Label::Int(-1), Label::Int(1)]))
}

fn activation(estimator: &Estimator<'_>, attribute: &'static str) -> Result<Activation, ExtractError> {
    Ok(match estimator.text(attribute)? {
        "identity" => Activation::Identity,
        "logistic" => Activation::Logistic,
        "tanh" => Activation::Tanh,
        "relu" => Activation::Relu,
        "softmax" => Activation::Softmax,
        _ => return Err(estimator.refuse(attribute, estimator.get(attribute)?, "it is not known")),
    })
}

fn network(estimator: &Estimator<'_>) -> Result<Network, ExtractError> {
    let (coefficients, intercepts) = (estimator.items("coefs_")?, estimator.items("intercepts_")?);
    if coefficients.len() != intercepts.len() {
        return Err(estimator.misfit("coefs_"));
    }
    let (inner, last) = (activation(estimator, "activation")?, activation(estimator, "out_activation_")?);
    let count = coefficients.len();
    let layers =
        coefficients.into_iter().zip(intercepts).enumerate().map(|(number, (coefficients, intercepts))| {
            let stored = estimator.matrix_of("coefs_", coefficients)?;
            let intercepts = estimator.vector_of("intercepts_", intercepts)?;
            let weights = Weights::new(Coefficients::F64(stored.values), intercepts, stored.rows);
            let weights = weights.filter(|weights| weights.outputs() == stored.columns);
            let activation = if number + 1 == count { last } else { inner };
            Ok((weights.ok_or_else(|| estimator.misfit("intercepts_"))?, activation))
        });
    let layers = layers.collect::<Result<Vec<_>, ExtractError>>()?;
    Network::new(layers).ok_or_else(|| estimator.misfit("coefs_"))
}

fn network_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let binarizer = estimator.member(estimator.get("_label_binarizer")?)?;
    let network = network(estimator)?;
    if binarizer.text("y_type_")?.starts_with("multilabel") {
        let network = Arc::new(network);
        let labels = (0..network.outputs()).map(|output| {
            let label = NetworkLabel { network: Arc::clone(&network), output };
            (Box::new(label) as Box<dyn Classify>, vec![Label::Int(0), Label::Int(1)])
        });
        return Ok(Fitted { head: Some(Head::Many(labels.collect())), ..Fitted::default() });
    }
    let classes: Vec<Label> = labels::classes(&binarizer)?;
    Ok(Fitted::classifier(NetworkClassifier(network), classes))
}

fn network_regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    Ok(Fitted::regressor(NetworkRegressor(network(estimator)?)))
}

//! From a model to bytes. The mirror of `decode`.

mod steps;

use std::any::Any;

use super::layout::{self, Layout};
use super::tensors::Writer;
use super::{FORMAT, VERSION};
use crate::data::Accepts;
use crate::fitted::Head;
use crate::linear::{self, Coefficients, Inverse, Linear, LinearRegressor, Link};
use crate::model::{Label, Parts};
use crate::tree::boosted::{BoostedClassifier, BoostedLink, BoostedRegressor, Sums};
use crate::tree::packed::PackedTrees;
use crate::tree::{Forest, ForestRegressor, Number};

/// Encodes a model; `None` for one that training here does not make.
pub(super) fn encode(parts: &Parts) -> Option<Vec<u8>> {
    let mut file = Writer::default();
    let classes = match parts.head.as_ref()? {
        Head::Classifier(_, classes) => classes.as_slice(),
        Head::Regressor(_) => &[],
        Head::Many(_) => return None,
    };
    let steps = steps::encode_all(&mut file, "", parts.chain.steps())?;
    let head = match parts.head.as_ref()? {
        Head::Classifier(classifier, _) => encode_classifier(&mut file, classifier.as_ref())?,
        Head::Regressor(regressor) => encode_regressor(&mut file, regressor.as_ref())?,
        Head::Many(_) => return None,
    };
    let mut tell = |name: &str, value: String| file.metadata.insert(name.to_owned(), value);
    tell("format", FORMAT.to_owned());
    tell("version", VERSION.to_string());
    tell("origin", parts.origin.clone());
    tell("kind", parts.kind.clone());
    tell("columns", serde_json::to_string(&parts.names).ok()?);
    tell("classes", classes.iter().all(is_json).then(|| serde_json::to_string(classes).ok())??);
    tell("model", serde_json::to_string(&Layout { steps, head }).ok()?);
    if let Some(record) = &parts.record {
        tell("training", record.clone());
    }
    file.finish()
}

/// JSON has no infinities.
fn is_json(label: &Label) -> bool {
    match label {
        Label::Float(value) => value.is_finite(),
        Label::Bool(_) | Label::Int(_) | Label::Text(_) => true,
    }
}

fn encode_classifier(file: &mut Writer, classifier: &dyn Any) -> Option<layout::Head> {
    if let Some(linear) = classifier.downcast_ref::<Linear>() {
        let (weights, link) = linear.parts();
        encode_weights(file, weights);
        let link = match link {
            Link::Sigmoid => layout::Link::Sigmoid,
            Link::SigmoidOfTwice => layout::Link::SigmoidOfTwice,
            Link::Softmax => layout::Link::Softmax,
            Link::OneVersusRest => layout::Link::OneVersusRest,
            Link::ModifiedHuber | Link::None => return None,
        };
        return Some(layout::Head::LinearClassifier { link });
    }
    if let Some(forest) = classifier.downcast_ref::<Forest>() {
        let width = encode_trees(file, forest.trees())?;
        return Some(layout::Head::ForestClassifier { width, takes_missing: forest.takes_missing() });
    }
    let (sums, link, ties_are_positive) = classifier.downcast_ref::<BoostedClassifier<f64>>()?.parts();
    let link = match link {
        BoostedLink::Sigmoid => layout::BoostedLink::Sigmoid,
        BoostedLink::SigmoidOfTwice => layout::BoostedLink::SigmoidOfTwice,
        BoostedLink::Softmax => layout::BoostedLink::Softmax,
    };
    let width = encode_sums(file, sums)?;
    Some(layout::Head::BoostedClassifier { width, link, ties_are_positive })
}

fn encode_regressor(file: &mut Writer, regressor: &dyn Any) -> Option<layout::Head> {
    if let Some(linear) = regressor.downcast_ref::<LinearRegressor>() {
        encode_weights(file, &linear.weights);
        return (linear.inverse == Inverse::Identity).then_some(layout::Head::LinearRegressor);
    }
    if let Some(forest) = regressor.downcast_ref::<ForestRegressor>() {
        let width = encode_trees(file, forest.trees())?;
        return Some(layout::Head::ForestRegressor { width, takes_missing: forest.takes_missing() });
    }
    let boosted = regressor.downcast_ref::<BoostedRegressor<f64>>()?;
    let width = encode_sums(file, &boosted.sums)?;
    (!boosted.is_exponential).then_some(layout::Head::BoostedRegressor { width })
}

fn encode_weights(file: &mut Writer, weights: &linear::Weights) {
    let (coefficients, intercepts) = weights.parts();
    let shape = [weights.width(), weights.outputs()];
    match coefficients {
        Coefficients::F32(values) => file.f32s("head.coefficients".to_owned(), &shape, values),
        Coefficients::F64(values) => file.f64s("head.coefficients".to_owned(), &shape, values),
    }
    file.f64s("head.intercepts".to_owned(), &[intercepts.len()], intercepts);
}

/// Writes trees that are added up; how many features they are for.
fn encode_sums(file: &mut Writer, sums: &Sums<f64>) -> Option<usize> {
    let (trees, start, accepts) = sums.as_plain()?;
    file.f64s("head.start".to_owned(), &[start.len()], start);
    let width = encode_trees(file, trees)?;
    (accepts == Accepts::Anything).then_some(width)
}

/// Writes trees; how many features they are for. Splits by category have no place in the format.
fn encode_trees<N: Number>(file: &mut Writer, trees: &PackedTrees<N>) -> Option<usize> {
    let (mut features, mut thresholds, mut left, mut right) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut missing_left, mut counts, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut covers = Vec::new();
    for (nodes, own) in trees.grown() {
        if nodes.iter().any(|node| node.is_categorical || node.zero_is_missing) {
            return None;
        }
        counts.push(u32::try_from(nodes.len()).ok()?);
        values.extend(own);
        for node in nodes {
            features.push(node.feature);
            thresholds.push(node.threshold);
            left.push(node.left);
            right.push(node.right);
            missing_left.push(u8::from(node.missing_left));
            covers.push(node.cover);
        }
    }
    file.u32s("head.nodes".to_owned(), &counts);
    file.u32s("head.features".to_owned(), &features);
    file.f64s("head.thresholds".to_owned(), &[thresholds.len()], &thresholds);
    file.u32s("head.left".to_owned(), &left);
    file.u32s("head.right".to_owned(), &right);
    file.u8s("head.missing_left".to_owned(), missing_left);
    if covers.iter().any(|cover| *cover > 0.0) {
        file.f64s("head.covers".to_owned(), &[covers.len()], &covers);
    }
    file.f64s("head.values".to_owned(), &[trees.leaves(), trees.outputs()], &values);
    Some(trees.width())
}

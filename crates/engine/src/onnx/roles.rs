//! Finds out what a graph's outputs are: a label and scores, or numbers; and what its labels are called.

use super::error::OnnxError;
use super::ops::constant_of;
use super::proto::{Attribute, Declared, GraphProto, NodeProto, clean};
use super::tensor::{Data, Kind, Tensor, Value};
use crate::model::Label;

/// What a graph is for.
#[derive(Debug)]
pub(super) enum Role {
    Classifier {
        label: Option<usize>,
        scores: Option<(usize, bool)>,
        labels: Vec<Label>,
        /// Whether the graph names its classes.
        is_named: bool,
    },
    Regressor {
        outputs: Vec<usize>,
        width: usize,
    },
}

/// The most nodes to follow back from an output.
const REACH: usize = 64;

/// Values as labels.
pub(super) fn labels_of(tensor: &Tensor) -> Vec<Label> {
    match tensor.data() {
        Data::Str(values) => values.iter().cloned().map(Label::Text).collect(),
        Data::Bool(values) => values.iter().copied().map(Label::Bool).collect(),
        Data::F32(values) => values.iter().map(|value| Label::Float(f64::from(*value))).collect(),
        Data::F64(values) => values.iter().copied().map(Label::Float).collect(),
        Data::I64(values) => values.iter().copied().map(Label::Int).collect(),
        Data::I32(values) => values.iter().map(|value| Label::Int(i64::from(*value))).collect(),
        _ => tensor.to_f64().unwrap_or_default().into_iter().map(Label::Float).collect(),
    }
}

/// Tells what a graph is for; `given` is what it gave in a trial.
pub(super) fn find(proto: &GraphProto<'_>, given: Option<&[Value]>) -> Result<Role, OnnxError> {
    let kinds: Vec<Option<Kind>> =
        (0..proto.outputs.len()).map(|place| kind_of(proto, given, place)).collect();
    // scores: maps, or real numbers; a label: anything else
    let is_score = |place: &usize| kinds[*place].is_none_or(Kind::is_float);
    let label = (0..kinds.len()).find(|place| !is_score(place));
    let scores = (0..kinds.len()).find(is_score);
    match (label, scores) {
        (Some(label), scores) => classifier(proto, given, label, scores),
        (None, Some(first)) => {
            let is_shared_out =
                producer(proto, proto.outputs[first].name).is_some_and(|node| node.operator == "Softmax");
            let width = given.and_then(|given| width(&given[first]));
            match width {
                Some(width) if is_shared_out && kinds.len() == 1 && width >= 2 => {
                    let labels = (0i64..).take(width).map(Label::Int).collect();
                    Ok(Role::Classifier { label: None, scores: Some((first, true)), labels, is_named: false })
                }
                _ => regressor(proto, given, &kinds),
            }
        }
        (None, None) => Err(OnnxError::Model("the graph has no outputs".to_owned())),
    }
}

fn regressor(
    proto: &GraphProto<'_>,
    given: Option<&[Value]>,
    kinds: &[Option<Kind>],
) -> Result<Role, OnnxError> {
    let outputs: Vec<usize> = (0..kinds.len()).filter(|place| kinds[*place].is_some()).collect();
    let width = |place: &usize| match given {
        Some(given) => width(&given[*place]),
        None => declared_width(&proto.outputs[*place].declared),
    };
    let widths = outputs.iter().map(width).collect::<Option<Vec<_>>>().filter(|widths| !widths.is_empty());
    let widths = widths.ok_or_else(|| {
        OnnxError::Model(format!(
            "the output `{}` is of no size that can be told",
            clean(proto.outputs[0].name)
        ))
    })?;
    Ok(Role::Regressor { width: widths.iter().sum(), outputs })
}

/// The type of an output's elements; none for maps and sequences.
fn kind_of(proto: &GraphProto<'_>, given: Option<&[Value]>, place: usize) -> Option<Kind> {
    match (given.map(|given| &given[place]), &proto.outputs[place].declared) {
        (Some(Value::Tensor(tensor)), _) => Some(tensor.kind()),
        (Some(Value::Maps(..) | Value::Sequence(_)), _) => None,
        (None, Declared::Tensor(kind, _)) => Some(*kind),
        (None, Declared::Other(_)) => None,
    }
}

/// The number of values an output has for one row.
fn width(value: &Value) -> Option<usize> {
    match value {
        Value::Tensor(tensor) => Some(tensor.len()),
        Value::Maps(keys, _) => Some(keys.len()),
        Value::Sequence(_) => None,
    }
}

fn declared_width(declared: &Declared) -> Option<usize> {
    match declared {
        Declared::Tensor(_, Some(sizes)) => sizes.iter().skip(1).copied().product(),
        _ => None,
    }
}

fn classifier(
    proto: &GraphProto<'_>,
    given: Option<&[Value]>,
    label: usize,
    scores: Option<usize>,
) -> Result<Role, OnnxError> {
    let name = proto.outputs[label].name;
    let width = scores.and_then(|scores| given.and_then(|given| width(&given[scores])));
    let found = named_by(proto, name)
        .or_else(|| scores.and_then(|scores| named_by(proto, proto.outputs[scores].name)));
    let is_text = kind_of(proto, given, label) == Some(Kind::Str);
    // one label a row names one output; several are left as numbers
    let count = given.and_then(|given| self::width(&given[label])).unwrap_or(1);
    let is_named = found.is_some() && count == 1;
    let labels = match (found.filter(|_| count == 1), width) {
        (Some(labels), _) => labels,
        // without names classes are numbered
        (None, Some(width)) if !is_text && width >= 2 && count == 1 => {
            (0i64..).take(width).map(Label::Int).collect()
        }
        (None, _) if !is_text => {
            let is_flat =
                |place: &usize| given.is_some_and(|given| matches!(given[*place], Value::Tensor(_)));
            let outputs: Vec<usize> = [Some(label), scores.filter(is_flat)].into_iter().flatten().collect();
            let widths =
                outputs.iter().map(|place| given.and_then(|given| self::width(&given[*place])).unwrap_or(1));
            return Ok(Role::Regressor { width: widths.sum(), outputs });
        }
        (None, _) => {
            return Err(OnnxError::Model(format!(
                "the output `{}` names classes, and the graph does not say which there are for one output",
                clean(name)
            )));
        }
    };
    let are_shares = scores.is_some_and(|place| is_probability(proto, given, place));
    let fits = |width: usize| width == labels.len() || width == 1 || !are_shares;
    let scores = scores.filter(|_| width.is_none_or(fits)).map(|place| (place, are_shares));
    Ok(Role::Classifier { label: Some(label), scores, labels, is_named })
}

/// Whether scores are probabilities: all converters call them so, but decisions, too, so they must be shares of one.
fn is_probability(proto: &GraphProto<'_>, given: Option<&[Value]>, place: usize) -> bool {
    let name = proto.outputs[place].name;
    let is_made = |operator: &str| producer(proto, name).is_some_and(|node| node.operator == operator);
    let is_called = name.to_lowercase().contains("prob") || is_made("ZipMap") || is_made("Softmax");
    let are_shares = match given.map(|given| &given[place]) {
        Some(Value::Tensor(table) | Value::Maps(_, table)) => table.to_f64().is_ok_and(|values| {
            values.iter().all(|value| *value >= 0.0) && (values.iter().sum::<f64>() - 1.0).abs() < 1e-3
        }),
        Some(Value::Sequence(_)) => false,
        None => true,
    };
    is_called && are_shares
}

/// The node that gives a value.
fn producer<'g, 'p>(proto: &'g GraphProto<'p>, name: &str) -> Option<&'g NodeProto<'p>> {
    proto.nodes.iter().find(|node| node.outputs.contains(&name))
}

/// The classes that nodes on the way to an output name.
fn named_by(proto: &GraphProto<'_>, output: &str) -> Option<Vec<Label>> {
    let mut name = output;
    for _ in 0..REACH {
        let node = producer(proto, name)?;
        let named = match node.operator {
            "LabelEncoder" => {
                listed(node, &["values_strings", "values_int64s", "values_floats", "values_tensor"])
            }
            "ArrayFeatureExtractor" | "Gather" => {
                constant(proto, node.inputs.first()?).map(|tensor| labels_of(&tensor))
            }
            _ => listed(node, &["classlabels_strings", "classlabels_int64s", "classlabels_ints"]),
        };
        match named {
            Some(named) => return Some(named),
            None if ["ArrayFeatureExtractor", "Gather"].contains(&node.operator) => return None,
            None => name = node.inputs.first()?,
        }
    }
    None
}

/// A list of labels among a node's attributes.
fn listed(node: &NodeProto<'_>, names: &[&str]) -> Option<Vec<Label>> {
    let attributes = node.attributes.iter().filter(|(name, _)| names.contains(name));
    let lists = attributes.filter_map(|(_, attribute)| match attribute {
        Attribute::Texts(texts) => texts
            .iter()
            .map(|text| std::str::from_utf8(text).ok().map(|text| Label::Text(text.to_owned())))
            .collect::<Option<Vec<_>>>(),
        Attribute::Ints(ints) => Some(ints.iter().copied().map(Label::Int).collect()),
        Attribute::Floats(floats) => {
            Some(floats.iter().map(|value| Label::Float(f64::from(*value))).collect())
        }
        Attribute::Tensor(tensor) => Some(labels_of(tensor)),
        Attribute::Float(_)
        | Attribute::Int(_)
        | Attribute::Text(_)
        | Attribute::Graph(_)
        | Attribute::Other => None,
    });
    lists.into_iter().find(|list| !list.is_empty())
}

fn constant(proto: &GraphProto<'_>, name: &str) -> Option<Tensor> {
    let initializer =
        proto.initializers.iter().find(|(found, _)| *found == name).map(|(_, tensor)| tensor.clone());
    initializer.or_else(|| constant_of(producer(proto, name).filter(|node| node.operator == "Constant")?))
}

/// The number of features that the first nodes after an input ask for, where the input does not say.
pub(super) fn width_of(proto: &GraphProto<'_>, input: &str) -> Option<usize> {
    let mut name = input;
    for _ in 0..REACH {
        let consumers = proto.nodes.iter().filter(|node| node.inputs.first() == Some(&name));
        if let Some(width) = consumers.clone().find_map(|node| asked_width(proto, node)) {
            return Some(width);
        }
        name = consumers
            .clone()
            .find(|node| ["Cast", "Identity", "Imputer", "Normalizer", "Binarizer"].contains(&node.operator))?
            .outputs
            .first()?;
    }
    None
}

/// The number of features a node asks for.
fn asked_width(proto: &GraphProto<'_>, node: &NodeProto<'_>) -> Option<usize> {
    let floats = |name: &str| {
        node.attributes.iter().find(|(found, _)| *found == name).map(|(_, attribute)| match attribute {
            Attribute::Floats(values) => values.len(),
            _ => 0,
        })
    };
    match node.operator {
        "Scaler" => floats("offset").filter(|width| *width > 1),
        "Imputer" => floats("imputed_value_floats").filter(|width| *width > 1),
        "LinearClassifier" | "LinearRegressor" => {
            Some(floats("coefficients")? / floats("intercepts").unwrap_or(1).max(1))
        }
        "TreeEnsembleClassifier" | "TreeEnsembleRegressor" | "TreeEnsemble" => {
            let features = node.attributes.iter().find(|(name, _)| *name == "nodes_featureids")?;
            let Attribute::Ints(features) = &features.1 else { return None };
            usize::try_from(features.iter().max()?.saturating_add(1)).ok()
        }
        "MatMul" | "Gemm" => {
            let weights = constant(proto, node.inputs.get(1)?)?;
            let is_turned = node
                .attributes
                .iter()
                .any(|(name, attribute)| *name == "transB" && matches!(attribute, Attribute::Int(1)));
            weights.shape().get(usize::from(is_turned)).copied()
        }
        _ => None,
    }
}

/// What a graph is, in two or three words.
pub(super) fn in_words(proto: &GraphProto<'_>) -> &'static str {
    let has = |names: &[&str]| proto.nodes.iter().any(|node| names.contains(&node.operator));
    if has(&["TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble"]) {
        "tree ensemble"
    } else if has(&["SVMClassifier", "SVMRegressor"]) {
        "support vector machine"
    } else if has(&["Conv", "LSTM", "GRU", "RNN"])
        || proto.nodes.iter().filter(|node| ["Gemm", "MatMul"].contains(&node.operator)).count() > 1
    {
        "neural network"
    } else if has(&["LinearClassifier", "LinearRegressor", "Gemm", "MatMul"]) {
        "linear model"
    } else {
        "graph of operators"
    }
}

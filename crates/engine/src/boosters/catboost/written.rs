//! A model as JSON has it.

use super::super::BoosterError;
use super::super::document::{Value, json};
use super::oblivious::{self, Split};
use super::{Feature, MOST_FEATURES, Model, categories_refused};
use crate::tree::Tree;
use crate::tree::arranged::{ArrangeError, Arranged, Branch};

pub(super) fn read(whole: &Value) -> Result<Model, BoosterError> {
    let information = whole.get("features_info")?;
    let is_there =
        |key: &str| information.find(key).and_then(Value::items).is_some_and(|items| !items.is_empty());
    if ["categorical_features", "text_features", "embedding_features", "ctrs"].into_iter().any(is_there) {
        return Err(categories_refused());
    }
    let features = information.find("float_features").and_then(Value::items).unwrap_or_default();
    let features = features.iter().map(feature).collect::<Result<Vec<_>, _>>()?;
    let (scale, bias) = scale_and_bias(whole.find("scale_and_bias"))?;
    let outputs = bias.len();
    let trees = match whole.find("oblivious_trees") {
        Some(list) => {
            let list = list.items().ok_or_else(|| BoosterError::field("oblivious_trees", "is not a list"))?;
            let trees = list.iter().enumerate();
            trees
                .map(|(number, tree)| oblivious(tree, outputs, &features, number))
                .collect::<Result<_, _>>()?
        }
        None => {
            let list = whole.get("trees")?.items();
            let trees = list.ok_or_else(|| BoosterError::field("trees", "is not a list"))?.iter().enumerate();
            trees.map(|(number, tree)| nested(tree, outputs, &features, number)).collect::<Result<_, _>>()?
        }
    };
    let model = whole.get("model_info")?;
    Ok(Model {
        features,
        outputs,
        trees,
        scale,
        bias,
        parameters: parsed(model.get("params")?)?,
        classes: model.find("class_params").map(parsed).transpose()?,
        version: model.find("catboost_version_info").and_then(Value::as_text).and_then(super::version),
    })
}

/// Some versions keep JSON inside a text.
fn parsed(value: &Value) -> Result<Value, BoosterError> {
    match value {
        Value::Text(text) => json::read(text.as_bytes()),
        value => Ok(value.clone()),
    }
}

fn feature(value: &Value) -> Result<Feature, BoosterError> {
    let column = value.count("flat_feature_index")?;
    if column > MOST_FEATURES {
        return Err(BoosterError::field("flat_feature_index", "is beyond any table"));
    }
    let missing = value.find("nan_value_treatment").and_then(Value::as_text);
    let name = value.find("feature_id").and_then(Value::as_text).unwrap_or("").to_owned();
    Ok(Feature { name, column, missing_is_above: missing == Some("AsTrue") })
}

/// `[scale, [bias, …]]`, or `[scale, bias]` of one output.
fn scale_and_bias(value: Option<&Value>) -> Result<(f64, Vec<f64>), BoosterError> {
    let Some(value) = value else { return Ok((1.0, vec![0.0])) };
    let read = match value {
        Value::Numbers(numbers) => numbers.split_first().map(|(scale, bias)| (*scale, bias.to_vec())),
        Value::List(items) => match items.as_slice() {
            [scale, bias] => scale.as_number().zip(bias.as_numbers().map(|bias| bias.to_vec())),
            _ => None,
        },
        _ => None,
    };
    read.filter(|(scale, bias)| super::is_sound(*scale, bias))
        .ok_or_else(|| BoosterError::field("scale_and_bias", "is not a number and a list of numbers"))
}

fn split(value: &Value, number: usize) -> Result<Split, BoosterError> {
    if value.find("split_type").and_then(Value::as_text) != Some("FloatFeature") {
        return Err(categories_refused());
    }
    let told = |error| BoosterError::tree(number, error);
    let border = value.get("border").map_err(told)?.as_number();
    let border = border.ok_or_else(|| BoosterError::tree(number, "has a border that is no number"))?;
    Ok(Split { feature: value.count("float_feature_index").map_err(told)?, border })
}

fn oblivious(
    tree: &Value,
    outputs: usize,
    features: &[Feature],
    number: usize,
) -> Result<Tree, BoosterError> {
    let splits = tree.find("splits").and_then(Value::items).unwrap_or_default();
    let splits = splits.iter().map(|value| split(value, number)).collect::<Result<Vec<_>, _>>()?;
    let values = tree.numbers("leaf_values").map_err(|error| BoosterError::tree(number, error))?;
    oblivious::tree(&splits, &values, outputs, features, number)
}

/// A tree written as trees inside trees.
fn nested(tree: &Value, outputs: usize, features: &[Feature], number: usize) -> Result<Tree, BoosterError> {
    let told = |error: BoosterError| BoosterError::tree(number, error);
    let mut nodes = vec![tree];
    let mut branches = Vec::new();
    while let Some(&node) = nodes.get(branches.len()) {
        if let Some(value) = node.find("split") {
            let split = split(value, number)?.node(features, number)?;
            let left = nodes.len();
            nodes.extend([node.get("left").map_err(told)?, node.get("right").map_err(told)?]);
            branches.push(Branch::Split { split, left, right: left + 1 });
        } else {
            branches.push(Branch::Leaf(branches.len()));
        }
    }
    let arranged = Arranged::new(branches.len(), 0, |node| Ok::<_, ArrangeError>(branches[node]));
    let arranged = arranged.map_err(|error| BoosterError::tree(number, error))?;
    let mut is_sound = true;
    let grown = arranged.into_tree(outputs, super::width(features), Vec::new(), |leaf, all| {
        let start = all.len();
        match nodes[leaf].find("value") {
            Some(Value::Number(value)) => all.push(*value),
            Some(values) => all.extend(values.as_numbers().unwrap_or_default().iter()),
            None => {}
        }
        is_sound &= all.len() - start == outputs && all[start..].iter().all(|value| value.is_finite());
    });
    if !is_sound {
        return Err(BoosterError::tree(number, "has a leaf without its numbers"));
    }
    grown.map_err(|error| BoosterError::tree(number, error))
}

//! A model in the binary format: a FlatBuffers table between a head and what categories need.

use super::super::BoosterError;
use super::super::document::{Value, json};
use super::flat::Table;
use super::oblivious::{self, Split};
use super::{Feature, MOST_FEATURES, Model, categories_refused};
use crate::tree::Tree;
use crate::tree::arranged::{ArrangeError, Arranged, Branch};

/// The fields of the model's table, by number.
mod core {
    pub(super) const TREES: usize = 1;
    pub(super) const INFORMATION: usize = 2;
    pub(super) const PARTS: usize = 3;
}

/// The fields of the trees' table.
mod trees {
    pub(super) const OUTPUTS: usize = 0;
    pub(super) const SPLITS: usize = 1;
    pub(super) const SIZES: usize = 2;
    pub(super) const FLOATS: usize = 5;
    pub(super) const LEAVES: usize = 8;
    pub(super) const STEPS: usize = 10;
    pub(super) const STEP_LEAVES: usize = 11;
    pub(super) const SCALE: usize = 14;
    pub(super) const BIAS: usize = 15;
    pub(super) const BIASES: usize = 16;
    /// Categories, one-hot, statistics of categories, texts, estimated ones, embeddings.
    pub(super) const OTHERS: [usize; 6] = [4, 6, 7, 12, 13, 18];
}

pub(super) fn read(bytes: &[u8]) -> Result<Model, BoosterError> {
    let length = bytes.get(4..8).and_then(|length| length.try_into().ok()).map(u32::from_le_bytes);
    let body = length.and_then(|length| bytes.get(8..(length as usize).checked_add(8)?));
    let body = body.ok_or(BoosterError::Truncated { offset: bytes.len() })?;
    let whole = Table::root(body)?;
    if whole.list(core::PARTS, 4)?.length > 0 {
        return Err(categories_refused());
    }
    let table =
        whole.table(core::TREES)?.ok_or_else(|| BoosterError::Missing { name: "ModelTrees".to_owned() })?;
    for other in trees::OTHERS {
        if table.list(other, 4)?.length > 0 {
            return Err(categories_refused());
        }
    }
    let outputs =
        usize::try_from(table.i32(trees::OUTPUTS, 0)?).ok().filter(|outputs| (1..1 << 16).contains(outputs));
    let outputs =
        outputs.ok_or_else(|| BoosterError::field("ApproxDimension", "is not a count of outputs"))?;
    let (features, splits) = features(&table)?;
    let biases = table.list(trees::BIASES, 8)?.f64s();
    let bias = if biases.is_empty() { vec![table.f64(trees::BIAS, 0.0)?; outputs] } else { biases };
    let scale = table.f64(trees::SCALE, 1.0)?;
    if bias.len() != outputs || !super::is_sound(scale, &bias) {
        return Err(BoosterError::field("Bias", "does not fit the outputs"));
    }
    let leaves = Leaves { values: table.list(trees::LEAVES, 8)?.f64s(), outputs };
    let grown = match table.list(trees::STEPS, 4)?.length {
        0 => symmetric(&table, &splits, &leaves, &features)?,
        _ => asymmetric(&table, &splits, &leaves, &features)?,
    };
    let information = information(&whole)?;
    let find = |key: &str| information.iter().find(|(found, _)| *found == key).map(|(_, value)| *value);
    let parsed = |text: &str| json::read(text.as_bytes());
    let parameters = find("params").ok_or_else(|| BoosterError::Missing { name: "params".to_owned() })?;
    Ok(Model {
        features,
        outputs,
        trees: grown,
        scale,
        bias,
        parameters: parsed(parameters)?,
        classes: find("class_params").map(parsed).transpose()?.filter(|value| *value != Value::Null),
        version: find("catboost_version_info").and_then(super::version),
    })
}

/// What the library notes about training: texts by name.
fn information<'b>(whole: &Table<'b>) -> Result<Vec<(&'b str, &'b str)>, BoosterError> {
    let pairs = whole.list(core::INFORMATION, 4)?.tables().map(|pair| {
        let pair = pair?;
        Ok((pair.text(0)?.unwrap_or(""), pair.text(1)?.unwrap_or("")))
    });
    pairs.collect()
}

/// Columns of numbers, and every border of every column: splits name them by number.
fn features(table: &Table<'_>) -> Result<(Vec<Feature>, Vec<Split>), BoosterError> {
    let (mut features, mut splits) = (Vec::new(), Vec::new());
    for feature in table.list(trees::FLOATS, 4)?.tables() {
        let feature = feature?;
        let column = usize::try_from(feature.i32(2, -1)?).ok().filter(|column| *column <= MOST_FEATURES);
        let column =
            column.ok_or_else(|| BoosterError::field("FlatIndex", "is not the number of a column"))?;
        let borders = feature.list(3, 4)?.f32s();
        splits.extend(borders.into_iter().map(|border| Split { feature: features.len(), border }));
        // a list that many tables share could be copied without end
        if splits.len() > table.size() {
            return Err(BoosterError::field("Borders", "are more than the file can hold"));
        }
        let name = feature.text(4)?.unwrap_or("").chars().take(1 << 10).collect();
        features.push(Feature { name, column, missing_is_above: feature.u8(5)? == 2 });
    }
    Ok((features, splits))
}

struct Leaves {
    values: Vec<f64>,
    outputs: usize,
}

impl Leaves {
    /// So many numbers from a place on, if they are all there and finite.
    fn get(&self, start: usize, count: usize) -> Option<&[f64]> {
        let values = self.values.get(start..start.checked_add(count)?)?;
        values.iter().all(|value| value.is_finite()).then_some(values)
    }
}

fn symmetric(
    table: &Table<'_>,
    splits: &[Split],
    leaves: &Leaves,
    features: &[Feature],
) -> Result<Vec<Tree>, BoosterError> {
    let (named, sizes) = (table.list(trees::SPLITS, 4)?.u32s(), table.list(trees::SIZES, 4)?.u32s());
    let (mut first, mut first_leaf) = (0usize, 0usize);
    let trees = sizes.into_iter().enumerate().map(|(number, depth)| {
        let wrong = || BoosterError::tree(number, "has splits or leaves that are not there");
        let end = first.checked_add(depth).filter(|_| depth <= 16).ok_or_else(wrong)?;
        let own = named.get(first..end).ok_or_else(wrong)?.iter().map(|&split| splits.get(split).copied());
        let own = own.collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        let count = leaves.outputs << depth;
        let values = leaves.get(first_leaf, count).ok_or_else(wrong)?;
        (first, first_leaf) = (end, first_leaf + count);
        oblivious::tree(&own, values, leaves.outputs, features, number)
    });
    trees.collect()
}

/// Trees of any shape: each node has a split, and how far away its children are; a child that is no
/// way away is a leaf.
fn asymmetric(
    table: &Table<'_>,
    splits: &[Split],
    leaves: &Leaves,
    features: &[Feature],
) -> Result<Vec<Tree>, BoosterError> {
    let (named, sizes) = (table.list(trees::SPLITS, 4)?.u32s(), table.list(trees::SIZES, 4)?.u32s());
    let steps = table.list(trees::STEPS, 4)?.pairs();
    let of_nodes = table.list(trees::STEP_LEAVES, 4)?.u32s();
    if named.len() != steps.len() || of_nodes.len() != steps.len() {
        return Err(BoosterError::misfit("the lists of nodes have different lengths"));
    }
    let mut first = 0usize;
    let trees = sizes.into_iter().enumerate().map(|(number, size)| {
        let told = |problem: &str| BoosterError::tree(number, problem);
        let end = first.checked_add(size).filter(|end| *end <= steps.len());
        let end = end.ok_or_else(|| told("has nodes that are not there"))?;
        let start = std::mem::replace(&mut first, end);
        let mut failed = None;
        // behind the nodes, for each the leaf it has on a side without a child
        let arranged = Arranged::new(size * 3, 0, |node| {
            if node >= size {
                return Ok::<_, ArrangeError>(Branch::Leaf((node - size) / 2));
            }
            let (left, right) = steps[start + node];
            if (left, right) == (0, 0) {
                return Ok(Branch::Leaf(node));
            }
            let child = |step: usize, side: usize| match step {
                0 => size + 2 * node + side,
                step if node + step < size => node + step,
                _ => usize::MAX,
            };
            let split = splits.get(named[start + node]).ok_or_else(|| told("has a split that is not there"));
            match split.and_then(|split| split.node(features, number)) {
                Ok(split) => Ok(Branch::Split { split, left: child(left, 0), right: child(right, 1) }),
                Err(error) => {
                    failed = Some(error);
                    Ok(Branch::Leaf(node))
                }
            }
        });
        let arranged = arranged.map_err(|error| BoosterError::tree(number, error))?;
        let mut is_sound = true;
        let tree = arranged.into_tree(leaves.outputs, super::width(features), Vec::new(), |leaf, all| {
            let place = of_nodes.get(start + leaf).and_then(|place| leaves.get(*place, leaves.outputs));
            is_sound &= place.is_some();
            all.extend_from_slice(place.unwrap_or_default());
        });
        match failed {
            Some(error) => Err(error),
            None if !is_sound => Err(told("has a leaf without its numbers")),
            None => tree.map_err(|error| BoosterError::tree(number, error)),
        }
    });
    trees.collect()
}

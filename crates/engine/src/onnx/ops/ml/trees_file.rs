//! Trees as the attributes of the operators hold them, in both forms, made into one.

use std::collections::HashMap;

use super::super::super::error::Problem;
use super::super::super::spec::Spec;
use super::super::super::tensor::Tensor;

/// How a node asks.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mode {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    Unequal,
    /// Whether the value is one of these.
    Member(Vec<f64>),
}

/// What a node leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Child {
    Node(usize),
    Leaf(usize),
}

#[derive(Debug, Clone)]
pub(super) struct RawNode {
    pub(super) feature: usize,
    pub(super) threshold: f64,
    pub(super) mode: Mode,
    /// Whether what is no number counts as yes.
    pub(super) missing_is_yes: bool,
    pub(super) yes: Child,
    pub(super) no: Child,
}

/// All trees of an operator.
#[derive(Debug, Default)]
pub(super) struct RawTrees {
    pub(super) nodes: Vec<RawNode>,
    /// By leaf, targets and what is added to them.
    pub(super) leaves: Vec<Vec<(usize, f64)>>,
    pub(super) roots: Vec<Child>,
    /// Whether thresholds or weights are of double precision.
    pub(super) is_double: bool,
}

/// A list of numbers that is a tensor in double precision.
fn numbers(
    spec: &Spec<'_>,
    name: &'static str,
    as_tensor: &'static str,
) -> Result<(Vec<f64>, bool), Problem> {
    match spec.tensor(as_tensor)? {
        Some(tensor) => Ok((tensor.to_f64()?, tensor.kind() == super::super::super::tensor::Kind::F64)),
        None => Ok((
            spec.floats(name)?.unwrap_or_default().iter().map(|&value| f64::from(value)).collect(),
            false,
        )),
    }
}

/// The start values.
pub(super) fn base_values(spec: &Spec<'_>) -> Result<Vec<f64>, Problem> {
    numbers(spec, "base_values", "base_values_as_tensor").map(|(values, _)| values)
}

/// An entry of a list that is long enough.
fn at<T: Copy>(list: &[T], position: usize, name: &str) -> Result<T, Problem> {
    list.get(position).copied().ok_or_else(|| Problem::shape(format!("has only {} of `{name}`", list.len())))
}

fn index(value: i64, name: &str) -> Result<usize, Problem> {
    usize::try_from(value).map_err(|_| Problem::shape(format!("has {value} in `{name}`")))
}

/// The names of the attributes that hold leaves: those of a classifier or of a regressor.
pub(super) struct LeafNames {
    pub(super) trees: &'static str,
    pub(super) nodes: &'static str,
    pub(super) targets: &'static str,
    pub(super) weights: &'static str,
    pub(super) weights_as_tensor: &'static str,
}

/// Reads the form of versions 1 to 4: nodes named by tree and number.
pub(super) fn by_names(spec: &Spec<'_>, names: &LeafNames) -> Result<RawTrees, Problem> {
    spec.ignore(&["nodes_hitrates", "nodes_hitrates_as_tensor"]);
    let ints = |name| spec.ints(name).map(Option::unwrap_or_default);
    let (trees, ids, features) = (ints("nodes_treeids")?, ints("nodes_nodeids")?, ints("nodes_featureids")?);
    let (yes, no) = (ints("nodes_truenodeids")?, ints("nodes_falsenodeids")?);
    let missing = ints("nodes_missing_value_tracks_true")?;
    let (thresholds, is_double) = numbers(spec, "nodes_values", "nodes_values_as_tensor")?;
    let modes = spec.texts("nodes_modes")?.unwrap_or_default();
    let mut places = HashMap::with_capacity(ids.len());
    for (place, &tree) in trees.iter().enumerate() {
        if places.insert((tree, at(ids, place, "nodes_nodeids")?), place).is_some() {
            return Err(Problem::shape(format!("has two nodes {} of tree {tree}", ids[place])));
        }
    }
    // a node is a leaf or not: leaves are numbered apart
    let mut all = RawTrees { is_double, ..RawTrees::default() };
    let mut children = Vec::with_capacity(trees.len());
    let mut inner = 0;
    for place in 0..trees.len() {
        if at(&modes, place, "nodes_modes")? == "LEAF" {
            children.push(Child::Leaf(all.leaves.len()));
            all.leaves.push(Vec::new());
        } else {
            children.push(Child::Node(inner));
            inner += 1;
        }
    }
    let find = |tree: i64, id: i64| {
        let found = places.get(&(tree, id)).copied();
        found.ok_or_else(|| Problem::shape(format!("leads to node {id} of tree {tree}, which is not there")))
    };
    let mut last = None;
    for (place, &tree) in trees.iter().enumerate() {
        if last.replace(tree) != Some(tree) {
            all.roots.push(children[place]);
        }
        if matches!(children[place], Child::Leaf(_)) {
            continue;
        }
        all.nodes.push(RawNode {
            feature: index(at(features, place, "nodes_featureids")?, "nodes_featureids")?,
            threshold: at(&thresholds, place, "nodes_values")?,
            mode: mode_named(modes[place])?,
            missing_is_yes: missing.get(place).is_some_and(|missing| *missing != 0),
            yes: children[find(tree, at(yes, place, "nodes_truenodeids")?)?],
            no: children[find(tree, at(no, place, "nodes_falsenodeids")?)?],
        });
    }
    let (leaf_trees, leaf_nodes, targets) = (ints(names.trees)?, ints(names.nodes)?, ints(names.targets)?);
    let (weights, are_double) = numbers(spec, names.weights, names.weights_as_tensor)?;
    all.is_double |= are_double;
    for (place, &tree) in leaf_trees.iter().enumerate() {
        let Child::Leaf(leaf) = children[find(tree, at(leaf_nodes, place, names.nodes)?)?] else {
            return Err(Problem::shape("gives a weight to a node that is no leaf"));
        };
        let target = index(at(targets, place, names.targets)?, names.targets)?;
        all.leaves[leaf].push((target, at(&weights, place, names.weights)?));
    }
    Ok(all)
}

fn mode_named(name: &str) -> Result<Mode, Problem> {
    Ok(match name {
        "BRANCH_LEQ" => Mode::AtMost,
        "BRANCH_LT" => Mode::Below,
        "BRANCH_GTE" => Mode::AtLeast,
        "BRANCH_GT" => Mode::Above,
        "BRANCH_EQ" => Mode::Equal,
        "BRANCH_NEQ" => Mode::Unequal,
        other => return Err(Problem::shape(format!("has a node of the mode `{other}`, which is not known"))),
    })
}

/// Reads the form of version 5: nodes and leaves by position.
pub(super) fn by_positions(spec: &Spec<'_>) -> Result<RawTrees, Problem> {
    spec.ignore(&["nodes_hitrates"]);
    let ints = |name| spec.ints(name).map(Option::unwrap_or_default);
    let tensor = |name| spec.tensor(name)?.ok_or_else(|| Problem::shape(format!("has no `{name}`")));
    let (splits, weights) = (tensor("nodes_splits")?, tensor("leaf_weights")?);
    let modes = tensor("nodes_modes")?.to_f64()?;
    let (features, missing) = (ints("nodes_featureids")?, ints("nodes_missing_value_tracks_true")?);
    let (yes, yes_leaf) = (ints("nodes_truenodeids")?, ints("nodes_trueleafs")?);
    let (no, no_leaf) = (ints("nodes_falsenodeids")?, ints("nodes_falseleafs")?);
    let thresholds = splits.to_f64()?;
    let is_double = weights.kind() == super::super::super::tensor::Kind::F64;
    let mut all = RawTrees { is_double, ..RawTrees::default() };
    let leaves = ints("leaf_targetids")?;
    for (leaf, weight) in leaves.iter().zip(weights.to_f64()?) {
        all.leaves.push(vec![(index(*leaf, "leaf_targetids")?, weight)]);
    }
    let child = |node: i64, is_leaf: i64| -> Result<Child, Problem> {
        let place = index(node, "the children of nodes")?;
        Ok(if is_leaf != 0 { Child::Leaf(place) } else { Child::Node(place) })
    };
    let mut members = members(spec.tensor("membership_values")?)?.into_iter();
    for (place, &feature) in features.iter().enumerate() {
        all.nodes.push(RawNode {
            feature: index(feature, "nodes_featureids")?,
            threshold: at(&thresholds, place, "nodes_splits")?,
            mode: mode_numbered(at(&modes, place, "nodes_modes")?, &mut members)?,
            missing_is_yes: missing.get(place).is_some_and(|missing| *missing != 0),
            yes: child(at(yes, place, "nodes_truenodeids")?, at(yes_leaf, place, "nodes_trueleafs")?)?,
            no: child(at(no, place, "nodes_falsenodeids")?, at(no_leaf, place, "nodes_falseleafs")?)?,
        });
    }
    for &root in ints("tree_roots")? {
        let root = index(root, "tree_roots")?;
        // a tree of one leaf is a node whose children are the same leaf
        all.roots.push(match all.nodes.get(root) {
            Some(RawNode { yes: Child::Leaf(yes), no: Child::Leaf(no), .. }) if yes == no => {
                Child::Leaf(*yes)
            }
            _ => Child::Node(root),
        });
    }
    Ok(all)
}

/// Sets of values, each ended by NaN.
fn members(tensor: Option<&Tensor>) -> Result<Vec<Vec<f64>>, Problem> {
    let Some(tensor) = tensor else { return Ok(Vec::new()) };
    let values = tensor.to_f64()?;
    Ok(values.split(|value| value.is_nan()).map(<[f64]>::to_vec).collect())
}

fn mode_numbered(number: f64, members: &mut impl Iterator<Item = Vec<f64>>) -> Result<Mode, Problem> {
    let numbered = [Mode::AtMost, Mode::Below, Mode::AtLeast, Mode::Above, Mode::Equal, Mode::Unequal];
    let place = (0u8..).zip(&numbered).find(|(place, _)| f64::from(*place) == number);
    match place {
        Some((_, mode)) => Ok(mode.clone()),
        None if number == 6.0 => members
            .next()
            .map(Mode::Member)
            .ok_or_else(|| Problem::shape("asks for members of a set that is not there")),
        None => Err(Problem::shape(format!("has a node of the mode {number}, which is not known"))),
    }
}

//! `DecisionTreeClassifier`, `RandomForestClassifier` and their extra-random kin.

use std::collections::HashSet;

use super::estimator::Estimator;
use super::{ExtractError, Step, labels};
use crate::model::Classifier;
use crate::pickle::numpy::{Array, Scalar};
use crate::tree::{Forest, Node, Tree};

pub(super) const DECISION_TREE: &[&str] = &[
    "criterion",
    "splitter",
    "max_depth",
    "min_samples_split",
    "min_samples_leaf",
    "min_weight_fraction_leaf",
    "max_features",
    "random_state",
    "max_leaf_nodes",
    "min_impurity_decrease",
    "class_weight",
    "ccp_alpha",
    "monotonic_cst",
];

pub(super) const FOREST: &[&str] = &[
    "n_estimators",
    "bootstrap",
    "oob_score",
    "n_jobs",
    "random_state",
    "verbose",
    "warm_start",
    "class_weight",
    "max_samples",
    "estimator",
    "base_estimator",
    "estimator_params",
    "criterion",
    "max_depth",
    "min_samples_split",
    "min_samples_leaf",
    "min_weight_fraction_leaf",
    "max_features",
    "max_leaf_nodes",
    "min_impurity_decrease",
    "ccp_alpha",
    "monotonic_cst",
];

/// The fields of a node the engine knows: one more could change where a row goes.
const FIELDS: &[&str] = &[
    "left_child",
    "right_child",
    "feature",
    "threshold",
    "impurity",
    "n_node_samples",
    "weighted_n_node_samples",
    "missing_go_to_left",
];

pub(super) fn decision_tree(estimator: &Estimator<'_>) -> Result<Step, ExtractError> {
    let classes = labels::classes(estimator)?;
    let (tree, has_missing) = tree(estimator, classes.len())?;
    let is_best = estimator.get("splitter")?.str() == Some("best");
    let takes_missing = has_missing && is_best && is_unconstrained(estimator);
    forest_of(estimator, vec![tree], takes_missing, classes)
}

pub(super) fn forest(estimator: &Estimator<'_>) -> Result<Step, ExtractError> {
    const ATTRIBUTE: &str = "estimators_";
    let classes = labels::classes(estimator)?;
    let members = estimator.get(ATTRIBUTE)?.items();
    let members = members.ok_or_else(|| estimator.problem(ATTRIBUTE, "is not a list".to_owned()))?;
    let mut trees = Vec::with_capacity(members.len());
    let mut has_missing = true;
    let mut seen = HashSet::new();
    for view in members {
        // one tree named a thousand times would be a thousand trees in memory
        if !seen.insert(view.id()) {
            return Err(estimator.problem(ATTRIBUTE, "names a tree twice".to_owned()));
        }
        let member = Estimator::new(view)?;
        if !matches!(member.row.name, "DecisionTreeClassifier" | "ExtraTreeClassifier") {
            return Err(estimator.problem(ATTRIBUTE, format!("has a `{}`", member.row.name)));
        }
        let (tree, member_has_missing) = tree(&member, classes.len())?;
        has_missing &= member_has_missing;
        trees.push(tree);
    }
    let is_random_forest = estimator.row.name == "RandomForestClassifier";
    let since = if is_random_forest { (1, 4) } else { (1, 6) };
    let takes_missing = has_missing && estimator.version >= since && is_unconstrained(estimator);
    forest_of(estimator, trees, takes_missing, classes)
}

/// scikit-learn refuses missing values where features are bound to go up or down.
fn is_unconstrained(estimator: &Estimator<'_>) -> bool {
    estimator.find("monotonic_cst").is_none_or(|constraint| constraint.is_none())
}

fn forest_of(
    estimator: &Estimator<'_>,
    trees: Vec<Tree>,
    takes_missing: bool,
    classes: Vec<crate::model::Label>,
) -> Result<Step, ExtractError> {
    let width = width(estimator)?;
    let forest = Forest::new(trees, width, takes_missing);
    let forest = forest.ok_or_else(|| estimator.problem("estimators_", "is empty".to_owned()))?;
    Ok(Step::Classifier(Classifier::Forest(forest), classes))
}

fn width(estimator: &Estimator<'_>) -> Result<usize, ExtractError> {
    let width = estimator.get("n_features_in_")?.int().and_then(|width| u32::try_from(width).ok());
    let width = width.ok_or_else(|| estimator.problem("n_features_in_", "is not a count".to_owned()))?;
    Ok(width as usize)
}

/// A tree, and whether its nodes say where missing values go.
fn tree(estimator: &Estimator<'_>, classes: usize) -> Result<(Tree, bool), ExtractError> {
    let problem = |problem: &str| estimator.problem("tree_", problem.to_owned());
    let inner = estimator.get("tree_")?;
    if inner.class() != Some(("sklearn.tree._tree", "Tree")) {
        return Err(problem("is not a sklearn.tree._tree.Tree"));
    }
    if inner.argument(2).and_then(|outputs| outputs.int()) != Some(1) {
        return Err(problem("predicts more than one output, which is not supported"));
    }
    let array = |name: &str| inner.attribute(name).map(Array::read);
    let (Some(Ok(nodes)), Some(Ok(values))) = (array("nodes"), array("values")) else {
        return Err(problem("has no arrays `nodes` and `values`"));
    };
    if let Some(name) = nodes.field_names().find(|name| !FIELDS.contains(name)) {
        return Err(problem(&format!("has nodes with the field `{name}`, which is not known")));
    }
    let has_missing = nodes.field_names().any(|name| name == "missing_go_to_left");
    let nodes =
        read_nodes(&nodes).ok_or_else(|| problem("has nodes without children, feature or threshold"))?;
    if values.shape != [nodes.len(), 1, classes] {
        return Err(problem(&format!("has no value for each of {classes} classes at each node")));
    }
    let values = estimator.floats("tree_", &values)?;
    let leaves = nodes.iter().zip(values.chunks(classes)).filter(|(node, _)| node.is_leaf());
    let mut shares: Vec<f64> = leaves.flat_map(|(_, values)| values.iter().copied()).collect();
    if !has_missing {
        // before 1.3 the values are counts, and predict_proba divides by their sum
        shares.chunks_mut(classes).for_each(divide_by_sum);
    }
    let tree = Tree::new(nodes, shares, classes, width(estimator)?);
    Ok((tree.map_err(|error| problem(&format!("is refused: {error}")))?, has_missing))
}

fn divide_by_sum(values: &mut [f64]) {
    let sum: f64 = values.iter().sum();
    if sum != 0.0 {
        values.iter_mut().for_each(|value| *value /= sum);
    }
}

fn read_nodes(array: &Array<'_>) -> Option<Vec<Node>> {
    let [left, right, feature, threshold] =
        ["left_child", "right_child", "feature", "threshold"].map(|name| array.field(name));
    let (left, right, feature, threshold) = (left?, right?, feature?, threshold?);
    let missing = array.field("missing_go_to_left");
    let mut missing = missing.as_ref().map(|column| column.scalars());
    let columns = left.scalars().zip(right.scalars()).zip(feature.scalars().zip(threshold.scalars()));
    let mut nodes = Vec::with_capacity(array.len());
    for ((left, right), (feature, threshold)) in columns {
        let missing = match &mut missing {
            Some(column) => column.next()?,
            None => Some(Scalar::Int(0)),
        };
        nodes.push(read_node([left?, right?, feature?, threshold?, missing?])?);
    }
    Some(nodes)
}

fn read_node([left, right, feature, threshold, missing]: [Scalar; 5]) -> Option<Node> {
    let (left, right) = (left.as_int()?, right.as_int()?);
    if left == -1 && right == -1 {
        return Some(Node::leaf());
    }
    Some(Node {
        threshold: threshold.as_float().filter(|threshold| !threshold.is_nan())?,
        feature: u32::try_from(feature.as_int()?).ok()?,
        left: u32::try_from(left).ok()?,
        right: u32::try_from(right).ok()?,
        missing_left: missing.as_int().map(|flag| flag != 0).or_else(|| missing.as_bool())?,
    })
}

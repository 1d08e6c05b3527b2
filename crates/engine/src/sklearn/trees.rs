//! Decision trees, forests of them, and the isolation forest.

use std::collections::HashSet;

use super::estimator::Estimator;
use super::importance::shares;
use super::{Class, ExtractError, class, labels};
use crate::fitted::{Classify, Fitted, Head};
use crate::model::Label;
use crate::pickle::numpy::{Array, Scalar};
use crate::tree::{Forest, ForestRegressor, IsolationForest, LeafColumns, Node, Tree};

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.tree", "DecisionTreeClassifier", tree_classifier),
    class("sklearn.tree", "ExtraTreeClassifier", tree_classifier),
    class("sklearn.tree", "DecisionTreeRegressor", tree_regressor),
    class("sklearn.tree", "ExtraTreeRegressor", tree_regressor),
    class("sklearn.ensemble", "RandomForestClassifier", forest_classifier),
    class("sklearn.ensemble", "ExtraTreesClassifier", forest_classifier),
    class("sklearn.ensemble", "RandomForestRegressor", forest_regressor),
    class("sklearn.ensemble", "ExtraTreesRegressor", forest_regressor),
    class("sklearn.ensemble", "IsolationForest", isolation_forest),
    class("sklearn.ensemble", "RandomTreesEmbedding", embedding),
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

/// A tree as it was saved: a block of values at each node, for each output as many as the
/// greatest number of classes.
pub(super) struct Saved {
    pub(super) nodes: Vec<Node>,
    /// How many rows of the training data came to each node.
    pub(super) samples: Vec<f64>,
    outputs: usize,
    each: usize,
    values: Vec<f64>,
    /// Whether its nodes say where missing values go.
    has_missing: bool,
    /// How mixed each node is, and the weight of what came to it.
    impurities: Vec<(f64, f64)>,
}

impl Saved {
    /// By column how much purer its splits made what came to them; as shares of the whole if asked.
    pub(super) fn importances(&self, width: usize, as_shares: bool) -> Vec<f64> {
        let mut sums = vec![0.0; width];
        let part = |node: u32| {
            let (impurity, weight) = self.impurities.get(node as usize).copied().unwrap_or_default();
            weight * impurity
        };
        for (index, node) in (0u32..).zip(&self.nodes).filter(|(_, node)| !node.is_leaf()) {
            if let Some(sum) = sums.get_mut(node.feature as usize) {
                *sum += part(index) - part(node.left) - part(node.right);
            }
        }
        let whole = self.impurities.first().map_or(1.0, |(_, weight)| *weight);
        sums.iter_mut().for_each(|sum| *sum /= whole);
        if as_shares { shares(sums) } else { sums }
    }

    /// The tree of one output; for a classifier the values become shares.
    fn of_output(
        &self,
        output: usize,
        values: usize,
        is_classifier: bool,
        width: usize,
    ) -> Result<Tree, String> {
        let blocks =
            self.values.chunks(self.outputs * self.each).map(|block| &block[output * self.each..][..values]);
        let leaves = self.nodes.iter().zip(blocks).filter(|(node, _)| node.is_leaf());
        let mut kept: Vec<f64> = leaves.flat_map(|(_, block)| block.iter().copied()).collect();
        if is_classifier && !self.has_missing {
            // before 1.3 the values are counts, and predict_proba divides by their sum
            kept.chunks_mut(values).for_each(divide_by_sum);
        }
        Tree::new(self.nodes.clone(), kept, values, width).map_err(|error| format!("is refused: {error}"))
    }

    /// The tree of all outputs of a regressor.
    fn of_regressor(&self, width: usize) -> Result<Tree, String> {
        if self.each != 1 {
            return Err("is no regressor's".to_owned());
        }
        let leaves =
            self.nodes.iter().zip(self.values.chunks(self.outputs)).filter(|(node, _)| node.is_leaf());
        let kept = leaves.flat_map(|(_, block)| block.iter().copied()).collect();
        Tree::new(self.nodes.clone(), kept, self.outputs, width)
            .map_err(|error| format!("is refused: {error}"))
    }

    /// The tree with one number for each leaf, made of the leaf's node.
    pub(super) fn with_values(
        &self,
        width: usize,
        value: impl Fn(usize, f64) -> f64,
    ) -> Result<Tree, String> {
        let leaves = self.nodes.iter().enumerate().filter(|(_, node)| node.is_leaf());
        let kept =
            leaves.map(|(index, _)| value(index, self.values[index * self.outputs * self.each])).collect();
        Tree::new(self.nodes.clone(), kept, 1, width).map_err(|error| format!("is refused: {error}"))
    }
}

fn tree_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let tree = saved(estimator)?;
    let takes_missing = tree.has_missing && takes_missing(estimator);
    classifier(estimator, &[tree], takes_missing)
}

fn tree_regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let tree = saved(estimator)?;
    let takes_missing = tree.has_missing && takes_missing(estimator);
    regressor(estimator, &[tree], takes_missing)
}

/// A single tree takes missing values if it looks for the best splits.
fn takes_missing(estimator: &Estimator<'_>) -> bool {
    let is_best = estimator.find("splitter").and_then(|splitter| splitter.str()) == Some("best");
    // the random splitter learned it with 1.6
    (is_best || estimator.version >= (1, 6)) && is_unconstrained(estimator)
}

fn forest_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let trees = members(estimator, &["DecisionTreeClassifier", "ExtraTreeClassifier"])?;
    classifier(estimator, &trees, forest_takes_missing(estimator, &trees))
}

fn forest_regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let trees = members(estimator, &["DecisionTreeRegressor", "ExtraTreeRegressor"])?;
    regressor(estimator, &trees, forest_takes_missing(estimator, &trees))
}

/// How far down a row falls before it is alone: the fewer splits, the more unusual it is.
fn isolation_forest(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "estimators_features_";
    let width = estimator.width()?;
    let subsets = estimator.items(ATTRIBUTE)?;
    let saved = members(estimator, &["ExtraTreeRegressor"])?;
    if subsets.len() != saved.len() {
        return Err(estimator.misfit(ATTRIBUTE));
    }
    let mut trees = Vec::with_capacity(saved.len());
    for (mut tree, subset) in saved.into_iter().zip(subsets) {
        let columns = estimator.vector_of(ATTRIBUTE, subset)?;
        for node in tree.nodes.iter_mut().filter(|node| !node.is_leaf()) {
            let column = columns.get(node.feature as usize).copied();
            let column = column.and_then(|column| (0..width).find(|place| *place as f64 == column));
            let column = column.and_then(|column| u32::try_from(column).ok());
            node.feature = column.ok_or_else(|| estimator.misfit(ATTRIBUTE))?;
        }
        let depths = depths(&tree.nodes).ok_or_else(|| estimator.misfit("estimators_"))?;
        let length = |leaf: usize, _| depths[leaf] + average_path_length(tree.samples[leaf]) - 1.0;
        trees.push(tree.with_values(width, length).map_err(|problem| estimator.problem("tree_", problem))?);
    }
    let usual = average_path_length(estimator.number(match estimator.find("_max_samples") {
        Some(_) => "_max_samples",
        None => "max_samples_",
    })?);
    let takes_missing = estimator.version >= (1, 6);
    let forest = IsolationForest::new(&trees, width, usual, estimator.number("offset_")?, takes_missing);
    let forest = forest.ok_or_else(|| estimator.misfit("estimators_"))?;
    Ok(Fitted::classifier(forest, vec![Label::Int(-1), Label::Int(1)]))
}

/// A column for each leaf: the encoder behind the trees knows their leaves by the number of the node.
fn embedding(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ENCODER: &str = "one_hot_encoder_";
    let width = estimator.width()?;
    let saved = members(estimator, &["ExtraTreeRegressor"])?;
    let encoder = estimator.member(estimator.get(ENCODER)?)?;
    let known = encoder.items("categories_")?;
    let mut trees = Vec::with_capacity(saved.len());
    for (tree, known) in saved.iter().zip(&known) {
        #[expect(clippy::cast_precision_loss, reason = "a number of nodes")]
        let leaves = (0..tree.nodes.len()).filter(|node| tree.nodes[*node].is_leaf()).map(|node| node as f64);
        if !leaves.eq(encoder.vector_of("categories_", *known)?) {
            return Err(estimator.misfit(ENCODER));
        }
        let made = tree.with_values(width, |_, _| 0.0);
        trees.push(made.map_err(|problem| estimator.problem("tree_", problem))?);
    }
    let columns = LeafColumns::new(&trees, width, forest_takes_missing(estimator, &saved))
        .filter(|_| known.len() == saved.len());
    columns.map(Fitted::transformer).ok_or_else(|| estimator.misfit(ENCODER))
}

/// How many nodes are passed on the way to each node, itself included; parents come first.
fn depths(nodes: &[Node]) -> Option<Vec<f64>> {
    let mut depths = vec![1.0; nodes.len()];
    for (index, node) in nodes.iter().enumerate().filter(|(_, node)| !node.is_leaf()) {
        for child in [node.left, node.right] {
            *depths.get_mut(child as usize)? = depths[index] + 1.0;
        }
    }
    Some(depths)
}

/// The average depth of a search that fails among so many rows.
fn average_path_length(rows: f64) -> f64 {
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    match rows {
        _ if rows <= 1.0 => 0.0,
        2.0 => 1.0,
        _ => 2.0 * ((rows - 1.0).ln() + EULER_GAMMA) - 2.0 * (rows - 1.0) / rows,
    }
}

fn forest_takes_missing(estimator: &Estimator<'_>, trees: &[Saved]) -> bool {
    let is_random_forest = estimator.class.name.starts_with("RandomForest");
    let since = if is_random_forest { (1, 4) } else { (1, 6) };
    trees.iter().all(|tree| tree.has_missing) && estimator.version >= since && is_unconstrained(estimator)
}

/// The trees of an ensemble, each of one of the given classes.
pub(super) fn members(estimator: &Estimator<'_>, classes: &[&str]) -> Result<Vec<Saved>, ExtractError> {
    const ATTRIBUTE: &str = "estimators_";
    let mut seen = HashSet::new();
    let members = estimator.items(ATTRIBUTE)?.into_iter().map(|view| {
        // one tree named a thousand times would be a thousand trees in memory
        if !seen.insert(view.id()) {
            return Err(estimator.problem(ATTRIBUTE, "names a tree twice".to_owned()));
        }
        let member = estimator.member(view)?;
        match classes.contains(&member.class.name) {
            true => saved(&member),
            false => Err(estimator.problem(ATTRIBUTE, format!("has a `{}`", member.class.name))),
        }
    });
    members.collect()
}

/// scikit-learn refuses missing values where features are bound to go up or down.
fn is_unconstrained(estimator: &Estimator<'_>) -> bool {
    estimator.some("monotonic_cst").is_none()
}

fn classifier(
    estimator: &Estimator<'_>,
    trees: &[Saved],
    takes_missing: bool,
) -> Result<Fitted, ExtractError> {
    let width = estimator.width()?;
    let outputs = trees.first().map_or(0, |tree| tree.outputs);
    let forest_of = |output: usize, labels: &[Label]| {
        let trees = trees.iter().map(|tree| match (tree.outputs == outputs, labels.len() <= tree.each) {
            (true, true) => tree.of_output(output, labels.len(), true, width),
            _ => Err(format!("has no value for each of {} classes at each node", labels.len())),
        });
        let trees =
            trees.collect::<Result<Vec<_>, _>>().map_err(|problem| estimator.problem("tree_", problem))?;
        let forest = Forest::new(&trees, width, takes_missing);
        forest.ok_or_else(|| estimator.problem("estimators_", "is empty".to_owned()))
    };
    if outputs == 1 {
        let classes = labels::classes(estimator)?;
        if trees.iter().any(|tree| tree.each != classes.len()) {
            let problem = format!("has no value for each of {} classes at each node", classes.len());
            return Err(estimator.problem("tree_", problem));
        }
        return Ok(Fitted::classifier(forest_of(0, &classes)?, classes));
    }
    let each = estimator.items("classes_")?;
    if each.len() != outputs {
        return Err(estimator.misfit("classes_"));
    }
    let heads = each.into_iter().enumerate().map(|(output, classes)| {
        let labels = labels::labels(estimator, "classes_", classes)?;
        Ok((Box::new(forest_of(output, &labels)?) as Box<dyn Classify>, labels))
    });
    Ok(Fitted { head: Some(Head::Many(heads.collect::<Result<_, _>>()?)), ..Fitted::default() })
}

fn regressor(
    estimator: &Estimator<'_>,
    trees: &[Saved],
    takes_missing: bool,
) -> Result<Fitted, ExtractError> {
    let width = estimator.width()?;
    let trees = trees.iter().map(|tree| tree.of_regressor(width)).collect::<Result<Vec<_>, _>>();
    let trees = trees.map_err(|problem| estimator.problem("tree_", problem))?;
    let forest = ForestRegressor::new(&trees, width, takes_missing);
    Ok(Fitted::regressor(forest.ok_or_else(|| estimator.misfit("estimators_"))?))
}

/// The inner tree of an estimator.
pub(super) fn saved(estimator: &Estimator<'_>) -> Result<Saved, ExtractError> {
    let problem = |problem: &str| estimator.problem("tree_", problem.to_owned());
    let inner = estimator.get("tree_")?;
    if inner.class() != Some(("sklearn.tree._tree", "Tree")) {
        return Err(problem("is not a sklearn.tree._tree.Tree"));
    }
    let array = |name: &str| inner.attribute(name).map(|view| estimator.array_of("tree_", view));
    let (Some(Ok(nodes)), Some(Ok(values))) = (array("nodes"), array("values")) else {
        return Err(problem("has no arrays `nodes` and `values`"));
    };
    if let Some(name) = nodes.field_names().find(|name| !FIELDS.contains(name)) {
        return Err(problem(&format!("has nodes with the field `{name}`, which is not known")));
    }
    let [count, outputs, each] = values.shape[..] else {
        return Err(problem("has values of another shape than expected"));
    };
    if count != nodes.len() || outputs == 0 || each == 0 {
        return Err(problem("has not a value for each node"));
    }
    let has_missing = nodes.field_names().any(|name| name == "missing_go_to_left");
    let samples = nodes.field("n_node_samples");
    let samples = samples.map(|column| column.scalars().map(|scalar| scalar?.as_float()).collect());
    let column = |name: &str| -> Option<Vec<f64>> {
        nodes.field(name)?.scalars().map(|scalar| scalar?.as_float()).collect()
    };
    let impurities = column("impurity").zip(column("weighted_n_node_samples"));
    let (impurities, weights) = impurities.ok_or_else(|| problem("has nodes without impurities"))?;
    let nodes = read_nodes(&nodes).map(|nodes| covered(nodes, &weights));
    Ok(Saved {
        impurities: impurities.into_iter().zip(weights).collect(),
        nodes: nodes.ok_or_else(|| problem("has nodes without children, feature or threshold"))?,
        samples: samples.flatten().ok_or_else(|| problem("has nodes without numbers of samples"))?,
        outputs,
        each,
        values: estimator.floats("tree_", &values)?,
        has_missing,
    })
}

/// Nodes with the weight of the training rows that came to each.
fn covered(nodes: Vec<Node>, weights: &[f64]) -> Vec<Node> {
    nodes.into_iter().zip(weights).map(|(node, weight)| node.covering(*weight)).collect()
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
        ..Node::leaf()
    })
}

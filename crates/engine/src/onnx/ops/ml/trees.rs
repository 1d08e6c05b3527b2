//! Ensembles of trees. Splits by order go through the engine's packed kernel; others are walked node by node.

use super::super::super::error::Problem;
use super::super::super::spec::{Call, Kernel, Spec, kernel, one};
use super::super::super::tensor::{Data, Tensor};
use super::super::Operator;
use super::judge::Judge;
use super::ml;
use super::scores::{Labels, Second, Transform};
use super::trees_file::{Child, LeafNames, Mode, RawNode, RawTrees, base_values, by_names, by_positions};
use crate::data::{Dense, Matrix};
use crate::tree::number::Number;
use crate::tree::packed::PackedTrees;
use crate::tree::{Node, Tree};

pub(super) const OPERATORS: &[Operator] = &[
    ml("TreeEnsembleClassifier", classifier),
    ml("TreeEnsembleRegressor", regressor),
    ml("TreeEnsemble", ensemble),
];

/// How the leaves of all trees are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    Sum,
    Average,
    Min,
    Max,
}

/// Trees that give each row the leaves it falls to.
struct Ensemble {
    raw: RawTrees,
    single: Option<(PackedTrees<f32>, Vec<usize>)>,
    double: Option<(PackedTrees<f64>, Vec<usize>)>,
    /// The fewest features a row must have.
    width: usize,
    targets: usize,
}

impl Ensemble {
    fn new(raw: RawTrees, targets: usize) -> Result<Self, Problem> {
        /// The most targets: a row of scores is written out for each of them.
        const MAX_TARGETS: usize = 1 << 20;
        if targets == 0 || targets > MAX_TARGETS {
            return Err(Problem::shape(format!("has {targets} targets")));
        }
        let beyond = raw.leaves.iter().flatten().find(|(target, _)| *target >= targets);
        if let Some((target, _)) = beyond {
            return Err(Problem::shape(format!("gives a weight to target {target} of {targets}")));
        }
        let width = raw.nodes.iter().map(|node| node.feature + 1).max().unwrap_or(0);
        let order = check(&raw)?;
        let is_ordered = raw.nodes.iter().all(|node| {
            !matches!(node.mode, Mode::Equal | Mode::Unequal | Mode::Member(_)) && !node.threshold.is_nan()
        });
        let single = if is_ordered { Some(packed::<f32>(&raw, &order, width, below_single)?) } else { None };
        let double =
            if is_ordered { Some(packed::<f64>(&raw, &order, width, f64::next_down)?) } else { None };
        Ok(Ensemble { raw, single, double, width, targets })
    }

    /// Calls `visit(row, leaf)` for every row and tree, trees in order.
    fn walk(&self, call: &mut Call<'_>, mut visit: impl FnMut(usize, usize)) -> Result<usize, Problem> {
        let input = call.tensor(0)?;
        let (rows, width) = input.rows();
        let (rows, width) = if input.rank() == 1 { (1, input.len()) } else { (rows, width) };
        if width < self.width {
            return Err(Problem::shape(format!("asks for feature {} of {width}", self.width - 1)));
        }
        let work = rows as u64 * self.raw.roots.len() as u64 * 8;
        let is_single = matches!(input.data(), Data::F32(_));
        let dense = Dense { values: input.to_f64()?, rows, width };
        match (&self.single, &self.double) {
            (Some((trees, leaves)), _) if is_single => {
                trees.visit(&Matrix::Dense(std::borrow::Cow::Owned(dense)), |first, _, found| {
                    found.iter().zip(first..).for_each(|(leaf, row)| visit(row, leaves[*leaf as usize]));
                });
            }
            (_, Some((trees, leaves))) => {
                trees.visit(&Matrix::Dense(std::borrow::Cow::Owned(dense)), |first, _, found| {
                    found.iter().zip(first..).for_each(|(leaf, row)| visit(row, leaves[*leaf as usize]));
                });
            }
            _ => {
                for (row, values) in dense.iter().enumerate() {
                    self.raw.roots.iter().for_each(|root| visit(row, self.raw.leaf(*root, values)));
                }
            }
        }
        call.limits.work(work)?;
        Ok(rows)
    }

    /// By row and target the joined weights, and whether there was any.
    fn scores(&self, call: &mut Call<'_>, join: Join) -> Result<(usize, Vec<Option<f64>>), Problem> {
        let input = call.tensor(0)?;
        let rows = if input.rank() == 1 { 1 } else { input.rows().0 };
        let count = super::super::super::tensor::elements(&[rows, self.targets])?;
        let mut scores: Vec<Option<f64>> = vec![None; count];
        let is_double = self.raw.is_double || !matches!(input.data(), Data::F32(_));
        self.walk(call, |row, leaf| {
            for &(target, weight) in &self.raw.leaves[leaf] {
                let score = &mut scores[row * self.targets + target];
                *score = Some(match (*score, join) {
                    (None, _) => rounded(weight, is_double),
                    (Some(score), Join::Sum | Join::Average) => rounded(score + weight, is_double),
                    (Some(score), Join::Min) => score.min(weight),
                    (Some(score), Join::Max) => score.max(weight),
                });
            }
        })?;
        Ok((rows, scores))
    }
}

/// Sums are kept in the precision of the model.
#[expect(clippy::cast_possible_truncation, reason = "the rounding is the purpose")]
fn rounded(value: f64, is_double: bool) -> f64 {
    if is_double { value } else { f64::from(value as f32) }
}

/// Checks that every node is reached once, so that every walk ends; the nodes of each tree in breadth.
fn check(raw: &RawTrees) -> Result<Vec<Vec<Child>>, Problem> {
    let mut is_seen = (vec![false; raw.nodes.len()], vec![false; raw.leaves.len()]);
    let mut trees = Vec::with_capacity(raw.roots.len());
    for &root in &raw.roots {
        let mut order = vec![root];
        let mut next = 0;
        while let Some(&child) = order.get(next) {
            let seen = match child {
                Child::Node(node) => is_seen.0.get_mut(node),
                Child::Leaf(leaf) => is_seen.1.get_mut(leaf),
            };
            let seen =
                seen.ok_or_else(|| Problem::shape("has a tree that leads to a node that is not there"))?;
            if std::mem::replace(seen, true) {
                return Err(Problem::shape(
                    "has a tree in which two ways lead to one node, or one that runs in a circle",
                ));
            }
            if let Child::Node(node) = child {
                order.extend([raw.nodes[node].yes, raw.nodes[node].no]);
            }
            next += 1;
        }
        trees.push(order);
    }
    Ok(trees)
}

/// Packs trees for the engine's kernel, and says which leaf is which.
fn packed<N: Number>(
    raw: &RawTrees,
    order: &[Vec<Child>],
    width: usize,
    below: fn(f64) -> f64,
) -> Result<(PackedTrees<N>, Vec<usize>), Problem> {
    let refused = |problem: String| Problem::Shape(problem);
    let (mut trees, mut leaves) = (Vec::with_capacity(order.len()), Vec::new());
    for tree in order {
        let mut nodes = Vec::with_capacity(tree.len());
        // in breadth, the children of the nth inner node lie side by side
        let mut child = 1u32;
        for &at in tree {
            match at {
                Child::Leaf(leaf) => {
                    leaves.push(leaf);
                    nodes.push(Node::leaf());
                }
                Child::Node(node) => {
                    nodes.push(split(&raw.nodes[node], child, below)?);
                    child += 2;
                }
            }
        }
        let count = nodes.iter().filter(|node| node.is_leaf()).count();
        trees.push(
            Tree::new(nodes, vec![0.0; count], 1, width.max(1))
                .map_err(|error| refused(format!("has trees of which {error}")))?,
        );
    }
    let packed = PackedTrees::new(&trees, 1, width.max(1)).map_err(|error| refused(error.to_string()))?;
    Ok((packed, leaves))
}

/// A question as the engine's kernel asks it: up to the threshold goes left.
fn split(node: &RawNode, first: u32, below: fn(f64) -> f64) -> Result<Node, Problem> {
    let feature = u32::try_from(node.feature).map_err(|_| Problem::shape("has a feature beyond 2^32"))?;
    let (yes, no) = (first, first + 1);
    let asked = |threshold, left, right, missing_left| Node {
        threshold,
        feature,
        left,
        right,
        missing_left,
        is_categorical: false,
        zero_is_missing: false,
        cover: 0.0,
    };
    Ok(match node.mode {
        Mode::AtMost => asked(node.threshold, yes, no, node.missing_is_yes),
        Mode::Below => asked(below(node.threshold), yes, no, node.missing_is_yes),
        Mode::AtLeast => asked(below(node.threshold), no, yes, !node.missing_is_yes),
        Mode::Above => asked(node.threshold, no, yes, !node.missing_is_yes),
        Mode::Equal | Mode::Unequal | Mode::Member(_) => {
            return Err(Problem::shape("asks for equality among questions of order"));
        }
    })
}

/// The next number of single precision below one that is kept widened.
fn below_single(value: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "thresholds of single precision are kept widened")]
    let single = value as f32;
    f64::from(single.next_down())
}

impl RawTrees {
    /// The leaf a row falls to.
    fn leaf(&self, root: Child, row: &[f64]) -> usize {
        let mut at = root;
        loop {
            match at {
                Child::Leaf(leaf) => return leaf,
                Child::Node(node) => {
                    let node = &self.nodes[node];
                    at = if node.holds(row[node.feature]) { node.yes } else { node.no };
                }
            }
        }
    }
}

impl RawNode {
    fn holds(&self, value: f64) -> bool {
        (value.is_nan() && self.missing_is_yes)
            || match &self.mode {
                Mode::AtMost => value <= self.threshold,
                Mode::Below => value < self.threshold,
                Mode::AtLeast => value >= self.threshold,
                Mode::Above => value > self.threshold,
                Mode::Equal => value == self.threshold,
                Mode::Unequal => value != self.threshold,
                Mode::Member(set) => set.contains(&value),
            }
    }
}

fn join_named(spec: &Spec<'_>) -> Result<Join, Problem> {
    match spec.text("aggregate_function")?.unwrap_or("SUM") {
        "SUM" => Ok(Join::Sum),
        "AVERAGE" => Ok(Join::Average),
        "MIN" => Ok(Join::Min),
        "MAX" => Ok(Join::Max),
        other => Err(Problem::shape(format!("joins its trees by `{other}`, which is not known"))),
    }
}

fn regressor(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    const NAMES: LeafNames = LeafNames {
        trees: "target_treeids",
        nodes: "target_nodeids",
        targets: "target_ids",
        weights: "target_weights",
        weights_as_tensor: "target_weights_as_tensor",
    };
    let targets = usize::try_from(spec.int("n_targets", 1)?).unwrap_or(0);
    let trees = Ensemble::new(by_names(spec, &NAMES)?, targets)?;
    // only version 5 gives what it takes; before, it is single precision
    regression(trees, join_named(spec)?, Transform::of(spec)?, base_values(spec)?, false)
}

/// Version 5, which classifies by what follows it.
fn ensemble(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let join = match spec.int("aggregate_function", 1)? {
        0 => Join::Average,
        1 => Join::Sum,
        2 => Join::Min,
        3 => Join::Max,
        other => {
            return Err(Problem::shape(format!(
                "joins its trees by the function {other}, which is not known"
            )));
        }
    };
    let names = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"];
    let transform = usize::try_from(spec.int("post_transform", 0)?).ok().and_then(|place| names.get(place));
    let transform = Transform::named(
        transform.ok_or_else(|| Problem::shape("has a transformation of scores that is not known"))?,
    )?;
    let targets = usize::try_from(spec.int("n_targets", 1)?).unwrap_or(0);
    let raw = by_positions(spec)?;
    let is_double = raw.is_double;
    regression(Ensemble::new(raw, targets)?, join, transform, Vec::new(), is_double)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "scores of single precision; nobody grows 2^52 trees"
)]
fn regression(
    trees: Ensemble,
    join: Join,
    transform: Transform,
    base: Vec<f64>,
    gives_double: bool,
) -> Result<Kernel, Problem> {
    if base.len() > 1 && base.len() != trees.targets {
        return Err(Problem::shape(format!("has {} start values for {} targets", base.len(), trees.targets)));
    }
    kernel(move |call| {
        let (rows, sums) = trees.scores(call, join)?;
        let count = trees.raw.roots.len().max(1) as f64;
        let finished = |place: usize, sum: Option<f64>| {
            // of several targets one without any leaf is left out, its start value, too
            let sum = match sum {
                None if trees.targets > 1 => return 0.0,
                sum => sum.unwrap_or(0.0),
            };
            let sum = if join == Join::Average { sum / count } else { sum };
            sum + if base.len() == trees.targets { base[place % trees.targets] } else { 0.0 }
        };
        let sums: Vec<f64> = sums.into_iter().enumerate().map(|(place, sum)| finished(place, sum)).collect();
        let shape = vec![rows, trees.targets];
        if gives_double {
            return match transform {
                Transform::None => one(Tensor::new(shape, sums)?),
                _ => Err(Problem::shape("transforms scores of double precision, which is not supported")),
            };
        }
        let mut scores = Vec::with_capacity(sums.len());
        let mut row: Vec<f32> = sums.iter().map(|&sum| sum as f32).collect();
        for row in row.chunks_mut(trees.targets) {
            transform.write(row, Second::No, &mut scores);
        }
        one(Tensor::new(shape, scores)?)
    })
}

fn classifier(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    const NAMES: LeafNames = LeafNames {
        trees: "class_treeids",
        nodes: "class_nodeids",
        targets: "class_ids",
        weights: "class_weights",
        weights_as_tensor: "class_weights_as_tensor",
    };
    let labels = Labels::of(spec, "classlabels_strings", "classlabels_int64s")?;
    let raw = by_names(spec, &NAMES)?;
    let mut used: Vec<usize> = raw.leaves.iter().flatten().map(|(target, _)| *target).collect();
    let are_positive = raw.leaves.iter().flatten().all(|(_, weight)| *weight >= 0.0);
    used.sort_unstable();
    used.dedup();
    let judge = Judge {
        is_single: labels.len() == 2 && used.len() == 1,
        are_positive,
        base: base_values(spec)?,
        transform: Transform::of(spec)?,
        labels,
    };
    let trees = Ensemble::new(raw, judge.labels.len())?;
    kernel(move |call| {
        let (rows, sums) = trees.scores(call, Join::Sum)?;
        judge.all(rows, &sums)
    })
}

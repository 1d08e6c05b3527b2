//! A model as JSON and UBJSON have it.

use super::super::BoosterError;
use super::super::codes::Category;
use super::super::document::{Value, count};
use super::super::error::shown;
use super::super::heads::single;
use super::{Ensemble, Learned, MOST_FEATURES, Model};
use crate::tree::arranged::{ArrangeError, Arranged, Branch};
use crate::tree::grown::{Bits, CategorySet};
use crate::tree::{Node, Tree};

/// XGBoost's own bound on the numbers of categories.
const MOST_CATEGORIES: f64 = 16_777_216.0;

pub(super) fn read(whole: &Value) -> Result<Model, BoosterError> {
    // a pickle keeps the model beside the configuration of its training
    let file = whole.find("Model").unwrap_or(whole);
    let learner = file.get("learner")?;
    let parameters = learner.get("learner_model_param")?;
    let version = file.find("version").and_then(|version| version.as_numbers());
    let version =
        version.and_then(|version| version.iter().map(|part| count(*part)).collect::<Option<Vec<_>>>());
    let classes = parameters.find("num_class").and_then(Value::as_count).unwrap_or(0);
    let targets = parameters.find("num_target").and_then(Value::as_count).unwrap_or(1);
    let outputs = classes.max(targets).max(1);
    let width = parameters.count("num_feature")?;
    if width > MOST_FEATURES {
        return Err(BoosterError::field("num_feature", "is beyond any table"));
    }
    let names = learner.find("feature_names").and_then(Value::texts).unwrap_or_default();
    let booster = learner.get("gradient_booster")?;
    let (learned, categories) = learned(booster, width, outputs)?;
    Ok(Model {
        version: version.and_then(|version| version.try_into().ok()),
        width,
        outputs,
        classes,
        base_scores: base_scores(parameters.get("base_score")?)?,
        base_is_margin: false,
        objective: learner.get("objective")?.text("name")?.to_owned(),
        names: if names.len() == width { names } else { Vec::new() },
        learned,
        attributes: attributes(learner.find("attributes")),
        categories,
    })
}

/// A number, or, since 3.1, a list of them; written as a text.
fn base_scores(value: &Value) -> Result<Vec<f32>, BoosterError> {
    let wrong = || BoosterError::field("base_score", "is not a number");
    match value {
        Value::Text(text) => {
            let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
            inner.split(',').map(|part| part.trim().parse().map_err(|_| wrong())).collect()
        }
        value => value.as_number().map(|base| vec![single(base)]).ok_or_else(wrong),
    }
}

fn attributes(value: Option<&Value>) -> Vec<(String, String)> {
    let Some(Value::Map(pairs)) = value else { return Vec::new() };
    pairs.iter().filter_map(|(name, value)| Some((name.clone(), value.as_text()?.to_owned()))).collect()
}

type Categories = Vec<Option<Vec<Category>>>;

fn learned(booster: &Value, width: usize, outputs: usize) -> Result<(Learned, Categories), BoosterError> {
    match booster.text("name")? {
        "gbtree" => {
            let model = booster.get("model")?;
            Ok((Learned::Trees(ensemble(model, width, outputs, None)?), categories(model, width)?))
        }
        "dart" => {
            let model = booster.get("gbtree")?.get("model")?;
            let weights = booster.numbers("weight_drop")?;
            Ok((Learned::Trees(ensemble(model, width, outputs, Some(&weights))?), categories(model, width)?))
        }
        "gblinear" => {
            let weights = booster.get("model")?.numbers("weights")?;
            Ok((Learned::Linear(weights.iter().map(|weight| single(*weight)).collect()), Vec::new()))
        }
        other => Err(BoosterError::Unsupported {
            what: format!("the booster `{}`", shown(other)),
            hint: "gbtree, dart and gblinear are",
        }),
    }
}

fn ensemble(
    model: &Value,
    width: usize,
    outputs: usize,
    weights: Option<&[f64]>,
) -> Result<Ensemble, BoosterError> {
    let written = model.get("trees")?.items().ok_or_else(|| BoosterError::field("trees", "is not a list"))?;
    if weights.is_some_and(|weights| weights.len() != written.len()) {
        return Err(BoosterError::field("weight_drop", "has another length than there are trees"));
    }
    let places = model.numbers("tree_info")?;
    let places = places.iter().map(|place| count(*place).and_then(|place| u32::try_from(place).ok()));
    let trees = written.iter().enumerate().map(|(number, written)| {
        let weight = weights.map_or(1.0, |weights| single(weights[number]));
        tree(written, number, width, outputs, weight)
    });
    let parameters = model.find("gbtree_model_param");
    let parallel =
        parameters.and_then(|parameters| parameters.find("num_parallel_tree")?.as_count()).unwrap_or(1);
    let iterations = model.find("iteration_indptr").and_then(|iterations| iterations.as_numbers());
    let iterations =
        iterations.and_then(|ends| ends.iter().map(|end| count(*end)).collect()).unwrap_or_default();
    Ok(Ensemble {
        trees: trees.collect::<Result<_, _>>()?,
        places: places
            .collect::<Option<_>>()
            .ok_or_else(|| BoosterError::field("tree_info", "is not a list of counts"))?,
        parallel,
        iterations,
    })
}

/// The columns of a tree's table of nodes.
struct Columns<'v> {
    left: std::borrow::Cow<'v, [f64]>,
    right: std::borrow::Cow<'v, [f64]>,
    feature: std::borrow::Cow<'v, [f64]>,
    condition: std::borrow::Cow<'v, [f64]>,
    default_left: std::borrow::Cow<'v, [f64]>,
    /// One for a split by category; empty before 1.3.
    kind: std::borrow::Cow<'v, [f64]>,
}

impl<'v> Columns<'v> {
    fn of(written: &'v Value) -> Result<Self, BoosterError> {
        let columns = Columns {
            left: written.numbers("left_children")?,
            right: written.numbers("right_children")?,
            feature: written.numbers("split_indices")?,
            condition: written.numbers("split_conditions")?,
            default_left: written.numbers("default_left")?,
            kind: written.find("split_type").and_then(Value::as_numbers).unwrap_or_default(),
        };
        let nodes = columns.left.len();
        let rest = [&columns.right, &columns.feature, &columns.condition, &columns.default_left];
        let is_kind = columns.kind.is_empty() || columns.kind.len() == nodes;
        match is_kind && rest.iter().all(|column| column.len() == nodes) {
            true => Ok(columns),
            false => Err(BoosterError::misfit("the lists of nodes have different lengths")),
        }
    }
}

fn tree(
    written: &Value,
    number: usize,
    width: usize,
    outputs: usize,
    weight: f32,
) -> Result<Tree, BoosterError> {
    let told = |problem: BoosterError| BoosterError::tree(number, problem);
    let columns = Columns::of(written).map_err(told)?;
    let sets = Sets::of(written, columns.left.len()).map_err(told)?;
    let arranged = Arranged::new(columns.left.len(), 0, |node| columns.branch(node, &sets));
    let arranged = arranged.map_err(|error| BoosterError::tree(number, error))?;
    let covers = written.find("sum_hessian").and_then(Value::as_numbers).unwrap_or_default();
    let arranged = arranged.covered(|node| covers.get(node).copied().unwrap_or(0.0));
    let size =
        written.find("tree_param").and_then(|parameters| parameters.find("size_leaf_vector")?.as_count());
    let is_vector = size.is_some_and(|size| size > 1);
    let leaves = if is_vector { Some(vectors(written, &columns, outputs).map_err(told)?) } else { None };
    let mut is_sound = true;
    let tree = arranged.into_tree(if is_vector { outputs } else { 1 }, width, sets.sets, |leaf, values| {
        let start = values.len();
        match &leaves {
            None => values.push(columns.condition[leaf]),
            Some(leaves) => values.extend_from_slice(&leaves[leaf]),
        }
        for value in &mut values[start..] {
            is_sound &= value.is_finite();
            // a leaf of weight one stays what it is
            *value = f64::from(single(*value) * weight);
        }
    });
    let tree = tree.map_err(|error| BoosterError::tree(number, error))?;
    if is_sound { Ok(tree) } else { Err(BoosterError::tree(number, "a leaf is no number")) }
}

/// By node the values of its leaf: in a list of leaves since 3.1, before that among the weights of
/// all nodes.
fn vectors(written: &Value, columns: &Columns<'_>, outputs: usize) -> Result<Vec<Vec<f64>>, BoosterError> {
    let (name, is_by_leaf) = match written.find("leaf_weights") {
        Some(_) => ("leaf_weights", true),
        None => ("base_weights", false),
    };
    let weights = written.numbers(name)?;
    let vectors = columns.left.iter().zip(columns.right.iter()).enumerate().map(|(node, (&left, &right))| {
        if left != -1.0 {
            return Ok(Vec::new());
        }
        let place = if is_by_leaf { count(right) } else { Some(node) };
        let start = place.and_then(|place| place.checked_mul(outputs));
        let end = start.and_then(|start| start.checked_add(outputs));
        let values = start.zip(end).and_then(|(start, end)| weights.get(start..end));
        values.map(<[f64]>::to_vec).ok_or_else(|| BoosterError::field(name, "is too short"))
    });
    vectors.collect()
}

impl Columns<'_> {
    fn branch(&self, node: usize, sets: &Sets) -> Result<Branch, NodeError> {
        if self.left[node] == -1.0 {
            return Ok(Branch::Leaf(node));
        }
        let child = |child: f64| count(child).ok_or(NodeError::Child(node));
        let (left, right) = (child(self.left[node])?, child(self.right[node])?);
        let feature = count(self.feature[node]).and_then(|feature| u32::try_from(feature).ok());
        let plain = Node {
            feature: feature.ok_or(NodeError::Feature(node))?,
            missing_left: self.default_left[node] != 0.0,
            ..Node::leaf()
        };
        let split = match self.kind.get(node) {
            None | Some(0.0) => {
                Node { threshold: below(self.condition[node]).ok_or(NodeError::Threshold(node))?, ..plain }
            }
            Some(1.0) => {
                let set = sets.by_node.binary_search_by_key(&node, |(node, _)| *node);
                let set = set.map(|place| sets.by_node[place].1).map_err(|_| NodeError::Categories(node))?;
                Node { threshold: f64::from(set), is_categorical: true, ..plain }
            }
            Some(_) => return Err(NodeError::Kind(node)),
        };
        Ok(Branch::Split { split, left, right })
    }
}

/// What is wrong with a node.
#[derive(Debug, thiserror::Error)]
enum NodeError {
    #[error("node {0} has a child that is no number of a node")]
    Child(usize),
    #[error("node {0} has a feature that is no number of a column")]
    Feature(usize),
    #[error("node {0} has a threshold that is no number")]
    Threshold(usize),
    #[error("node {0} has no categories to split by")]
    Categories(usize),
    #[error("node {0} is a split of an unknown kind")]
    Kind(usize),
    #[error(transparent)]
    Arrange(#[from] ArrangeError),
}

/// The largest number that goes left: less than the condition, in single precision. Below minus
/// infinity is nothing, which no model that was trained asks for.
pub(super) fn below(condition: f64) -> Option<f64> {
    let condition = single(condition);
    (!condition.is_nan()).then(|| f64::from(condition.next_down()))
}

/// The categories that splits send right.
struct Sets {
    sets: Vec<CategorySet>,
    /// Nodes in ascending order and the number of the set of each.
    by_node: Vec<(usize, u32)>,
}

impl Sets {
    fn of(written: &Value, most: usize) -> Result<Self, BoosterError> {
        let mut all = Sets { sets: Vec::new(), by_node: Vec::new() };
        let Some(nodes) = written.find("categories_nodes").and_then(Value::as_numbers) else {
            return Ok(all);
        };
        if nodes.is_empty() {
            return Ok(all);
        }
        let categories = written.numbers("categories")?;
        let (starts, sizes) = (written.numbers("categories_segments")?, written.numbers("categories_sizes")?);
        let wrong = |problem: &str| BoosterError::field("categories", problem);
        if starts.len() != nodes.len() || sizes.len() != nodes.len() || nodes.len() > most {
            return Err(wrong("do not fit the nodes"));
        }
        // a set takes memory by its largest member: together no more than honest sets would
        let mut room = (1usize << 20).saturating_add(categories.len().saturating_mul(64));
        for ((node, start), size) in nodes.iter().zip(starts.iter()).zip(sizes.iter()) {
            let range = count(*start)
                .zip(count(*size))
                .and_then(|(start, size)| categories.get(start..start.checked_add(size)?));
            let listed = range.ok_or_else(|| wrong("are fewer than the nodes need"))?;
            let words =
                listed.iter().map(|&category| (0.0..MOST_CATEGORIES).contains(&category).then_some(category));
            let largest =
                words.collect::<Option<Vec<f64>>>().ok_or_else(|| wrong("have one that is out of range"))?;
            let largest = largest.into_iter().filter_map(count).max().map_or(0, |largest| largest / 32 + 1);
            room = room.checked_sub(largest).ok_or_else(|| wrong("take too much memory"))?;
            let mut bits = vec![0u32; largest];
            for category in listed.iter().filter_map(|category| count(*category)) {
                bits[category / 32] |= 1 << (category % 32);
            }
            let node = count(*node).ok_or_else(|| wrong("belong to no node"))?;
            let number = u32::try_from(all.sets.len()).map_err(|_| wrong("are too many"))?;
            all.sets.push(CategorySet { listed: Bits(bits.into()), listed_left: false, known: None });
            all.by_node.push((node, number));
        }
        all.by_node.sort_unstable();
        Ok(all)
    }
}

/// By feature its categories, as 3.1 and later keep them.
fn categories(model: &Value, width: usize) -> Result<Categories, BoosterError> {
    let encoders =
        model.find("cats").and_then(|cats| cats.find("enc")).and_then(Value::items).unwrap_or_default();
    if encoders.is_empty() {
        return Ok(Vec::new());
    }
    let wrong = || BoosterError::field("enc", "is not understood");
    if encoders.len() != width {
        return Err(wrong());
    }
    let of_feature = |encoder: &Value| {
        let values = encoder.numbers("values")?;
        let Some(offsets) = encoder.find("offsets").and_then(Value::as_numbers) else {
            return Ok(
                (!values.is_empty()).then(|| values.iter().map(|value| Category::Number(*value)).collect())
            );
        };
        // texts behind each other, as bytes that may be written as signed numbers
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a byte, signed or not")]
        let bytes: Vec<u8> = values.iter().map(|byte| (*byte as i64) as u8).collect();
        let mut room = bytes.len();
        let text = |ends: &[f64]| {
            let (start, end) = count(ends[0]).zip(count(ends[1])).ok_or_else(wrong)?;
            let text = bytes.get(start..end).ok_or_else(wrong)?;
            // what many names share could be copied without end
            room = room.checked_sub(text.len()).ok_or_else(wrong)?;
            Ok(Category::Cut(text.to_vec()))
        };
        let texts = offsets.windows(2).map(text).collect::<Result<Vec<_>, BoosterError>>()?;
        Ok((!texts.is_empty()).then_some(texts))
    };
    encoders.iter().map(of_feature).collect()
}

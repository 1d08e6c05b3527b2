//! `HistGradientBoosting*`: trees of their own kind, which look at numbers as they are.

use super::estimator::Estimator;
use super::{ExtractError, labels};
use crate::data::Accepts;
use crate::fitted::{Fitted, Transform};
use crate::pickle::View;
use crate::pickle::numpy::{Array, Scalar};
use crate::tree::boosted::{BoostedClassifier, BoostedLink, BoostedRegressor, Sums};
use crate::tree::grown::{Bits, CategorySet};
use crate::tree::{Node, Tree};

pub(super) fn classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let classes = labels::classes(estimator)?;
    let sums = sums(estimator)?;
    let link = if classes.len() == 2 { BoostedLink::Sigmoid } else { BoostedLink::Softmax };
    let boosted = BoostedClassifier::new(sums, link, false).ok_or_else(|| estimator.misfit("_predictors"))?;
    Ok(Fitted { steps: preprocessor(estimator)?, ..Fitted::classifier(boosted, classes) })
}

pub(super) fn regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let is_exponential = match estimator.text("loss")? {
        "squared_error" | "absolute_error" | "quantile" => false,
        "poisson" | "gamma" => true,
        _ => return Err(estimator.refuse("loss", estimator.get("loss")?, "the loss is not known")),
    };
    let boosted = BoostedRegressor { sums: sums(estimator)?, is_exponential };
    Ok(Fitted { steps: preprocessor(estimator)?, ..Fitted::regressor(boosted) })
}

/// Since 1.4 categories are numbered, and their columns brought to the front, before.
fn preprocessor(estimator: &Estimator<'_>) -> Result<Vec<Box<dyn Transform>>, ExtractError> {
    let Some(view) = estimator.some("_preprocessor") else { return Ok(Vec::new()) };
    let fitted = estimator.read(view)?;
    let step = fitted.into_transform().map_err(|_| estimator.misfit("_preprocessor"))?;
    Ok(step.into_iter().collect())
}

/// `_predictors`: a list of trees each iteration, a tree for each sum.
fn sums(estimator: &Estimator<'_>) -> Result<Sums<f64>, ExtractError> {
    const ATTRIBUTE: &str = "_predictors";
    let width = estimator.width()?;
    if width > estimator.view.file_size() {
        // it keeps something of every column
        return Err(estimator.misfit("n_features_in_"));
    }
    let start = match estimator.get("_baseline_prediction")?.float() {
        Some(start) => vec![start],
        None => estimator.floats("_baseline_prediction", &estimator.array("_baseline_prediction")?)?,
    };
    let known = known_categories(estimator, width)?;
    let mut trees = Vec::new();
    for iteration in estimator.items(ATTRIBUTE)? {
        let members = iteration.items().ok_or_else(|| estimator.misfit(ATTRIBUTE))?;
        if members.len() != start.len() {
            return Err(estimator.misfit(ATTRIBUTE));
        }
        for member in members {
            trees.push(tree(estimator, member, width, &known)?);
        }
    }
    Sums::new(&trees, start, width, Accepts::Anything).ok_or_else(|| estimator.misfit(ATTRIBUTE))
}

/// By column the categories seen in training; none for a column of numbers.
fn known_categories(estimator: &Estimator<'_>, width: usize) -> Result<Vec<Option<Bits>>, ExtractError> {
    const ATTRIBUTE: &str = "_bin_mapper";
    if estimator.some("is_categorical_").is_none() {
        return Ok(vec![None; width]);
    }
    let mapper = estimator.get(ATTRIBUTE)?;
    let refuse = || estimator.problem(ATTRIBUTE, "has no thresholds for each column".to_owned());
    // since 1.4 its columns stand in another order than the estimator's
    let mask = mapper.attribute("is_categorical_").ok_or_else(refuse)?;
    let mask = Array::read(mask).ok().and_then(|mask| mask.scalars().ok()).ok_or_else(refuse)?;
    let thresholds = mapper.attribute("bin_thresholds_").and_then(|thresholds| thresholds.items());
    let thresholds = thresholds.ok_or_else(refuse)?;
    if mask.len() != width || thresholds.len() != width {
        return Err(refuse());
    }
    let columns = mask.into_iter().zip(thresholds).map(|(is_categorical, categories)| {
        if flag(&is_categorical) != Some(true) {
            return Ok(None);
        }
        let mut words = vec![0u32; 8];
        for category in estimator.vector_of(ATTRIBUTE, categories)? {
            let category = whole(category).filter(|category| *category < 256).ok_or_else(refuse)?;
            words[category as usize / 32] |= 1 << (category % 32);
        }
        Ok(Some(Bits(words.into())))
    });
    columns.collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number is checked")]
fn whole(number: f64) -> Option<u32> {
    (number >= 0.0 && number < f64::from(u32::MAX) && number.fract() == 0.0).then_some(number as u32)
}

fn tree<'g>(
    estimator: &Estimator<'g>,
    member: View<'g>,
    width: usize,
    known: &[Option<Bits>],
) -> Result<Tree, ExtractError> {
    let problem = |problem: &str| estimator.problem("_predictors", problem.to_owned());
    if member.class().is_none_or(|(_, name)| name != "TreePredictor") {
        return Err(problem("has something that is no tree"));
    }
    let nodes = member.attribute("nodes").ok_or_else(|| problem("has a tree without nodes"))?;
    let nodes = estimator.array_of("_predictors", nodes)?;
    let sets = match member.attribute("raw_left_cat_bitsets") {
        Some(sets) => bitsets(&estimator.array_of("_predictors", sets)?),
        None => Some(Vec::new()),
    };
    let sets = sets.ok_or_else(|| problem("has sets of categories of another size than expected"))?;
    let read = Nodes { sets, known }.read(&nodes);
    let (nodes, values, sets) = read.ok_or_else(|| problem("has a node that is not understood"))?;
    let tree = Tree::with_categories(nodes, values, 1, width, sets);
    tree.map_err(|error| problem(&format!("has a tree that is refused: {error}")))
}

/// Sets of 256 categories, eight words each.
fn bitsets(array: &Array<'_>) -> Option<Vec<Bits>> {
    if array.len() == 0 {
        return Some(Vec::new());
    }
    let [_, 8] = array.shape[..] else { return None };
    let words: Vec<u32> = array.floats().ok()?.into_iter().map(whole).collect::<Option<_>>()?;
    Some(words.chunks(8).map(|words| Bits(words.into())).collect())
}

/// What the nodes of a tree refer to.
struct Nodes<'a> {
    sets: Vec<Bits>,
    known: &'a [Option<Bits>],
}

impl Nodes<'_> {
    fn read(&self, array: &Array<'_>) -> Option<(Vec<Node>, Vec<f64>, Vec<CategorySet>)> {
        const FIELDS: [&str; 9] = [
            "value",
            "is_leaf",
            "feature_idx",
            "num_threshold",
            "missing_go_to_left",
            "left",
            "right",
            "is_categorical",
            "bitset_idx",
        ];
        let (mut nodes, mut values, mut sets) = (Vec::new(), Vec::new(), Vec::new());
        let covers = array.field("count");
        let mut covers = covers.as_ref().map(|counts| counts.scalars());
        let columns = FIELDS.map(|name| array.field(name));
        if columns.iter().any(Option::is_none) {
            return None;
        }
        let mut columns = columns.each_ref().map(|column| column.as_ref().map(|column| column.scalars()));
        for _ in 0..array.len() {
            let mut next = || -> Option<[Scalar; 9]> {
                let cells: Vec<Scalar> =
                    columns.iter_mut().map(|column| column.as_mut()?.next()?).collect::<Option<_>>()?;
                cells.try_into().ok()
            };
            let cells = next()?;
            let node = if flag(&cells[1])? {
                values.push(cells[0].as_float().filter(|value| value.is_finite())?);
                Node::leaf()
            } else {
                self.split(&cells, &mut sets)?
            };
            let cover = covers.as_mut().and_then(|covers| covers.next()??.as_float());
            nodes.push(node.covering(cover.unwrap_or(0.0)));
        }
        Some((nodes, values, sets))
    }

    fn split(&self, cells: &[Scalar; 9], sets: &mut Vec<CategorySet>) -> Option<Node> {
        let index = |cell: &Scalar| u32::try_from(cell.as_int()?).ok();
        let feature = index(&cells[2])?;
        let is_categorical = flag(&cells[7])?;
        let threshold = if is_categorical {
            let listed = self.sets.get(index(&cells[8])? as usize)?.clone();
            let known = self.known.get(feature as usize)?.clone();
            sets.push(CategorySet { listed, listed_left: true, known: Some(known?) });
            f64::from(u32::try_from(sets.len() - 1).ok()?)
        } else {
            cells[3].as_float()?
        };
        let (left, right) = (index(&cells[5])?, index(&cells[6])?);
        let missing_left = flag(&cells[4])?;
        Some(Node { threshold, feature, left, right, missing_left, is_categorical, ..Node::leaf() })
    }
}

fn flag(cell: &Scalar) -> Option<bool> {
    cell.as_int().map(|flag| flag != 0).or_else(|| cell.as_bool())
}

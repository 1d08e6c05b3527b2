//! LightGBM's models: the text format, which its pickles hold, too.

mod categories;
mod objective;
mod tree;

use super::codes::Codes;
use super::heads::{Booster, Margins};
use super::{BoosterError, Opened};
use crate::data::Accepts;
use crate::fitted::Fitted;
use crate::model::Label;
use crate::tree::Tree;
use crate::tree::boosted::{LinearLeaf, Sums};
use objective::{Answer, Objective};

/// More features are no table but a trap.
const MOST_FEATURES: usize = 1 << 26;

/// What a file says of a model.
#[derive(Debug)]
pub(crate) struct Model {
    version: String,
    width: usize,
    /// How many trees an iteration grows: one for each sum.
    sums: usize,
    is_averaged: bool,
    objective: Objective,
    names: Vec<String>,
    trees: Vec<Tree>,
    /// By tree its leaves, if they are sums.
    linear: Vec<Vec<LinearLeaf>>,
    codes: Option<Codes>,
}

/// The class of LightGBM's Python package that answers.
#[derive(Debug)]
pub(crate) enum Estimator {
    Booster,
    /// A classifier of these classes.
    Classifier(Vec<Label>),
    Regressor,
}

/// Whether bytes are a model of LightGBM, told by their beginning.
pub(super) fn is_model(bytes: &[u8]) -> bool {
    bytes.starts_with(b"tree\nversion=") || bytes.starts_with(b"tree\r\nversion=")
}

/// A line `key=value` and where it stands.
#[derive(Debug, Clone, Copy)]
struct Line<'t> {
    key: &'t str,
    value: &'t str,
}

/// The lines of one part of the file.
#[derive(Debug, Default)]
struct Section<'t>(Vec<Line<'t>>);

impl<'t> Section<'t> {
    fn find(&self, key: &str) -> Option<&'t str> {
        self.0.iter().find(|line| line.key == key).map(|line| line.value)
    }

    fn get(&self, key: &str) -> Result<&'t str, BoosterError> {
        self.find(key).ok_or_else(|| BoosterError::Missing { name: key.to_owned() })
    }

    fn count(&self, key: &str) -> Result<usize, BoosterError> {
        let count = self.get(key)?.trim().parse::<u32>();
        count.map(|count| count as usize).map_err(|_| BoosterError::field(key, "is not a count"))
    }

    /// So many numbers.
    fn numbers<T: std::str::FromStr>(&self, key: &str, count: usize) -> Result<Vec<T>, BoosterError> {
        let numbers = numbers(self.get(key)?)
            .ok_or_else(|| BoosterError::field(key, "has something that is no number"))?;
        match numbers.len() == count {
            true => Ok(numbers),
            false => Err(BoosterError::field(
                key,
                &format!("has {} numbers where {count} are expected", numbers.len()),
            )),
        }
    }
}

/// Numbers with spaces between.
fn numbers<T: std::str::FromStr>(text: &str) -> Option<Vec<T>> {
    text.split_ascii_whitespace().map(|number| number.parse().ok()).collect()
}

impl Model {
    /// Reads a model in the text format.
    ///
    /// # Errors
    /// Says what in the file is damaged or not supported.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BoosterError> {
        let text = std::str::from_utf8(bytes).map_err(|error| BoosterError::Syntax {
            offset: error.valid_up_to(),
            problem: "the text is not Unicode",
        })?;
        let (header, sections) = sections(text)?;
        let width = header.count("max_feature_idx")?.checked_add(1).filter(|width| *width <= MOST_FEATURES);
        let width = width.ok_or_else(|| BoosterError::field("max_feature_idx", "is beyond any table"))?;
        let sums = match header.find("num_tree_per_iteration") {
            Some(_) => header.count("num_tree_per_iteration")?,
            None => header.count("num_class")?,
        };
        if sums == 0 || sums > 1 << 16 {
            return Err(BoosterError::field("num_tree_per_iteration", "is beyond any model"));
        }
        let mut trees = Vec::with_capacity(sections.len());
        let mut linear = Vec::new();
        for (number, section) in sections.iter().enumerate() {
            let told = |error| BoosterError::tree(number, error);
            let grown = tree::read(section, width).map_err(told)?;
            trees.push(grown.tree);
            linear.push(grown.linear);
        }
        if linear.iter().all(Option::is_none) {
            linear.clear();
        }
        let linear =
            linear.into_iter().zip(&trees).map(|(leaves, tree)| leaves.unwrap_or_else(|| tree::plain(tree)));
        let names: Vec<String> = header
            .find("feature_names")
            .map_or_else(Vec::new, |names| names.split(' ').map(str::to_owned).collect());
        Ok(Model {
            version: header.find("version").unwrap_or("").chars().take(20).collect(),
            width,
            sums,
            is_averaged: header.find("average_output").is_some(),
            objective: Objective::read(header.find("objective"), sums)?,
            linear: linear.collect(),
            trees,
            names: if names.len() == width { names } else { Vec::new() },
            codes: categories::read(text, &header, width)?,
        })
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The format's version is all that a file tells.
    pub(crate) fn origin(&self) -> String {
        format!("LightGBM (format {})", self.version)
    }

    /// The model as `Booster.predict` answers.
    pub(crate) fn into_booster(self) -> Result<Opened, BoosterError> {
        let (origin, names) = (self.origin(), self.names.clone());
        Ok(Opened { origin, names, fitted: self.into_fitted(None, Estimator::Booster)? })
    }

    /// The model as one of LightGBM's classes answers, of the first iterations or all.
    pub(crate) fn into_fitted(
        mut self,
        iterations: Option<usize>,
        estimator: Estimator,
    ) -> Result<Fitted, BoosterError> {
        let misfit = || BoosterError::misfit("trees and sums");
        if let Some(trees) = iterations.and_then(|iterations| iterations.checked_mul(self.sums)) {
            self.trees.truncate(trees);
            self.linear.truncate(trees);
        }
        let sums = Sums::new(&self.trees, vec![0.0; self.sums], self.width, Accepts::Anything);
        let mut sums = sums.ok_or_else(misfit)?;
        let is_linear = !self.linear.is_empty();
        if is_linear {
            sums = sums.with_linear_leaves(self.linear.into_iter().flatten().collect()).ok_or_else(misfit)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody grows 2^52 trees")]
        let divisor = if self.is_averaged { (self.trees.len() / self.sums).max(1) as f64 } else { 1.0 };
        let link = self.objective.link;
        let booster = Booster { margins: Margins::Double(sums), divisor, link, name: "LightGBM" };
        let numbered = || (0i64..).take(self.sums.max(2)).map(Label::Int).collect::<Vec<_>>();
        let mut fitted = match (estimator, self.objective.answer) {
            (Estimator::Regressor, _) | (Estimator::Booster, Answer::Numbers) => booster.into_regressor(),
            (Estimator::Classifier(labels), _) => {
                booster.into_classifier(labels).ok_or_else(|| BoosterError::misfit("classes and sums"))?
            }
            (Estimator::Booster, Answer::Classes) => {
                booster.into_classifier(numbered()).ok_or_else(misfit)?
            }
        };
        if let Some(codes) = self.codes {
            fitted.steps.insert(0, Box::new(codes));
        }
        Ok(fitted)
    }
}

/// The header, and the trees: until a line says that they end.
fn sections(text: &str) -> Result<(Section<'_>, Vec<Section<'_>>), BoosterError> {
    let (mut header, mut trees) = (Section::default(), Vec::new());
    for line in text.lines() {
        let line = line.trim_end_matches('\r');
        if line == "end of trees" {
            return Ok((header, trees));
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if key == "Tree" {
            trees.push(Section::default());
        } else if !key.is_empty() {
            trees.last_mut().unwrap_or(&mut header).0.push(Line { key, value });
        }
    }
    // before 2.3 the end was told by what follows; the importance of features does
    match trees.last().is_some_and(|tree| {
        tree.find("feature importances:").is_some() || tree.find("feature_importances:").is_some()
    }) {
        true => Ok((header, trees)),
        false => Err(BoosterError::Truncated { offset: text.len() }),
    }
}

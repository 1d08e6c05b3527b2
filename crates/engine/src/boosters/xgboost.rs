//! XGBoost's models: JSON, UBJSON, the binary format before them, and what its pickles hold.

mod binary;
pub(super) mod linear;
mod objective;
mod written;

use super::codes::{Category, Codes};
use super::document::{json, ubjson};
use super::error::shown;
use super::heads::{Booster, Margins};
use super::{BoosterError, Opened};
use crate::fitted::Fitted;
use crate::model::Label;
use crate::tree::Tree;
use crate::tree::boosted::Sums;
use linear::LinearMargins;
use objective::{Answer, Objective};

/// More features are no table but a trap.
const MOST_FEATURES: usize = 1 << 26;

/// The most outputs of one model.
const MOST_OUTPUTS: usize = 1 << 16;

/// What a file says of a model.
#[derive(Debug)]
pub(crate) struct Model {
    /// Major, minor, patch; `None` before 1.0, which did not say.
    version: Option<[usize; 3]>,
    width: usize,
    outputs: usize,
    /// How many classes the file says there are; zero for all but multi-class objectives.
    classes: usize,
    /// One for all outputs, or one each.
    base_scores: Vec<f32>,
    /// Whether base scores are margins already: before 1.0.
    base_is_margin: bool,
    objective: String,
    names: Vec<String>,
    learned: Learned,
    attributes: Vec<(String, String)>,
    /// By feature its categories, since 3.1.
    categories: Vec<Option<Vec<Category>>>,
}

/// What boosting learned.
#[derive(Debug)]
enum Learned {
    Trees(Ensemble),
    /// Weights, feature by feature a weight for each output, then the biases.
    Linear(Vec<f32>),
}

/// Trees in the order they were grown.
#[derive(Debug)]
struct Ensemble {
    trees: Vec<Tree>,
    /// By tree the output it adds to.
    places: Vec<u32>,
    /// How many trees an iteration grows for each output.
    parallel: usize,
    /// Where iterations begin, and where the last one ends; empty if the file does not tell.
    iterations: Vec<usize>,
}

/// How a model is asked.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Ask the first iterations only.
    pub(crate) iterations: Option<usize>,
    /// The number that means missing, besides NaN.
    pub(crate) missing: Option<f32>,
    pub(crate) estimator: Estimator,
}

/// The class of XGBoost's Python package that answers.
#[derive(Debug, Default)]
pub(crate) enum Estimator {
    #[default]
    Booster,
    /// A classifier of named classes, or of so many numbered ones as the model tells apart.
    Classifier(Option<Vec<Label>>),
    Regressor,
}

/// Whether bytes are a model of XGBoost, told by their beginning.
pub(super) fn is_model(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(1 << 16)];
    let has = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
    match bytes {
        [b'{', rest @ ..] if rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'"') => {
            has(b"\"learner\"") || has(b"\"Config\"")
        }
        [b'{', b'L' | b'U' | b'i' | b'I' | b'l', ..] => has(b"learner") || has(b"Config"),
        _ => bytes.starts_with(b"CONFIG-offset:") || binary::is_model(bytes),
    }
}

impl Model {
    /// Reads a model of any of XGBoost's formats.
    ///
    /// # Errors
    /// Says what in the file is damaged or not supported.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BoosterError> {
        let model = match bytes {
            [b'{', b'"' | b' ' | b'\n' | b'\r' | b'\t', ..] => written::read(&json::read(bytes)?),
            [b'{', ..] => written::read(&ubjson::read(bytes)?),
            _ => binary::read(bytes),
        }?;
        model.check()?;
        Ok(model)
    }

    fn check(&self) -> Result<(), BoosterError> {
        if self.width > MOST_FEATURES {
            return Err(BoosterError::field("num_feature", "is beyond any table"));
        }
        if self.outputs == 0 || self.outputs > MOST_OUTPUTS {
            return Err(BoosterError::field("num_class", "is beyond any model"));
        }
        let bases = self.base_scores.len();
        if bases != 1 && bases != self.outputs {
            return Err(BoosterError::field("base_score", "has another length than there are outputs"));
        }
        if self.base_scores.iter().any(|base| base.is_nan()) {
            return Err(BoosterError::field("base_score", "is no number"));
        }
        Ok(())
    }

    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The iterations that early stopping found best.
    pub(crate) fn best_iterations(&self) -> Option<usize> {
        self.attribute("best_iteration")?.parse::<usize>().ok()?.checked_add(1)
    }

    /// The same model with these names, if it has none and they fit.
    pub(crate) fn with_names(mut self, names: Vec<String>) -> Self {
        if self.names.is_empty() && names.len() == self.width {
            self.names = names;
        }
        self
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn origin(&self) -> String {
        match self.version {
            Some([major, minor, patch]) => format!("XGBoost {major}.{minor}.{patch}"),
            None => "XGBoost before 1.0".to_owned(),
        }
    }

    /// The model as `Booster.predict` answers; a file that an estimator of XGBoost's scikit-learn
    /// interface saved, as that one.
    pub(crate) fn into_booster(self) -> Result<Opened, BoosterError> {
        let asked = match self.attribute("scikit_learn").map(|text| json::read(text.as_bytes())) {
            Some(Ok(estimator)) => {
                let kind = estimator.find("_estimator_type").and_then(|kind| kind.as_text());
                let estimator = match kind {
                    Some("classifier") => Estimator::Classifier(saved_classes(&estimator)),
                    _ => Estimator::Regressor,
                };
                Asked { iterations: self.best_iterations(), missing: None, estimator }
            }
            _ => Asked::default(),
        };
        let (origin, names) = (self.origin(), self.names.clone());
        Ok(Opened { origin, names, fitted: self.into_fitted(asked)? })
    }

    /// The model as one of XGBoost's classes answers.
    pub(crate) fn into_fitted(self, asked: Asked) -> Result<Fitted, BoosterError> {
        let objective =
            Objective::by_name(&self.objective, self.outputs).ok_or_else(|| BoosterError::Unsupported {
                what: format!("the objective `{}`", shown(&self.objective)),
                hint: "`docs/models.md` lists the objectives that are",
            })?;
        let base_is_margin = self.base_is_margin;
        let margin = |&base: &f32| {
            let margin = if base_is_margin { base } else { objective.margin(base) };
            f64::from(margin)
        };
        let mut start: Vec<f64> = self.base_scores.iter().map(margin).collect();
        if start.len() == 1 {
            start = vec![start[0]; self.outputs];
        }
        let (width, outputs) = (self.width, self.outputs);
        let margins = match self.learned {
            Learned::Trees(ensemble) => {
                let Ensemble { trees, places, .. } = ensemble.cut(asked.iterations, outputs)?;
                let sums = Sums::single(&trees, places, start, width);
                let sums = sums.ok_or_else(|| BoosterError::misfit("trees and outputs"))?;
                // before 1.3 the trees' sum was added to the base score, not the trees
                let is_late = self.version.is_none_or(|version| version < [1, 3, 0]);
                Margins::Single(if is_late { sums.starting_late() } else { sums })
            }
            Learned::Linear(weights) => {
                // the first base score counts for all, also since 3.1, which has one for each
                let start = vec![start[0]; outputs];
                let linear = LinearMargins::new(weights, start, width);
                Margins::Linear(
                    linear
                        .ok_or_else(|| BoosterError::field("weights", "has another length than expected"))?,
                )
            }
        };
        let name = if matches!(margins, Margins::Linear(_)) { "XGBoost (linear)" } else { "XGBoost" };
        let booster = Booster { margins, divisor: 1.0, link: objective.link(), name };
        let mut fitted = answering(booster, objective.answer(), self.classes, asked.estimator)?;
        if let Some(missing) = asked.missing {
            fitted.steps.insert(0, Box::new(linear::Missing { number: missing, width }));
        }
        if self.categories.iter().any(Option::is_some) {
            fitted.steps.insert(0, Box::new(Codes { columns: self.categories, refuses_unknown: true }));
        }
        Ok(fitted)
    }
}

/// The head that answers as a class of XGBoost does.
fn answering(
    booster: Booster,
    answer: Answer,
    classes: usize,
    estimator: Estimator,
) -> Result<Fitted, BoosterError> {
    let numbered = |count: usize| (0i64..).take(count).map(Label::Int).collect::<Vec<_>>();
    let misfit = || BoosterError::misfit("classes and outputs");
    let outputs = booster.outputs();
    Ok(match (estimator, answer) {
        (Estimator::Regressor, _) | (Estimator::Booster, Answer::Numbers) => booster.into_regressor(),
        // several outputs that are no classes are truth values
        _ if outputs > 1 && classes <= 1 => booster.into_labels(),
        (Estimator::Classifier(Some(labels)), _) => booster.into_classifier(labels).ok_or_else(misfit)?,
        (Estimator::Booster | Estimator::Classifier(None), _) => {
            booster.into_classifier(numbered(outputs.max(2))).ok_or_else(misfit)?
        }
    })
}

/// The classes that XGBoost's classifier before 1.6 kept in its file.
fn saved_classes(estimator: &super::document::Value) -> Option<Vec<Label>> {
    let classes = estimator.find("_le").and_then(|encoder| encoder.find("classes_"))?;
    if let Some(texts) = classes.texts().filter(|texts| !texts.is_empty()) {
        return Some(texts.into_iter().map(Label::Text).collect());
    }
    #[expect(clippy::cast_possible_truncation, reason = "the number is checked")]
    let number = |&number: &f64| {
        if number.fract() == 0.0 && number.abs() < 9e15 {
            Label::Int(number as i64)
        } else {
            Label::Float(number)
        }
    };
    Some(classes.as_numbers()?.iter().map(number).collect())
}

impl Ensemble {
    /// The trees of the first iterations, or all.
    fn cut(mut self, iterations: Option<usize>, outputs: usize) -> Result<Self, BoosterError> {
        let Some(iterations) = iterations else { return Ok(self) };
        let is_vector = self.trees.first().is_some_and(|tree| tree.outputs() > 1);
        let layer = self.parallel.max(1).checked_mul(if is_vector { 1 } else { outputs });
        let end = match self.iterations.get(iterations) {
            Some(&end) => Some(end),
            None if self.iterations.is_empty() => layer.and_then(|layer| layer.checked_mul(iterations)),
            None => Some(self.trees.len()),
        };
        let end = end.ok_or_else(|| BoosterError::field("best_iteration", "is beyond any model"))?;
        self.trees.truncate(end);
        self.places.truncate(end);
        Ok(self)
    }
}

//! Joins the steps of a pipeline to a model.

use super::estimator::{Estimator, version};
use super::{ExtractError, Step, is_in, labels};
use crate::model::{Classifier, Features, Label, Parts};
use crate::numbers::{Numbers, Scaling};
use crate::pickle::View;
use crate::text::{TextFeatures, Weights};

/// Pipelines inside pipelines; more is no model but a trap.
const MAX_DEPTH: usize = 8;

/// The most steps, over all levels.
const MAX_STEPS: usize = 64;

/// A pipeline's parameters; the others only matter while fitting.
const PARAMETERS: &[&str] = &["steps", "memory", "verbose", "transform_input"];

/// Makes a model of what a pickle holds: a pipeline, a bare classifier, or a search over either.
pub(crate) fn extract(root: View<'_>) -> Result<Parts, ExtractError> {
    let root = searched(root)?;
    let mut steps = Vec::new();
    flatten(root, 0, &mut steps)?;
    let mut assembly = Assembly::default();
    for step in &steps {
        assembly.add(&Estimator::new(*step)?)?;
    }
    // a pipeline has its names and version from its first step that has them
    let names = steps.first().map_or(Ok(Vec::new()), |first| labels::feature_names(*first))?;
    let (text, _) = version(root)?;
    assembly.finish(names, format!("scikit-learn {text}"))
}

/// A fitted search answers by its best estimator.
fn searched(root: View<'_>) -> Result<View<'_>, ExtractError> {
    const SEARCHES: [&str; 4] =
        ["GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"];
    match root.class() {
        Some((module, name)) if is_in(module, "sklearn.model_selection") && SEARCHES.contains(&name) => {
            let best = root.attribute("best_estimator_");
            best.ok_or_else(|| ExtractError::Missing { class: name.to_owned(), attribute: "best_estimator_" })
        }
        _ => Ok(root),
    }
}

/// Lists the estimators of a pipeline in order, pipelines inside it opened.
fn flatten<'g>(view: View<'g>, depth: usize, steps: &mut Vec<View<'g>>) -> Result<(), ExtractError> {
    let is_pipeline =
        view.class().is_some_and(|(module, name)| module == "sklearn.pipeline" && name == "Pipeline");
    if !is_pipeline {
        steps.push(view);
        return Ok(());
    }
    let refuse = |problem: &str| ExtractError::Attribute {
        class: "Pipeline".to_owned(),
        attribute: "steps",
        problem: problem.to_owned(),
    };
    if depth > MAX_DEPTH || steps.len() > MAX_STEPS {
        return Err(refuse("is nested too deep or too long"));
    }
    check_parameters(view)?;
    let listed = view.attribute("steps").and_then(|steps| steps.items());
    for step in listed.ok_or_else(|| refuse("is not a list"))? {
        let step = step.item(1).ok_or_else(|| refuse("has an entry that is not a name and an estimator"))?;
        if step.is_none() || step.str() == Some("passthrough") {
            continue;
        }
        flatten(step, depth + 1, steps)?;
        if steps.len() > MAX_STEPS {
            return Err(refuse("is too long"));
        }
    }
    Ok(())
}

fn check_parameters(pipeline: View<'_>) -> Result<(), ExtractError> {
    let pairs = pipeline.state().and_then(|state| state.pairs()).into_iter().flatten();
    let names = pairs.map(|(name, _)| name.str().unwrap_or("?"));
    let mut unknown =
        names.filter(|name| !name.starts_with('_') && !name.ends_with('_') && !PARAMETERS.contains(name));
    match unknown.next() {
        Some(name) => {
            let parameter = name.chars().take(60).collect();
            Err(ExtractError::UnknownParameter { class: "Pipeline".to_owned(), parameter })
        }
        None => Ok(()),
    }
}

/// The steps taken so far.
#[derive(Default)]
struct Assembly {
    text: Option<Box<TextFeatures>>,
    /// Whether the last step counted terms without weighing them.
    has_counts: bool,
    scalings: Vec<Scaling>,
    classifier: Option<(Classifier, Vec<Label>)>,
}

impl Assembly {
    fn add(&mut self, estimator: &Estimator<'_>) -> Result<(), ExtractError> {
        let refuse = |reason| Err(ExtractError::Order { class: estimator.name(), reason });
        if self.classifier.is_some() {
            return refuse("it follows the classifier");
        }
        let is_first = self.text.is_none() && self.scalings.is_empty();
        match (estimator.row.read)(estimator)? {
            Step::Text(_) if !is_first => refuse("a text vectorizer can only come first"),
            Step::Text(text) => {
                self.text = Some(text);
                self.has_counts = estimator.row.name == "CountVectorizer";
                Ok(())
            }
            Step::Weights(weights) => match self.text.take() {
                Some(text) if self.has_counts => {
                    self.text = Some(weighed(&text, weights).ok_or_else(|| {
                        estimator.problem("idf_", "is for another number of terms".to_owned())
                    })?);
                    self.has_counts = false;
                    Ok(())
                }
                _ => refuse("it must follow a CountVectorizer"),
            },
            Step::Scaling(_) if self.text.is_some() => refuse("scaling text features is not supported"),
            Step::Scaling(scaling) => {
                self.scalings.push(scaling);
                Ok(())
            }
            Step::Classifier(classifier, classes) => {
                self.classifier = Some((classifier, classes));
                Ok(())
            }
        }
    }

    fn finish(self, names: Vec<String>, origin: String) -> Result<Parts, ExtractError> {
        let Some((classifier, classes)) = self.classifier else {
            let what = "a pipeline without a classifier at its end".to_owned();
            return Err(ExtractError::NotAModel { what });
        };
        let mismatch = |problem: String| ExtractError::Mismatch { problem };
        let features =
            match self.text {
                Some(text) => Features::Text(text),
                None => {
                    let numbers = Numbers::new(names, classifier.width(), self.scalings);
                    Features::Numbers(numbers.ok_or_else(|| {
                        mismatch("the scaling is for another number of features".to_owned())
                    })?)
                }
            };
        let parts = Parts { origin, classes, features, classifier };
        parts.checked().map_err(|error| mismatch(error.to_string()))
    }
}

/// The same features with weights; the counter keeps its own `binary`.
fn weighed(text: &TextFeatures, weights: Weights) -> Option<Box<TextFeatures>> {
    let (analyzer, vocabulary, counted) = text.parts();
    let weights = Weights { binary: counted.binary, ..weights };
    TextFeatures::new(analyzer.clone(), vocabulary.clone(), weights).map(Box::new)
}

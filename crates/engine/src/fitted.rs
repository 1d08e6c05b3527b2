//! What training left behind: steps that transform rows, and heads that answer.
//!
//! Every model, whatever library made it, is a [`Fitted`] chain: transforming [`Transform`] steps,
//! at its end a [`Head`]. A class of a library is read into these by its extractor, in
//! `crate::sklearn` and its neighbours; the arithmetic lives in modules named after what they
//! compute. A head that combines others (voting, stacking, calibration) holds whole chains.

use std::any::Any;
use std::fmt::Debug;

use crate::data::{Data, Dense};
use crate::explain::{Attributed, Source, Unexplained};
use crate::model::{Label, PredictError};

/// What a step takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// One text a row.
    Text,
    /// So many numbers a row.
    Numbers(usize),
    /// So many cells of any type a row.
    Cells(usize),
    /// Whatever the step before gives, or the user: a step that passes rows on.
    Anything,
}

/// What a step gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    /// So many numbers a row.
    Numbers(usize),
    /// So many cells of any type a row.
    Cells(usize),
    /// What it was given.
    Same,
}

/// A fitted step from rows to rows.
pub(crate) trait Transform: Debug + Send + Sync + Any {
    fn takes(&self) -> Takes;

    fn gives(&self) -> Gives;

    /// What the step does, in two or three words.
    fn name(&self) -> &'static str;

    /// Transforms a batch; every row is transformed as if it were alone.
    ///
    /// # Errors
    /// Of the first row that the step does not take.
    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError>;

    /// What one of the columns it gives is made of.
    fn source(&self, column: usize) -> Source {
        let _ = column;
        Source::Mixed
    }
}

/// A fitted classifier of one output.
pub(crate) trait Classify: Debug + Send + Sync + Any {
    fn takes(&self) -> Takes;

    /// How many classes it tells apart.
    fn classes(&self) -> usize;

    /// What the model is, in two or three words.
    fn name(&self) -> &'static str;

    /// How it is computed, in words, where there is a choice.
    fn kernel(&self) -> Option<String> {
        None
    }

    /// Judges a batch; every row is judged as if it were alone.
    ///
    /// # Errors
    /// Of the first row that it does not take.
    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError>;

    /// What each feature of each row adds to each of the numbers it decides by.
    ///
    /// # Errors
    /// When nobody can tell exactly; see [`crate::explain`].
    fn attribute(&self, rows: &Data<'_>, centre: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        let _ = (rows, centre);
        Err(Unexplained::Unsupported)
    }
}

/// A fitted regressor of one or more outputs.
pub(crate) trait Regress: Debug + Send + Sync + Any {
    fn takes(&self) -> Takes;

    fn outputs(&self) -> usize;

    /// What the model is, in two or three words.
    fn name(&self) -> &'static str;

    /// How it is computed, in words, where there is a choice.
    fn kernel(&self) -> Option<String> {
        None
    }

    /// A row of outputs for each row.
    ///
    /// # Errors
    /// Of the first row that it does not take.
    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError>;

    /// As [`Classify::attribute`], to each output before the link.
    fn attribute(&self, rows: &Data<'_>, centre: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        let _ = (rows, centre);
        Err(Unexplained::Unsupported)
    }
}

/// What a classifier says of a batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    /// The position of the predicted class, row after row.
    pub(crate) classes: Vec<usize>,
    /// A probability per class, where the library has `predict_proba`.
    pub(crate) probabilities: Option<Dense>,
    /// What the library's `decision_function` gives, where it has one.
    pub(crate) decisions: Option<Dense>,
}

/// What answers at the end of a chain.
#[derive(Debug)]
pub(crate) enum Head {
    Classifier(Box<dyn Classify>, Vec<Label>),
    Regressor(Box<dyn Regress>),
    /// Several outputs, each a classifier of its own.
    Many(Vec<(Box<dyn Classify>, Vec<Label>)>),
}

/// What a fitted estimator can do: transform, answer, or (a clustering) both.
#[derive(Debug, Default)]
pub(crate) struct Fitted {
    /// What goes before both.
    pub(crate) steps: Vec<Box<dyn Transform>>,
    pub(crate) transform: Option<Box<dyn Transform>>,
    pub(crate) head: Option<Head>,
    /// The names of the columns it takes, where another library's file has them.
    pub(crate) names: Vec<String>,
    /// The library that made it, where it is not the pickle's.
    pub(crate) origin: Option<String>,
}

/// The parts of a model do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MismatchError {
    #[error("{given} numbers are given to a step that takes {taken}")]
    Width { given: usize, taken: usize },
    #[error("numbers are given to a step that takes texts")]
    TextAfterNumbers,
    #[error("a pipeline of several outputs inside another estimator is not supported")]
    ManyInside,
    #[error("no step tells what the model takes")]
    Unknown,
    #[error("there are {named} class names for {told} classes")]
    Classes { named: usize, told: usize },
}

impl Verdict {
    /// Predicts the most probable class, the first of equals.
    pub(crate) fn of_probabilities(probabilities: Dense) -> Self {
        let classes = probabilities.iter().map(crate::linear::first_largest).collect();
        Verdict { classes, probabilities: Some(probabilities), decisions: None }
    }
}

impl Fitted {
    pub(crate) fn transformer(transform: impl Transform) -> Self {
        Fitted { transform: Some(Box::new(transform)), ..Fitted::default() }
    }

    pub(crate) fn classifier(classifier: impl Classify, classes: Vec<Label>) -> Self {
        Fitted { head: Some(Head::Classifier(Box::new(classifier), classes)), ..Fitted::default() }
    }

    pub(crate) fn regressor(regressor: impl Regress) -> Self {
        Fitted { head: Some(Head::Regressor(Box::new(regressor))), ..Fitted::default() }
    }

    /// Its steps and its transformation as one; `None` if it transforms nothing.
    pub(crate) fn into_transform(mut self) -> Result<Option<Box<dyn Transform>>, MismatchError> {
        let Some(transform) = self.transform else { return Ok(None) };
        if self.steps.is_empty() {
            return Ok(Some(transform));
        }
        self.steps.push(transform);
        Ok(Some(Box::new(Chain::new(self.steps, None)?)))
    }

    /// Its steps and its head as one; `None` if it answers nothing.
    pub(crate) fn into_head(self) -> Result<Option<Head>, MismatchError> {
        let Some(head) = self.head else { return Ok(None) };
        if self.steps.is_empty() {
            return Ok(Some(head));
        }
        let chain = Chain::new(self.steps, Some(head.takes()))?;
        head.after(chain).map(Some)
    }
}

impl Head {
    pub(crate) fn takes(&self) -> Takes {
        match self {
            Head::Classifier(classifier, _) => classifier.takes(),
            Head::Regressor(regressor) => regressor.takes(),
            Head::Many(outputs) => outputs.first().map_or(Takes::Anything, |(first, _)| first.takes()),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Head::Classifier(classifier, _) => classifier.name(),
            Head::Regressor(regressor) => regressor.name(),
            Head::Many(outputs) => outputs.first().map_or("nothing", |(first, _)| first.name()),
        }
    }

    /// How it is computed, in words, where there is a choice.
    pub(crate) fn kernel(&self) -> Option<String> {
        match self {
            Head::Classifier(classifier, _) => classifier.kernel(),
            Head::Regressor(regressor) => regressor.kernel(),
            Head::Many(outputs) => outputs.first().and_then(|(first, _)| first.kernel()),
        }
    }

    /// The same head, given what a chain makes of rows.
    pub(crate) fn after(self, chain: Chain) -> Result<Head, MismatchError> {
        Ok(match self {
            Head::Classifier(last, labels) => Head::Classifier(Box::new(Chained { chain, last }), labels),
            Head::Regressor(last) => Head::Regressor(Box::new(Chained { chain, last })),
            Head::Many(_) => return Err(MismatchError::ManyInside),
        })
    }

    /// Checks that every classifier has as many names as classes.
    pub(crate) fn check(&self) -> Result<(), MismatchError> {
        let check = |classifier: &dyn Classify, labels: &[Label]| {
            let (named, told) = (labels.len(), classifier.classes());
            if named == told { Ok(()) } else { Err(MismatchError::Classes { named, told }) }
        };
        match self {
            Head::Classifier(classifier, labels) => check(classifier.as_ref(), labels),
            Head::Regressor(_) => Ok(()),
            Head::Many(outputs) => outputs.iter().try_for_each(|(one, labels)| check(one.as_ref(), labels)),
        }
    }
}

/// Steps in order; what one gives, the next takes.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    steps: Vec<Box<dyn Transform>>,
}

impl Chain {
    /// Joins steps that fit each other, and an end that takes what they give.
    pub(crate) fn new(steps: Vec<Box<dyn Transform>>, end: Option<Takes>) -> Result<Self, MismatchError> {
        let mut given = None;
        for (step, gives) in
            steps.iter().map(|step| (step.takes(), Some(step.gives()))).chain(end.map(|end| (end, None)))
        {
            if let Some(given) = given {
                fits(given, step)?;
            }
            match gives {
                Some(Gives::Same) | None => {}
                Some(gives) => given = Some(gives),
            }
        }
        Ok(Chain { steps })
    }

    pub(crate) fn steps(&self) -> &[Box<dyn Transform>] {
        &self.steps
    }

    pub(crate) fn into_steps(self) -> Vec<Box<dyn Transform>> {
        self.steps
    }

    /// What the first step takes that does not take anything; `None` without such a step.
    pub(crate) fn takes(&self) -> Option<Takes> {
        self.steps.iter().map(|step| step.takes()).find(|takes| *takes != Takes::Anything)
    }

    /// What comes out at the end.
    pub(crate) fn gives(&self) -> Gives {
        self.steps
            .iter()
            .rev()
            .map(|step| step.gives())
            .find(|gives| *gives != Gives::Same)
            .unwrap_or(Gives::Same)
    }

    /// Sends a batch through all steps.
    pub(crate) fn apply<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        self.steps.iter().try_fold(data, |data, step| step.transform(data))
    }
}

fn fits(given: Gives, taken: Takes) -> Result<(), MismatchError> {
    match (given, taken) {
        (Gives::Numbers(given) | Gives::Cells(given), Takes::Numbers(taken) | Takes::Cells(taken))
            if given != taken =>
        {
            Err(MismatchError::Width { given, taken })
        }
        (Gives::Numbers(_) | Gives::Cells(_), Takes::Text) => Err(MismatchError::TextAfterNumbers),
        _ => Ok(()),
    }
}

/// A chain that ends in a head, itself a head: a pipeline inside an ensemble.
#[derive(Debug)]
pub(crate) struct Chained<T> {
    pub(crate) chain: Chain,
    pub(crate) last: T,
}

impl Transform for Chain {
    fn takes(&self) -> Takes {
        Chain::takes(self).unwrap_or(Takes::Anything)
    }

    fn gives(&self) -> Gives {
        Chain::gives(self)
    }

    fn name(&self) -> &'static str {
        self.steps.last().map_or("nothing", |step| step.name())
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        self.apply(data)
    }

    fn source(&self, column: usize) -> Source {
        crate::explain::through(&self.steps, column)
    }
}

impl Classify for Chained<Box<dyn Classify>> {
    fn takes(&self) -> Takes {
        self.chain.takes().unwrap_or_else(|| self.last.takes())
    }

    fn classes(&self) -> usize {
        self.last.classes()
    }

    fn name(&self) -> &'static str {
        self.last.name()
    }

    fn kernel(&self) -> Option<String> {
        self.last.kernel()
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        self.last.judge(&self.chain.apply(data.clone())?)
    }

    fn attribute(&self, rows: &Data<'_>, _: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        let given = self.chain.apply(rows.clone())?;
        Ok(self.last.attribute(&given, None)?.seen(&given).through(self.chain.steps()))
    }
}

impl Regress for Chained<Box<dyn Regress>> {
    fn takes(&self) -> Takes {
        self.chain.takes().unwrap_or_else(|| self.last.takes())
    }

    fn outputs(&self) -> usize {
        self.last.outputs()
    }

    fn name(&self) -> &'static str {
        self.last.name()
    }

    fn kernel(&self) -> Option<String> {
        self.last.kernel()
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        self.last.predict(&self.chain.apply(data.clone())?)
    }

    fn attribute(&self, rows: &Data<'_>, _: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        let given = self.chain.apply(rows.clone())?;
        Ok(self.last.attribute(&given, None)?.seen(&given).through(self.chain.steps()))
    }
}

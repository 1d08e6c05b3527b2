//! Says what each feature of an input adds to what a model says of it, exactly.
//!
//! What is explained is the number a model decides by, before it becomes a probability: the margin
//! (log-odds) of logistic regression and boosting, the averaged probability of a forest, the value of
//! a regressor before its link. A base, the same for every input, and the contributions of all
//! features add up to it.
//!
//! - Linear models: a coefficient times the distance of a feature's value from its centre. The centre
//!   is zero of what the last step sees, which for standardized columns is the mean of training; or
//!   the mean of rows given as background, as `shap.LinearExplainer` has it.
//! - Trees: Shapley values dependent on the paths of the trees (`TreeSHAP`), as `shap.TreeExplainer`
//!   without background data, XGBoost's `pred_contribs` and LightGBM's `pred_contrib` compute them.
//!   They need the number of training rows at each node, which the file must tell.
//!
//! Every other model is refused by name: an approximation is no explanation.

mod attributed;
mod source;

use crate::data::{Data, Matrix};
use crate::fitted::Head;
use crate::linear::{Linear, LinearRegressor};
use crate::model::{Input, Label, Model, Parts, PredictError};

pub(crate) use attributed::Attributed;
pub(crate) use source::{Source, through};

/// What each feature added to what a model said of one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// One for each number that the model decides by.
    pub outputs: Vec<Output>,
}

/// What features added to one of the numbers that a model decides by.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Which of the model's outputs it is about; zero if there is one.
    pub output: usize,
    /// The class that speaks the more for itself the greater the number is; `None` of a regressor.
    pub label: Option<Label>,
    /// What the model says before it looks at any feature.
    pub base: f64,
    /// The number itself: base and contributions added up.
    pub score: f64,
    /// What each feature adds, those that add most first; features that add nothing are left out.
    pub contributions: Vec<Contribution>,
}

/// What one feature adds.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// The position of the feature among those that the model's last step sees.
    pub feature: usize,
    /// Its name in words: a column, `city = Rome`, a word of a text.
    pub name: String,
    /// The position of the input's column it is made of; `None` if it is made of several.
    pub column: Option<usize>,
    /// Its value as the last step saw it, NaN if it was missing.
    pub value: f64,
    /// What it adds.
    pub amount: f64,
}

/// Why an input could not be explained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ExplainError {
    /// The input is not what the model takes.
    #[error(transparent)]
    Input(#[from] PredictError),
    /// Nobody knows an exact explanation of such a model, or this program does not.
    #[error("`{model}` cannot be explained exactly: linear models, trees, forests and boosted trees can")]
    Model {
        /// What the model is, in words.
        model: String,
    },
    /// The file of a model of trees lacks what explanations need.
    #[error("`{model}` cannot be explained: its file does not tell how many training rows came to each node")]
    NoCovers {
        /// What the model is, in words.
        model: String,
    },
    /// It would take too long.
    #[error("`{model}` cannot be explained in time: its trees are too many or too deep")]
    TooLarge {
        /// What the model is, in words.
        model: String,
    },
    /// The background fits nothing.
    #[error("a background is for linear models: `{model}` is explained by its training data")]
    Background {
        /// What the model is, in words.
        model: String,
    },
}

/// Why a head could not tell what features add.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unexplained {
    Input(PredictError),
    Unsupported,
    NoCovers,
    TooLarge,
    LinearLeaves,
}

impl From<PredictError> for Unexplained {
    fn from(error: PredictError) -> Self {
        Unexplained::Input(error)
    }
}

impl Model {
    /// Says what each feature of each input adds to what the model says of it.
    ///
    /// # Errors
    /// When an input is not what the model takes, or nobody can explain such a model exactly.
    pub fn explain(&self, inputs: &[Input]) -> Result<Vec<Explanation>, ExplainError> {
        explain(self.parts(), inputs, None).map_err(|error| self.told(error))
    }

    /// As [`Model::explain`] for linear models, against the mean of some other inputs.
    ///
    /// # Errors
    /// As [`Model::explain`]; also when the model is not linear.
    pub fn explain_against(
        &self,
        inputs: &[Input],
        background: &[Input],
    ) -> Result<Vec<Explanation>, ExplainError> {
        if !self.parts().head.as_ref().is_some_and(is_linear) {
            return Err(ExplainError::Background { model: self.kind().to_owned() });
        }
        let centre = centre(&self.parts().rows(background)?, self.features())?;
        explain(self.parts(), inputs, Some(&centre)).map_err(|error| self.told(error))
    }

    /// Why inputs of this model cannot be explained, whatever they are; `None` if they can.
    pub fn unexplainable(&self) -> Option<ExplainError> {
        let empty = explain(self.parts(), &[], None);
        empty.err().map(|error| self.told(error)).filter(|error| !matches!(error, ExplainError::Input(_)))
    }

    fn told(&self, error: Unexplained) -> ExplainError {
        let model = self.kind().to_owned();
        match error {
            Unexplained::Input(error) => ExplainError::Input(error),
            Unexplained::Unsupported => ExplainError::Model { model },
            Unexplained::LinearLeaves => ExplainError::Model { model: format!("{model} of linear trees") },
            Unexplained::NoCovers => ExplainError::NoCovers { model },
            Unexplained::TooLarge => ExplainError::TooLarge { model },
        }
    }
}

fn is_linear(head: &Head) -> bool {
    match head {
        Head::Classifier(classifier, _) => {
            let any: &dyn std::any::Any = classifier.as_ref();
            any.is::<Linear>()
        }
        Head::Regressor(regressor) => {
            let any: &dyn std::any::Any = regressor.as_ref();
            any.is::<LinearRegressor>()
        }
        Head::Many(_) => false,
    }
}

/// The mean of some rows.
fn centre(rows: &Data<'_>, width: usize) -> Result<Vec<f64>, PredictError> {
    let matrix: Matrix<'_> = rows.matrix(width, crate::data::Accepts::Finite)?;
    let mut centre = vec![0.0; width];
    for row in 0..matrix.rows() {
        matrix.row(row).for_each(|column, value| centre[column] += value);
    }
    #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
    let count = matrix.rows().max(1) as f64;
    centre.iter_mut().for_each(|sum| *sum /= count);
    Ok(centre)
}

fn explain(parts: &Parts, inputs: &[Input], centre: Option<&[f64]>) -> Result<Vec<Explanation>, Unexplained> {
    let rows = parts.rows(inputs)?;
    let mut explanations = vec![Explanation { outputs: Vec::new() }; inputs.len()];
    let mut add = |attributed: Attributed, first: usize, labels: Option<&[Label]>| {
        let attributed = attributed.seen(&rows).through(parts.chain.steps());
        for (row, explanation) in explanations.iter_mut().enumerate() {
            for place in 0..attributed.bases.len() {
                let label = match labels {
                    // one number speaks for the second of two classes
                    Some(labels) if attributed.bases.len() == 1 => labels.get(1),
                    Some(labels) => labels.get(place),
                    None => None,
                };
                explanation.outputs.push(Output {
                    output: if labels.is_some() { first } else { place },
                    label: label.cloned(),
                    base: attributed.bases[place],
                    score: attributed.score(row, place),
                    contributions: attributed.contributions(row, place, &parts.names),
                });
            }
        }
    };
    match parts.head.as_ref().ok_or(PredictError::NoHead)? {
        Head::Classifier(classifier, labels) => add(classifier.attribute(&rows, centre)?, 0, Some(labels)),
        Head::Regressor(regressor) => add(regressor.attribute(&rows, centre)?, 0, None),
        Head::Many(outputs) => {
            for (output, (classifier, labels)) in outputs.iter().enumerate() {
                add(classifier.attribute(&rows, centre)?, output, Some(labels));
            }
        }
    }
    Ok(explanations)
}

#[cfg(test)]
mod tests;

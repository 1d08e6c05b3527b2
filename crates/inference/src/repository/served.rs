//! One opened version of a model, and how it is asked for.

use std::path::PathBuf;
use std::sync::Arc;

use engine::Model;

use crate::core::Trial;
use crate::signature::Signature;

/// One opened version of a model.
#[derive(Debug)]
pub struct Served {
    /// The model's name.
    pub name: Box<str>,
    /// The version.
    pub version: Box<str>,
    /// The model itself.
    pub model: Model,
    /// What it takes and gives.
    pub signature: Signature,
    /// The file or folder it was opened from; empty of one handed over in memory.
    pub path: PathBuf,
    /// Whether it knows probabilities, as far as a trial told.
    pub has_probabilities: bool,
    /// Whether it takes rows without any value at all.
    pub takes_missing: bool,
    /// Whether it takes numbers beyond single precision.
    pub takes_large: bool,
    /// What a prediction costs.
    pub(crate) cost: crate::core::Cost,
    /// What does not change in its answers, written once.
    pub(crate) script: crate::wire::Script,
}

/// Which model a request asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Target<'a> {
    /// Its name; the only one there is if none is given.
    pub model: Option<&'a str>,
    /// A version or an alias; by the model's policy if none is given.
    pub version: Option<&'a str>,
}

/// Who answers a request, and who is asked besides, to compare.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Who answers.
    pub served: Arc<Served>,
    /// Who is asked the same, its answers only counted.
    pub shadow: Option<Arc<Served>>,
}

/// How a version is.
#[derive(Debug, Clone)]
pub struct State {
    /// The model's name.
    pub model: String,
    /// The version.
    pub version: String,
    /// How it is.
    pub status: Status,
    /// Whether it answers when no version is asked for.
    pub is_default: bool,
    /// What is wrong, if something is; also of a ready version whose successor could not be opened.
    pub reason: Option<String>,
    /// The version itself, if it is ready.
    pub served: Option<Arc<Served>>,
}

/// How a version is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Being opened, or waited for.
    Loading,
    /// Answers.
    Ready,
    /// Could not be opened.
    Failed,
    /// Unloaded by request.
    Unloaded,
}

impl Served {
    /// A version of a model, its cost measured.
    pub(crate) fn new(name: &str, version: &str, model: Model, path: PathBuf) -> Self {
        let model = if model.name() == name { model } else { model.named(name) };
        let signature = Signature::of(&model);
        let Trial { cost, has_probabilities, takes_missing, takes_large } = Trial::of(&model, &signature);
        let script = crate::wire::Script::new(name, &signature);
        Served {
            name: name.into(),
            version: version.into(),
            model,
            signature,
            path,
            has_probabilities,
            takes_missing,
            takes_large,
            cost,
            script,
        }
    }
}

impl State {
    /// What is wrong, in a sentence.
    pub fn trouble(&self) -> Option<String> {
        let reason = self.reason.as_ref()?;
        let goes_on = match self.status {
            Status::Ready => ": what was open before goes on",
            Status::Loading | Status::Failed | Status::Unloaded => "",
        };
        Some(format!("model `{}` version `{}`: {reason}{goes_on}", self.model, self.version))
    }
}

impl Status {
    /// The word of the Open Inference Protocol's repository index.
    pub fn word(self) -> &'static str {
        match self {
            Status::Loading => "LOADING",
            Status::Ready => "READY",
            Status::Failed | Status::Unloaded => "UNAVAILABLE",
        }
    }
}

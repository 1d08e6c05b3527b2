//! Why the objects of a pickle are no model the engine knows.

/// Why a sound pickle could not be turned into a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// The pickle holds something that is no estimator.
    #[error("it holds {what}, not a scikit-learn model (nothing in it was run)")]
    NotAModel {
        /// What it holds, in words.
        what: String,
    },
    /// A class without a row in the table.
    #[error("{class} is not supported: `docs/models.md` lists the classes that are")]
    Class {
        /// The class.
        class: String,
    },
    /// A parameter the engine does not know, so that its effect is unknown too.
    #[error("`{class}` has the parameter `{parameter}`, which this version of the engine does not know")]
    UnknownParameter {
        /// The class.
        class: String,
        /// The parameter.
        parameter: String,
    },
    /// A parameter with a value whose effect the engine does not reproduce.
    #[error("`{class}({parameter}={value})` is not supported: {reason}")]
    Parameter {
        /// The class.
        class: String,
        /// The parameter.
        parameter: &'static str,
        /// Its value, in words.
        value: String,
        /// Why.
        reason: String,
    },
    /// An attribute that every fitted estimator has.
    #[error("`{class}` has no attribute `{attribute}`: was it fitted before it was saved?")]
    Missing {
        /// The class.
        class: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// An attribute that is not what it should be.
    #[error("the attribute `{attribute}` of `{class}` {problem}")]
    Attribute {
        /// The class.
        class: String,
        /// The attribute.
        attribute: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A scikit-learn too old to be trusted to mean the same.
    #[error("it was saved by scikit-learn {version}: the engine opens models of 1.0 and newer")]
    Version {
        /// The version.
        version: String,
    },
    /// Steps in an order that makes no classifier.
    #[error("the pipeline's step `{class}` cannot stand where it stands: {reason}")]
    Order {
        /// The class of the step.
        class: String,
        /// Why.
        reason: &'static str,
    },
    /// The file of another library inside the pickle.
    #[error("failed to read the model inside `{class}`")]
    Booster {
        /// The class.
        class: String,
        /// The cause.
        #[source]
        source: crate::boosters::BoosterError,
    },
    /// The parts contradict each other.
    #[error("the parts of the model do not fit each other: {problem}")]
    Mismatch {
        /// How.
        problem: String,
    },
}

//! Why a file is no ONNX model the engine runs, and why a run ended early.

/// Why an ONNX file could not be made a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    /// The bytes are no protobuf of an ONNX model.
    #[error("the message around byte {offset} {problem}")]
    Damaged {
        /// Where in the file.
        offset: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A part of the model that is not where or what it should be.
    #[error("{0}")]
    Model(String),
    /// An operator the engine does not have.
    #[error(
        "{node} is of the operator `{operator}` (version {version}), which is not supported: `docs/models.md` lists those that are"
    )]
    Operator {
        /// The node, in words: its name and place.
        node: String,
        /// The operator, with its domain unless it is ONNX's own.
        operator: String,
        /// The version of the operator set the file asks for.
        version: i64,
    },
    /// A node whose attributes, inputs or constants do not make sense, or are beyond what the engine has.
    #[error("{node} {problem}")]
    Node {
        /// The node, in words.
        node: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Why a kernel did not give its outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// Types or shapes that do not fit: the file's fault.
    Shape(String),
    /// A value for which the operator is not defined: the input's fault.
    Value(String),
    /// More memory or work than the engine gives one run.
    Limit(String),
}

impl Problem {
    pub(super) fn shape(problem: impl Into<String>) -> Self {
        Problem::Shape(problem.into())
    }

    pub(super) fn value(problem: impl Into<String>) -> Self {
        Problem::Value(problem.into())
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Problem::Shape(text) | Problem::Value(text) | Problem::Limit(text) => text,
        }
    }
}

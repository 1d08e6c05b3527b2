//! Why a booster's file could not be read.

/// Why the file of a gradient boosting library is no model the engine can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoosterError {
    /// The file ends before the model does.
    #[error("it breaks off at byte {offset}: the file was not written or copied whole")]
    Truncated {
        /// Where more was expected.
        offset: usize,
    },
    /// Bytes that are not of the format.
    #[error("byte {offset}: {problem}")]
    Syntax {
        /// Where.
        offset: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// Something every model has is not there.
    #[error("`{name}` is missing")]
    Missing {
        /// Its name in the file.
        name: String,
    },
    /// Something is not what it should be.
    #[error("`{name}` {problem}")]
    Field {
        /// Its name in the file.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tree is not sound.
    #[error("tree {number} (counted from 0): {problem}")]
    Tree {
        /// The tree's number in the file.
        number: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Something the engine does not reproduce.
    #[error("{what} is not supported: {hint}")]
    Unsupported {
        /// What it is.
        what: String,
        /// What to do.
        hint: &'static str,
    },
    /// The parts contradict each other.
    #[error("the parts of the model do not fit each other: {problem}")]
    Mismatch {
        /// How.
        problem: String,
    },
}

impl BoosterError {
    pub(super) fn field(name: &str, problem: &str) -> Self {
        BoosterError::Field { name: name.to_owned(), problem: problem.to_owned() }
    }

    pub(super) fn tree(number: usize, problem: impl std::fmt::Display) -> Self {
        BoosterError::Tree { number, problem: problem.to_string() }
    }

    pub(super) fn misfit(problem: &str) -> Self {
        BoosterError::Mismatch { problem: problem.to_owned() }
    }
}

/// A name from a file as it may be shown: bounded and without control characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).map(|character| if character.is_control() { '?' } else { character }).collect()
}

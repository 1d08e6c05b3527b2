//! Errors that tell the user the next step.

use anyhow::Error;

/// What failed, and what to do about it.
#[derive(Debug)]
pub struct Advice {
    message: String,
    /// The next step, in words.
    pub hint: String,
    cause: Option<Error>,
}

impl Advice {
    /// An error without a cause worth telling.
    pub fn error(message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::new(Self { message: message.into(), hint: hint.into(), cause: None })
    }

    /// An error with its cause.
    pub fn because(cause: impl Into<Error>, message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::new(Self { message: message.into(), hint: hint.into(), cause: Some(cause.into()) })
    }
}

impl std::fmt::Display for Advice {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Advice {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(AsRef::as_ref)
    }
}

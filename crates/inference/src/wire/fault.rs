//! What is wrong with a body, its path growing as the readers return.

use super::json::Malformed;
use crate::refusal::{Refusal, RefusalKind};

/// What is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not JSON.
    Malformed(Malformed),
    /// It is, but not what the model takes.
    Unfit {
        /// The path of the field so far.
        path: String,
        /// What is wrong; `{}` stands for the path in backticks.
        detail: String,
        /// What should be there.
        expected: Option<String>,
    },
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Fault::Malformed(malformed)
    }
}

impl Fault {
    /// A field that is of another type.
    pub(crate) fn type_of(expected: &str) -> Self {
        Fault::Unfit {
            path: String::new(),
            detail: format!("the field {{}} must be {expected}"),
            expected: Some(expected.to_owned()),
        }
    }

    /// Something else that is wrong.
    pub(crate) fn unfit(detail: impl Into<String>) -> Self {
        Fault::Unfit { path: String::new(), detail: detail.into(), expected: None }
    }

    /// The fault as seen from the object or array around it: `.name` or `[3]` goes before the path.
    pub(crate) fn within(self, step: &str) -> Self {
        match self {
            Fault::Malformed(_) => self,
            Fault::Unfit { path, detail, expected } => {
                Fault::Unfit { path: format!("{step}{path}"), detail, expected }
            }
        }
    }

    /// The refusal; `example` is a body that would have done.
    pub(crate) fn refusal(self, example: &str) -> Refusal {
        match self {
            Fault::Malformed(malformed) => {
                Refusal::new(RefusalKind::Malformed, format!("the body is not JSON: {malformed}"))
                    .showing(example)
            }
            Fault::Unfit { path, detail, expected } => {
                let path = path.strip_prefix('.').unwrap_or(&path);
                let named = if path.is_empty() { "of the body".to_owned() } else { format!("`{path}`") };
                let refusal = Refusal::new(RefusalKind::Unfit, detail.replacen("{}", &named, 1));
                let refusal = Refusal { expected, ..refusal }.showing(example);
                if path.is_empty() { refusal } else { refusal.at(path) }
            }
        }
    }
}

//! Why an action did not succeed, and what follows from it.

use std::fmt;

/// Why an action did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// What was decided on is no longer so: decide again.
    Stale,
    NotFound,
    AlreadyExists,
    /// The namespace is being deleted, and everything in it.
    Ending,
    /// The API refuses.
    Refused,
    /// No answer, or none that says whether it was done.
    Uncertain,
}

impl Failure {
    pub(super) fn of(status: &kube::core::Status) -> Self {
        let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
        let is_ending = causes.iter().any(|cause| cause.reason == "NamespaceTerminating");
        let kind = match (status.code, status.reason.as_str()) {
            _ if is_ending => Kind::Ending,
            (409, "AlreadyExists") => Kind::AlreadyExists,
            (409, _) => Kind::Stale,
            (404 | 410, _) => Kind::NotFound,
            (429 | 500..=599, _) => Kind::Uncertain,
            _ => Kind::Refused,
        };
        Self { kind, message: status.message.clone() }
    }

    pub(super) fn unanswered(error: &kube::Error) -> Self {
        Self { kind: Kind::Uncertain, message: error.to_string() }
    }

    /// What was decided on is no longer so.
    pub(crate) fn stale(message: &str) -> Self {
        Self { kind: Kind::Stale, message: message.to_owned() }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.kind == Kind::NotFound
    }

    pub(crate) fn is_conflict(&self) -> bool {
        self.kind == Kind::Stale
    }

    pub(super) fn is_already_exists(&self) -> bool {
        self.kind == Kind::AlreadyExists
    }

    pub(super) fn is_uncertain(&self) -> bool {
        self.kind == Kind::Uncertain
    }

    /// Returns the message, where people should be told: not of what mends itself.
    pub(crate) fn told(&self) -> Option<String> {
        match self.kind {
            Kind::Refused | Kind::Uncertain => Some(self.message.clone()),
            Kind::Stale | Kind::NotFound | Kind::AlreadyExists | Kind::Ending => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

//! What the three probes say.

use http::StatusCode;
use serde_json::json;

use super::{Answer, App};
use crate::health::Condition;
use crate::refusal::{Refusal, RefusalKind};

impl App {
    pub(super) fn startup(&self) -> Answer {
        super::json(StatusCode::OK, &json!({ "status": "started" }))
    }

    pub(super) fn ready(&self) -> Result<Answer, Refusal> {
        match self.health.condition() {
            Condition::Serving if self.core.is_overloaded() => {
                Err(Refusal::new(RefusalKind::Unavailable, "the server is overloaded"))
            }
            Condition::Serving => {
                let troubles = self.core.repository().troubles();
                let mut body = json!({ "status": "ready" });
                if !troubles.is_empty() {
                    body["reason"] = troubles.join("; ").into();
                }
                Ok(super::json(StatusCode::OK, &body))
            }
            Condition::Draining => Err(Refusal::new(RefusalKind::Unavailable, "the server is shutting down")),
            Condition::Failing => Err(failing()),
        }
    }

    /// Draining is no illness: a liveness probe must not restart a server that is finishing.
    pub(super) fn alive(&self) -> Result<Answer, Refusal> {
        match self.health.condition() {
            Condition::Serving | Condition::Draining => {
                if let Some(trouble) = self.core.trouble() {
                    return Err(Refusal::new(RefusalKind::Internal, trouble));
                }
                Ok(super::json(StatusCode::OK, &json!({ "status": "healthy" })))
            }
            Condition::Failing => Err(failing()),
        }
    }
}

fn failing() -> Refusal {
    Refusal::new(RefusalKind::Internal, "the server was told to fail after some time")
}

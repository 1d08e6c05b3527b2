//! What is served: lists models and versions, loads and unloads them.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, App};
use crate::refusal::{Refusal, RefusalKind, in_full};
use crate::repository::{LoadError, State, Status, Target};
use crate::signature::{ColumnKind, Output, Signature};

impl App {
    pub(super) fn models(&self) -> Answer {
        let states = self.core.repository().states();
        let models: Value = states.iter().map(described).collect();
        super::json(StatusCode::OK, &json!({ "models": models }))
    }

    pub(super) fn model(&self, target: &Target<'_>) -> Result<Answer, Refusal> {
        let served = self.core.choose(target)?.served;
        let states = self.core.repository().states();
        let versions: Value =
            states.iter().filter(|state| state.model == *served.name).map(described).collect();
        let signature = &served.signature;
        let body = json!({
            "model": served.name,
            "version": served.version,
            "kind": served.model.kind(),
            "origin": served.model.origin(),
            "inputs": inputs(signature),
            "outputs": outputs(signature),
            "versions": versions,
        });
        Ok(super::json(StatusCode::OK, &body))
    }

    /// Opens a model anew, or lets go of it, on a thread of its own: opening takes a while.
    pub(super) async fn change(&self, target: &Target<'_>, is_load: bool) -> Result<Answer, Refusal> {
        let repository = Arc::clone(self.core.repository());
        let model = target.model.unwrap_or_default().to_owned();
        let version = target.version.map(str::to_owned);
        let task = tokio::task::spawn_blocking(move || match is_load {
            true => repository.load(&model, version.as_deref()),
            false => repository.unload(&model, version.as_deref()),
        });
        let changed = task.await.map_err(|panic| {
            tracing::error!(%panic, "a change of the models failed");
            Refusal::new(RefusalKind::Internal, "the change failed")
        })?;
        match changed {
            Ok(()) => Ok(super::json(StatusCode::OK, &json!({}))),
            Err(error) => {
                let kind = match &error {
                    LoadError::Missing { .. } => RefusalKind::NotFound,
                    LoadError::Folder(_) | LoadError::Open { .. } => RefusalKind::Unfit,
                };
                Err(Refusal::new(kind, in_full(&error)))
            }
        }
    }
}

fn described(state: &State) -> Value {
    let status = match state.status {
        Status::Loading => "loading",
        Status::Ready => "ready",
        Status::Failed => "failed",
        Status::Unloaded => "unloaded",
    };
    let mut body = json!({
        "model": state.model,
        "version": state.version,
        "status": status,
        "default": state.is_default,
    });
    if let Some(served) = &state.served {
        body["kind"] = served.model.kind().into();
    }
    if let Some(reason) = &state.reason {
        body["reason"] = reason.as_str().into();
    }
    body
}

fn inputs(signature: &Signature) -> Value {
    let column = |(name, kind): (&String, ColumnKind)| {
        let kind = match kind {
            ColumnKind::Number => "number",
            ColumnKind::Word => "category",
            ColumnKind::Text => "text",
            ColumnKind::Either => "number or category",
        };
        json!({ "name": name, "type": kind })
    };
    signature.columns.iter().map(|known| column((&known.name, known.kind))).collect()
}

fn outputs(signature: &Signature) -> Value {
    let output = |output: &Output| match output {
        Output::Classes(labels) => json!({ "classes": labels }),
        Output::Number => json!({ "type": "number" }),
    };
    signature.outputs.iter().map(output).collect()
}

//! The scenario's own routes: `/api/v1/predict`, `/api/v1/version`.

use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::{Answer, App, bytes};
use crate::body;
use crate::core::Call;
use crate::observer::Protocol;
use crate::problem;
use crate::refusal::{Refusal, RefusalKind};
use crate::repository::{Served, Target, shortened};
use crate::telemetry::Followed;
use crate::wire::{csv, native};

/// The forms that rows come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Json,
    Lines,
    Csv,
}

impl Media {
    /// By the content type; JSON where none is given, or what `curl -d` gives of itself.
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(Media::Json) };
        let given = given.to_str().unwrap_or_default();
        let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/json" | "application/x-www-form-urlencoded" | "text/plain" | "text/json" | "" => {
                Ok(Media::Json)
            }
            "application/x-ndjson" | "application/jsonl" | "application/jsonlines" => Ok(Media::Lines),
            "text/csv" | "application/csv" | "text/tab-separated-values" => Ok(Media::Csv),
            kind if kind.ends_with("+json") => Ok(Media::Json),
            _ => {
                let detail = format!("a body of type `{}` is not read", shortened(given));
                Err(Refusal::new(RefusalKind::MediaType, detail)
                    .expecting("`application/json`, `application/x-ndjson` or `text/csv`"))
            }
        }
    }

    fn read(self, body: &[u8], served: &Served) -> Result<native::Asked, Refusal> {
        let example = &served.script.example;
        match self {
            Media::Json => native::read(body, &served.signature, example),
            Media::Lines => native::read_lines(body, &served.signature, example),
            Media::Csv => csv::read(body, &served.signature, example),
        }
    }
}

impl App {
    pub(super) fn version(&self) -> Answer {
        let chosen = self.core.choose(&Target::default());
        let mut version = json!({ "version": self.config.version });
        if let Ok(chosen) = chosen {
            let model = &chosen.served.model;
            version["model"] = model.name().into();
            version["kind"] = model.kind().into();
            version["origin"] = model.origin().into();
        } else {
            let mut names: Vec<String> =
                self.core.repository().states().into_iter().map(|state| state.model).collect();
            names.dedup();
            version["models"] = names.into();
        }
        super::json(StatusCode::OK, &version)
    }

    pub(super) async fn predict(
        &self,
        target: &Target<'_>,
        request: Request<Incoming>,
    ) -> Result<Answer, Refusal> {
        let _place = self.core.enter()?;
        let chosen = self.core.choose(target)?;
        let followed = request.extensions().get::<Arc<Followed>>().cloned();
        let native::Asked { rows, place, is_list } = match self.native_rows(request, &chosen.served).await? {
            Ok(asked) => asked,
            Err(answer) => return Ok(answer),
        };
        let request_id = followed.as_ref().map(|followed| &*followed.id);
        let call = Call { rows, place, is_list, protocol: Protocol::Native, request_id, deadline: None };
        let reply = self.core.predict(chosen, call).await?;
        Ok(bytes(StatusCode::OK, native::answer(&reply, is_list)))
    }

    /// Takes the body in and reads the rows in it; an answer is one that also ends the connection.
    pub(super) async fn native_rows(
        &self,
        request: Request<Incoming>,
        served: &Served,
    ) -> Result<Result<native::Asked, Answer>, Refusal> {
        let media = Media::of(request.headers())?;
        let limits = self.core.limits();
        let collected = body::collect(request.into_body(), limits.max_body, limits.read_timeout);
        let body = match collected.await {
            Ok(body) => body,
            Err(error) => {
                let mut answer = problem::answer(&error.into());
                // the rest of the body is still on its way and nobody will read it
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                return Ok(Err(answer));
            }
        };
        media.read(&body, served).map(Ok)
    }
}

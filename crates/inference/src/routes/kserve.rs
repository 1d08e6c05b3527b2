//! KServe's version 1: `/v1/models/NAME:predict`.

use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::{Answer, App, bytes, json as answer_json};
use crate::core::Call;
use crate::observer::Protocol;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::repository::Target;
use crate::wire::json::write_number;
use crate::wire::native;

impl App {
    pub(super) fn v1_models(&self) -> Answer {
        let mut names: Vec<String> =
            self.core.repository().states().into_iter().map(|state| state.model).collect();
        names.dedup();
        answer_json(StatusCode::OK, &json!({ "models": names }))
    }

    pub(super) fn v1_model(&self, target: &Target<'_>) -> Result<Answer, Refusal> {
        let served = self.core.choose(target)?.served;
        self.ready()?;
        Ok(answer_json(StatusCode::OK, &json!({ "name": served.name, "ready": true })))
    }

    pub(super) async fn v1_predict(
        &self,
        target: &Target<'_>,
        request: Request<Incoming>,
    ) -> Result<Answer, Refusal> {
        let _place = self.core.enter()?;
        let chosen = self.core.choose(target)?;
        let body = self.body(request).await?;
        let served = &chosen.served;
        let example = r#"{"instances": []}"#;
        let asked = native::read_instances(&body, &served.signature, example)?;
        drop(body);
        let call = Call {
            rows: asked.rows,
            place: asked.place,
            is_list: asked.is_list,
            protocol: Protocol::KServe,
            request_id: None,
            deadline: None,
        };
        let reply = self.core.predict(chosen, call).await?;
        Ok(bytes(StatusCode::OK, written(&reply)))
    }
}

/// `predictions` as scikit-learn's server gives them: labels or numbers; the probabilities beside them.
fn written(reply: &Reply) -> Vec<u8> {
    let mut out = b"{\"predictions\":[".to_vec();
    for row in 0..reply.rows {
        if row > 0 {
            out.push(b',');
        }
        native::labels(&mut out, reply, row);
    }
    out.push(b']');
    if (0..reply.rows).any(|row| !reply.probabilities(0, row).is_empty()) {
        out.extend_from_slice(b",\"probabilities\":[");
        for row in 0..reply.rows {
            out.extend_from_slice(if row > 0 { b",[" } else { b"[" });
            for (place, probability) in reply.probabilities(0, row).iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_number(&mut out, *probability);
            }
            out.push(b']');
        }
        out.push(b']');
    }
    out.push(b'}');
    out
}

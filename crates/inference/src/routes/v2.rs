//! The Open Inference Protocol, version 2, over REST: health, metadata, infer, repository.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Answer, App, bytes, json as answer_json};
use crate::core::Call;
use crate::observer::Protocol;
use crate::refusal::{Refusal, RefusalKind};
use crate::repository::{Status, Target};
use crate::wire::tensors::{self, TensorSpec};
use crate::wire::v2;

/// The header with the length of the JSON that binary tensors follow.
const JSON_LENGTH: &str = "inference-header-content-length";

impl App {
    pub(super) fn v2_live(&self) -> Result<Answer, Refusal> {
        self.alive().map(|_| answer_json(StatusCode::OK, &json!({ "live": true })))
    }

    pub(super) fn v2_ready(&self) -> Result<Answer, Refusal> {
        self.ready().map(|_| answer_json(StatusCode::OK, &json!({ "ready": true })))
    }

    pub(super) fn v2_server(&self) -> Answer {
        let body = json!({
            "name": "pinnace",
            "version": self.config.version,
            "extensions": ["binary_tensor_data", "model_repository", "model_repository(unload_dependents)"],
        });
        answer_json(StatusCode::OK, &body)
    }

    pub(super) fn v2_model(&self, target: &Target<'_>) -> Result<Answer, Refusal> {
        let served = self.core.choose(target)?.served;
        let states = self.core.repository().states();
        let versions: Vec<String> = states
            .into_iter()
            .filter(|state| state.model == *served.name)
            .map(|state| state.version)
            .collect();
        let specs = |specs: Vec<TensorSpec>| -> Value {
            let spec = |spec: TensorSpec| json!({ "name": spec.name, "datatype": spec.datatype.word(), "shape": spec.shape });
            specs.into_iter().map(spec).collect()
        };
        let body = json!({
            "name": served.name,
            "versions": versions,
            "platform": format!("pinnace_{}", served.model.kind().replace([' ', '+', '-'], "_")),
            "inputs": specs(tensors::inputs(&served.signature)),
            "outputs": specs(tensors::outputs(&served)),
        });
        Ok(answer_json(StatusCode::OK, &body))
    }

    pub(super) fn v2_model_ready(&self, target: &Target<'_>) -> Result<Answer, Refusal> {
        let served = self.core.choose(target)?.served;
        self.ready()?;
        Ok(answer_json(StatusCode::OK, &json!({ "name": served.name, "ready": true })))
    }

    pub(super) async fn v2_infer(
        &self,
        target: &Target<'_>,
        request: Request<Incoming>,
    ) -> Result<Answer, Refusal> {
        let _place = self.core.enter()?;
        let chosen = self.core.choose(target)?;
        let length = match request.headers().get(JSON_LENGTH) {
            None => None,
            Some(value) => {
                let length = value.to_str().ok().and_then(|value| value.trim().parse().ok());
                Some(length.ok_or_else(|| {
                    Refusal::new(
                        RefusalKind::Malformed,
                        "the header `Inference-Header-Content-Length` is no number",
                    )
                })?)
            }
        };
        let body = self.body(request).await?;
        let mut asked = v2::read(&body, length)?;
        drop(body);
        let rows = tensors::rows(&std::mem::take(&mut asked.tensors), &chosen.served.signature)?;
        let call = Call {
            rows,
            place: "inputs[0].data".into(),
            is_list: true,
            protocol: Protocol::OpenInference,
            request_id: asked.id.as_deref(),
            deadline: None,
        };
        let reply = self.core.predict(chosen, call).await?;
        let (body, length) = v2::write(&asked, &reply.model, tensors::of_reply(&reply))?;
        let mut answer = bytes(StatusCode::OK, body);
        if let Some(length) = length {
            let headers = answer.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            headers.insert(JSON_LENGTH, HeaderValue::from(length));
        }
        Ok(answer)
    }

    pub(super) async fn v2_index(&self, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let body = self.body(request).await?;
        let asked: Value = match body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&body).map_err(|error| {
                Refusal::new(RefusalKind::Malformed, format!("the body is not JSON: {error}"))
            })?,
        };
        let only_ready = asked.get("ready").and_then(Value::as_bool).unwrap_or(false);
        let states = self.core.repository().states().into_iter();
        let index = states.filter(|state| !only_ready || state.status == Status::Ready).map(|state| {
            json!({
                "name": state.model,
                "version": state.version,
                "state": state.status.word(),
                "reason": state.reason.unwrap_or_default(),
            })
        });
        Ok(answer_json(StatusCode::OK, &index.collect()))
    }
}

//! Refusals as problem documents (RFC 9457).

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::refusal::Refusal;
use crate::routes::{Answer, bytes};

/// A refusal as an answer.
///
/// Besides the members of RFC 9457 it has `error`, where the Open Inference Protocol's clients look for words.
pub(crate) fn answer(refusal: &Refusal) -> Answer {
    let status = StatusCode::from_u16(refusal.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut body = json!({
        "type": format!("urn:pinnace:problem:{}", refusal.kind.word()),
        "title": refusal.kind.title(),
        "status": status.as_u16(),
        "detail": refusal.detail,
        "error": refusal.detail,
    });
    let members = [("field", &refusal.field), ("expected", &refusal.expected)];
    for (name, value) in members {
        if let Some(value) = value {
            body[name] = value.as_str().into();
        }
    }
    if let Some(example) = &refusal.example {
        body["example"] =
            serde_json::from_str(example).unwrap_or_else(|_| serde_json::Value::from(example.as_str()));
    }
    let mut answer = bytes(status, body.to_string());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(after) = refusal.retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    answer
}

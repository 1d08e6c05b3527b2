//! Reading request bodies, bounded.

use api::status::ApiError;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::protobuf;

/// Kubernetes' own bound of a request.
const MAX_BODY: usize = 3 << 20;

/// Reads a whole body.
///
/// # Errors
/// 413 when it is too long, 400 when the client breaks off.
pub(crate) async fn read<B>(body: B) -> Result<Bytes, ApiError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(ApiError::too_large(format!("limit is {MAX_BODY}: the request body is larger")))
        }
        Err(error) => Err(ApiError::bad_request(format!("unable to read the request body: {error}"))),
    }
}

/// The content type without its parameters; JSON when there is none.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = value.and_then(|text| text.split(';').next()).map(str::trim);
    media.filter(|media| !media.is_empty()).unwrap_or("application/json")
}

/// Turns a body that holds an object into JSON.
///
/// # Errors
/// 415 for anything but JSON and YAML, 400 for YAML that cannot be read.
pub(crate) fn to_json(headers: &HeaderMap, body: Bytes) -> Result<Bytes, ApiError> {
    match content_type(headers) {
        // some simple clients send JSON under curl's default name
        "application/json" | "application/x-www-form-urlencoded" | "text/plain" | "*/*" => Ok(body),
        "application/yaml" | "text/yaml" | "application/x-yaml" => yaml_to_json(&body),
        protobuf::MEDIA_TYPE => Ok(Bytes::from(protobuf::to_json(&body)?.to_string())),
        other => Err(ApiError::unsupported_media_type(format!(
            "the body of the request was in an unknown format - accepted media types include: \
             application/json, application/yaml, application/vnd.kubernetes.protobuf; it was {other}"
        ))),
    }
}

/// Turns YAML, of which JSON is a part, into JSON.
///
/// # Errors
/// 400 when it cannot be read.
pub(crate) fn yaml_to_json(body: &Bytes) -> Result<Bytes, ApiError> {
    if body.first() == Some(&b'{') && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
        return Ok(body.clone());
    }
    let text = std::str::from_utf8(body)
        .map_err(|error| ApiError::bad_request(format!("error decoding YAML: {error}")))?;
    let value: serde_json::Value = serde_saphyr::from_str(text)
        .map_err(|error| ApiError::bad_request(format!("error decoding YAML: {error}")))?;
    Ok(Bytes::from(value.to_string()))
}

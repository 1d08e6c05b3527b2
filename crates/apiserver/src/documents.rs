//! What is served besides objects: version, health, discovery, OpenAPI, the key set.

use api::{discovery, openapi, status::ApiError};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::{
    Body, core::Core, custom_metrics::discovery as custom_metrics, negotiate, query::Query, respond,
    tokens::ISSUER,
};

/// With a dot, where clients ask with `@`: strict parsers of media types refuse that in an answer.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Serves `get` of a path that names no objects.
pub(crate) fn get(
    core: &Core,
    segments: &[String],
    headers: &HeaderMap,
    query: &Query,
) -> Result<Response<Body>, ApiError> {
    let registry = core.registry;
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => {
            let paths = [
                "/api",
                "/api/v1",
                "/apis",
                "/healthz",
                "/livez",
                "/metrics",
                "/openapi/v2",
                "/openapi/v3",
                "/readyz",
                "/version",
            ];
            Ok(respond::json(StatusCode::OK, &json!({"paths": paths})))
        }
        ["metrics"] => Ok(exposition(core)),
        ["version"] => Ok(respond::json(StatusCode::OK, &version())),
        ["healthz" | "livez" | "readyz", rest @ ..] => Ok(health(words[0], rest, query)),
        [root @ ("api" | "apis")] => match negotiate::aggregated_discovery(headers) {
            Some(version) => Ok(aggregated(core, *root == "api", version, headers)),
            None => {
                negotiate::accepts_json(headers)?;
                let document = if *root == "api" {
                    discovery::core_versions(&core.config.advertised)
                } else {
                    let mut list = discovery::group_list(registry);
                    custom_metrics::add_groups(core, &mut list);
                    list
                };
                Ok(respond::json(StatusCode::OK, &document))
            }
        },
        ["api", version] => document(discovery::resource_list(registry, "", version)),
        ["apis", group] => document(discovery::group(registry, group)),
        ["apis", group, version] => document(discovery::resource_list(registry, group, version)),
        ["openapi", "v2"] => Ok(openapi_v2(core, headers)),
        ["openapi", "v3"] => Ok(respond::json(StatusCode::OK, &openapi::v3_index(registry))),
        ["openapi", "v3", path @ ..] => {
            let bytes =
                openapi::v3_document(registry, &path.join("/")).ok_or_else(ApiError::path_not_found)?;
            Ok(openapi_v3(bytes, query))
        }
        [".well-known", "openid-configuration"] => Ok(respond::json(StatusCode::OK, &openid())),
        ["openid", "v1", "jwks"] => Ok(respond::json(StatusCode::OK, &core.tokens.key_set())),
        _ => Err(ApiError::path_not_found()),
    }
}

fn document(document: Option<serde_json::Value>) -> Result<Response<Body>, ApiError> {
    document.map(|document| respond::json(StatusCode::OK, &document)).ok_or_else(ApiError::path_not_found)
}

fn exposition(core: &Core) -> Response<Body> {
    let text = core.config.custom_metrics.as_ref().map(|source| source.exposition()).unwrap_or_default();
    let mut response = respond::text(StatusCode::OK, text);
    let media = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

fn version() -> serde_json::Value {
    let platform = match std::env::consts::ARCH {
        "x86_64" => "linux/amd64",
        "aarch64" => "linux/arm64",
        _ => "linux/unknown",
    };
    json!({"major": "1", "minor": "36", "gitVersion": discovery::VERSION,
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none", "compiler": "rustc", "platform": platform})
}

/// The store is open and the first objects are written before anything is served, so serving is health.
fn health(probe: &str, rest: &[&str], query: &Query) -> Response<Body> {
    const CHECKS: [&str; 2] = ["ping", "store"];
    if let [check] = rest {
        let known = CHECKS.contains(check);
        let code = if known { StatusCode::OK } else { StatusCode::NOT_FOUND };
        return respond::text(code, if known { "ok" } else { "404 page not found\n" });
    }
    if !query.flag("verbose") {
        return respond::text(StatusCode::OK, "ok");
    }
    let lines: String = CHECKS.iter().map(|check| format!("[+]{check} ok\n")).collect();
    respond::text(StatusCode::OK, format!("{lines}{probe} check passed\n"))
}

fn aggregated(core: &Core, is_core: bool, version: &'static str, headers: &HeaderMap) -> Response<Body> {
    let mut document = discovery::aggregated(core.registry, is_core, version);
    if !is_core {
        custom_metrics::add_aggregated(core, &mut document);
    }
    let media = match version {
        "v2" => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        _ => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
    };
    tagged(headers, document.to_string().into_bytes(), media)
}

/// A document asked for by its hash never changes.
fn openapi_v3(bytes: Vec<u8>, query: &Query) -> Response<Body> {
    let mut response = respond::json_bytes(StatusCode::OK, bytes);
    if query.get("hash").is_some() {
        let forever = HeaderValue::from_static("public, immutable, max-age=31536000");
        response.headers_mut().insert(header::CACHE_CONTROL, forever);
    }
    response
}

/// Clients keep a document with its tag and ask whether it is still the same.
fn tagged(headers: &HeaderMap, bytes: Vec<u8>, media: &'static str) -> Response<Body> {
    let hash = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let tag: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02X}")).collect();
    let tag = format!("\"{tag}\"");
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = match is_known {
        true => respond::json_bytes(StatusCode::NOT_MODIFIED, Vec::new()),
        false => respond::json_bytes(StatusCode::OK, bytes),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn openapi_v2(core: &Core, headers: &HeaderMap) -> Response<Body> {
    if negotiate::wants_protobuf(headers) {
        return tagged(headers, openapi::v2_protobuf(core.registry), PROTOBUF);
    }
    tagged(headers, openapi::v2_json(core.registry), "application/json")
}

fn openid() -> serde_json::Value {
    json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}/openid/v1/jwks"),
        "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"]})
}

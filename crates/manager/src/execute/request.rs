//! The requests behind the actions.

use controllers::{Create, Delete, Kind, Part, Patch, Propagation, Target};
use http::{Method, Request};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::client::Body;
use kube::core::Status;
use serde_json::{Value, json};

use super::Failure;

/// The body of a successful answer.
pub(super) type Answer = Vec<u8>;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

pub(super) async fn create(client: &kube::Client, create: &Create) -> Result<Answer, Failure> {
    let path = collection(&create.kind, &create.namespace);
    send(client, Method::POST, &path, JSON, &create.object).await
}

pub(super) async fn patch(
    client: &kube::Client,
    patch: &Patch,
    version: Option<&str>,
) -> Result<Answer, Failure> {
    let target = &patch.target;
    let part = match patch.part {
        Part::Object => "",
        Part::Status => "/status",
        Part::Scale => "/scale",
    };
    let path = format!("{}/{}{part}", collection(&target.kind, &target.namespace), target.name);
    let mut body = patch.patch.clone();
    // The version stands for the uid as well: no two objects share one.
    let condition = match version {
        Some(version) => Some(("resourceVersion", version)),
        None if patch.part == Part::Scale => None,
        None => Some(("uid", target.uid.as_str())),
    };
    if let (Some((field, value)), Some(body)) = (condition, body.as_object_mut()) {
        let metadata = body.entry("metadata").or_insert_with(|| json!({}));
        metadata[field] = json!(value);
    }
    send(client, Method::PATCH, &path, MERGE_PATCH, &body).await
}

pub(super) async fn delete(client: &kube::Client, delete: &Delete) -> Result<Answer, Failure> {
    let target = &delete.target;
    let path = format!("{}/{}", collection(&target.kind, &target.namespace), target.name);
    let propagation = match delete.propagation {
        Propagation::Background => "Background",
        Propagation::Foreground => "Foreground",
        Propagation::Orphan => "Orphan",
    };
    let mut options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": { "uid": target.uid },
        "propagationPolicy": propagation,
    });
    if let Some(grace) = delete.grace {
        options["gracePeriodSeconds"] = json!(grace);
    }
    send(client, Method::DELETE, &path, JSON, &options).await
}

pub(super) async fn get(
    client: &kube::Client,
    kind: &Kind,
    namespace: &str,
    name: &str,
) -> Result<Answer, Failure> {
    send(client, Method::GET, &format!("{}/{name}", collection(kind, namespace)), JSON, &Value::Null).await
}

pub(super) async fn bind(client: &kube::Client, pod: &Pod, node: &str) -> Result<Answer, Failure> {
    let meta = &pod.metadata;
    let (namespace, name) =
        (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": { "namespace": namespace, "name": name, "uid": meta.uid },
        "target": { "apiVersion": "v1", "kind": "Node", "name": node },
    });
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/binding");
    send(client, Method::POST, &path, JSON, &binding).await
}

pub(super) async fn delete_all(
    client: &kube::Client,
    kind: &Kind,
    namespace: &str,
) -> Result<Answer, Failure> {
    let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background" });
    send(client, Method::DELETE, &collection(kind, namespace), JSON, &options).await
}

/// Tells whether a namespace has no object of a kind.
pub(super) async fn is_empty(client: &kube::Client, kind: &Kind, namespace: &str) -> Result<bool, Failure> {
    let path = format!("{}?limit=1", collection(kind, namespace));
    let answer = send(client, Method::GET, &path, JSON, &Value::Null).await?;
    let list: Value = serde_json::from_slice(&answer).unwrap_or_default();
    Ok(list["items"].as_array().is_none_or(Vec::is_empty))
}

/// Takes Kubernetes' own finalizer off a namespace.
pub(super) async fn finalize(client: &kube::Client, namespace: &Target) -> Result<Answer, Failure> {
    let answer = get(client, &namespace.kind, "", &namespace.name).await?;
    let mut object: Value = serde_json::from_slice(&answer).unwrap_or_default();
    if object["metadata"]["uid"] != json!(namespace.uid) {
        return Err(Failure::stale("another namespace has taken the name"));
    }
    if let Some(finalizers) = object["spec"]["finalizers"].as_array_mut() {
        finalizers.retain(|name| name != "kubernetes");
    }
    let path = format!("{}/{}/finalize", collection(&namespace.kind, ""), namespace.name);
    send(client, Method::PUT, &path, JSON, &object).await
}

/// The path of a collection.
pub(crate) fn collection(kind: &Kind, namespace: &str) -> String {
    let root = if kind.api_version.contains('/') { "apis" } else { "api" };
    let scope = if kind.namespaced { format!("namespaces/{namespace}/") } else { String::new() };
    format!("/{root}/{}/{scope}{}", kind.api_version, kind.plural)
}

async fn send(
    client: &kube::Client,
    method: Method,
    path: &str,
    content: &str,
    body: &Value,
) -> Result<Answer, Failure> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder().method(method).uri(path).header(http::header::CONTENT_TYPE, content);
    let request = request.header(http::header::ACCEPT, JSON).body(Body::from(body));
    let request = request.map_err(|error| Failure::unanswered(&kube::Error::HttpError(error)))?;
    let answer = client.send(request).await.map_err(|error| Failure::unanswered(&error))?;
    let code = answer.status();
    let body = answer.into_body().collect().await.map_err(|error| Failure::unanswered(&error))?.to_bytes();
    if code.is_success() {
        return Ok(body.to_vec());
    }
    let mut status: Status = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Status::failure(&String::from_utf8_lossy(&body), "").with_code(code.as_u16()));
    if status.code == 0 {
        status.code = code.as_u16();
    }
    Err(Failure::of(&status))
}

//! Calls in process, as controllers make them.

use std::sync::Arc;

use apiserver::{ApiServer, Body, Config, Identity, ResourceMetrics, Service, measure::CustomMetrics};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use store::{Options, Store};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::support::echo::Echo;

/// A server without connections, in a folder that goes with it.
pub(crate) struct Inside {
    pub(crate) api: ApiServer,
    pub(crate) store: Store,
    service: Service,
    _folder: TempDir,
}

impl Inside {
    pub(crate) async fn start() -> Self {
        Self::measuring(None).await
    }

    /// A server with something that measures nodes and pods.
    pub(crate) async fn measuring(source: Option<Arc<dyn ResourceMetrics>>) -> Self {
        Self::with(|config| config.resource_metrics = source).await
    }

    /// A server with something that tells metrics of its own.
    pub(crate) async fn telling(source: Arc<dyn CustomMetrics>) -> Self {
        Self::with(|config| config.custom_metrics = Some(source)).await
    }

    async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let key = rcgen::KeyPair::generate().unwrap().serialize_der();
        let mut config = Config::new(store.clone(), Arc::new(Echo), key);
        config.endpoint = Some((std::net::Ipv4Addr::new(10, 243, 0, 1), 6443));
        configure(&mut config);
        let api = ApiServer::build(config).await.unwrap();
        let service = api.service(Identity::master("tester"));
        Self { api, store, service, _folder: folder }
    }

    /// The same server for another user.
    pub(crate) fn by(&self, identity: Identity) -> Caller {
        Caller { service: self.api.service(identity) }
    }

    pub(crate) fn caller(&self) -> Caller {
        Caller { service: self.service.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.caller().call("GET", path, "", Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, object: Value) -> (u16, Value) {
        self.caller().call("POST", path, "application/json", object).await
    }

    pub(crate) async fn put(&self, path: &str, object: Value) -> (u16, Value) {
        self.caller().call("PUT", path, "application/json", object).await
    }

    pub(crate) async fn delete(&self, path: &str, options: Value) -> (u16, Value) {
        self.caller().call("DELETE", path, "application/json", options).await
    }

    /// A patch of the kind named by the first word of its media type: `merge`, `json`, `strategic-merge`.
    pub(crate) async fn patch(&self, path: &str, kind: &str, patch: Value) -> (u16, Value) {
        let media = match kind {
            "apply" => "application/apply-patch+yaml".to_owned(),
            kind => format!("application/{kind}-patch+json"),
        };
        self.caller().call("PATCH", path, &media, patch).await
    }
}

/// One user of the server.
#[derive(Clone)]
pub(crate) struct Caller {
    service: Service,
}

impl Caller {
    /// The user that may do everything.
    pub(crate) fn of(api: &ApiServer) -> Self {
        Self { service: api.service(Identity::master("tester")) }
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Body> {
        match self.service.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, media: &str, body: Value) -> (u16, Value) {
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media)
            .header("user-agent", "tester/1.0")
            .body(Full::new(bytes))
            .unwrap();
        let response = self.send(request).await;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes))))
    }
}

pub(crate) fn config_map(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "1"}})
}

pub(crate) const MAPS: &str = "/api/v1/namespaces/default/configmaps";

//! Fetches tokens and has the volumes' files written.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount, ServiceAccountTokenProjection};
use kube::Api;
use kube::api::PostParams;

use crate::back_off::later;
use crate::images::chain;
use crate::node::Node;
use crate::spec;
use crate::volumes::{self, Inputs, Tokens};

/// Kubernetes' own lifetime of a projected token, where the pod asks for none.
const TOKEN_SECONDS: i64 = 3600;
/// The part of its life after which a token is replaced, in percent.
const TOKEN_RENEWAL: i64 = 80;

/// Volumes whose files are written.
#[derive(Debug)]
pub(super) struct Prepared {
    /// When a token has to be renewed.
    pub(super) refresh_at: Option<Timestamp>,
}

pub(super) async fn prepare(
    node: Arc<Node>,
    pod: Arc<Pod>,
    address: Option<IpAddr>,
) -> Result<Prepared, String> {
    let (tokens, refresh_at) = fetch_tokens(&node, &pod).await?;
    let write = move || {
        let facts = node.facts(address);
        let inputs = Inputs { pod: &pod, facts: &facts, sources: &*node, tokens: &tokens };
        volumes::prepare(&node.config.directories, &inputs).map_err(|error| error.to_string())
    };
    match tokio::task::spawn_blocking(write).await {
        Ok(result) => result.map(|()| Prepared { refresh_at }),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) async fn remove(node: Arc<Node>, pod: Arc<Pod>) {
    let remove = move || {
        let uid = spec::uid(&pod);
        let removed = volumes::remove(&node.config.directories, uid);
        let logs = std::fs::remove_dir_all(node.log_folder(&pod));
        (removed, logs)
    };
    match tokio::task::spawn_blocking(remove).await {
        Ok((Err(error), _)) => tracing::warn!(%error, "a pod's files could not be removed"),
        Ok((Ok(()), _)) => {}
        Err(error) => tracing::error!(%error, "removing a pod's files failed"),
    }
}

/// Fetches every token the pod's volumes project, and says when the first one needs renewal.
async fn fetch_tokens(node: &Node, pod: &Pod) -> Result<(Tokens, Option<Timestamp>), String> {
    let mut tokens = Tokens::new();
    let mut refresh_at: Option<Timestamp> = None;
    for volume in spec::spec(pod).volumes.iter().flatten() {
        let projections = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        for projection in projections.filter_map(|projection| projection.service_account_token.as_ref()) {
            let (token, renewal) = fetch_token(node, pod, projection).await.map_err(|error| {
                format!(
                    "MountVolume.SetUp failed for volume \"{}\" : failed to fetch token: {error}",
                    volume.name
                )
            })?;
            tokens.insert((volume.name.clone(), projection.path.clone()), token);
            refresh_at = Some(refresh_at.map_or(renewal, |earlier| earlier.min(renewal)));
        }
    }
    Ok((tokens, refresh_at))
}

async fn fetch_token(
    node: &Node,
    pod: &Pod,
    projection: &ServiceAccountTokenProjection,
) -> Result<(String, Timestamp), String> {
    let account = spec::spec(pod).service_account_name.as_deref().filter(|name| !name.is_empty());
    let accounts: Api<ServiceAccount> = Api::namespaced(node.client.clone(), spec::namespace(pod));
    let seconds = projection.expiration_seconds.unwrap_or(TOKEN_SECONDS);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: Some(projection.audience.iter().cloned().collect()),
            expiration_seconds: Some(seconds),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
            }),
        }),
        ..TokenRequest::default()
    };
    let params = PostParams::default();
    let answer = accounts.create_token_request(account.unwrap_or("default"), &params, &request).await;
    let status = answer.map_err(|error| chain(&error))?.status.ok_or("the answer holds no token")?;
    let now = Timestamp::now();
    let life = status.expiration_timestamp.map_or(seconds, |end| end.0.duration_since(now).as_secs()).max(60);
    let renewal = u64::try_from(life * TOKEN_RENEWAL / 100).unwrap_or(60);
    Ok((status.token.ok_or("the answer holds no token")?, later(now, Duration::from_secs(renewal))))
}

//! Fetches tokens and has the volumes' files written.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount, ServiceAccountTokenProjection};
use kube::Api;
use kube::api::PostParams;

use crate::back_off::later;
use crate::clock;
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

/// Tokens that were issued, with the moments from which they should be replaced.
pub(super) type Issued = Arc<tokio::sync::Mutex<BTreeMap<(String, String), (String, Timestamp)>>>;

pub(super) async fn prepare(
    node: Arc<Node>,
    pod: Arc<Pod>,
    address: Option<IpAddr>,
    (issued, is_first): (Issued, bool),
) -> Result<Prepared, String> {
    let (tokens, refresh_at) = fetch_tokens(&node, &pod, &issued).await?;
    let write = move || {
        let facts = node.facts(address);
        let (sources, claims) = (&*node, &*node);
        let inputs = Inputs { pod: &pod, facts: &facts, sources, tokens: &tokens, claims, is_first };
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

/// Fetches the tokens that the pod's volumes project and that were not issued or are due, and says
/// when the first one needs renewal.
async fn fetch_tokens(
    node: &Node,
    pod: &Pod,
    issued: &Issued,
) -> Result<(Tokens, Option<Timestamp>), String> {
    // Held throughout, so that two updates at a time do not fetch twice.
    let mut issued = issued.lock().await;
    for (volume, projection) in projections(pod) {
        let key = (volume.to_owned(), projection.path.clone());
        if issued.get(&key).is_some_and(|(_, renewal)| *renewal > clock::now()) {
            continue;
        }
        let fetched = fetch_token(node, pod, projection).await.map_err(|error| {
            format!("MountVolume.SetUp failed for volume \"{volume}\" : failed to fetch token: {error}")
        })?;
        issued.insert(key, fetched);
    }
    let tokens = issued.iter().map(|(key, (token, _))| (key.clone(), token.clone())).collect();
    Ok((tokens, issued.values().map(|(_, renewal)| *renewal).min()))
}

fn projections(pod: &Pod) -> impl Iterator<Item = (&str, &ServiceAccountTokenProjection)> {
    spec::spec(pod).volumes.iter().flatten().flat_map(|volume| {
        let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        let tokens = sources.filter_map(|source| source.service_account_token.as_ref());
        tokens.map(|projection| (volume.name.as_str(), projection))
    })
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
    let left = |end: Timestamp| end.duration_since(Timestamp::now()).as_secs();
    let life = status.expiration_timestamp.map_or(seconds, |end| left(end.0)).max(60);
    let renewal = u64::try_from(life * TOKEN_RENEWAL / 100).unwrap_or(60);
    Ok((status.token.ok_or("the answer holds no token")?, later(clock::now(), Duration::from_secs(renewal))))
}

//! `why`: reads what there is and prints one answer.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use insight::why::{Answer, Log, Look, Observed, Request};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, Pod, Secret};
use k8s_openapi::api::networking::v1::IngressClass;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{ListParams, LogParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::args::look::{Kind, Why};
use crate::output::{self, Advice};

/// Answers.
pub(crate) fn run(args: &Why) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start a runtime")?;
    let answer = runtime.block_on(ask(args))?;
    for line in lines(&answer) {
        output::data(line);
    }
    Ok(())
}

/// How long an answer that is a matter of moments is held back for a better one.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(200);

async fn ask(args: &Why) -> Result<Answer> {
    let client = connect().await?;
    let since = Instant::now();
    loop {
        let answer = look(args, &client).await?;
        if !answer.is_passing || since.elapsed() >= PATIENCE {
            return Ok(answer);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look(args: &Why, client: &Client) -> Result<Answer> {
    let namespace = args.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    // A node has pods of every namespace.
    let place = (args.subject.kind != Kind::Node).then_some(namespace.as_str());
    let observed = observe(client, place).await?;
    let look = Look { observed: &observed, namespace: &namespace, now: jiff::Timestamp::now() };
    let mut answer = match args.subject.kind {
        Kind::Pod => look.pod(&args.subject.name),
        Kind::Deployment => look.deployment(&args.subject.name),
        Kind::Ingress => {
            let request = Request { host: args.host.as_deref(), path: args.path.as_deref() };
            look.ingress(&args.subject.name, request)
        }
        Kind::Job => look.job(&args.subject.name),
        Kind::Service => look.service(&args.subject.name),
        Kind::Claim => look.claim(&args.subject.name),
        Kind::Node => look.node(&args.subject.name),
    };
    if let Some(log) = &answer.log {
        answer.because.extend(last_words(client, &namespace, log).await);
    }
    Ok(answer)
}

/// The end of what a container wrote; nothing where it can't be read.
async fn last_words(client: &Client, namespace: &str, log: &Log) -> Option<String> {
    const LINES: i64 = 5;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = LogParams {
        container: Some(log.container.clone()),
        previous: log.previous,
        tail_lines: Some(LINES),
        ..LogParams::default()
    };
    let text = pods.logs(&log.pod, &params).await.ok()?;
    let text = text.trim_end();
    (!text.is_empty()).then(|| format!("its last words:\n  {}", text.replace('\n', "\n  ")))
}

/// Connects to the cluster of the current context, ours or any other.
pub(crate) async fn connect() -> Result<Client> {
    Client::try_default().await.map_err(|error| {
        Advice::error(
            format!("there is no cluster to ask: {error}"),
            "`pinnace up` starts one; `KUBECONFIG` names the file that says where it is",
        )
    })
}

async fn observe(client: &Client, namespace: Option<&str>) -> Result<Observed> {
    let (pods, replica_sets, deployments, jobs, budgets) = tokio::try_join!(
        list(placed(client, namespace)),
        list(placed(client, namespace)),
        list(placed(client, namespace)),
        list(placed(client, namespace)),
        list(placed(client, namespace)),
    )?;
    let (ingresses, services, slices, claims, events) = tokio::try_join!(
        list(placed(client, namespace)),
        list(placed(client, namespace)),
        list(placed(client, namespace)),
        list(placed(client, namespace)),
        list(placed(client, namespace)),
    )?;
    let (secrets, nodes, classes, storage_classes, volumes) = tokio::try_join!(
        names(client, namespace),
        list(Api::<Node>::all(client.clone())),
        list(Api::<IngressClass>::all(client.clone())),
        list(Api::<StorageClass>::all(client.clone())),
        list(Api::<PersistentVolume>::all(client.clone())),
    )?;
    Ok(Observed {
        pods: pods.unwrap_or_default(),
        replica_sets: replica_sets.unwrap_or_default(),
        deployments: deployments.unwrap_or_default(),
        jobs: jobs.unwrap_or_default(),
        budgets: budgets.unwrap_or_default(),
        ingresses: ingresses.unwrap_or_default(),
        services: services.unwrap_or_default(),
        slices: slices.unwrap_or_default(),
        claims: claims.unwrap_or_default(),
        events: events.unwrap_or_default(),
        secrets,
        nodes,
        classes,
        storage_classes,
        volumes,
    })
}

/// The objects of a namespace, or of all of them.
fn placed<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Lists a kind; `None` where the asker may not, or the cluster has no such kind.
async fn list<K>(api: Api<K>) -> Result<Option<Vec<K>>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(Some(list.items)),
        Err(error) => unreadable(error, &K::plural(&())),
    }
}

/// The names of the Secrets: their contents are nobody's business here.
async fn names(
    client: &Client,
    namespace: Option<&str>,
) -> Result<Option<std::collections::BTreeSet<String>>> {
    let api: Api<Secret> = placed(client, namespace);
    match api.list_metadata(&ListParams::default()).await {
        Ok(list) => Ok(Some(list.items.iter().map(ResourceExt::name_any).collect())),
        Err(error) => unreadable(error, "secrets"),
    }
}

fn unreadable<T>(error: kube::Error, plural: &str) -> Result<Option<T>> {
    const FORBIDDEN: u16 = 403;
    const NOT_FOUND: u16 = 404;
    match error {
        kube::Error::Api(status) if matches!(status.code, FORBIDDEN | NOT_FOUND) => Ok(None),
        error => Err(anyhow::Error::new(error).context(format!("failed to list {plural}"))),
    }
}

fn lines(answer: &Answer) -> Vec<String> {
    let mut lines = vec![answer.verdict.clone()];
    for (title, items) in [("because", &answer.because), ("next", &answer.next)] {
        if !items.is_empty() {
            lines.push(String::new());
            lines.push(format!("{title}:"));
            lines.extend(items.iter().map(|item| format!("  - {}", item.trim().replace('\n', "\n    "))));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_line_its_evidence_and_its_steps() {
        let empty = Observed::default();
        let now = "2026-11-20T08:00:00Z".parse().unwrap();
        let look = Look { observed: &empty, namespace: "shop", now };
        let expected = "there is no pod `a` in namespace `shop`\n\nnext:\n  - see what is there: `kubectl -n shop get pods`";
        assert_eq!(lines(&look.pod("a")).join("\n"), expected);
    }
}

//! `why`: reads what there is and prints one answer.

use std::fmt::Debug;

use anyhow::{Context, Result};
use insight::why::{Answer, Look, Observed, Request};
use k8s_openapi::api::core::v1::{Node, Secret};
use k8s_openapi::api::networking::v1::IngressClass;
use kube::api::ListParams;
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

async fn ask(args: &Why) -> Result<Answer> {
    let client = connect().await?;
    let namespace = args.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let observed = observe(&client, &namespace).await?;
    let look = Look { observed: &observed, namespace: &namespace, now: jiff::Timestamp::now() };
    Ok(match args.subject.kind {
        Kind::Pod => look.pod(&args.subject.name),
        Kind::Deployment => look.deployment(&args.subject.name),
        Kind::Ingress => {
            let request = Request { host: args.host.as_deref(), path: args.path.as_deref() };
            look.ingress(&args.subject.name, request)
        }
    })
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

async fn observe(client: &Client, namespace: &str) -> Result<Observed> {
    let (pods, replica_sets, deployments, ingresses, services) = tokio::try_join!(
        list(namespaced(client, namespace)),
        list(namespaced(client, namespace)),
        list(namespaced(client, namespace)),
        list(namespaced(client, namespace)),
        list(namespaced(client, namespace)),
    )?;
    let (slices, claims, events, secrets, nodes, classes) = tokio::try_join!(
        list(namespaced(client, namespace)),
        list(namespaced(client, namespace)),
        list(namespaced(client, namespace)),
        names(client, namespace),
        list(Api::<Node>::all(client.clone())),
        list(Api::<IngressClass>::all(client.clone())),
    )?;
    Ok(Observed {
        pods: pods.unwrap_or_default(),
        replica_sets: replica_sets.unwrap_or_default(),
        deployments: deployments.unwrap_or_default(),
        ingresses: ingresses.unwrap_or_default(),
        services: services.unwrap_or_default(),
        slices: slices.unwrap_or_default(),
        claims: claims.unwrap_or_default(),
        events: events.unwrap_or_default(),
        secrets,
        nodes,
        classes,
    })
}

fn namespaced<K>(client: &Client, namespace: &str) -> Api<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(client.clone(), namespace)
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
async fn names(client: &Client, namespace: &str) -> Result<Option<std::collections::BTreeSet<String>>> {
    let api: Api<Secret> = namespaced(client, namespace);
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

//! Requests and failures by the Ingress's own counters, read from the API's `/metrics`.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

/// A cluster that answers more slowly than this has no time to be drawn.
const PATIENCE: Duration = Duration::from_secs(1);

const ANSWERED: &str = "pinnace_ingress_requests_total{";
const BROKEN: &str = "pinnace_ingress_broken_total{";

/// The counters of the Services that lead to a Deployment's pods.
pub(super) struct Requests {
    client: Client,
    /// What a series of one of the services has among its labels.
    labels: Vec<String>,
}

impl Requests {
    /// Finds the services of a Deployment.
    ///
    /// # Errors
    /// When the cluster refuses to list them.
    pub(super) async fn of(client: &Client, namespace: &str, deployment: &Deployment) -> Result<Self> {
        let services: Api<Service> = Api::namespaced(client.clone(), namespace);
        let services = services.list(&ListParams::default()).await.context("failed to list Services")?;
        let leading = services.items.iter().filter(|service| leads(service, deployment));
        let label =
            |service: &Service| format!("namespace=\"{namespace}\",service=\"{}\",", service.name_any());
        Ok(Self { client: client.clone(), labels: leading.map(label).collect() })
    }

    /// Returns how many requests were answered and how many failed since the cluster began; `None` where
    /// nobody counts them.
    pub(super) async fn so_far(&self) -> Option<(u64, u64)> {
        if self.labels.is_empty() {
            return None;
        }
        let request = http::Request::get("/metrics").body(Vec::new()).ok()?;
        let text = tokio::time::timeout(PATIENCE, self.client.request_text(request)).await.ok()?.ok()?;
        count(&text, &self.labels)
    }
}

fn leads(service: &Service, deployment: &Deployment) -> bool {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    let template = deployment.spec.as_ref().map(|spec| &spec.template);
    let labels = template.and_then(|template| template.metadata.as_ref()?.labels.as_ref());
    let (Some(selector), Some(labels)) = (selector, labels) else { return false };
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Adds up: every answer, and those of 500 and above or that broke off.
fn count(text: &str, labels: &[String]) -> Option<(u64, u64)> {
    let (mut answered, mut failed, mut is_counted) = (0, 0, false);
    for line in text.lines() {
        let (is_answer, rest) = match (line.strip_prefix(ANSWERED), line.strip_prefix(BROKEN)) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => continue,
        };
        if !labels.iter().any(|label| rest.starts_with(label)) {
            continue;
        }
        let value: u64 = rest.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or(0);
        is_counted = true;
        if is_answer {
            answered += value;
        }
        if !is_answer || rest.contains("code=\"5xx\"") {
            failed += value;
        }
    }
    is_counted.then(|| (answered.max(failed) - failed, failed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_deployments_services_are_counted() {
        let text = "# TYPE pinnace_ingress_requests_total counter\n\
            pinnace_ingress_requests_total{namespace=\"shop\",service=\"web\",port=\"80\",code=\"2xx\"} 90\n\
            pinnace_ingress_requests_total{namespace=\"shop\",service=\"web\",port=\"80\",code=\"5xx\"} 7\n\
            pinnace_ingress_requests_total{namespace=\"shop\",service=\"web2\",port=\"80\",code=\"2xx\"} 1000\n\
            pinnace_ingress_broken_total{namespace=\"shop\",service=\"web\",port=\"80\"} 3\n";
        let label = |name: &str| format!("namespace=\"shop\",service=\"{name}\",");
        assert_eq!(count(text, &[label("web")]), Some((87, 10)));
        assert_eq!(count(text, &[label("other")]), None);
        assert_eq!(count("", &[label("web")]), None);
    }

    #[test]
    fn a_service_leads_to_pods_that_its_selector_selects() {
        let deployment = json!({ "metadata": {}, "spec": { "selector": {},
            "template": { "metadata": { "labels": { "app": "web", "tier": "a" } } } } });
        let deployment: Deployment = serde_json::from_value(deployment).unwrap();
        let check = |selector: serde_json::Value, expected: bool| {
            let service = json!({ "metadata": { "name": "s" }, "spec": { "selector": selector } });
            let service: Service = serde_json::from_value(service).unwrap();
            assert_eq!(leads(&service, &deployment), expected);
        };
        check(json!({ "app": "web" }), true);
        check(json!({ "app": "web", "tier": "b" }), false);
        check(json!({}), false);
        check(json!(null), false);
    }
}

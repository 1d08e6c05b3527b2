//! Metrics that are not resources, for `custom.metrics.k8s.io` and `external.metrics.k8s.io`: read from the
//! `/metrics` of pods, and from what the Ingress has counted, when somebody asks and only then.
//!
//! Which pods are asked where follows the annotations that people know: `prometheus.io/port` and
//! `prometheus.io/path`; without them it is `/metrics` of the container port called `metrics`, else `http`, else of
//! the first one. A metric is the sum of its series. `X_per_second` is the growth of the counter `X_total` (or `X`,
//! or of a histogram's `X_count`); `requests_per_second` is that of `pinnace_requests_total` or
//! `http_requests_total`, and for Services and Ingresses that of `pinnace_ingress_requests_total`. Growth takes two
//! readings: a first answer takes a second, later ones reach back to an earlier reading.

mod fetch;
mod history;
mod series;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{OnceLock, PoisonError};
use std::time::{Duration, Instant};

use api::selector::LabelSelector;
use apiserver::measure::{CustomMetrics, MetricNames, MetricValue, OutsideValue, Window};
use apiserver::streams::BoxFuture;
use futures::StreamExt;
use jiff::Timestamp;
use proxy::Proxy;
use serde_json::Value;
use tokio::sync::Mutex;

use history::{Histories, Sample};
use series::{Metric, Series};

/// How far the two readings of a first answer are apart.
const FIRST_WINDOW: Duration = Duration::from_secs(1);

/// Pods asked at once.
const AT_ONCE: usize = 32;

/// Names remembered for discovery: every metric that an autoscaler asks for, and some.
const MAX_KNOWN: usize = 1000;

/// What stands for the Ingress where sources have the uids of pods.
const INGRESS: &str = "ingress";

/// Reads the metrics of this cluster.
#[derive(Default)]
pub(crate) struct Scraper {
    proxy: OnceLock<Proxy>,
    histories: Mutex<Histories>,
    /// What pods have told so far, for discovery.
    known: std::sync::Mutex<BTreeSet<String>>,
}

impl Scraper {
    /// Tells what counts the Ingress's requests. Later calls change nothing.
    pub(crate) fn connect(&self, proxy: &Proxy) {
        let _ = self.proxy.set(proxy.clone());
    }

    fn ingress(&self) -> String {
        self.proxy.get().map(|proxy| proxy::exposition::render(&proxy.metrics())).unwrap_or_default()
    }

    fn remember(&self, metric: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX_KNOWN {
            known.insert(metric.to_owned());
        }
    }

    /// Reads a metric of each source; twice, if it is about growth and any has not been read before.
    async fn read(&self, sources: &[Source], metric: &Metric) -> Vec<Option<(Vec<Series>, Window)>> {
        self.sample(sources, metric).await;
        let is_short = {
            let histories = self.histories.lock().await;
            sources.iter().any(|source| histories.is_short(source.key(), metric))
        };
        if metric.is_rate && is_short {
            tokio::time::sleep(FIRST_WINDOW).await;
            self.sample(sources, metric).await;
        }
        let histories = self.histories.lock().await;
        sources.iter().map(|source| histories.value(source.key(), metric)).collect()
    }

    async fn sample(&self, sources: &[Source], metric: &Metric) {
        let mut reads = Vec::new();
        for source in sources {
            reads.push(self.sample_one(source, metric));
        }
        let samples: Vec<_> = futures::stream::iter(reads).buffer_unordered(AT_ONCE).collect().await;
        self.histories.lock().await.add(metric, samples.into_iter().flatten());
    }

    async fn sample_one(&self, source: &Source, metric: &Metric) -> Option<(String, Sample)> {
        let text = match source {
            Source::Pod { address, path, .. } => fetch::get(*address, path).await.ok()?,
            Source::Ingress => self.ingress(),
            Source::Nowhere => return None,
        };
        let series = series::of(&text, metric)?;
        let sample = Sample { at: Instant::now(), time: Timestamp::now(), series };
        Some((source.key().to_owned(), sample))
    }
}

/// Where a metric is read.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Pod {
        uid: String,
        address: SocketAddr,
        path: String,
    },
    Ingress,
    /// A pod without an address or a port.
    Nowhere,
}

impl Source {
    fn key(&self) -> &str {
        match self {
            Self::Pod { uid, .. } => uid,
            Self::Ingress => INGRESS,
            Self::Nowhere => "",
        }
    }

    fn of_pod(pod: &Value) -> Self {
        let annotation =
            |name: &str| pod["metadata"]["annotations"][format!("prometheus.io/{name}")].as_str();
        let address = pod["status"]["podIP"].as_str().and_then(|text| text.parse::<IpAddr>().ok());
        let containers = pod["spec"]["containers"].as_array();
        let ports: Vec<&Value> =
            containers.into_iter().flatten().filter_map(|one| one["ports"].as_array()).flatten().collect();
        let called = |name: &str| ports.iter().copied().find(|port| port["name"] == name);
        let declared = called("metrics").or_else(|| called("http")).or_else(|| ports.first().copied());
        let port = match annotation("port") {
            Some(text) => text.parse().ok(),
            None => declared.and_then(|port| u16::try_from(port["containerPort"].as_u64()?).ok()),
        };
        match (address, port, pod["metadata"]["uid"].as_str()) {
            (Some(address), Some(port), Some(uid)) => Self::Pod {
                uid: uid.to_owned(),
                address: SocketAddr::new(address, port),
                path: annotation("path").unwrap_or("/metrics").to_owned(),
            },
            _ => Self::Nowhere,
        }
    }
}

/// Adds up the series that are selected.
fn sum(series: &[Series], is_meant: impl Fn(&BTreeMap<String, String>) -> bool) -> Option<i64> {
    let mut meant = series.iter().filter(|series| is_meant(&series.labels)).peekable();
    meant.peek()?;
    Some(milli(meant.map(|series| series.value).sum()))
}

#[expect(clippy::cast_possible_truncation, reason = "what is out of range becomes the range's end")]
fn milli(value: f64) -> i64 {
    (value * 1000.0).round() as i64
}

/// Returns the services of a namespace that an object stands for: itself, or those an Ingress names.
fn services(resource: &str, object: &Value) -> BTreeSet<String> {
    if resource == "services" {
        return object["metadata"]["name"].as_str().map(str::to_owned).into_iter().collect();
    }
    let spec = &object["spec"];
    let rules = spec["rules"].as_array().into_iter().flatten();
    let paths =
        rules.filter_map(|rule| rule["http"]["paths"].as_array()).flatten().map(|path| &path["backend"]);
    let backends = paths.chain([&spec["defaultBackend"]]);
    backends.filter_map(|backend| backend["service"]["name"].as_str().map(str::to_owned)).collect()
}

impl CustomMetrics for Scraper {
    fn of_objects<'a>(
        &'a self,
        resource: &'a str,
        objects: &'a [Value],
        metric: &'a str,
        selector: &'a LabelSelector,
    ) -> BoxFuture<'a, Vec<Option<MetricValue>>> {
        Box::pin(async move {
            if resource == "pods" {
                let sources: Vec<Source> = objects.iter().map(Source::of_pod).collect();
                let read = self.read(&sources, &Metric::of_pods(metric)).await;
                if read.iter().any(Option::is_some) {
                    self.remember(metric);
                }
                let value = |(series, window): (Vec<Series>, Window)| {
                    let milli = sum(&series, |labels| selector.matches(labels))?;
                    Some(MetricValue { milli, window })
                };
                return read.into_iter().map(|read| value(read?)).collect();
            }
            let read = self.read(&[Source::Ingress], &Metric::of_ingress(metric)).await;
            let Some((series, window)) = read.into_iter().next().flatten() else {
                return vec![None; objects.len()];
            };
            let value = |object: &Value| {
                let (namespace, services) =
                    (object["metadata"]["namespace"].as_str(), services(resource, object));
                let is_meant = |labels: &BTreeMap<String, String>| {
                    labels.get("namespace").map(String::as_str) == namespace
                        && labels.get("service").is_some_and(|service| services.contains(service))
                        && selector.matches(labels)
                };
                Some(MetricValue { milli: sum(&series, is_meant)?, window })
            };
            objects.iter().map(value).collect()
        })
    }

    fn outside<'a>(
        &'a self,
        namespace: &'a str,
        metric: &'a str,
        selector: &'a LabelSelector,
    ) -> BoxFuture<'a, Vec<OutsideValue>> {
        Box::pin(async move {
            let read = self.read(&[Source::Ingress], &Metric::of_ingress(metric)).await;
            let Some((series, window)) = read.into_iter().next().flatten() else { return Vec::new() };
            let is_meant = |series: &Series| {
                series.labels.get("namespace").is_some_and(|known| known == namespace)
                    && selector.matches(&series.labels)
            };
            let value = |series: Series| OutsideValue {
                value: MetricValue { milli: milli(series.value), window },
                labels: series.labels,
            };
            series.into_iter().filter(is_meant).map(value).collect()
        })
    }

    fn exposition(&self) -> String {
        self.ingress()
    }

    fn names(&self) -> MetricNames {
        let pods = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        MetricNames { pods, ingress: series::names(&self.ingress()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_asked_where_its_annotations_or_ports_say() {
        let check = |annotations: Value, ports: Value, expected: Option<(&str, &str)>| {
            let pod = json!({
                "metadata": { "uid": "u", "annotations": annotations },
                "spec": { "containers": [{ "name": "a" }, { "name": "b", "ports": ports }] },
                "status": { "podIP": "10.244.0.7" },
            });
            let expected = expected.map_or(Source::Nowhere, |(address, path)| Source::Pod {
                uid: "u".to_owned(),
                address: address.parse().unwrap(),
                path: path.to_owned(),
            });
            assert_eq!(Source::of_pod(&pod), expected);
        };
        let port = |name: &str, number: u16| json!({ "name": name, "containerPort": number });
        check(json!(null), json!([]), None);
        check(json!(null), json!([port("grpc", 9), port("http", 8)]), Some(("10.244.0.7:8", "/metrics")));
        check(json!(null), json!([port("http", 8), port("metrics", 9)]), Some(("10.244.0.7:9", "/metrics")));
        check(json!(null), json!([{ "containerPort": 7 }]), Some(("10.244.0.7:7", "/metrics")));
        let annotations = json!({ "prometheus.io/port": "99", "prometheus.io/path": "/m" });
        check(annotations, json!([port("http", 8)]), Some(("10.244.0.7:99", "/m")));
    }

    #[test]
    fn an_ingress_stands_for_the_services_it_names() {
        let backend = |name: &str| json!({ "service": { "name": name, "port": { "number": 80 } } });
        let ingress = json!({ "spec": {
            "defaultBackend": backend("rest"),
            "rules": [{ "http": { "paths": [{ "backend": backend("a") }, { "backend": backend("b") }] } }],
        } });
        let found: Vec<String> = services("ingresses.networking.k8s.io", &ingress).into_iter().collect();
        assert_eq!(found, ["a", "b", "rest"]);
        let service = json!({ "metadata": { "name": "a" } });
        assert_eq!(services("services", &service).into_iter().collect::<Vec<_>>(), ["a"]);
    }
}

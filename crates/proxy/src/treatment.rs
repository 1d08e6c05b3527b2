//! How an Ingress wants its requests treated: by the annotations that people know from ingress-nginx,
//! and by the protocol that a Service's port names.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServicePort;
use k8s_openapi::api::networking::v1::Ingress;
use network::ingress::Treatment;

/// Annotations are this and a name.
const PREFIX: &str = "nginx.ingress.kubernetes.io/";

/// What the port of a service speaks, as Kubernetes names it (`appProtocol`).
const HTTP2: &str = "kubernetes.io/h2c";

/// Returns how requests of an Ingress to a port are treated.
///
/// - `ssl-redirect: "true"`: plain HTTP is redirected if the Ingress has TLS; `force-ssl-redirect`: always;
/// - `proxy-body-size: 8m`: longer bodies are refused; `0` is no bound, as is none;
/// - `proxy-connect-timeout`, `proxy-read-timeout`: in seconds;
/// - `backend-protocol: GRPC` (or `H2C`), and `appProtocol: kubernetes.io/h2c` or `grpc` of the port:
///   the pods speak HTTP/2.
///
/// What cannot be read is as if it was not there.
#[must_use]
pub fn of(ingress: &Ingress, port: Option<&ServicePort>) -> Treatment {
    let empty = BTreeMap::new();
    let annotations = ingress.metadata.annotations.as_ref().unwrap_or(&empty);
    let text = |name: &str| annotations.get(&format!("{PREFIX}{name}")).map(|text| text.trim());
    let says = |name: &str| text(name) == Some("true");
    let has_tls = ingress.spec.as_ref().is_some_and(|spec| spec.tls.iter().flatten().next().is_some());
    let protocol = text("backend-protocol").map(str::to_ascii_uppercase);
    let app_protocol = port.and_then(|port| port.app_protocol.as_deref());
    Treatment {
        redirects_to_https: says("force-ssl-redirect") || (says("ssl-redirect") && has_tls),
        speaks_http2: matches!(protocol.as_deref(), Some("GRPC" | "H2C"))
            || matches!(app_protocol, Some(HTTP2 | "grpc")),
        max_body_bytes: text("proxy-body-size").and_then(bytes).filter(|bytes| *bytes > 0),
        connect_timeout: text("proxy-connect-timeout").and_then(seconds),
        response_timeout: text("proxy-read-timeout").and_then(seconds),
    }
}

/// Reads a size as nginx writes it: bytes, or with `k`, `m` or `g`.
fn bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (number, unit) = match lower.strip_suffix(['k', 'm', 'g']) {
        Some(number) => (number, lower.as_bytes().last().copied()),
        None => (lower.as_str(), None),
    };
    let unit: u64 = match unit {
        Some(b'k') => 1 << 10,
        Some(b'm') => 1 << 20,
        Some(b'g') => 1 << 30,
        _ => 1,
    };
    number.trim().parse::<u64>().ok()?.checked_mul(unit)
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds: u64 = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    Some(Duration::from_secs(seconds)).filter(|time| !time.is_zero())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(annotations: &[(&str, &str)], spec: &Value, app_protocol: Option<&str>, expected: &Treatment) {
        let annotations: BTreeMap<String, String> = annotations
            .iter()
            .map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned()))
            .collect();
        let ingress = json!({ "metadata": { "name": "a", "annotations": annotations }, "spec": spec });
        let ingress: Ingress = serde_json::from_value(ingress).unwrap();
        let port = ServicePort { app_protocol: app_protocol.map(str::to_owned), ..ServicePort::default() };
        assert_eq!(of(&ingress, Some(&port)), *expected, "{annotations:?}");
    }

    #[test]
    fn annotations_say_how_requests_are_treated() {
        let (plain, tls) = (json!({}), json!({ "tls": [{ "secretName": "s" }] }));
        let none = Treatment::default();
        let redirects = Treatment { redirects_to_https: true, ..none.clone() };
        check(&[], &tls, None, &none);
        check(&[("ssl-redirect", "true")], &plain, None, &none);
        check(&[("ssl-redirect", "true")], &tls, None, &redirects);
        check(&[("force-ssl-redirect", "true")], &plain, None, &redirects);
        let bounded = |bytes| Treatment { max_body_bytes: Some(bytes), ..none.clone() };
        check(&[("proxy-body-size", "8m")], &plain, None, &bounded(8 << 20));
        check(&[("proxy-body-size", "1024")], &plain, None, &bounded(1024));
        check(&[("proxy-body-size", "0")], &plain, None, &none);
        check(&[("proxy-body-size", "much")], &plain, None, &none);
        let timed = Treatment {
            connect_timeout: Some(Duration::from_secs(1)),
            response_timeout: Some(Duration::from_secs(300)),
            ..none.clone()
        };
        check(&[("proxy-connect-timeout", "1"), ("proxy-read-timeout", "300s")], &plain, None, &timed);
        let http2 = Treatment { speaks_http2: true, ..none.clone() };
        check(&[("backend-protocol", "grpc")], &plain, None, &http2);
        check(&[], &plain, Some("kubernetes.io/h2c"), &http2);
        check(&[], &plain, Some("http"), &none);
    }
}

//! How an Ingress wants its requests treated: by the annotations that people know from ingress-nginx,
//! and by the protocol that a Service's port names.

use std::time::Duration;

use k8s_openapi::api::core::v1::ServicePort;
use k8s_openapi::api::networking::v1::Ingress;
use network::ingress::Treatment;

/// Annotations are this and a name.
const PREFIX: &str = "nginx.ingress.kubernetes.io/";

/// What the port of a service speaks, as Kubernetes names it (`appProtocol`).
const HTTP2: &str = "kubernetes.io/h2c";

/// The annotations that mean something here.
const KNOWN: [&str; 8] = [
    "backend-protocol",
    "force-ssl-redirect",
    "proxy-body-size",
    "proxy-connect-timeout",
    "proxy-read-timeout",
    "rewrite-target",
    "ssl-redirect",
    "use-regex",
];

/// Returns how requests of an Ingress to a port are treated.
///
/// - `ssl-redirect: "true"`: plain HTTP is redirected if the Ingress has TLS; `force-ssl-redirect`: always;
/// - `proxy-body-size: 8m`: longer bodies are refused; `0` is no bound, as is none;
/// - `proxy-connect-timeout`, `proxy-read-timeout`: in seconds;
/// - `rewrite-target: /$1`: pods are asked for this path;
/// - `backend-protocol: GRPC` (or `H2C`), and `appProtocol: kubernetes.io/h2c` or `grpc` of the port:
///   the pods speak HTTP/2.
///
/// What cannot be read is as if it was not there; [`complaints`] tells of it.
#[must_use]
pub fn of(ingress: &Ingress, port: Option<&ServicePort>) -> Treatment {
    let says = |name: &str| text(ingress, name) == Some("true");
    let has_tls = ingress.spec.as_ref().is_some_and(|spec| spec.tls.iter().flatten().next().is_some());
    let protocol = text(ingress, "backend-protocol").map(str::to_ascii_uppercase);
    let app_protocol = port.and_then(|port| port.app_protocol.as_deref());
    Treatment {
        redirects_to_https: says("force-ssl-redirect") || (says("ssl-redirect") && has_tls),
        speaks_http2: matches!(protocol.as_deref(), Some("GRPC" | "H2C"))
            || matches!(app_protocol, Some(HTTP2 | "grpc")),
        max_body_bytes: text(ingress, "proxy-body-size").and_then(bytes).filter(|bytes| *bytes > 0),
        rewrite: text(ingress, "rewrite-target").and_then(target),
        connect_timeout: text(ingress, "proxy-connect-timeout").and_then(seconds),
        response_timeout: text(ingress, "proxy-read-timeout").and_then(seconds),
    }
}

/// Returns whether the paths of an Ingress are regular expressions: `use-regex: "true"`, or a
/// `rewrite-target` that takes up their groups. Those of the type Exact never are.
#[must_use]
pub fn has_regex_paths(ingress: &Ingress) -> bool {
    let takes_groups = |target: &str| target.contains('$');
    text(ingress, "use-regex") == Some("true") || text(ingress, "rewrite-target").is_some_and(takes_groups)
}

/// Returns what of the annotations has no effect here, each as a sentence.
#[must_use]
pub fn complaints(ingress: &Ingress) -> Vec<String> {
    let mut complaints = Vec::new();
    for (key, value) in ingress.metadata.annotations.iter().flatten() {
        let Some(name) = key.strip_prefix(PREFIX) else { continue };
        let value = value.trim();
        let is_read = match name {
            "proxy-body-size" => bytes(value).is_some(),
            "proxy-connect-timeout" | "proxy-read-timeout" => seconds(value).is_some(),
            "rewrite-target" => target(value).is_some(),
            "backend-protocol" => {
                ["HTTP", "GRPC", "H2C", "AUTO_HTTP"].contains(&value.to_ascii_uppercase().as_str())
            }
            "force-ssl-redirect" | "ssl-redirect" | "use-regex" => ["true", "false"].contains(&value),
            _ => true,
        };
        if !KNOWN.contains(&name) {
            complaints.push(format!("the annotation `{key}` has no effect here"));
        } else if !is_read {
            complaints
                .push(format!("the value of the annotation `{key}` is not understood and has no effect"));
        }
    }
    complaints
}

fn text<'a>(ingress: &'a Ingress, name: &str) -> Option<&'a str> {
    let annotations = ingress.metadata.annotations.as_ref()?;
    annotations.get(&format!("{PREFIX}{name}")).map(|text| text.trim())
}

/// Reads a path that can stand in a request.
fn target(text: &str) -> Option<String> {
    let is_path = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#');
    is_path.then(|| text.to_owned())
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
    use std::collections::BTreeMap;

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
        let rewritten = Treatment { rewrite: Some("/$2".to_owned()), ..none.clone() };
        check(&[("rewrite-target", "/$2")], &plain, None, &rewritten);
        check(&[("rewrite-target", "/a b")], &plain, None, &none);
        let http2 = Treatment { speaks_http2: true, ..none.clone() };
        check(&[("backend-protocol", "grpc")], &plain, None, &http2);
        check(&[], &plain, Some("kubernetes.io/h2c"), &http2);
        check(&[], &plain, Some("http"), &none);
    }

    #[test]
    fn annotations_without_effect_are_told() {
        let annotations = json!({
            format!("{PREFIX}proxy-body-size"): "much",
            format!("{PREFIX}auth-type"): "basic",
            format!("{PREFIX}use-regex"): "true",
            "example.org/other": "x",
        });
        let ingress: Ingress =
            serde_json::from_value(json!({ "metadata": { "annotations": annotations } })).unwrap();
        assert_eq!(
            complaints(&ingress),
            [
                "the annotation `nginx.ingress.kubernetes.io/auth-type` has no effect here",
                "the value of the annotation `nginx.ingress.kubernetes.io/proxy-body-size` is not understood \
                 and has no effect",
            ]
        );
        assert!(has_regex_paths(&ingress));
    }
}

#![expect(clippy::needless_pass_by_value, reason = "tables hand over what `json!` made")]

use serde_json::{Value, json};

use super::*;
use crate::testing::{observed, slice};

fn service() -> Value {
    json!({
        "metadata": { "name": "web", "namespace": "shop" },
        "spec": { "clusterIP": "10.96.0.7", "ports": [{ "name": "http", "port": 80 }] },
    })
}

fn backend(port: Value) -> Value {
    json!({ "service": { "name": "web", "port": port } })
}

fn ingress(name: &str, created: &str, spec: Value) -> Value {
    json!({
        "metadata": { "name": name, "namespace": "shop", "creationTimestamp": created }, "spec": spec,
    })
}

fn rule(host: &str, path: &str, backend: Value) -> Value {
    json!({ "host": host, "http": { "paths": [{ "path": path, "pathType": "Prefix", "backend": backend }] } })
}

fn observe(ingresses: &[Value]) -> Observed {
    let slices = [slice("web", &[("http", 8000)], &[("10.244.0.2", true)])];
    observed(&[service()], &slices, ingresses)
}

fn words(routes: &Routes) -> Vec<String> {
    let word = |route: &Route| format!("{:?} {} {}", route.host, route.path, route.backend);
    routes.rules.iter().map(word).collect()
}

const EARLY: &str = "2026-01-01T00:00:00Z";
const LATE: &str = "2026-01-02T00:00:00Z";

#[test]
fn hosts_and_paths_lead_to_the_pods_by_port_name_or_number() {
    let rules = json!([
        rule("Web.Local", "/", backend(json!({ "name": "http" }))),
        rule("*.web.local", "/api", backend(json!({ "number": 80 }))),
        rule("", "", backend(json!({ "number": 81 }))),
    ]);
    let routes = routes(&observe(&[ingress("a", EARLY, json!({ "rules": rules }))]));
    assert_eq!(
        words(&routes),
        [
            "Exact(\"web.local\") / shop/web:http",
            "Wildcard(\"web.local\") /api shop/web:80",
            "Any / shop/web:81"
        ]
    );
    let pod: SocketAddr = "10.244.0.2:8000".parse().unwrap();
    assert_eq!(routes.backends["shop/web:http"], [pod]);
    assert_eq!(routes.backends["shop/web:80"], [pod]);
    assert!(routes.backends["shop/web:81"].is_empty(), "a port the service does not have");
}

#[test]
fn of_two_that_claim_the_same_the_older_wins() {
    let one = |port| json!({ "rules": [rule("web.local", "/", backend(json!({ "number": port })))] });
    let routes = routes(&observe(&[ingress("b", LATE, one(81)), ingress("a", EARLY, one(80))]));
    assert_eq!(words(&routes), ["Exact(\"web.local\") / shop/web:80"]);
}

#[test]
fn a_default_backend_takes_what_no_rule_does() {
    let spec = json!({ "defaultBackend": backend(json!({ "number": 80 })) });
    let routes = routes(&observe(&[ingress("a", EARLY, spec)]));
    assert_eq!(routes.default_backend.map(|(key, _)| key).as_deref(), Some("shop/web:80"));
}

#[test]
fn an_ingress_of_another_controller_is_left_to_it() {
    let of_class = |class: &str| {
        let rules = json!([rule("web.local", "/", backend(json!({ "number": 80 })))]);
        ingress("a", EARLY, json!({ "ingressClassName": class, "rules": rules }))
    };
    let class = |name: &str, controller: &str| {
        let class = json!({ "metadata": { "name": name }, "spec": { "controller": controller } });
        Arc::new(serde_json::from_value(class).unwrap())
    };
    let served = |name: &str| {
        let classes = vec![class("pinnace", CONTROLLER), class("theirs", "example.org/other")];
        let observed = Observed { classes, ..observe(&[of_class(name)]) };
        routes(&observed).rules.len() == 1
    };
    assert!(served("pinnace"));
    assert!(!served("theirs"));
    assert!(served("nginx"), "a class nobody serves is served here");
}

#[test]
fn a_secret_is_for_the_hosts_it_names_or_those_of_the_rules() {
    let rules = json!([rule("web.local", "/", backend(json!({ "number": 80 })))]);
    let tls = json!([{ "secretName": "s", "hosts": ["a.local"] }, { "secretName": "t" }, { "hosts": ["b"] }]);
    let wanted = certificates(&observe(&[ingress("a", EARLY, json!({ "rules": rules, "tls": tls }))]));
    let of = |secret: &str, host: &str| Tls {
        secret: ("shop".to_owned(), secret.to_owned()),
        hosts: vec![host.to_owned()],
    };
    assert_eq!(wanted, [of("s", "a.local"), of("t", "web.local")]);
}

#[test]
fn only_an_ingress_that_does_not_show_its_address_needs_a_write() {
    let mut shown = ingress("a", EARLY, json!({}));
    shown["status"] = json!({ "loadBalancer": { "ingress": [{ "ip": "127.0.0.1" }] } });
    let observed = observe(&[shown, ingress("b", EARLY, json!({}))]);
    let names: Vec<&str> =
        without_address(&observed, "127.0.0.1").into_iter().map(|ingress| name(&ingress.metadata)).collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn what_does_not_work_is_told_with_its_reason() {
    let other = json!({ "service": { "name": "gone", "port": { "number": 80 } } });
    let rules = [
        rule("a.test", "/ok", backend(json!({ "name": "http" }))),
        rule("a.test", "/port", backend(json!({ "number": 81 }))),
        rule("", "/service", other),
    ];
    let tls = json!([{ "secretName": "missing" }, { "secretName": "broken" }]);
    let mut bad = ingress("bad", EARLY, json!({ "rules": rules, "tls": tls }));
    bad["metadata"]["annotations"] = json!({ "nginx.ingress.kubernetes.io/auth-type": "basic" });
    let mut observed = observe(&[bad]);
    let broken = ("shop".to_owned(), "broken".to_owned());
    observed.secrets.insert(broken.clone(), Arc::default());
    let told = faults(&observed, |key| (*key == broken).then(|| "key `tls.crt` is missing".to_owned()));
    let told: Vec<String> = told.iter().map(|fault| format!("{}: {}", fault.reason, fault.message)).collect();
    assert_eq!(
        told,
        [
            "PortNotFound: `a.test/port` goes to port `81` of Service `web`, which has no such port; requests are \
             answered with 503",
            "ServiceNotFound: `/service` of any host goes to Service `gone`, which does not exist; requests are \
             answered with 503",
            "SecretNotFound: Secret `missing` does not exist; HTTPS is answered with the cluster's own certificate",
            "InvalidCertificate: Secret `broken` is no certificate: key `tls.crt` is missing; HTTPS is answered \
             with the cluster's own certificate",
            "AnnotationIgnored: the annotation `nginx.ingress.kubernetes.io/auth-type` has no effect here",
        ]
    );
}

//! From the request to the pod: every link that may be missing.

use serde_json::{Value, json};

use super::super::Health::{self, Fine, Stuck, Waiting};
use super::super::Request;
use super::{check, container, look, merge, node, observed, waiting};

fn ingress(extra: &Value) -> Value {
    let mut ingress = json!({"kind": "Ingress", "metadata": {"name": "web"},
        "spec": {"rules": [{"host": "web.localhost", "http": {"paths": [{"path": "/api", "pathType": "Prefix",
            "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]},
        "status": {"loadBalancer": {"ingress": [{"hostname": "localhost"}]}}});
    merge(&mut ingress, extra);
    ingress
}

fn service(extra: &Value) -> Value {
    let mut service = json!({"kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8000}]}});
    merge(&mut service, extra);
    service
}

fn slice(ready: bool) -> Value {
    json!({"kind": "EndpointSlice", "metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}]})
}

fn ready_pod() -> Value {
    let mut pod = container(&json!({"ready": true, "state": {"running": {}}}));
    pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    pod
}

#[track_caller]
fn ask_for(request: Request<'_>, objects: &[Value], health: Health, verdict: &str, next: &str) {
    let mut all = vec![node("True")];
    all.extend(objects.iter().cloned());
    check(&look(&observed(&all)).ingress("web", request), health, verdict, next);
}

#[track_caller]
fn ask(objects: &[Value], health: Health, verdict: &str, next: &str) {
    ask_for(Request::default(), objects, health, verdict, next);
}

#[test]
fn an_ingress_that_is_well_is_said_to_be() {
    let none = json!({});
    ask(&[ingress(&none), service(&none), slice(true), ready_pod()], Fine, "nothing is wrong", "");
    ask(&[], Stuck, "there is no Ingress `web`", "kubectl get ingress");
    ask(&[ingress(&json!({"spec": {"rules": []}}))], Stuck, "routes nothing", "kubectl edit ingress web");
}

#[test]
fn a_request_that_no_rule_matches_is_told() {
    let none = json!({});
    let world = [ingress(&none), service(&none), slice(true)];
    let ask = |host: &str, path: &str, health, verdict: &str, next: &str| {
        ask_for(Request { host: Some(host), path: Some(path) }, &world, health, verdict, next);
    };
    ask("web.localhost:8080", "/api/v1", Fine, "nothing is wrong", "");
    ask("other.localhost", "/api", Stuck, "has no rule for the host `other.localhost`", "curl");
    ask("web.localhost", "/apis", Stuck, "has no rule for the path `/apis`", "or add a rule");
}

#[test]
fn a_class_that_nobody_serves_is_told() {
    let unserved = |class: Value| {
        ingress(&json!({"spec": {"ingressClassName": class}, "status": {"loadBalancer": null}}))
    };
    let class = json!({"kind": "IngressClass", "metadata": {"name": "a"}, "spec": {"controller": "x/y"}});
    ask(&[unserved(json!("b")), class.clone()], Stuck, "its class `b` does not exist", "ingressClassName");
    ask(
        &[unserved(json!("a")), class],
        Stuck,
        "the controller of its class `a`, `x/y`, has not",
        "see that `x/y` runs",
    );
    ask(&[unserved(Value::Null)], Stuck, "names no class", "name a class");
}

#[test]
fn each_missing_link_is_named() {
    let none = json!({});
    ask(&[ingress(&none)], Stuck, "to Service `web`, which does not exist", "create the Service");
    let other = json!({"spec": {"ports": [{"port": 81}]}});
    ask(
        &[ingress(&none), service(&other)],
        Stuck,
        "to port 80 of Service `web`, which has no such port",
        "edit ingress",
    );
    ask(&[ingress(&none), service(&none)], Stuck, "no pod is behind Service `web`", "--show-labels");
    ask(
        &[ingress(&none), service(&json!({"spec": {"selector": null}}))],
        Stuck,
        "has no selector",
        "edit service web",
    );
    let bad = waiting("ErrImagePull", "not found");
    ask(
        &[ingress(&none), service(&none), slice(false), bad],
        Stuck,
        "the only pod of Service `web` is not ready: pod `p`",
        "set image pod/p",
    );
    ask(
        &[ingress(&none), service(&none), ready_pod()],
        Waiting,
        "its endpoints are not known yet",
        "targetPort",
    );
}

#[test]
fn a_certificate_that_is_missing_is_named() {
    let secured = ingress(&json!({"spec": {"tls": [{"hosts": ["web.localhost"], "secretName": "cert"}]}}));
    let world = [secured, service(&json!({})), slice(true)];
    ask(&world, Stuck, "no certificate for `web.localhost`: the Secret `cert`", "create secret tls cert");
    let with = [&world[..], &[json!({"kind": "Secret", "metadata": {"name": "cert"}})]].concat();
    ask(&with, Fine, "nothing is wrong", "");
}

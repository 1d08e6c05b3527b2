mod compared;

use serde_json::{Value, json};

use crate::field::aggregate;
use crate::resource::{Registry, Resource};

fn resource(group: &str, kind: &str) -> &'static Resource {
    Registry::builtin().by_kind(group, "v1", kind).unwrap()
}

/// Prepares and judges a new object; returns the words of all errors.
fn refusal(group: &str, kind: &str, body: Value) -> String {
    let resource = resource(group, kind);
    let mut object =
        crate::decode::check(resource, body, crate::decode::FieldValidation::Strict).unwrap().object;
    resource.prepare_create(&mut object);
    let errors = resource.validate(&object);
    if errors.is_empty() { String::new() } else { aggregate(&errors) }
}

fn update_refusal(group: &str, kind: &str, old: Value, change: impl FnOnce(&mut Value)) -> String {
    let resource = resource(group, kind);
    let mut old = crate::decode::check(resource, old, crate::decode::FieldValidation::Strict).unwrap().object;
    resource.prepare_create(&mut old);
    let mut new = old.clone();
    change(&mut new);
    resource.prepare_update(&mut new, &old);
    let errors = resource.validate_update(&new, &old);
    if errors.is_empty() { String::new() } else { aggregate(&errors) }
}

fn pod(spec: Value) -> Value {
    json!({"metadata": {"name": "x", "namespace": "n"}, "spec": spec})
}

fn deployment(change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({"metadata": {"name": "x", "namespace": "n"}, "spec": {
        "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "x:1"}]}}}});
    change(&mut object);
    object
}

#[test]
fn sound_objects_pass() {
    assert_eq!(refusal("", "Pod", pod(json!({"containers": [{"name": "a", "image": "x"}]}))), "");
    assert_eq!(refusal("apps", "Deployment", deployment(|_| {})), "");
}

#[test]
fn a_deployment_whose_selector_misses_its_template() {
    let object = deployment(|object| object["spec"]["template"]["metadata"]["labels"] = json!({"app": "y"}));
    assert_eq!(
        refusal("apps", "Deployment", object),
        "spec.template.metadata.labels: Invalid value: {\"app\":\"y\"}: `selector` does not match template `labels`"
    );
}

#[test]
fn an_empty_deployment() {
    assert_eq!(
        refusal("apps", "Deployment", json!({"metadata": {"name": "x", "namespace": "n"}})),
        "[spec.selector: Required value, spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`, spec.template.spec.containers: Required value]"
    );
}

#[test]
fn strategies_of_deployments() {
    let check = |strategy: Value, words: &str| {
        let object = deployment(|object| object["spec"]["strategy"] = strategy);
        assert_eq!(refusal("apps", "Deployment", object), words);
    };
    check(
        json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}),
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0",
    );
    check(
        json!({"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
    );
    check(
        json!({"rollingUpdate": {"maxSurge": "x"}}),
        "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"x\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    );
    check(
        json!({"type": "BlueGreen"}),
        "spec.strategy: Unsupported value: {\"type\":\"BlueGreen\"}: supported values: \"Recreate\", \"RollingUpdate\"",
    );
}

#[test]
fn containers_of_pods() {
    let check = |container: Value, words: &str| {
        assert_eq!(refusal("", "Pod", pod(json!({"containers": [container]}))), words);
    };
    check(json!({"image": "x"}), "spec.containers[0].name: Required value");
    check(json!({"name": "a"}), "spec.containers[0].image: Required value");
    check(
        json!({"name": "a", "image": "x", "ports": [{"containerPort": 70000}]}),
        "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
    );
    check(
        json!({"name": "a", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}),
        "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
    );
    check(
        json!({"name": "a", "image": "x", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}),
        "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
    );
    check(
        json!({"name": "a", "image": "x", "imagePullPolicy": "Sometimes"}),
        "spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
    );
    check(
        json!({"name": "a", "image": "x", "livenessProbe": {"periodSeconds": 1}}),
        "spec.containers[0].livenessProbe: Required value: must specify a handler type",
    );
    check(
        json!({"name": "a", "image": "x", "livenessProbe": {"exec": {"command": ["x"]}, "successThreshold": 2}}),
        "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
    );
    check(
        json!({"name": "a", "image": "x", "env": [{"name": "A", "valueFrom": {}}]}),
        "spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
    );
}

#[test]
fn fields_of_pods_that_may_not_change() {
    let before = || pod(json!({"containers": [{"name": "a", "image": "x:1"}]}));
    assert_eq!(
        update_refusal("", "Pod", before(), |new| new["spec"]["containers"][0]["image"] = "x:2".into()),
        ""
    );
    let words = update_refusal("", "Pod", before(), |new| new["spec"]["restartPolicy"] = "Never".into());
    assert!(
        words.starts_with(
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        ),
        "{words}"
    );
    assert!(words.contains("- \"Always\"\n+ \"Never\""));
    assert_eq!(
        update_refusal("", "Pod", before(), |new| {
            new["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "b", "image": "y"}));
        }),
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    );
}

#[test]
fn selectors_and_names_are_immutable() {
    let words = update_refusal("apps", "Deployment", deployment(|_| {}), |new| {
        new["spec"]["selector"]["matchLabels"]["app"] = "z".into();
        new["spec"]["template"]["metadata"]["labels"]["app"] = "z".into();
    });
    assert_eq!(words, "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"z\"}}: field is immutable");
    let words =
        update_refusal("apps", "Deployment", deployment(|_| {}), |new| new["metadata"]["name"] = "y".into());
    assert_eq!(words, "metadata.name: Invalid value: \"y\": field is immutable");
}

#[test]
fn names_and_labels() {
    let object = deployment(|object| object["metadata"]["name"] = "Not_A_Name".into());
    assert!(refusal("apps", "Deployment", object).starts_with(
        "metadata.name: Invalid value: \"Not_A_Name\": a lowercase RFC 1123 subdomain must consist of"
    ));
    let object = deployment(|object| object["metadata"]["labels"] = json!({"a": "b c"}));
    assert!(
        refusal("apps", "Deployment", object)
            .starts_with("metadata.labels: Invalid value: \"b c\": a valid label must be")
    );
}

#[test]
fn services() {
    let service = |spec: Value| json!({"metadata": {"name": "s", "namespace": "n"}, "spec": spec});
    assert_eq!(refusal("", "Service", service(json!({"ports": [{"port": 80}], "selector": {"a": "b"}}))), "");
    assert_eq!(refusal("", "Service", service(json!({}))), "spec.ports: Required value");
    assert_eq!(
        refusal("", "Service", service(json!({"ports": [{"port": 80}, {"port": 81, "name": "b"}]}))),
        "spec.ports[0].name: Required value"
    );
    assert_eq!(
        refusal("", "Service", service(json!({"type": "ExternalName"}))),
        "spec.externalName: Required value"
    );
    let words = update_refusal(
        "",
        "Service",
        service(json!({"clusterIP": "10.96.0.5", "ports": [{"port": 80}]})),
        |new| {
            new["spec"]["clusterIP"] = "10.96.0.6".into();
            new["spec"]["clusterIPs"] = json!(["10.96.0.6"]);
        },
    );
    assert_eq!(words, "spec.clusterIPs[0]: Invalid value: [\"10.96.0.6\"]: may not change once set");
}

#[test]
fn ingresses() {
    let ingress = |spec: Value| json!({"metadata": {"name": "i", "namespace": "n"}, "spec": spec});
    let rule = |path: Value| ingress(json!({"rules": [{"http": {"paths": [path]}}]}));
    let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
    assert_eq!(
        refusal(
            "networking.k8s.io",
            "Ingress",
            rule(json!({"path": "/", "pathType": "Prefix", "backend": backend}))
        ),
        ""
    );
    assert_eq!(
        refusal("networking.k8s.io", "Ingress", rule(json!({"path": "/", "backend": backend}))),
        "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"
    );
    assert_eq!(
        refusal(
            "networking.k8s.io",
            "Ingress",
            rule(json!({"path": "x", "pathType": "Exact", "backend": {}}))
        ),
        "[spec.rules[0].http.paths[0].path: Invalid value: \"x\": must be an absolute path, spec.rules[0].http.paths[0].backend: Invalid value: \"\": resource or service backend is required]"
    );
    assert_eq!(
        refusal("networking.k8s.io", "Ingress", ingress(json!({}))),
        "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"
    );
}

#[test]
fn config_maps_and_secrets() {
    let map = |rest: Value| {
        let mut object = json!({"metadata": {"name": "c", "namespace": "n"}});
        for (key, value) in rest.as_object().unwrap() {
            object[key] = value.clone();
        }
        object
    };
    assert!(
        refusal("", "ConfigMap", map(json!({"data": {"a b": ""}})))
            .starts_with("data[a b]: Invalid value: \"a b\": a valid config key must consist of")
    );
    assert_eq!(
        refusal("", "Secret", map(json!({"type": "kubernetes.io/tls"}))),
        "[data[tls.crt]: Required value, data[tls.key]: Required value]"
    );
    let frozen = map(json!({"immutable": true, "data": {"a": "1"}}));
    assert_eq!(
        update_refusal("", "ConfigMap", frozen, |new| new["data"]["a"] = "2".into()),
        "data: Forbidden: field is immutable when `immutable` is set"
    );
}

#[test]
fn plain_texts_of_secrets_become_data() {
    let secret = resource("", "Secret");
    let mut object = json!({"metadata": {"name": "s", "namespace": "n"}, "stringData": {"k": "v"}});
    secret.prepare_create(&mut object);
    assert_eq!(object["data"]["k"], "dg==");
    assert_eq!(object["type"], "Opaque");
    assert!(object.get("stringData").is_none());
}

#[test]
fn defaulting_twice_changes_nothing() {
    for resource in Registry::builtin().iter() {
        let mut once = json!({"metadata": {"name": "x"}, "spec": {}});
        resource.default(&mut once);
        let mut twice = once.clone();
        resource.default(&mut twice);
        assert_eq!(once, twice, "{}", resource.kind);
    }
}

#[test]
fn generations_count_changes_of_the_spec_only() {
    let deployments = resource("apps", "Deployment");
    let mut old = deployment(|_| {});
    deployments.prepare_create(&mut old);
    assert_eq!(old["metadata"]["generation"], 1);
    let mut same = old.clone();
    same["metadata"]["labels"] = json!({"a": "b"});
    same["status"] = json!({"replicas": 7});
    deployments.prepare_update(&mut same, &old);
    assert_eq!((&same["metadata"]["generation"], &same["status"]), (&json!(1), &json!({})));
    let mut other = old.clone();
    other["spec"]["replicas"] = 2.into();
    deployments.prepare_update(&mut other, &old);
    assert_eq!(other["metadata"]["generation"], 2);
    let mut status = old.clone();
    status["status"] = json!({"replicas": 1});
    status["spec"]["replicas"] = 9.into();
    deployments.prepare_status(&mut status, &old);
    assert_eq!((&status["spec"]["replicas"], &status["status"]["replicas"]), (&json!(1), &json!(1)));
}

#[test]
fn services_keep_what_was_allocated() {
    let services = resource("", "Service");
    let mut old = json!({"metadata": {"name": "s"}, "spec": {"type": "NodePort", "clusterIP": "10.96.0.9",
        "ports": [{"port": 80, "nodePort": 30001}]}});
    services.prepare_create(&mut old);
    let mut new = json!({"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}});
    services.prepare_update(&mut new, &old);
    assert_eq!(
        (&new["spec"]["clusterIP"], &new["spec"]["ports"][0]["nodePort"]),
        (&json!("10.96.0.9"), &json!(30001))
    );
    let mut inner = json!({"metadata": {"name": "s"}, "spec": {"type": "ClusterIP", "ports": [{"port": 80, "nodePort": 30001}]}});
    services.prepare_update(&mut inner, &old);
    assert_eq!(inner["spec"]["ports"][0].get("nodePort"), None);
    assert_eq!(services.validate_update(&inner, &old), Vec::new());
}

#[test]
fn events_are_one_kind_in_two_groups() {
    let row = Registry::builtin().by_kind("events.k8s.io", "v1", "Event").unwrap();
    let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
        "regarding": {"kind": "Pod", "name": "p"}, "note": "hello", "reportingController": "c", "eventTime": "2026-11-20T08:00:00.000000Z"});
    let stored = row.to_storage(event);
    assert_eq!((&stored["involvedObject"]["name"], &stored["message"]), (&json!("p"), &json!("hello")));
    let back = row.from_storage(stored);
    assert_eq!((&back["regarding"]["name"], &back["note"]), (&json!("p"), &json!("hello")));
}

#[test]
fn autoscalers_of_version_1_are_views_of_version_2() {
    let row = Registry::builtin().by_kind("autoscaling", "v1", "HorizontalPodAutoscaler").unwrap();
    let object = json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 60,
        "scaleTargetRef": {"kind": "Deployment", "name": "d"}}});
    let stored = row.to_storage(object);
    assert_eq!(stored["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 60);
    assert_eq!(row.from_storage(stored)["spec"]["targetCPUUtilizationPercentage"], 60);
}

#[test]
fn the_versions_that_kubectl_1_20_writes_are_the_stored_ones_under_another_name() {
    for (group, kind) in [("batch", "CronJob"), ("policy", "PodDisruptionBudget")] {
        let row = Registry::builtin().by_kind(group, "v1beta1", kind).unwrap();
        let object =
            json!({"apiVersion": format!("{group}/v1beta1"), "kind": kind, "metadata": {"name": "x"}});
        let stored = row.to_storage(object.clone());
        assert_eq!(stored["apiVersion"], format!("{group}/v1"));
        assert_eq!(row.from_storage(stored), object);
    }
}

//! N: from outside to the pods, and back by what the Ingress has counted.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::{User, eventually, everyone, manifests};

/// An Ingress for the model's Service, with these annotations, and what else its spec has.
fn ingress(name: &str, host: &str, annotations: &serde_json::Value, more: &serde_json::Value) -> String {
    let backend = json!({ "service": { "name": "jokemeter", "port": { "name": "http" } } });
    let path = json!({ "path": "/api", "pathType": "Prefix", "backend": backend });
    let mut ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": { "name": name, "annotations": annotations },
        "spec": { "rules": [{ "host": host, "http": { "paths": [path] } }] },
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        ingress["spec"][field] = value.clone();
    }
    ingress.to_string()
}

fn started() -> User {
    let user = User::new(everyone()[0]);
    user.have_images();
    user.up();
    user.kubectl(&["apply", "-f", &manifests()]);
    user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
    user
}

/// Makes a Secret with a certificate for `host`, signed by itself; returns its PEM.
fn secret(user: &User, name: &str, host: &str) -> String {
    let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "type": "kubernetes.io/tls",
        "stringData": { "tls.crt": certificate, "tls.key": key },
    });
    user.apply(&secret.to_string());
    certificate
}

#[test]
fn an_ingress_follows_hosts_paths_certificates_and_annotations() {
    let user = started();
    let (none, version) = (json!({}), "/api/v1/version");
    user.apply(&ingress("wild", "*.shop.test", &none, &none));
    let ask = |host: &str, path: &str| user.get(host, path).0;
    eventually("the wildcard host", || (ask("a.shop.test", version) == 200).then_some(()));
    assert_eq!(ask("shop.test", version), 404);
    assert_eq!(ask("a.b.shop.test", version), 404, "a wildcard stands for one label");
    assert_eq!(ask("a.shop.test", "/apix"), 404, "a prefix is compared by elements");
    let address = ["get", "ingress", "wild", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"];
    eventually("its address", || (user.kubectl(&address) == "127.0.0.1").then_some(()));

    // HTTPS with the host's own certificate, which changes while connections come.
    let tls = json!({ "tls": [{ "hosts": ["tls.test"], "secretName": "tls" }] });
    let redirect = json!({ "nginx.ingress.kubernetes.io/ssl-redirect": "true" });
    user.apply(&ingress("tls", "tls.test", &redirect, &tls));
    let https = format!("https://tls.test:{}{version}", user.https_port);
    let resolve = format!("tls.test:{}:127.0.0.1", user.https_port);
    for _ in 0..2 {
        let file = user.write("tls.pem", &secret(&user, "tls", "tls.test"));
        let words = ["--cacert", &file, "--resolve", &resolve, &https];
        eventually("the new certificate", || (user.curl(&words).0 == 200).then_some(()));
        let http2 = [&["--http2"], &words[..]].concat();
        assert_eq!(user.curl(&http2).0, 200);
    }
    assert_eq!(ask("tls.test", version), 308, "plain HTTP is redirected");

    let bounded = json!({ "nginx.ingress.kubernetes.io/proxy-body-size": "1k" });
    user.apply(&ingress("bounded", "bounded.test", &bounded, &none));
    let url = format!("http://127.0.0.1:{}/api/v1/predict", user.http_port);
    let post = |length: usize| {
        let data = json!({ "text": "x".repeat(length) }).to_string();
        user.curl(&["-H", "Host: bounded.test", "--data", &data, &url]).0
    };
    eventually("the bound", || (post(10) == 200).then_some(()));
    assert_eq!(post(2000), 413);

    let rewritten = json!({
        "nginx.ingress.kubernetes.io/rewrite-target": "/api/v1/$2",
        "nginx.ingress.kubernetes.io/auth-type": "basic",
    });
    let mut rewriting: serde_json::Value =
        serde_json::from_str(&ingress("rewritten", "rewritten.test", &rewritten, &none)).unwrap();
    let path = &mut rewriting["spec"]["rules"][0]["http"]["paths"][0];
    path["path"] = json!("/model(/|$)(.*)");
    path["pathType"] = json!("ImplementationSpecific");
    user.apply(&rewriting.to_string());
    eventually("the rewritten path", || (ask("rewritten.test", "/model/version") == 200).then_some(()));
    assert_eq!(ask("rewritten.test", "/modelversion"), 404);

    // What does not work is told, in events and by `why`.
    let missing = json!({ "service": { "name": "nobody", "port": { "number": 80 } } });
    user.apply(&ingress("broken", "broken.test", &none, &json!({ "defaultBackend": missing })));
    let events = |name: &str| {
        let of = format!("involvedObject.name={name}");
        user.kubectl(&["get", "events", "--field-selector", &of, "-o", "jsonpath={.items[*].reason}"])
    };
    eventually("the event", || events("broken").contains("ServiceNotFound").then_some(()));
    eventually("the event", || events("rewritten").contains("AnnotationIgnored").then_some(()));
    assert!(
        user.try_pinnace(&["why", "ingress/broken"])
            .stdout
            .contains("Service `nobody`, which does not exist")
    );

    let metrics = user.kubectl(&["get", "--raw", "/metrics"]);
    let count = |code: &str| {
        let labels = "{namespace=\"default\",service=\"jokemeter\",port=\"http\"";
        let series = format!("pinnace_ingress_requests_total{labels},code=\"{code}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
        line.map_or(0, |count| count.parse::<u64>().unwrap())
    };
    assert!(count("2xx") >= 4 && count("3xx") >= 1 && count("4xx") >= 1, "{metrics}");
}

#[test]
fn replicas_follow_the_rate_of_requests() {
    let user = started();
    user.kubectl(&["scale", "deployment/jokemeter", "--replicas=1"]);
    let object = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "jokemeter" });
    let metric = json!({ "name": "requests_per_second" });
    let autoscaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "jokemeter" },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "jokemeter" },
            "minReplicas": 1, "maxReplicas": 3,
            // At once in both directions.
            "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } },
            "metrics": [
                { "type": "Pods", "pods": { "metric": metric,
                    "target": { "type": "AverageValue", "averageValue": "5" } } },
                { "type": "Object", "object": { "metric": metric, "describedObject": object,
                    "target": { "type": "AverageValue", "averageValue": "5" } } },
            ],
        },
    });
    user.apply(&autoscaler.to_string());
    let replicas = || {
        let words = ["get", "deployment", "jokemeter", "-o", "jsonpath={.status.readyReplicas}"];
        user.kubectl(&words).parse::<u32>().unwrap_or(0)
    };
    let url = format!("http://127.0.0.1:{}/api/v1/version", user.http_port);
    let words =
        ["load", &url, "--mixed", "--host", "jokemeter.localhost", "--rate", "60", "--duration", "10m"];
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| user.run_until(&words, &done));
        eventually("three under load", || (replicas() == 3).then_some(()));
        done.store(true, Ordering::Relaxed);
        let answer = load.join().unwrap();
        assert!(answer.stdout.contains(" 0 failed"), "{answer:?}");
    });
    let pods = user.raw("/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/requests_per_second");
    assert_eq!(pods["kind"], "MetricValueList");
    assert_eq!(pods["items"].as_array().unwrap().len(), 3, "{pods}");
    eventually("one is left", || (replicas() == 1).then_some(()));
    let described = user.kubectl(&["describe", "hpa", "jokemeter"]);
    assert!(described.contains("pods metric requests_per_second"), "{described}");
    let is_active =
        |line: &str| line.split_whitespace().take(3).eq(["ScalingActive", "True", "ValidMetricFound"]);
    assert!(described.lines().any(is_active), "{described}");
    let told = user.kubectl(&["get", "events", "--field-selector=reason=SuccessfulRescale"]);
    assert!(told.contains("All metrics below target"), "{told}");
}

#[test]
fn a_policy_closes_pods_and_a_kept_connection_outlives_a_rollout() {
    let user = started();
    let policy = |peers: &serde_json::Value| {
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "jokes" },
            "spec": { "podSelector": { "matchLabels": { "app": "jokemeter" } }, "ingress": peers },
        });
        user.apply(&policy.to_string());
    };
    // Asks from inside, by name, and ends with its answer.
    let asks = |name: &str| {
        let url = "http://jokemeter/api/v1/version";
        let command = ["/pinnace", "load", url, "--fresh", "--connections", "1", "--duration", "500ms"];
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": { "asks": "jokes" } },
            "spec": { "restartPolicy": "Never", "containers": [{
                "name": "ask", "image": "jokemeter:lr", "imagePullPolicy": "IfNotPresent",
                "command": command,
            }] },
        });
        user.apply(&pod.to_string());
        let phase = ["get", "pod", name, "-o", "jsonpath={.status.phase}"];
        eventually("it has asked", || {
            Some(user.kubectl(&phase)).filter(|phase| ["Succeeded", "Failed"].contains(&phase.as_str()))
        })
    };
    policy(&json!([]));
    assert_eq!(asks("closed"), "Failed");
    assert_eq!(user.get("jokemeter.localhost", "/api/v1/version").0, 200, "the Ingress comes from the node");
    policy(&json!([{ "from": [{ "podSelector": { "matchLabels": { "asks": "jokes" } } }] }]));
    assert_eq!(asks("open"), "Succeeded", "{}", user.kubectl(&["logs", "open"]));

    let patch = r#"{"spec":{"type":"NodePort"}}"#;
    user.kubectl(&["patch", "service", "jokemeter", "-p", patch]);
    let port = ["get", "service", "jokemeter", "-o", "jsonpath={.spec.ports[0].nodePort}"];
    let url = format!("http://127.0.0.1:{}/api/v1/version", user.kubectl(&port));
    eventually("the node port", || (user.curl(&[&url]).0 == 200).then_some(()));
    let words = ["load", &url, "--mixed", "--connections", "2", "--duration", "10m"];
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| user.run_until(&words, &done));
        user.kubectl(&["rollout", "restart", "deployment/jokemeter"]);
        user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
        done.store(true, Ordering::Relaxed);
        let answer = load.join().unwrap();
        assert!(answer.stdout.contains(" 0 failed"), "{answer:?}");
    });
}

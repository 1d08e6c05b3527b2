//! What people do to trust a rollout, and what Kubernetes answers.

use serde_json::Value;

use crate::support::{User, eventually, everyone, manifests, repository};

/// The images of the pods that are not on their way out, sorted.
fn images(user: &User, app: &str) -> Vec<String> {
    let list = user.object(&["pods", "-l", &format!("app={app}")]);
    let stays = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    let image = |pod: &Value| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
    let mut images: Vec<String> = list["items"].as_array().unwrap().iter().filter(stays).map(image).collect();
    images.sort();
    images
}

fn settled(user: &User, expected: &[&str]) {
    eventually(&format!("the pods' images are {expected:?}"), || {
        (images(user, "jokemeter-rs") == expected).then_some(())
    });
}

#[test]
fn a_replica_set_makes_only_further_pods_from_a_new_template() {
    let user = User::new(everyone()[0]);
    user.build_images();
    user.up();
    let manifest = repository().join("examples/experiments/replicaset.yaml");
    let change = |replicas: u32| {
        let image =
            r#"{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"jokemeter:tr"}"#;
        let patch = format!(r#"[{image},{{"op":"replace","path":"/spec/replicas","value":{replicas}}}]"#);
        user.kubectl(&["patch", "replicaset/jokemeter-rs", "--type=json", "-p", &patch]);
    };
    let (old, new) = ("jokemeter:lr", "jokemeter:tr");
    for (replicas, expected) in [(2, vec![old; 2]), (4, vec![old, old, old, new])] {
        user.kubectl(&["apply", "-f", manifest.to_str().unwrap()]);
        settled(&user, &[old; 3]);
        change(replicas);
        settled(&user, &expected);
        user.kubectl(&["delete", "replicaset/jokemeter-rs"]);
        settled(&user, &[]);
    }
    user.kubectl(&["apply", "-f", manifest.to_str().unwrap()]);
    settled(&user, &[old; 3]);
    let first = user.kubectl(&["get", "pods", "-o=jsonpath={.items[0].metadata.name}"]);
    user.kubectl(&["delete", "pod", &first]);
    settled(&user, &[old; 3]);
    assert_ne!(user.try_kubectl(&["get", "pod", &first]).status, 0, "it was replaced, not restarted");
}

#[test]
fn requests_that_fit_nowhere_wait_and_say_why() {
    let user = User::new(everyone()[0]);
    user.build_images();
    let mut words = user.up_words();
    words.extend(["--nodes", "2", "--node-cpu", "1", "--node-memory", "1Gi"].map(str::to_owned));
    user.pinnace(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let manifest =
        std::fs::read_to_string(repository().join("examples/experiments/replicaset.yaml")).unwrap();
    let greedy = "image: jokemeter:lr\n          resources: {requests: {cpu: 700m}}";
    let path = user.write("greedy.yaml", &manifest.replace("image: jokemeter:lr", greedy));
    user.kubectl(&["apply", "-f", &path]);
    eventually("two pods run and one waits", || {
        let pods = user.kubectl(&["get", "pods", "--no-headers"]);
        (pods.matches(" 1/1 ").count() == 2 && pods.matches(" Pending ").count() == 1).then_some(())
    });
    let events = user.kubectl(&["get", "events", "-o=jsonpath={.items[*].message}"]);
    assert!(events.contains("0/2 nodes are available: 2 Insufficient cpu."), "{events}");
    let waiting = "-o=jsonpath={.items[0].metadata.name}";
    let pod = user.kubectl(&["get", "pods", "--field-selector=status.phase=Pending", waiting]);
    let why = user.pinnace(&["why", &format!("pod/{pod}")]);
    assert!(why.contains("Insufficient cpu") && why.contains("700m"), "{why}");
}

#[test]
fn services_are_reached_from_the_host_and_used_resources_are_shown() {
    let user = User::new(everyone()[0]);
    user.build_images();
    user.up();
    user.kubectl(&["apply", "-f", &manifests()]);
    user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port = format!("--port={port}");
    let expose =
        ["expose", "deployment", "jokemeter", "--name=outside", "--type=LoadBalancer", "--target-port=8000"];
    user.kubectl(&expose.iter().copied().chain([port.as_str()]).collect::<Vec<_>>());
    eventually("the load balancer has an address", || {
        let address = "-o=jsonpath={.status.loadBalancer.ingress[0].ip}";
        (user.kubectl(&["get", "service", "outside", address]) == "127.0.0.1").then_some(())
    });
    let node_port = user.kubectl(&["get", "service", "outside", "-o=jsonpath={.spec.ports[0].nodePort}"]);
    for port in [port.trim_start_matches("--port="), &node_port] {
        let (status, body) = user.curl(&[&format!("http://127.0.0.1:{port}/api/v1/version")]);
        assert_eq!(status, 200, "{body}");
    }
    let top = eventually("pods are measured", || {
        let answer = user.try_kubectl(&["top", "pods"]);
        (answer.status == 0 && answer.stdout.matches("jokemeter-").count() == 3).then_some(answer.stdout)
    });
    assert!(top.contains("CPU(cores)"), "{top}");
    user.kubectl(&["set", "image", "deployment/jokemeter", "model=jokemeter:fake"]);
    eventually("`why` names the image", || {
        user.try_pinnace(&["why", "deployment/jokemeter"]).stdout.contains("jokemeter:fake").then_some(())
    });
}

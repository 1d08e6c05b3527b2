//! What people do to trust a rollout, and what Kubernetes answers.

use crate::support::{User, eventually, everyone, manifests};

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

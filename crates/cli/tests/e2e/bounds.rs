//! What a namespace may hold, and the oldest way to keep pods: quotas, limit ranges, ReplicationControllers.

use crate::support::{User, eventually, everyone};

const BOUNDS: &str = "
apiVersion: v1
kind: ResourceQuota
metadata: {name: small}
spec: {hard: {pods: '2', requests.cpu: '1', count/replicationcontrollers: '1'}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: usual}
spec: {limits: [{type: Container, defaultRequest: {cpu: 100m}, max: {cpu: 500m}}]}
";

const CONTROLLER: &str = "
apiVersion: v1
kind: ReplicationController
metadata: {name: web}
spec:
  replicas: 1
  selector: {app: web}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'jokemeter:lr'}]}
";

#[test]
fn a_namespace_holds_no_more_than_its_quota() {
    let user = User::new(everyone()[0]);
    user.build_images();
    user.up();
    let (bounds, controller) = (user.write("bounds.yaml", BOUNDS), user.write("rc.yaml", CONTROLLER));
    user.kubectl(&["apply", "-f", &bounds]);
    user.kubectl(&["apply", "-f", &controller]);
    let used = |expected: &[(&str, &str)]| {
        eventually(&format!("the quota says {expected:?}"), || {
            let used = user.object(&["resourcequota", "small"])["status"]["used"].clone();
            expected.iter().all(|(name, amount)| used[name] == *amount).then_some(())
        });
    };
    used(&[("pods", "1"), ("requests.cpu", "100m"), ("count/replicationcontrollers", "1")]);
    let ready = |count: u64| {
        eventually(&format!("{count} pods are ready"), || {
            (user.object(&["rc", "web"])["status"]["readyReplicas"] == count).then_some(())
        });
    };
    ready(1);

    user.kubectl(&["scale", "rc/web", "--replicas=3"]);
    ready(2);
    used(&[("pods", "2"), ("requests.cpu", "200m")]);
    let condition = eventually("the controller says why it has too few", || {
        let conditions = user.object(&["rc", "web"])["status"]["conditions"].clone();
        conditions.as_array()?.iter().find(|one| one["type"] == "ReplicaFailure").cloned()
    });
    assert_eq!(condition["reason"], "FailedCreate");
    let words = "exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2";
    assert!(condition["message"].as_str().unwrap().contains(words), "{condition}");
    let refused = user.try_kubectl(&["run", "one-more", "--image=jokemeter:lr"]);
    assert!(refused.stderr.contains(words), "{refused:?}");

    user.kubectl(&["scale", "rc/web", "--replicas=1"]);
    ready(1);
    used(&[("pods", "1"), ("requests.cpu", "100m")]);
    let greedy = r#"{"spec":{"containers":[{"name":"greedy","image":"jokemeter:lr","resources":{"limits":{"cpu":"2"}}}]}}"#;
    let refused = user.try_kubectl(&["run", "greedy", "--image=jokemeter:lr", "--overrides", greedy]);
    assert!(
        refused.stderr.contains("maximum cpu usage per Container is 500m, but limit is 2"),
        "{refused:?}"
    );
    let described = user.kubectl(&["describe", "quota", "small"]);
    assert!(described.lines().any(|line| line.split_whitespace().eq(["pods", "1", "2"])), "{described}");
}

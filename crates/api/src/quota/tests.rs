use serde_json::json;

use super::*;

fn now() -> jiff::Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn usage(group: &str, plural: &str, object: Value) -> Value {
    to_wire(&measure(group, plural, &object, now()).usage)
}

#[test]
fn a_pod_uses_what_its_containers_ask_for() {
    let pod = json!({"spec": {
        "initContainers": [{"resources": {"requests": {"cpu": "2"}}}],
        "containers": [
            {"resources": {"requests": {"cpu": "500m", "memory": "1Gi", "example.com/dongle": "2"},
                "limits": {"cpu": "1"}}},
            {"resources": {"requests": {"cpu": "500m"}}}]}});
    assert_eq!(
        usage("", "pods", pod),
        json!({"count/pods": "1", "pods": "1", "cpu": "2", "requests.cpu": "2", "memory": "1Gi",
            "requests.memory": "1Gi", "limits.cpu": "1", "requests.example.com/dongle": "2"})
    );
}

#[test]
fn a_pod_that_has_ended_only_takes_its_place() {
    let only_place = json!({"count/pods": "1"});
    assert_eq!(usage("", "pods", json!({"status": {"phase": "Succeeded"}})), only_place);
    let leaving = |at: &str| json!({"metadata": {"deletionTimestamp": at, "deletionGracePeriodSeconds": 30}});
    assert_eq!(usage("", "pods", leaving("2025-12-31T23:59:29Z")), only_place);
    assert_eq!(usage("", "pods", leaving("2025-12-31T23:59:40Z"))["pods"], "1");
}

#[test]
fn services_and_claims_use_ports_and_storage() {
    let check = |spec: Value, ports: &str, balancers: &str| {
        let used = usage("", "services", json!({"spec": spec}));
        assert_eq!(used["services.nodeports"], ports, "{spec}");
        assert_eq!(used["services.loadbalancers"], balancers, "{spec}");
    };
    check(json!({"type": "ClusterIP", "ports": [{}]}), "0", "0");
    check(json!({"type": "NodePort", "ports": [{}, {}]}), "2", "0");
    check(json!({"type": "LoadBalancer", "ports": [{}]}), "1", "1");
    let none = json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"nodePort": 3}, {}]});
    check(none, "1", "1");
    let claim = json!({"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}}});
    assert_eq!(
        usage("", "persistentvolumeclaims", claim),
        json!({"count/persistentvolumeclaims": "1", "persistentvolumeclaims": "1", "requests.storage": "1Gi",
            "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
            "gold.storageclass.storage.k8s.io/requests.storage": "1Gi"})
    );
    assert_eq!(usage("apps", "replicasets", json!({})), json!({"count/replicasets.apps": "1"}));
}

#[test]
fn quotas_count_what_is_in_all_their_scopes() {
    let check = |spec: Value, pod: Value, expected: bool| {
        let mut quota = json!({"spec": spec});
        quota["spec"]["hard"] = json!({"pods": "5"});
        let measured = measure("", "pods", &json!({"spec": pod}), now());
        assert_eq!(counts(&quota, "", "pods", &measured), expected, "{quota} {pod}");
    };
    let burstable = json!({"containers": [{"resources": {"requests": {"cpu": "1"}}}]});
    check(json!({}), json!({}), true);
    check(json!({"scopes": ["BestEffort"]}), json!({"containers": [{}]}), true);
    check(json!({"scopes": ["BestEffort"]}), burstable.clone(), false);
    check(json!({"scopes": ["NotBestEffort"]}), burstable, true);
    check(json!({"scopes": ["Terminating"]}), json!({"activeDeadlineSeconds": 5}), true);
    check(json!({"scopes": ["Terminating", "BestEffort"]}), json!({}), false);
    check(json!({"scopes": ["PriorityClass"]}), json!({"priorityClassName": "a"}), true);
    let select = |operator: &str| {
        json!({"scopeSelector": {"matchExpressions":
            [{"scopeName": "PriorityClass", "operator": operator, "values": ["a"]}]}})
    };
    check(select("In"), json!({"priorityClassName": "a"}), true);
    check(select("In"), json!({"priorityClassName": "b"}), false);
    check(select("NotIn"), json!({"priorityClassName": "b"}), true);
    check(select("DoesNotExist"), json!({}), true);
    let affinity = json!({"affinity": {"podAntiAffinity":
        {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["x"]}]}}});
    check(json!({"scopes": ["CrossNamespacePodAffinity"]}), affinity, true);
    check(json!({"scopes": ["CrossNamespacePodAffinity"]}), json!({}), false);
    let secrets = json!({"spec": {"hard": {"secrets": "1"}}});
    assert!(!counts(&secrets, "", "pods", &measure("", "pods", &json!({}), now())));
}

#[test]
fn what_no_longer_fits_is_said_in_kubernetes_words() {
    let quota =
        json!({"metadata": {"name": "small"}, "spec": {"hard": {"pods": "2", "cpu": "1", "secrets": "9"}}});
    let request = Amounts::from([
        ("pods".to_owned(), Quantity::from_count(1)),
        ("cpu".to_owned(), Quantity::from_milli(500)),
        ("memory".to_owned(), Quantity::from_bytes(1)),
    ]);
    let used = |pods: i64, milli: i128| {
        Amounts::from([
            ("pods".to_owned(), Quantity::from_count(pods)),
            ("cpu".to_owned(), Quantity::from_milli(milli)),
        ])
    };
    assert_eq!(check_room(&quota, &request, &used(1, 500)), Ok(()));
    assert_eq!(
        check_room(&quota, &request, &used(2, 700)).unwrap_err(),
        "exceeded quota: small, requested: cpu=500m,pods=1, used: cpu=700m,pods=2, limited: cpu=1,pods=2"
    );
    // what asks for nothing more is let through even where too much is used
    let nothing = Amounts::from([("pods".to_owned(), Quantity::ZERO)]);
    assert_eq!(check_room(&quota, &nothing, &used(7, 0)), Ok(()));
}

#[test]
fn quotas_of_cpu_want_every_container_to_name_it() {
    let quota = json!({"spec": {"hard": {"limits.cpu": "1", "requests.memory": "1Gi", "pods": "1"}}});
    let bare = json!({"spec": {"containers": [{"name": "b"}, {"name": "a", "resources": {"limits": {"cpu": "1"}}}]}});
    assert_eq!(
        check_named(&quota, "", "pods", &bare).unwrap_err(),
        "must specify limits.cpu for: b; requests.memory for: a,b"
    );
    let whole = json!({"spec": {"resources": {"limits": {"cpu": "1"}}, "containers": [{"name": "b"}]}});
    assert_eq!(check_named(&quota, "", "pods", &whole), Ok(()));
}

#[test]
fn growth_is_only_what_is_more() {
    let amounts = |cpu: i64, memory: i64| {
        Amounts::from([
            ("cpu".to_owned(), Quantity::from_count(cpu)),
            ("memory".to_owned(), Quantity::from_bytes(memory)),
        ])
    };
    assert_eq!(to_wire(&growth(&amounts(3, 1), Some(&amounts(1, 5)))), json!({"cpu": "2"}));
    assert_eq!(to_wire(&growth(&amounts(0, 1), None)), json!({"memory": "1"}));
}

#[test]
fn used_names_every_resource_of_the_kind() {
    let quota = json!({"spec": {"hard": {"pods": "5", "cpu": "1", "services": "1"}}});
    let pod = measure("", "pods", &json!({"spec": {"containers": []}}), now());
    let sum = used(&quota, "", "pods", [&pod, &pod].into_iter());
    assert_eq!(to_wire(&sum), json!({"pods": "2", "cpu": "0"}));
}

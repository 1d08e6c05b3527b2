use super::*;
use crate::resource::Registry;

fn cells(kind: &str, group: &str, version: &str, object: &Value) -> Vec<Value> {
    let resource = Registry::builtin().by_kind(group, version, kind).unwrap();
    let now = "2026-11-20T08:00:00Z".parse().unwrap();
    (resource.printer.row)(object, now)
}

fn status_of(pod: Value) -> (String, String, String) {
    let cells = cells("Pod", "", "v1", &pod);
    let text = |place: usize| cells[place].as_str().unwrap().to_owned();
    (text(1), text(2), text(3))
}

fn pod(status: Value) -> Value {
    json!({"metadata": {"name": "x", "creationTimestamp": "2026-11-20T07:50:00Z"},
        "spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "i"}]}, "status": status})
}

#[test]
fn every_row_has_a_cell_per_column() {
    let now = "2026-11-20T08:00:00Z".parse().unwrap();
    for resource in Registry::builtin().iter() {
        for object in [json!({}), json!({"metadata": {"name": "x"}, "spec": 5, "status": []})] {
            let cells = (resource.printer.row)(&object, now);
            assert_eq!(cells.len(), resource.printer.columns.len(), "{}", resource.kind);
        }
    }
}

#[test]
fn the_state_of_a_pod() {
    let check = |status: Value, ready: &str, state: &str, restarts: &str| {
        let expected = (ready.to_owned(), state.to_owned(), restarts.to_owned());
        assert_eq!(status_of(pod(status)), expected);
    };
    check(json!({"phase": "Pending"}), "0/1", "Pending", "0");
    check(
        json!({"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}),
        "0/1",
        "ContainerCreating",
        "0",
    );
    check(
        json!({"phase": "Running", "containerStatuses": [{"ready": true, "restartCount": 2, "state": {"running": {}},
            "lastState": {"terminated": {"finishedAt": "2026-11-20T07:59:50Z"}}}]}),
        "1/1",
        "Running",
        "2 (10s ago)",
    );
    check(
        json!({"phase": "Running", "containerStatuses": [{"restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
        "0/1",
        "CrashLoopBackOff",
        "3",
    );
    check(
        json!({"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}),
        "0/1",
        "Completed",
        "0",
    );
    check(
        json!({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}),
        "0/1",
        "ExitCode:3",
        "0",
    );
    check(
        json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}],
            "containerStatuses": [{"state": {"waiting": {"reason": "PodInitializing"}}}]}),
        "0/1",
        "Init:0/1",
        "0",
    );
    check(
        json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "restartCount": 1,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
        "0/1",
        "Init:CrashLoopBackOff",
        "1",
    );
    check(json!({"phase": "Failed", "reason": "Evicted"}), "0/1", "Evicted", "0");
}

#[test]
fn a_pod_being_deleted_is_terminating() {
    let mut ending =
        pod(json!({"phase": "Running", "containerStatuses": [{"ready": true, "state": {"running": {}}}]}));
    ending["metadata"]["deletionTimestamp"] = "2026-11-20T07:59:59Z".into();
    assert_eq!(status_of(ending).1, "Terminating");
}

#[test]
fn services_and_ingresses() {
    let service = json!({"metadata": {"name": "web", "creationTimestamp": "2026-11-20T07:55:00Z"},
        "spec": {"type": "NodePort", "clusterIPs": ["10.96.0.7"], "selector": {"app": "web"},
            "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}});
    let expected: Vec<Value> =
        ["web", "NodePort", "10.96.0.7", "<none>", "80:30080/TCP,53/UDP", "5m", "app=web"]
            .map(Value::from)
            .into();
    assert_eq!(cells("Service", "", "v1", &service), expected);
    let ingress = json!({"metadata": {"name": "web", "creationTimestamp": "2026-11-20T07:55:00Z"},
        "spec": {"rules": [{"host": "a"}, {"host": "b"}, {"host": "c"}, {"host": "d"}], "tls": [{}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}}});
    let expected: Vec<Value> =
        ["web", "<none>", "a,b,c + 1 more...", "127.0.0.1", "80, 443", "5m"].map(Value::from).into();
    assert_eq!(cells("Ingress", "networking.k8s.io", "v1", &ingress), expected);
}

#[test]
fn nodes_and_deployments() {
    let node = json!({"metadata": {"name": "n", "labels": {"node-role.kubernetes.io/control-plane": ""},
            "creationTimestamp": "2026-11-18T07:55:00Z"},
        "spec": {"unschedulable": true},
        "status": {"conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.36.0", "kernelVersion": "6.1", "architecture": "amd64"}}});
    let found = cells("Node", "", "v1", &node);
    let expected = ["n", "Ready,SchedulingDisabled", "control-plane", "2d", "v1.36.0", "<none>", "<none>"];
    assert_eq!(found[..7], expected.map(Value::from));
    assert_eq!(found[8], "6.1 (amd64)");
    let deployment = json!({"metadata": {"name": "d", "creationTimestamp": "2026-11-20T07:59:01Z"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "d"}},
            "template": {"spec": {"containers": [{"name": "a", "image": "x:1"}]}}},
        "status": {"readyReplicas": 1, "updatedReplicas": 3}});
    let expected = json!(["d", "1/3", 3, 0, "59s", "a", "x:1", "app=d"]);
    assert_eq!(Value::from(cells("Deployment", "apps", "v1", &deployment)), expected);
}

#[test]
fn autoscalers_show_current_and_target() {
    let object = json!({"metadata": {"name": "h"}, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"},
        "minReplicas": 1, "maxReplicas": 5, "metrics": [
            {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 50}}},
            {"type": "Pods", "pods": {"metric": {"name": "r"}, "target": {"averageValue": "10"}}}]},
        "status": {"currentReplicas": 2, "currentMetrics": [{"type": "Resource", "resource": {"current": {"averageUtilization": 7}}}]}});
    let found = cells("HorizontalPodAutoscaler", "autoscaling", "v2", &object);
    assert_eq!(found[1..4], ["Deployment/d", "cpu: 7%/50%, <unknown>/10", "1"].map(Value::from));
}

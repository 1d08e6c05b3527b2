//! Refusals whose words were compared with a kube-apiserver (`scripts/compare`).

use serde_json::{Value, json};

use super::{pod, refusal, update_refusal};

fn container(change: Value) -> Value {
    let mut container = json!({"name": "a", "image": "x"});
    for (key, value) in change.as_object().unwrap() {
        container[key] = value.clone();
    }
    pod(json!({"containers": [container]}))
}

#[test]
fn parts_of_pods() {
    let check = |object: Value, words: &str| assert_eq!(refusal("", "Pod", object), words);
    check(
        container(json!({"resizePolicy": [{"resourceName": "gpu", "restartPolicy": "NotRequired"}]})),
        "spec.containers[0].resizePolicy: Unsupported value: \"gpu\": supported values: \"cpu\", \"memory\"",
    );
    let variable = |reference: Value| {
        container(json!({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": reference}}]}))
    };
    check(
        variable(json!({"resource": "nonsense"})),
        "spec.containers[0].env[0].valueFrom.resourceFieldRef.resource: Unsupported value: \"nonsense\": supported values: \"limits.cpu\", \"limits.ephemeral-storage\", \"limits.memory\", \"requests.cpu\", \"requests.ephemeral-storage\", \"requests.memory\"",
    );
    check(
        variable(json!({"resource": "limits.cpu", "divisor": "7"})),
        "spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: \"limits.cpu\": only divisor's values 1m and 1 are supported with the cpu resource",
    );
    let volume = |source: Value| {
        let mut volume = json!({"name": "v"});
        volume.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        pod(json!({"containers": [{"name": "a", "image": "x"}], "volumes": [volume]}))
    };
    check(
        volume(json!({"downwardAPI": {"items": [{"path": "a"}]}})),
        "spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required",
    );
    check(
        volume(json!({"projected": {"sources": [{"serviceAccountToken": {}}]}})),
        "spec.volumes[0].projected.path: Required value",
    );
    check(
        volume(json!({"nfs": {"server": "s", "path": "relative"}})),
        "spec.volumes[0].nfs.path: Invalid value: \"relative\": must be an absolute path",
    );
}

/// The values of the keys become part of the selector before it is judged: only what is there twice is refused.
#[test]
fn keys_of_spread_constraints() {
    let check = |selector: Value, words: &str| {
        let constraint = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
            "matchLabelKeys": ["tier"], "labelSelector": selector});
        let object = json!({"metadata": {"name": "x", "namespace": "n", "labels": {"tier": "back"}},
            "spec": {"containers": [{"name": "a", "image": "x"}], "topologySpreadConstraints": [constraint]}});
        assert_eq!(refusal("", "Pod", object), words);
    };
    check(json!({"matchLabels": {"app": "web"}}), "");
    let told = "spec.topologySpreadConstraints[0][0]: Invalid value: \"tier\": exists in both matchLabelKeys and labelSelector";
    check(json!({"matchLabels": {"tier": "back"}}), told);
    check(json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}), told);
    check(
        json!(null),
        "spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set",
    );
}

#[test]
fn daemon_sets_surge_or_go_without() {
    let check = |rolling: Value, words: &str| {
        let object = json!({"metadata": {"name": "x", "namespace": "n"}, "spec": {
            "selector": {"matchLabels": {"a": "b"}}, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "x"}]}}}});
        assert_eq!(refusal("apps", "DaemonSet", object), words);
    };
    let path = "spec.updateStrategy.rollingUpdate";
    check(json!({"maxUnavailable": "50%"}), "");
    check(json!({"maxUnavailable": 0, "maxSurge": 1}), "");
    check(
        json!({"maxSurge": 1}),
        &format!("{path}.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"),
    );
    check(
        json!({"maxUnavailable": 0}),
        &format!("{path}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
    );
    check(
        json!({"maxUnavailable": "101%"}),
        &format!("{path}.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%"),
    );
}

#[test]
fn the_storage_of_claims_and_volumes() {
    let claim = |spec: Value| json!({"metadata": {"name": "x", "namespace": "n"}, "spec": spec});
    let sound = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1500u"}}});
    assert_eq!(refusal("", "PersistentVolumeClaim", claim(sound.clone())), "");
    let grown = |claim: &mut Value| claim["spec"]["resources"]["requests"]["storage"] = json!("2");
    let why = "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
    assert_eq!(update_refusal("", "PersistentVolumeClaim", claim(sound), grown), why);
    let volume = json!({"metadata": {"name": "x"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data"}}});
    let moved = |volume: &mut Value| volume["spec"]["hostPath"]["path"] = json!("/other");
    assert_eq!(
        update_refusal("", "PersistentVolume", volume, moved),
        "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"
    );
}

#[test]
fn network_policies() {
    let check = |rule: Value, words: &str| {
        let object = json!({"metadata": {"name": "x", "namespace": "n"},
            "spec": {"podSelector": {}, "ingress": [rule]}});
        assert_eq!(refusal("networking.k8s.io", "NetworkPolicy", object), words);
    };
    check(json!({"from": [{"podSelector": {}}], "ports": [{"port": "http"}, {"port": 1, "endPort": 2}]}), "");
    check(json!({"from": [{}]}), "spec.ingress[0].from[0]: Required value: must specify a peer");
    check(
        json!({"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}),
        "spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer",
    );
    check(
        json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16", "10.1.0.0/16"]}}]}),
        "spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: \"11.0.0.0/16\": must be a strict subset of `cidr`",
    );
    check(
        json!({"ports": [{"port": 9, "endPort": 8}]}),
        "spec.ingress[0].ports[0].endPort: Invalid value: 9: must be greater than or equal to `port`",
    );
}

#[test]
fn failure_policies_of_jobs() {
    let check = |rule: Value, words: &str| {
        let object = json!({"metadata": {"name": "x", "namespace": "n", "uid": "u"}, "spec": {
            "podFailurePolicy": {"rules": [rule]},
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "x"}]}}}});
        assert_eq!(refusal("batch", "Job", object), words);
    };
    let path = "spec.podFailurePolicy.rules[0]";
    check(json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}), "");
    check(
        json!({"action": "Ignore"}),
        &format!("{path}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"),
    );
    check(
        json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0]}}),
        &format!("{path}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator"),
    );
    check(
        json!({"onExitCodes": {"operator": "In", "values": [2, 1], "containerName": "b"}}),
        &format!(
            "[{path}.action: Required value: valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"], {path}.onExitCodes.containerName: Invalid value: \"b\": must be one of the container or initContainer names in the pod template, {path}.onExitCodes.values: Invalid value: [2,1]: must be ordered]"
        ),
    );
}

#[test]
fn aggregated_roles() {
    let object = json!({"metadata": {"name": "x"}, "aggregationRule": {}});
    assert_eq!(
        refusal("rbac.authorization.k8s.io", "ClusterRole", object),
        "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil"
    );
}

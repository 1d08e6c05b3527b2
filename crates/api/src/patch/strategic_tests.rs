use super::*;
use crate::schema::named;
use serde_json::json;

fn check(kind: &str, mut object: Value, patch: Value, expected: Value) {
    apply(named(kind), &mut object, patch).unwrap();
    assert_eq!(object, expected);
}

const DEPLOYMENT: &str = "apps.v1.Deployment";

fn containers(list: Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": list}}}})
}

#[test]
fn containers_merge_by_name() {
    check(
        DEPLOYMENT,
        containers(
            json!([{"name": "a", "image": "x:1", "env": [{"name": "K", "value": "1"}]}, {"name": "b"}]),
        ),
        containers(json!([{"name": "a", "image": "x:2"}, {"name": "c"}])),
        containers(
            json!([{"name": "a", "image": "x:2", "env": [{"name": "K", "value": "1"}]}, {"name": "c"}, {"name": "b"}]),
        ),
    );
}

#[test]
fn directives_delete_and_replace() {
    check(
        DEPLOYMENT,
        containers(json!([{"name": "a"}, {"name": "b"}])),
        containers(json!([{"name": "a", "$patch": "delete"}])),
        containers(json!([{"name": "b"}])),
    );
    check(
        DEPLOYMENT,
        containers(json!([{"name": "a"}, {"name": "b"}])),
        containers(json!([{"$patch": "replace"}, {"name": "c"}])),
        containers(json!([{"name": "c"}])),
    );
    check(
        DEPLOYMENT,
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
        json!({"spec": {"strategy": {"$patch": "replace", "type": "Recreate"}}}),
        json!({"spec": {"strategy": {"type": "Recreate"}}}),
    );
}

#[test]
fn retained_keys_drop_the_others() {
    check(
        DEPLOYMENT,
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
        json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
        json!({"spec": {"strategy": {"type": "Recreate"}}}),
    );
}

#[test]
fn the_order_of_a_list_is_set() {
    check(
        DEPLOYMENT,
        containers(json!([{"name": "a"}, {"name": "b"}, {"name": "x"}])),
        json!({"spec": {"template": {"spec": {
            "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}],
            "containers": [{"name": "c"}]}}}}),
        containers(json!([{"name": "b"}, {"name": "c"}, {"name": "a"}, {"name": "x"}])),
    );
}

#[test]
fn scalars_merge_as_a_set_and_can_be_deleted() {
    let finalizers = |list: Value| json!({"metadata": {"finalizers": list}});
    check(
        "core.v1.Pod",
        finalizers(json!(["a"])),
        finalizers(json!(["b", "a"])),
        finalizers(json!(["b", "a"])),
    );
    check(
        "core.v1.Pod",
        finalizers(json!(["a", "b"])),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}),
        finalizers(json!(["b"])),
    );
}

#[test]
fn lists_without_a_key_and_null_replace_and_remove() {
    check(
        "core.v1.Pod",
        json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"containers": [{"name": "c", "args": ["x"]}]}}),
        json!({"metadata": {"labels": {"a": null, "c": "3"}}, "spec": {"containers": [{"name": "c", "args": ["y", "z"]}]}}),
        json!({"metadata": {"labels": {"b": "2", "c": "3"}}, "spec": {"containers": [{"name": "c", "args": ["y", "z"]}]}}),
    );
}

#[test]
fn ports_of_services_merge_by_port() {
    let ports = |list: Value| json!({"spec": {"ports": list}});
    check(
        "core.v1.Service",
        ports(json!([{"port": 80, "protocol": "TCP", "nodePort": 30000}])),
        ports(json!([{"port": 80, "targetPort": 8080}])),
        ports(json!([{"port": 80, "protocol": "TCP", "nodePort": 30000, "targetPort": 8080}])),
    );
}

#[test]
fn malformed_patches_are_refused() {
    let refuse = |patch: Value| {
        let mut object = containers(json!([{"name": "a"}]));
        apply(named(DEPLOYMENT), &mut object, patch).unwrap_err().message
    };
    assert_eq!(
        refuse(containers(json!([{"image": "x"}]))),
        "map: map[image:x] does not contain declared merge key: name"
    );
    assert_eq!(refuse(json!({"spec": {"$patch": "fly"}})), "unknown patch type found: fly");
    assert!(refuse(json!([1])).contains("must be a JSON object"));
    assert!(refuse(json!({"spec": {"$retainKeys": [], "replicas": 1}})).contains("replicas"));
}

#[test]
fn no_directive_is_ever_stored() {
    check(
        DEPLOYMENT,
        json!({}),
        containers(
            json!([{"name": "a", "$setElementOrder/env": [{"name": "K"}], "env": [{"name": "K", "value": null}],
            "livenessProbe": {"$patch": "delete"}}]),
        ),
        containers(json!([{"name": "a", "env": [{"name": "K"}]}])),
    );
}

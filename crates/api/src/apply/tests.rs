use super::*;
use crate::decode::{self, FieldValidation};
use crate::resource::Registry;

fn resource(group: &str, kind: &str) -> &'static Resource {
    Registry::builtin().by_kind(group, "v1", kind).unwrap()
}

fn manager(name: &str) -> Manager<'_> {
    Manager { name, subresource: "", now: "2026-11-20T08:00:00Z".parse().unwrap() }
}

fn deployment(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec})
}

fn containers(list: Value) -> Value {
    json!({"template": {"spec": {"containers": list}}})
}

/// Applies as the API server does: the result is decoded.
fn apply(live: Option<&Value>, applied: Value, name: &str, force: bool) -> Result<Value, ApiError> {
    let row = resource("apps", "Deployment");
    let body = applied.to_string();
    let applied = decode::decode_applied(row, body.as_bytes(), FieldValidation::Strict)?.object;
    let object = apply_as_written(row, live, &applied, manager(name), force)?;
    Ok(decode::check(row, object, FieldValidation::Strict).unwrap().object)
}

fn fields(object: &Value, name: &str) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    entries
        .iter()
        .find(|entry| entry["manager"] == name)
        .map_or(Value::Null, |entry| entry["fieldsV1"].clone())
}

#[test]
fn an_applier_owns_what_it_names() {
    let object =
        apply(None, deployment(containers(json!([{"name": "a", "image": "x"}]))), "me", false).unwrap();
    let expected = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {
        "k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}});
    assert_eq!(fields(&object, "me"), expected);
    let entry = &object["metadata"]["managedFields"][0];
    assert_eq!((&entry["operation"], &entry["apiVersion"]), (&json!("Apply"), &json!("apps/v1")));
}

#[test]
fn an_applier_owns_the_empty_parts_that_it_names() {
    let written = apply(None, deployment(json!({"strategy": {}})), "me", false).unwrap();
    assert_eq!(fields(&written, "me"), json!({"f:spec": {"f:strategy": {}}}));
}

#[test]
fn what_is_no_longer_named_goes() {
    let first = deployment(
        json!({"replicas": 2, "paused": true, "template": {"metadata": {"labels": {"a": "1", "b": "2"}}}}),
    );
    let live = apply(None, first, "me", false).unwrap();
    let second = deployment(json!({"replicas": 2, "template": {"metadata": {"labels": {"a": "1"}}}}));
    let object = apply(Some(&live), second, "me", false).unwrap();
    assert_eq!(object["spec"].get("paused"), None);
    assert_eq!(object["spec"]["template"]["metadata"]["labels"], json!({"a": "1"}));
}

#[test]
fn what_another_owns_stays() {
    let live = apply(None, deployment(json!({"replicas": 2, "paused": true})), "me", false).unwrap();
    let live = apply(Some(&live), deployment(json!({"paused": true})), "you", false).unwrap();
    let object = apply(Some(&live), deployment(json!({"replicas": 2})), "me", false).unwrap();
    assert_eq!(object["spec"]["paused"], true);
    assert_eq!(fields(&object, "you"), json!({"f:spec": {"f:paused": {}}}));
}

#[test]
fn conflicts_name_the_other_and_the_field() {
    let live = apply(None, deployment(json!({"replicas": 2})), "me", false).unwrap();
    let error = apply(Some(&live), deployment(json!({"replicas": 3})), "you", false).unwrap_err();
    assert_eq!(error.code, 409);
    assert_eq!(error.message, "Apply failed with 1 conflict: conflict with \"me\": .spec.replicas");
    let cause = &error.to_json()["details"]["causes"][0];
    let expected = json!({"reason": "FieldManagerConflict", "message": "conflict with \"me\"", "field": ".spec.replicas"});
    assert_eq!(*cause, expected);
    let object = apply(Some(&live), deployment(json!({"replicas": 3})), "you", true).unwrap();
    assert_eq!(object["spec"]["replicas"], 3);
    assert_eq!(fields(&object, "me"), Value::Null);
}

#[test]
fn updaters_are_told_with_their_version() {
    let row = resource("apps", "Deployment");
    let mut live =
        decode::check(row, deployment(json!({"replicas": 2, "paused": true})), FieldValidation::Strict)
            .unwrap()
            .object;
    track_update(row, None, &mut live, manager("kubectl-create"));
    let error = apply(Some(&live), deployment(json!({"replicas": 3, "minReadySeconds": 1})), "you", false)
        .unwrap_err();
    assert_eq!(
        error.message,
        "Apply failed with 1 conflict: conflict with \"kubectl-create\" using apps/v1: .spec.replicas"
    );
    let two = deployment(json!({"replicas": 3, "template": {"metadata": {"labels": {"x": "y"}}}}));
    let live = apply(Some(&live), two.clone(), "you", true).unwrap();
    let mut other = two;
    other["spec"]["template"]["metadata"]["labels"]["x"] = "z".into();
    other["spec"]["replicas"] = 4.into();
    let error = apply(Some(&live), other, "third", false).unwrap_err();
    assert_eq!(
        error.message,
        "Apply failed with 2 conflicts: conflicts with \"you\":\n- .spec.replicas\n- .spec.template.metadata.labels.x"
    );
}

#[test]
fn an_update_takes_what_it_changes() {
    let row = resource("apps", "Deployment");
    let live = apply(None, deployment(json!({"replicas": 2, "paused": true})), "me", false).unwrap();
    let mut new = live.clone();
    new["spec"]["replicas"] = 5.into();
    track_update(row, Some(&live), &mut new, manager("kubectl-scale"));
    assert_eq!(fields(&new, "kubectl-scale"), json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!(fields(&new, "me"), json!({"f:spec": {"f:paused": {}}}));
    let before = new.clone();
    track_update(row, Some(&before), &mut new, manager("nobody"));
    assert_eq!(new, before);
}

#[test]
fn the_status_belongs_to_its_subresource() {
    let row = resource("apps", "Deployment");
    let mut live = apply(None, deployment(json!({"replicas": 2})), "me", false).unwrap();
    live["metadata"]["uid"] = "u".into();
    let mut new = live.clone();
    new["status"] = json!({"replicas": 1});
    track_update(row, Some(&live), &mut new, Manager { subresource: "status", ..manager("controller") });
    assert_eq!(fields(&new, "controller"), json!({"f:status": {"f:replicas": {}}}));
    let entry = new["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["manager"] == "controller");
    assert_eq!(entry.unwrap()["subresource"], "status");
}

#[test]
fn items_keep_their_places() {
    let first = deployment(containers(json!([{"name": "a", "image": "x"}, {"name": "b", "image": "x"}])));
    let live = apply(None, first, "me", false).unwrap();
    let second = deployment(containers(json!([{"name": "side", "image": "y"}])));
    let live = apply(Some(&live), second, "you", false).unwrap();
    let names = |object: &Value| -> Vec<String> {
        let list = object["spec"]["template"]["spec"]["containers"].as_array().unwrap();
        list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&live), ["a", "b", "side"]);
    let third = deployment(containers(json!([{"name": "b", "image": "x"}, {"name": "a", "image": "x"}])));
    assert_eq!(names(&apply(Some(&live), third, "me", false).unwrap()), ["b", "side", "a"]);
    let fourth = deployment(containers(json!([{"name": "b", "image": "x"}])));
    assert_eq!(names(&apply(Some(&live), fourth, "me", false).unwrap()), ["b", "side"]);
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let wanted = || {
        deployment(json!({"replicas": 2, "template": {"spec": {"containers": [
        {"name": "a", "image": "x", "ports": [{"containerPort": 80}]}]}}}))
    };
    let live = apply(None, wanted(), "me", false).unwrap();
    let row = resource("apps", "Deployment");
    let later = Manager { now: "2026-11-20T09:00:00Z".parse().unwrap(), ..manager("me") };
    let again = apply_as_written(row, Some(&live), &wanted(), later, false).unwrap();
    assert_eq!(decode::check(row, again, FieldValidation::Strict).unwrap().object, live);
}

#[test]
fn client_side_apply_is_taken_over_by_kubectl() {
    let row = resource("apps", "Deployment");
    let wanted = deployment(json!({"replicas": 2}));
    let mut live = decode::check(row, wanted.clone(), FieldValidation::Strict).unwrap().object;
    live["metadata"]["annotations"] = json!({ LAST_APPLIED: wanted.to_string() });
    track_update(row, None, &mut live, manager("kubectl-client-side-apply"));
    let object = apply(Some(&live), deployment(json!({"replicas": 3})), "kubectl", false).unwrap();
    assert_eq!(object["spec"]["replicas"], 3);
    assert!(object["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap().contains("\"replicas\":3"));
    assert!(apply(Some(&live), deployment(json!({"replicas": 3})), "other", false).is_err());
}

#[test]
fn malformed_applies_are_refused() {
    let twice = deployment(containers(json!([{"name": "a", "image": "x"}, {"name": "a", "image": "y"}])));
    let message = apply(None, twice, "me", false).unwrap_err().message;
    assert!(
        message.ends_with(".spec.template.spec.containers: duplicate entries for key [name=\"a\"]"),
        "{message}"
    );
    let mut owned = deployment(json!({}));
    owned["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    assert_eq!(apply(None, owned, "me", false).unwrap_err().message, "metadata.managedFields must be nil");
}

#[test]
fn old_updaters_are_gathered() {
    let row = resource("", "ConfigMap");
    let mut live =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "0"}});
    track_update(row, None, &mut live, manager("m0"));
    for count in 1..15 {
        let mut new = live.clone();
        new["data"][format!("k{count}")] = "x".into();
        let now = format!("2026-11-20T08:00:{count:02}Z").parse().unwrap();
        track_update(row, Some(&live), &mut new, Manager { now, ..manager(&format!("m{count}")) });
        live = new;
    }
    let entries = live["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.len(), 10);
    assert!(entries.iter().any(|entry| entry["manager"] == ANCIENT_NAME));
}

const ANCIENT_NAME: &str = "ancient-changes";

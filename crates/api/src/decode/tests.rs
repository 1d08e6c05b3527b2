use super::*;
use crate::resource::Registry;
use serde_json::json;

fn resource(group: &str, kind: &str) -> &'static Resource {
    Registry::builtin().by_kind(group, "v1", kind).unwrap()
}

fn refusal(group: &str, kind: &str, body: &str) -> String {
    decode(resource(group, kind), body.as_bytes(), FieldValidation::Strict).unwrap_err().message
}

#[test]
fn unknown_and_duplicate_fields_are_named() {
    let body = r#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"x","name":"y"},
        "spec":{"foo":1,"template":{"spec":{"containers":[{"name":"a","imag":"b"}]}}}}"#;
    assert_eq!(
        refusal("apps", "Deployment", body),
        "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field \"spec.template.spec.containers[0].imag\", unknown field \"spec.foo\", duplicate field \"metadata.name\""
    );
    let warned = decode(resource("apps", "Deployment"), body.as_bytes(), FieldValidation::Warn).unwrap();
    assert_eq!(warned.warnings.len(), 3);
    assert_eq!(warned.object["spec"].get("foo"), None);
}

#[test]
fn wrong_types_are_worded_as_go_words_them() {
    let check = |body: &str, words: &str| {
        let message = refusal("apps", "Deployment", body);
        assert!(message.ends_with(words), "{message}");
    };
    check(
        r#"{"spec":{"replicas":"three"}}"#,
        "cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    check(
        r#"{"metadata":{"labels":{"a":1}}}"#,
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
    );
    check(
        r#"{"spec":{"template":{"spec":{"containers":[{"args":"x"}]}}}}"#,
        "json: cannot unmarshal string into Go struct field Container.spec.template.spec.containers.args of type []string",
    );
    check(
        r#"{"spec":{"replicas":1.5}}"#,
        "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    check(
        r#"{"spec":{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}}}}"#,
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
    check(
        r#"{"spec":{"template":7}}"#,
        "json: cannot unmarshal number into Go struct field DeploymentSpec.spec.template of type v1.PodTemplateSpec",
    );
}

#[test]
fn the_object_is_what_a_round_trip_through_go_gives() {
    let body = br#"{"metadata":{"name":"x","annotations":{},"labels":null},
        "spec":{"hostNetwork":false,"containers":[{"name":"a","command":[],"resources":{"limits":{"memory":"1024Ki","cpu":1}}}],
        "securityContext":{}}}"#;
    let decoded = decode(resource("", "Pod"), body, FieldValidation::Strict).unwrap();
    let expected = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "x"}, "status": {},
        "spec": {"containers": [{"name": "a", "resources": {"limits": {"memory": "1Mi", "cpu": "1"}}}], "securityContext": {}}});
    assert_eq!(decoded.object, expected);
}

#[test]
fn other_kinds_and_versions_are_refused() {
    assert_eq!(
        refusal("", "Pod", r#"{"kind":"Pod","apiVersion":"v2"}"#),
        "Pod in version \"v2\" cannot be handled as a Pod: no kind \"Pod\" is registered for version \"v2\" in scheme \"pkg/runtime/scheme.go:111\""
    );
    assert!(refusal("", "Pod", "[]").contains("must be of type Pod"));
    assert!(refusal("", "Pod", "{").contains("json parse error"));
    assert!(refusal("", "Pod", &"[".repeat(10_000)).contains("exceeded max depth"));
}

#[test]
fn base64_is_checked() {
    assert!(refusal("", "Secret", r#"{"data":{"a":"x!"}}"#).ends_with("illegal base64 data at input byte 1"));
    let good = br#"{"data":{"a":"aGk="}}"#;
    assert!(decode(resource("", "Secret"), good, FieldValidation::Strict).is_ok());
}

/// As kube-apiserver 1.36 answered the same patches.
#[test]
fn a_patch_is_blamed_for_what_it_makes_wrong() {
    let row = resource("apps", "Deployment");
    let check = |patch: Value, field: FieldValidation, expected: &str| {
        let mut object =
            json!({"metadata": {"name": "d"}, "spec": {"template": {"spec": {"containers": []}}}});
        crate::patch::merge_patch(&mut object, patch.clone());
        let how = Patched::Strategically(&patch);
        let error = check_patched(row, object.clone(), field, how).unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            (422, format!(" \"\" is invalid: patch: Invalid value: {expected}").as_str())
        );
        let error = check_patched(row, object, field, Patched::AsDocument).unwrap_err();
        assert!(
            error.message.starts_with(" \"\" is invalid: patch: Invalid value: \"{\\\""),
            "{}",
            error.message
        );
    };
    let of_pod = |spec: Value| json!({"spec": {"template": {"spec": spec}}});
    let warn = FieldValidation::Warn;
    check(
        json!({"spec": {"replicas": "x"}}),
        warn,
        "\"map[spec:map[replicas:x]]\": unrecognized type: int32",
    );
    check(
        json!({"spec": {"replicas": 1.5}}),
        warn,
        "\"map[spec:map[replicas:1.5]]\": cannot convert float64 to int32",
    );
    check(json!({"spec": {"paused": "yes"}}), warn, "\"map[spec:map[paused:yes]]\": unrecognized type: bool");
    check(json!({"spec": 7}), warn, "\"map[spec:7]\": cannot restore struct from: int64");
    check(
        json!({"metadata": {"labels": {"a": 1}}}),
        warn,
        "\"map[metadata:map[labels:map[a:1]]]\": cannot convert int64 to string",
    );
    check(
        json!({"spec": {"selector": {"matchLabels": [1]}}}),
        warn,
        "\"map[spec:map[selector:map[matchLabels:[1]]]]\": cannot restore map from slice",
    );
    check(
        of_pod(json!({"containers": "x"})),
        warn,
        "\"map[spec:map[template:map[spec:map[containers:x]]]]\": cannot restore slice from string",
    );
    check(
        of_pod(json!({"containers": [{"name": "c", "readinessProbe": {"httpGet": {"port": true}}}]})),
        warn,
        "\"map[spec:map[template:map[spec:map[containers:[map[name:c readinessProbe:map[httpGet:map[port:true]]]]]]]]\": json: cannot unmarshal bool into Go value of type int32",
    );
    check(
        json!({"spec": {"foo": 1}}),
        FieldValidation::Strict,
        "\"map[spec:map[foo:1]]\": strict decoding error: unknown field \"spec.foo\"",
    );
}

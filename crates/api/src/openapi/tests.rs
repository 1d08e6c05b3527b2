use super::*;

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match (key.as_str(), inner) {
                    ("$ref", Value::String(target)) => found.push(target.clone()),
                    _ => references(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn v2_document(registry: &Registry) -> Value {
    serde_json::from_slice(&v2_json(registry)).unwrap()
}

#[test]
fn every_reference_of_every_document_resolves() {
    let registry = Registry::builtin();
    let mut documents = vec![v2_document(registry)];
    for path in v3_index(registry)["paths"].as_object().unwrap().keys() {
        documents.push(serde_json::from_slice(&v3_document(registry, path).unwrap()).unwrap());
    }
    for document in documents {
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for target in found {
            assert!(document.pointer(&target[1..]).is_some(), "{target}");
        }
    }
}

#[test]
fn clients_find_that_dry_run_and_field_validation_are_supported() {
    let document = v2_document(Registry::builtin());
    for row in Registry::builtin().iter().filter(|row| row.verbs.contains(&"patch")) {
        let has_both = document["paths"].as_object().unwrap().values().any(|item| {
            let kind = &item["patch"]["x-kubernetes-group-version-kind"];
            let parameters = item["patch"]["parameters"].to_string();
            kind["kind"] == row.kind
                && kind["group"] == row.group
                && kind["version"] == row.version
                && parameters.contains("dryRun")
                && parameters.contains("fieldValidation")
        });
        assert!(has_both, "{}", row.kind);
    }
}

#[test]
fn every_row_has_a_definition_with_its_kind() {
    let document = v2_document(Registry::builtin());
    for row in Registry::builtin().iter() {
        let definition = &document["definitions"][row.schema().unwrap().definition()];
        let expected = json!({"group": row.group, "version": row.version, "kind": row.kind});
        let kinds = definition["x-kubernetes-group-version-kind"].as_array().unwrap();
        assert!(kinds.contains(&expected), "{}: {kinds:?}", row.kind);
    }
}

#[test]
fn the_protobuf_form_is_smaller_than_the_json_and_not_empty() {
    let registry = Registry::builtin();
    let (binary, text) = (v2_protobuf(registry), v2_json(registry));
    assert!(binary.len() > 100_000 && binary.len() < text.len(), "{} {}", binary.len(), text.len());
}

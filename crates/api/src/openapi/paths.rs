//! Paths and their operations.

use serde_json::{Map, Value, json};

use super::Form;
use super::schemas::{body_type, list_type};
use crate::discovery::response_kind;
use crate::resource::{Resource, Subresource};
use crate::schema;

const JSON: [&str; 2] = ["application/json", "application/yaml"];
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
const LIST_PARAMETERS: [(&str, &str); 10] = [
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];
const WRITE_PARAMETERS: [(&str, &str); 3] =
    [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
const PATCH_PARAMETERS: [(&str, &str); 4] =
    [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean")];
const DELETE_PARAMETERS: [(&str, &str); 4] = [
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];

/// Returns the paths of a set of rows, a row at a time.
pub(super) fn of(rows: &[&'static Resource], form: Form) -> impl Iterator<Item = (String, Value)> {
    rows.iter().flat_map(move |row| of_row(row, form))
}

fn of_row(row: &'static Resource, form: Form) -> Vec<(String, Value)> {
    let root = match row.group {
        "" => format!("/api/{}", row.version),
        group => format!("/apis/{group}/{}", row.version),
    };
    let scope = if row.namespaced { "/namespaces/{namespace}" } else { "" };
    let writer = Writer { row, form };
    let collection = format!("{root}{scope}/{}", row.plural);
    let mut paths = vec![(collection.clone(), writer.collection())];
    if row.namespaced && row.verbs.contains(&"list") {
        paths.push((format!("{root}/{}", row.plural), writer.all_namespaces()));
    }
    if row.verbs.contains(&"get") {
        paths.push((format!("{collection}/{{name}}"), writer.item()));
    }
    for part in row.subresources {
        paths.push((format!("{collection}/{{name}}/{}", part.name()), writer.subresource(*part)));
    }
    paths
}

struct Writer<'a> {
    row: &'a Resource,
    form: Form,
}

/// One operation to write.
struct Operation<'a> {
    action: &'a str,
    /// The verb in the operation's identifier.
    verb: &'a str,
    suffix: &'a str,
    query: &'a [(&'a str, &'a str)],
    body: Option<String>,
    answer: String,
    consumes: &'a [&'a str],
    kind: (&'a str, &'a str, &'a str),
}

impl Writer<'_> {
    fn own(&self) -> (&str, &str, &str) {
        (self.row.group, self.row.version, self.row.kind)
    }

    fn definition(&self) -> String {
        self.row.schema().map(schema::Type::definition).unwrap_or_default()
    }

    fn list_definition(&self) -> String {
        list_type(self.row).map(schema::Type::definition).unwrap_or_default()
    }

    fn list(&self, suffix: &str) -> Value {
        self.operation(&Operation {
            action: "list",
            verb: "list",
            suffix,
            query: &LIST_PARAMETERS,
            body: None,
            answer: self.list_definition(),
            consumes: &["*/*"],
            kind: self.own(),
        })
    }

    fn all_namespaces(&self) -> Value {
        json!({"get": self.list("ForAllNamespaces"), "parameters": [self.parameter("pretty", "string")]})
    }

    fn collection(&self) -> Value {
        let mut item = Map::new();
        if self.row.verbs.contains(&"list") {
            item.insert("get".to_owned(), self.list(""));
        }
        if self.row.verbs.contains(&"create") {
            let create = self.write("post", "create", &WRITE_PARAMETERS, self.definition());
            item.insert("post".to_owned(), create);
        }
        if self.row.verbs.contains(&"deletecollection") {
            let delete = self.operation(&Operation {
                action: "deletecollection",
                verb: "delete",
                suffix: "",
                query: &DELETE_PARAMETERS,
                body: Some(status_type("DeleteOptions")),
                answer: status_type("Status"),
                consumes: &["*/*"],
                kind: self.own(),
            });
            item.insert("delete".to_owned(), delete);
        }
        item.insert("parameters".to_owned(), self.path_parameters(false));
        Value::Object(item)
    }

    fn item(&self) -> Value {
        let get = self.operation(&Operation {
            action: "get",
            verb: "read",
            suffix: "",
            query: &[],
            body: None,
            answer: self.definition(),
            consumes: &["*/*"],
            kind: self.own(),
        });
        let delete = self.operation(&Operation {
            action: "delete",
            verb: "delete",
            suffix: "",
            query: &DELETE_PARAMETERS,
            body: Some(status_type("DeleteOptions")),
            answer: status_type("Status"),
            consumes: &["*/*"],
            kind: self.own(),
        });
        json!({"get": get, "delete": delete,
            "put": self.write("put", "replace", &WRITE_PARAMETERS, self.definition()),
            "patch": self.patch("", self.own(), self.definition()),
            "parameters": self.path_parameters(true)})
    }

    fn write(&self, action: &str, verb: &str, query: &[(&str, &str)], definition: String) -> Value {
        self.operation(&Operation {
            action,
            verb,
            suffix: "",
            query,
            body: Some(definition.clone()),
            answer: definition,
            consumes: &["*/*"],
            kind: self.own(),
        })
    }

    fn patch(&self, suffix: &str, kind: (&str, &str, &str), answer: String) -> Value {
        self.operation(&Operation {
            action: "patch",
            verb: "patch",
            suffix,
            query: &PATCH_PARAMETERS,
            body: Some(status_type("Patch")),
            answer,
            consumes: &PATCHES,
            kind,
        })
    }

    fn subresource(&self, part: Subresource) -> Value {
        let definition = body_type(self.row, part).map(schema::Type::definition).unwrap_or_default();
        let kind = response_kind(self.row, part);
        let suffix = capital(part.name());
        let mut item = Map::new();
        for verb in part.verbs() {
            let (method, action, word) = match *verb {
                "get" => ("get", "get", "read"),
                "update" => ("put", "put", "replace"),
                "create" => ("post", "post", "create"),
                "delete" => ("delete", "delete", "delete"),
                _ => {
                    item.insert("patch".to_owned(), self.patch(&suffix, kind, definition.clone()));
                    continue;
                }
            };
            let takes_body = matches!(method, "put" | "post") && !definition.is_empty();
            let operation = self.operation(&Operation {
                action: if definition.is_empty() && part != Subresource::Log { "connect" } else { action },
                verb: word,
                suffix: &suffix,
                query: if takes_body { &WRITE_PARAMETERS } else { &[] },
                body: takes_body.then(|| definition.clone()),
                answer: definition.clone(),
                consumes: &["*/*"],
                kind,
            });
            item.insert(method.to_owned(), operation);
        }
        item.insert("parameters".to_owned(), self.path_parameters(true));
        Value::Object(item)
    }

    fn operation(&self, operation: &Operation<'_>) -> Value {
        let (group, version, kind) = operation.kind;
        let scope =
            if self.row.namespaced && operation.suffix != "ForAllNamespaces" { "Namespaced" } else { "" };
        let short_group = self.row.group.trim_end_matches(".k8s.io");
        let group_word: String = match short_group {
            "" => "Core".to_owned(),
            group => group.split('.').map(capital).collect(),
        };
        let collection = if operation.action == "deletecollection" { "Collection" } else { "" };
        let identifier = format!(
            "{}{group_word}{}{collection}{scope}{}{}",
            operation.verb,
            capital(self.row.version),
            self.row.kind,
            operation.suffix
        );
        let mut found = json!({"operationId": identifier, "x-kubernetes-action": operation.action,
            "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind}});
        let mut parameters: Vec<Value> =
            operation.query.iter().map(|(name, kind)| self.parameter(name, kind)).collect();
        if let Some(body) = &operation.body {
            let schema = self.form.reference(body);
            match self.form {
                Form::V2 => {
                    parameters
                        .insert(0, json!({"in": "body", "name": "body", "required": true, "schema": schema}));
                }
                Form::V3 => {
                    let content: Map<String, Value> = operation
                        .consumes
                        .iter()
                        .map(|mime| ((*mime).to_owned(), json!({ "schema": schema })))
                        .collect();
                    found["requestBody"] = json!({"content": content, "required": true});
                }
            }
        }
        if !parameters.is_empty() {
            found["parameters"] = parameters.into();
        }
        found["responses"] = self.responses(&operation.answer);
        if self.form == Form::V2 {
            found["consumes"] = json!(operation.consumes);
            found["produces"] = json!(JSON);
            found["schemes"] = json!(["https"]);
        }
        found
    }

    fn responses(&self, answer: &str) -> Value {
        let mut success = json!({"description": "OK"});
        let schema = if answer.is_empty() { json!({"type": "string"}) } else { self.form.reference(answer) };
        match self.form {
            Form::V2 => success["schema"] = schema,
            Form::V3 => {
                let content: Map<String, Value> =
                    JSON.iter().map(|mime| ((*mime).to_owned(), json!({ "schema": schema }))).collect();
                success["content"] = content.into();
            }
        }
        json!({"200": success, "401": {"description": "Unauthorized"}})
    }

    fn parameter(&self, name: &str, kind: &str) -> Value {
        match self.form {
            Form::V2 => json!({"in": "query", "name": name, "type": kind, "uniqueItems": true}),
            Form::V3 => json!({"in": "query", "name": name, "schema": {"type": kind, "uniqueItems": true}}),
        }
    }

    fn path_parameters(&self, has_name: bool) -> Value {
        let mut names = Vec::new();
        if has_name {
            names.push("name");
        }
        if self.row.namespaced {
            names.push("namespace");
        }
        let in_path = |name: &str| match self.form {
            Form::V2 => {
                json!({"in": "path", "name": name, "type": "string", "required": true, "uniqueItems": true})
            }
            Form::V3 => json!({"in": "path", "name": name, "required": true,
                "schema": {"type": "string", "uniqueItems": true}}),
        };
        let mut found: Vec<Value> = names.into_iter().map(in_path).collect();
        found.push(self.parameter("pretty", "string"));
        found.into()
    }
}

fn status_type(name: &str) -> String {
    format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

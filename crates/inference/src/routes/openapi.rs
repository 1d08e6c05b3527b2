//! The OpenAPI document, made of the models' own signatures.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Answer, App};
use crate::repository::{Served, Target};
use crate::signature::{ColumnKind, Output, Signature};
use crate::wire::example;

impl App {
    pub(super) fn openapi(&self) -> Answer {
        let mut paths = Map::new();
        if let Ok(chosen) = self.core.choose(&Target::default()) {
            paths.insert("/api/v1/predict".to_owned(), predict(&chosen.served, "predict"));
        }
        let mut names: Vec<String> =
            self.core.repository().states().into_iter().map(|state| state.model).collect();
        names.dedup();
        for (place, name) in names.iter().enumerate() {
            let target = Target { model: Some(name), version: None };
            if let Ok(chosen) = self.core.choose(&target) {
                let path = format!("/api/v1/models/{}/predict", encoded(name));
                paths.insert(path, predict(&chosen.served, &format!("predict_model_{place}")));
            }
        }
        for (path, id, summary, schema) in PLAIN {
            paths.insert(path.to_owned(), plain(id, summary, schema));
        }
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Pinnace model server",
                "version": self.config.version,
                "description": "Predictions of the models served here. The Open Inference Protocol (`/v2`) and KServe's version 1 (`/v1`) are spoken, too.",
            },
            "paths": paths,
            "components": { "schemas": schemas() },
        });
        super::json(StatusCode::OK, &document)
    }
}

/// Paths that are asked without a body: path, operation, summary, schema of the answer.
const PLAIN: [(&str, &str, &str, &str); 5] = [
    ("/api/v1/version", "version", "The application's version and the model", "Version"),
    ("/api/v1/startup", "startup", "Whether the start is over", "Status"),
    ("/api/v1/ready", "ready", "Whether requests should be sent here", "Status"),
    ("/api/v1/health", "health", "Whether the process is well", "Status"),
    ("/api/v1/models", "models", "What is served", "Models"),
];

fn plain(id: &str, summary: &str, schema: &str) -> Value {
    let content = json!({ "application/json": { "schema": reference(schema) } });
    json!({ "get": {
        "operationId": id,
        "summary": summary,
        "responses": {
            "200": { "description": "Yes", "content": content },
            "default": problem("Why not"),
        },
    } })
}

fn problem(description: &str) -> Value {
    json!({
        "description": description,
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn predict(served: &Served, id: &str) -> Value {
    let signature = &served.signature;
    let row = row(served);
    let content = json!({
        "application/json": { "schema": body(signature, &row), "example": example::row(signature) },
        "text/csv": { "schema": { "type": "string", "description": "a header that names the columns, then rows" } },
    });
    let answer = prediction(served);
    let mut many = json!({
        "type": "object",
        "required": ["model", "predictions"],
        "properties": { "model": { "type": "string" }, "predictions": { "type": "array", "items": answer } },
    });
    many["title"] = "Many".into();
    let mut one = answer;
    one["properties"]["model"] = json!({ "type": "string" });
    one["title"] = "One".into();
    let answers = json!({ "application/json": { "schema": { "anyOf": [one, many] } } });
    let mut responses = json!({ "200": { "description": "What the model says", "content": answers } });
    let refusals = [
        ("400", "Not JSON"),
        ("404", "No such model"),
        ("408", "The body came too slowly"),
        ("413", "Too large"),
        ("415", "A type of body that is not read"),
        ("422", "Not what the model takes; `field` names what is wrong"),
        ("429", "Overloaded: see `Retry-After`"),
        ("503", "Not loaded, or shutting down"),
        ("504", "The time was up"),
    ];
    for (status, description) in refusals {
        responses[status] = problem(description);
    }
    json!({ "post": {
        "operationId": id,
        "summary": format!("Predict with `{}` ({})", served.name, served.model.kind()),
        "requestBody": { "required": true, "content": content },
        "responses": responses,
    } })
}

/// One row, in every form that is read.
fn row(served: &Served) -> Value {
    let signature = &served.signature;
    if signature.is_text() {
        let mut names = vec![signature.columns[0].name.as_str()];
        if names[0] != "text" {
            names.push("text");
        }
        let object = |name: &str| {
            let properties: Map<String, Value> =
                names.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
            json!({ "type": "object", "required": [name], "properties": properties })
        };
        let mut forms = vec![json!({ "type": "string" })];
        forms.extend(names.iter().map(|name| object(name)));
        forms.push(json!({ "type": "array", "minItems": 1, "maxItems": 1, "items": { "type": "string" } }));
        return json!({ "anyOf": forms });
    }
    let values: Vec<Value> = signature.columns.iter().map(|column| value(column.kind, served)).collect();
    let named: Map<String, Value> =
        signature.columns.iter().map(|column| column.name.clone()).zip(values.iter().cloned()).collect();
    let names: Vec<&String> = signature.columns.iter().map(|column| &column.name).collect();
    let by_name = json!({
        "type": "object", "required": names, "properties": named, "additionalProperties": false,
    });
    let in_order = json!({
        "type": "array", "prefixItems": values, "items": false,
        "minItems": signature.width(), "maxItems": signature.width(),
    });
    let mut forms = vec![by_name, in_order];
    if signature.width() == 1 {
        forms.push(value(signature.columns[0].kind, served));
    }
    json!({ "anyOf": forms })
}

/// What a value of a column may be.
fn value(kind: ColumnKind, served: &Served) -> Value {
    let mut types = match kind {
        ColumnKind::Number => vec!["number", "boolean"],
        ColumnKind::Word | ColumnKind::Either | ColumnKind::Text => vec!["string", "number", "boolean"],
    };
    if served.takes_missing {
        types.push("null");
    }
    let mut schema = json!({ "type": types });
    if !served.takes_large {
        schema["minimum"] = json!(-f64::from(f32::MAX));
        schema["maximum"] = json!(f64::from(f32::MAX));
    }
    schema
}

/// The body: a row itself, or under the names it may have.
fn body(signature: &Signature, row: &Value) -> Value {
    let rows = json!({ "type": "array", "items": row });
    let one = |name: &str, schema: &Value| json!({ "type": "object", "required": [name], "properties": { name: schema } });
    let mut forms = vec![row.clone(), rows.clone(), one("instances", &rows)];
    if signature.is_text() {
        forms.push(one("texts", &rows));
    } else {
        forms.push(one("features", &json!({ "anyOf": [row, rows] })));
    }
    json!({ "anyOf": forms })
}

fn prediction(served: &Served) -> Value {
    let signature = &served.signature;
    let label = match signature.outputs.first() {
        Some(Output::Classes(labels)) => json!({ "enum": labels }),
        Some(Output::Number) | None => json!({ "type": ["number", "null"] }),
    };
    let probabilities: Map<String, Value> = signature
        .classes()
        .iter()
        .map(|label| (label.to_string(), json!({ "type": ["number", "null"], "minimum": 0, "maximum": 1 })))
        .collect();
    json!({
        "type": "object",
        "required": ["label", "score", "probabilities"],
        "properties": {
            "label": label,
            "score": { "type": ["number", "null"] },
            "probabilities": { "type": "object", "properties": probabilities, "additionalProperties": false },
            "outputs": { "type": "array" },
        },
    })
}

fn schemas() -> Value {
    json!({
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": { "type": "string" },
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "detail": { "type": "string" },
                "error": { "type": "string" },
                "field": { "type": "string" },
                "expected": { "type": "string" },
                "example": {},
            },
        },
        "Status": {
            "type": "object",
            "required": ["status"],
            "properties": { "status": { "type": "string" }, "reason": { "type": "string" } },
        },
        "Version": {
            "type": "object",
            "required": ["version"],
            "properties": {
                "version": { "type": "string" },
                "model": { "type": "string" },
                "kind": { "type": "string" },
                "origin": { "type": "string" },
            },
        },
        "Models": {
            "type": "object",
            "required": ["models"],
            "properties": { "models": { "type": "array", "items": {
                "type": "object",
                "required": ["model", "version", "status"],
                "properties": {
                    "model": { "type": "string" },
                    "version": { "type": "string" },
                    "status": { "enum": ["loading", "ready", "failed", "unloaded"] },
                },
            } } },
        },
    })
}

/// A name as a segment of a path.
fn encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

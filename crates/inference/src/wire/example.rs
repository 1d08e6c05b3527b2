//! A request that would do, made of a model's signature.

use serde_json::{Map, Value, json};

use crate::signature::{ColumnKind, Signature};

/// The most columns of an example: beyond, it is no help.
const MOST: usize = 40;

/// One row as the body of `/api/v1/predict`.
pub(crate) fn row(signature: &Signature) -> Value {
    if signature.is_text() {
        return json!({ "text": "why did the pod restart" });
    }
    let columns = signature.columns.iter().take(MOST);
    if signature.is_named {
        let row: Map<String, Value> =
            columns.map(|column| (column.name.clone(), value(column.kind))).collect();
        Value::Object(row)
    } else {
        json!({ "features": columns.map(|column| value(column.kind)).collect::<Vec<_>>() })
    }
}

/// A value of a column.
pub(crate) fn value(kind: ColumnKind) -> Value {
    match kind {
        ColumnKind::Number => json!(1.5),
        ColumnKind::Word | ColumnKind::Either => json!("a"),
        ColumnKind::Text => json!("some words"),
    }
}

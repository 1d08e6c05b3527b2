//! From objects to the form of an answer that the client asked for.

use api::resource::{Resource, Storage};
use api::status::ApiError;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use store::Entry;

use crate::{
    Body,
    core::{Call, Core},
    negotiate::{self, Form},
    respond, stored,
};

/// One object, or a `Status`, with its code and warnings.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    pub(crate) object: Value,
    pub(crate) warnings: Vec<String>,
}

impl Answer {
    pub(crate) fn ok(object: Value) -> Self {
        Self { code: StatusCode::OK, object, warnings: Vec::new() }
    }

    pub(crate) fn created(object: Value) -> Self {
        Self { code: StatusCode::CREATED, object, warnings: Vec::new() }
    }

    pub(crate) fn warning(mut self, warnings: Vec<String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// Renders the answer.
    pub(crate) fn respond(self, call: &Call) -> Result<Response<Body>, ApiError> {
        let form = match call.target.row.storage {
            // there is no table of reviews
            Storage::Virtual => negotiate::accepts_json(&call.headers).map(|()| Form::Whole)?,
            Storage::Own | Storage::Shared { .. } => negotiate::form(&call.headers, &call.query)?,
        };
        let kind = self.object.get("kind").and_then(Value::as_str);
        let is_object = kind == Some(call.target.row.kind);
        let mut response = match form {
            Form::Table(include) if kind == Some("Scale") => {
                let list_meta = revision_of(&self.object);
                let table = api::table::scale_table(&self.object, list_meta, include, call.now);
                respond::json(self.code, &table)
            }
            Form::Table(include) if is_object => {
                let list_meta = revision_of(&self.object);
                let table = api::table::table(call.target.row, &[&self.object], list_meta, include, call.now);
                respond::json(self.code, &table)
            }
            Form::Metadata if is_object => respond::json(self.code, &metadata_only(&self.object)),
            Form::Whole | Form::Table(_) | Form::Metadata => respond::json(self.code, &self.object),
        };
        respond::warn(&mut response, &self.warnings);
        Ok(response)
    }
}

/// Answers with an object that is not kept but made for the answer.
pub(crate) fn computed(call: &Call, object: &Value) -> Result<Response<Body>, ApiError> {
    let row = call.target.row;
    Ok(match negotiate::form(&call.headers, &call.query)? {
        Form::Whole => respond::json(StatusCode::OK, object),
        Form::Table(include) => {
            let table = api::table::table(row, &[object], json!({}), include, call.now);
            respond::json(StatusCode::OK, &table)
        }
        Form::Metadata => respond::json(StatusCode::OK, &metadata_only(object)),
    })
}

/// Answers with a list of such objects.
pub(crate) fn computed_list(call: &Call, objects: &[Value]) -> Result<Response<Body>, ApiError> {
    let row = call.target.row;
    let list = |kind: &str, api_version: &str, items: &[Value]| json!({"kind": kind, "apiVersion": api_version, "metadata": {}, "items": items});
    Ok(match negotiate::form(&call.headers, &call.query)? {
        Form::Whole => respond::json(StatusCode::OK, &list(&row.list_kind(), &row.api_version(), objects)),
        Form::Table(include) => {
            let borrowed: Vec<&Value> = objects.iter().collect();
            let table = api::table::table(row, &borrowed, json!({}), include, call.now);
            respond::json(StatusCode::OK, &table)
        }
        Form::Metadata => {
            let items: Vec<Value> = objects.iter().map(metadata_only).collect();
            respond::json(StatusCode::OK, &list("PartialObjectMetadataList", "meta.k8s.io/v1", &items))
        }
    })
}

/// Returns `PartialObjectMetadata` of an object.
pub(crate) fn metadata_only(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

/// Appends one stored object in its wire form, without decoding where the stored form is that.
pub(crate) fn append_object(core: &Core, out: &mut Vec<u8>, row: &'static Resource, entry: &Entry) {
    match row.storage {
        Storage::Own | Storage::Virtual => stored::splice(out, &entry.value, entry.modified),
        Storage::Shared { .. } => append_json(out, &core.object(row, entry)),
    }
}

/// Appends JSON text.
pub(crate) fn append_json(out: &mut Vec<u8>, value: &Value) {
    serde_json::to_writer(out, value).expect("writing JSON values to memory does not fail");
}

fn revision_of(object: &Value) -> Value {
    json!({"resourceVersion": api::meta::resource_version(object).unwrap_or_default()})
}

/// Serves `get`.
pub(crate) fn get(core: &Core, call: &Call) -> Result<Response<Body>, ApiError> {
    check_revision(core, call)?;
    let form = negotiate::form(&call.headers, &call.query)?;
    let target = &call.target;
    if form != Form::Whole {
        return Answer::ok(core.find(target)?.object).respond(call);
    }
    let key = core.key(target.row, target.namespace(), target.name()?);
    let entry = core.store().get(&key).ok_or_else(|| target.not_found())?;
    let mut out = Vec::new();
    append_object(core, &mut out, target.row, &entry);
    Ok(respond::json_bytes(StatusCode::OK, out))
}

/// Refuses a read at a revision that does not exist yet.
pub(crate) fn check_revision(core: &Core, call: &Call) -> Result<Option<store::Revision>, ApiError> {
    let Some(text) = call.query.get("resourceVersion").filter(|text| *text != "0") else { return Ok(None) };
    let wanted: u64 = text.parse().map_err(|_| {
        ApiError::bad_request(format!("resourceVersion: Invalid value: \"{text}\": must be a number"))
    })?;
    let current = core.store().revision();
    if wanted > current.0 {
        let mut error =
            ApiError::timeout(format!("Too large resource version: {wanted}, current: {current}"));
        let cause = api::status::Cause {
            reason: "ResourceVersionTooLarge".to_owned(),
            message: "Too large resource version".to_owned(),
            field: String::new(),
        };
        error.details = Some(Box::new(api::status::Details {
            causes: vec![cause],
            retry_after_seconds: 1,
            ..Default::default()
        }));
        return Err(error);
    }
    Ok(Some(store::Revision(wanted)))
}

//! Tables: what `kubectl get` prints.
//!
//! One [`Printer`] per kind; cells and headings equal Kubernetes'. The wide columns are always filled, as the
//! API server does: clients choose by priority.

mod access;
mod autoscaler;
mod cells;
mod cluster;
mod flow;
mod metrics;
mod network;
mod pods;
mod storage;
mod workloads;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::resource::Resource;

pub(crate) use access::{CONFIG_MAP, ROLE, ROLE_BINDING, SECRET, SERVICE_ACCOUNT};
pub(crate) use autoscaler::AUTOSCALER;
pub(crate) use cluster::{
    COMPONENT_STATUS, EVENT, LEASE, NAMESPACE, NODE, PRIORITY_CLASS, RESOURCE_QUOTA, RUNTIME_CLASS,
};
pub(crate) use flow::{FLOW_SCHEMA, PRIORITY_LEVEL, SIGNING_REQUEST};
pub(crate) use metrics::{NODE_METRICS, POD_METRICS};
pub(crate) use network::{ENDPOINT_SLICE, ENDPOINTS, INGRESS, INGRESS_CLASS, NETWORK_POLICY, SERVICE};
pub(crate) use pods::{POD, POD_TEMPLATE};
pub(crate) use storage::{
    CSI_CAPACITY, CSI_DRIVER, CSI_NODE, STORAGE_CLASS, VOLUME, VOLUME_ATTACHMENT, VOLUME_ATTRIBUTES_CLASS,
    VOLUME_CLAIM,
};
pub(crate) use workloads::{
    CONTROLLER_REVISION, CRON_JOB, DAEMON_SET, DEPLOYMENT, DISRUPTION_BUDGET, JOB, REPLICA_SET,
    REPLICATION_CONTROLLER, STATEFUL_SET,
};

/// A column of the printed table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The heading.
    pub name: &'static str,
    /// The type: `string`, `integer`, `boolean`.
    pub kind: &'static str,
    /// The format: `name` for the name, else empty.
    pub format: &'static str,
    /// 0 is always shown, 1 with `-o wide`.
    pub priority: u8,
}

impl Column {
    const fn text(name: &'static str) -> Self {
        Self { name, kind: "string", format: "", priority: 0 }
    }

    const fn integer(name: &'static str) -> Self {
        Self { kind: "integer", ..Self::text(name) }
    }

    const fn boolean(name: &'static str) -> Self {
        Self { kind: "boolean", ..Self::text(name) }
    }

    const fn wide(name: &'static str) -> Self {
        Self { priority: 1, ..Self::text(name) }
    }
}

const NAME: Column = Column { format: "name", ..Column::text("Name") };
const AGE: Column = Column::text("Age");

/// How objects of a kind are printed.
#[derive(Debug)]
pub struct Printer {
    /// The columns.
    pub columns: &'static [Column],
    /// The cells of an object, one per column.
    pub row: fn(&Value, Timestamp) -> Vec<Value>,
}

/// Name and time of creation, for kinds without columns of their own.
pub(crate) static PLAIN: Printer = Printer {
    columns: &[NAME, Column { kind: "date", ..Column::text("Created At") }],
    row: |object, _| {
        vec![
            cells::name(object),
            cells::at(object, "/metadata/creationTimestamp").cloned().unwrap_or(Value::Null),
        ]
    },
};

/// A Scale: how many replicas are wanted, and how many there are.
static SCALE: Printer = Printer {
    columns: &[NAME, Column::integer("Desired"), Column::integer("Available"), AGE],
    row: |scale, now| {
        let count = |pointer| Value::from(cells::at(scale, pointer).and_then(Value::as_i64).unwrap_or(0));
        vec![cells::name(scale), count("/spec/replicas"), count("/status/replicas"), cells::age(scale, now)]
    },
};

/// How much of each object a table's rows carry (`includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

impl IncludeObject {
    /// Reads the query parameter; an empty one means metadata.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "Metadata" => Some(Self::Metadata),
            "None" => Some(Self::None),
            "Object" => Some(Self::Object),
            _ => None,
        }
    }
}

/// Returns the `meta.k8s.io/v1` Table of these objects; `list_meta` is the list's `metadata`.
pub fn table(
    resource: &Resource,
    objects: &[&Value],
    list_meta: Value,
    include: IncludeObject,
    now: Timestamp,
) -> Value {
    let rows: Value = objects.iter().map(|object| row(resource, object, include, now)).collect();
    assemble(list_meta, column_definitions(resource), rows)
}

/// Returns the Table of an `autoscaling/v1` Scale.
pub fn scale_table(scale: &Value, list_meta: Value, include: IncludeObject, now: Timestamp) -> Value {
    let mut row = json!({ "cells": (SCALE.row)(scale, now) });
    show_object(&mut row, scale, include);
    assemble(list_meta, definitions(&SCALE), Value::Array(vec![row]))
}

fn assemble(list_meta: Value, columns: Value, rows: Value) -> Value {
    let mut table = Map::new();
    table.insert("kind".to_owned(), "Table".into());
    table.insert("apiVersion".to_owned(), "meta.k8s.io/v1".into());
    table.insert("metadata".to_owned(), list_meta);
    table.insert("columnDefinitions".to_owned(), columns);
    table.insert("rows".to_owned(), rows);
    Value::Object(table)
}

/// Returns the headings of a resource's table.
pub fn column_definitions(resource: &Resource) -> Value {
    definitions(resource.printer)
}

fn definitions(printer: &Printer) -> Value {
    let define = |column: &Column| {
        json!({"name": column.name, "type": column.kind, "format": column.format,
            "description": "", "priority": column.priority})
    };
    printer.columns.iter().map(define).collect()
}

fn row(resource: &Resource, object: &Value, include: IncludeObject, now: Timestamp) -> Value {
    let cells = (resource.printer.row)(object, now);
    let mut row = json!({ "cells": cells });
    show_object(&mut row, object, include);
    if resource.kind == "Pod"
        && let Some(conditions) = pods::row_conditions(object)
    {
        row["conditions"] = conditions;
    }
    row
}

fn show_object(row: &mut Value, object: &Value, include: IncludeObject) {
    match include {
        IncludeObject::None => {}
        IncludeObject::Metadata => {
            row["object"] = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                "metadata": object.get("metadata").cloned().unwrap_or_default()});
        }
        IncludeObject::Object => row["object"] = object.clone(),
    }
}

#[cfg(test)]
mod tests;

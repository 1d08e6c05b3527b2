//! ConfigMaps, Secrets, accounts, roles.

use serde_json::Value;

use super::cells::{age, at, list, name, text};
use super::{AGE, Column, NAME, Printer};

/// ConfigMaps.
pub(crate) static CONFIG_MAP: Printer = Printer {
    columns: &[NAME, Column::text("Data"), AGE],
    row: |object, now| {
        vec![name(object), (size(object, "/data") + size(object, "/binaryData")).into(), age(object, now)]
    },
};

/// Secrets.
pub(crate) static SECRET: Printer = Printer {
    columns: &[NAME, Column::text("Type"), Column::text("Data"), AGE],
    row: |object, now| {
        vec![name(object), text(object, "/type").into(), size(object, "/data").into(), age(object, now)]
    },
};

fn size(object: &Value, pointer: &str) -> usize {
    at(object, pointer).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

/// ServiceAccounts.
pub(crate) static SERVICE_ACCOUNT: Printer =
    Printer { columns: &[NAME, AGE], row: |object, now| vec![name(object), age(object, now)] };

/// Roles and ClusterRoles.
pub(crate) static ROLE: Printer = Printer {
    columns: &[NAME, Column { kind: "date", ..Column::text("Created At") }],
    row: |object, _| vec![name(object), text(object, "/metadata/creationTimestamp").into()],
};

/// RoleBindings and ClusterRoleBindings.
pub(crate) static ROLE_BINDING: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Role"),
        AGE,
        Column::wide("Users"),
        Column::wide("Groups"),
        Column::wide("ServiceAccounts"),
    ],
    row: |object, now| {
        let of_kind = |kind: &str| {
            let found: Vec<String> = list(object, "/subjects")
                .iter()
                .filter(|subject| text(subject, "/kind") == kind)
                .map(|subject| match (kind, text(subject, "/namespace")) {
                    ("ServiceAccount", namespace) => format!("{namespace}/{}", text(subject, "/name")),
                    _ => text(subject, "/name").to_owned(),
                })
                .collect();
            Value::from(found.join(", "))
        };
        vec![
            name(object),
            format!("{}/{}", text(object, "/roleRef/kind"), text(object, "/roleRef/name")).into(),
            age(object, now),
            of_kind("User"),
            of_kind("Group"),
            of_kind("ServiceAccount"),
        ]
    },
};

//! From a path to what it names.

use api::resource::{Registry, Resource};
use api::status::ApiError;

use crate::query;

/// What a path names.
#[derive(Debug)]
pub(crate) enum Route {
    /// Objects of a kind, one object, or a part of one.
    Target(Target),
    /// Anything else, by its segments.
    Other(Vec<String>),
}

/// Objects of a kind, one object, or a part of one.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) row: &'static Resource,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    /// The path after `proxy`, as it came.
    pub(crate) tail: String,
}

impl Target {
    /// Returns the name; the collection has none.
    pub(crate) fn name(&self) -> Result<&str, ApiError> {
        self.name.as_deref().ok_or_else(|| ApiError::bad_request("name must be provided"))
    }

    /// Returns the namespace for use in keys.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Returns the same target for another kind of the same namespace.
    pub(crate) fn sibling(&self, row: &'static Resource, name: &str) -> Self {
        let namespace = if row.namespaced { self.namespace.clone() } else { None };
        Self { row, namespace, name: Some(name.to_owned()), subresource: None, tail: String::new() }
    }

    pub(crate) fn not_found(&self) -> ApiError {
        ApiError::not_found(self.row.group, self.row.plural, self.name.as_deref().unwrap_or_default())
    }
}

/// Reads a path.
///
/// # Errors
/// 404 when it lies under a group's version but names no kind, 400 for a name no path may hold.
pub(crate) fn parse(registry: &Registry, path: &str) -> Result<Route, ApiError> {
    let segments: Vec<String> =
        path.split('/').filter(|part| !part.is_empty()).map(|part| query::decode(part, false)).collect();
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (group, version, rest) = match words.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return Ok(Route::Other(segments)),
    };
    let row = |plural: &str| registry.by_path(group, version, plural).ok_or_else(ApiError::path_not_found);
    let mut target = match rest {
        ["namespaces", namespace, part @ ("status" | "finalize")] => {
            target(row("namespaces")?, None, &[namespace, part])?
        }
        ["namespaces", namespace, plural, rest @ ..] => {
            let row = row(plural)?;
            if !row.namespaced {
                return Err(ApiError::path_not_found());
            }
            target(row, Some(namespace), rest)?
        }
        [plural, rest @ ..] => target(row(plural)?, None, rest)?,
        [] => return Ok(Route::Other(segments)),
    };
    if target.subresource.as_deref() == Some("proxy") {
        target.tail = after_proxy(path);
    }
    Ok(Route::Target(target))
}

/// Names of pods and services are no `proxy`, so the first such segment after a name is the subresource.
fn after_proxy(path: &str) -> String {
    let is_name = |before: &str| !before.ends_with("/pods") && !before.ends_with("/services");
    let mut from = 0;
    while let Some(at) = path[from..].find("/proxy").map(|at| from + at) {
        let tail = &path[at + "/proxy".len()..];
        if (tail.is_empty() || tail.starts_with('/')) && is_name(&path[..at]) {
            return tail.to_owned();
        }
        from = at + 1;
    }
    String::new()
}

fn target(row: &'static Resource, namespace: Option<&str>, rest: &[&str]) -> Result<Target, ApiError> {
    for name in namespace.iter().chain(rest.first()) {
        if matches!(*name, "." | "..") || name.contains(['/', '%', '\0']) {
            return Err(ApiError::bad_request(format!("invalid name in the path: {name:?}")));
        }
    }
    // an object in a namespace has no path without it
    if row.namespaced && namespace.is_none() && !rest.is_empty() {
        return Err(ApiError::path_not_found());
    }
    let owned = |at: usize| rest.get(at).map(|text| (*text).to_owned());
    let subresource = owned(1);
    if rest.len() > 2 && subresource.as_deref() != Some("proxy") {
        return Err(ApiError::path_not_found());
    }
    Ok(Target {
        row,
        namespace: namespace.map(str::to_owned),
        name: owned(0),
        subresource,
        tail: String::new(),
    })
}

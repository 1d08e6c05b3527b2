//! What a namespace may hold: limit ranges and resource quotas, judged last, when an object is complete.
//!
//! Quotas are judged by what is stored, not by their status: a lock for each namespace that has quotas is held
//! from the judgement until the object is written, so that two requests never share the same last place.

use std::collections::HashMap;
use std::sync::Arc;

use api::quota::{self, Amounts, Measured};
use api::resource::Resource;
use api::status::ApiError;
use api::{limit_range, meta};
use serde_json::Value;
use store::Revision;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::core::{Call, Core};

/// What the objects of one namespace use, by their keys, as of a revision: measured once for each change.
#[derive(Default)]
pub(crate) struct Tally {
    known: HashMap<Arc<str>, (Revision, Measured)>,
}

/// The tallies of the namespaces that have quotas.
#[derive(Default)]
pub(crate) struct Quotas {
    tallies: std::sync::Mutex<HashMap<String, Arc<Mutex<Tally>>>>,
}

/// Holds a namespace's place for an object until it is written.
pub(crate) type Reserved = OwnedMutexGuard<Tally>;

/// Fills a new pod from the limit ranges of its namespace.
pub(crate) fn complete_pod(core: &Core, call: &Call, pod: &mut Value) -> Result<(), ApiError> {
    for range in all(core, "limitranges", call.target.namespace())? {
        limit_range::complete(&range, pod);
    }
    Ok(())
}

/// Judges a complete object by the limit ranges and quotas of its namespace. What is returned is to be held
/// until the object is written.
pub(crate) async fn admit(
    core: &Core,
    call: &Call,
    new: &Value,
    old: Option<&Value>,
) -> Result<Option<Reserved>, ApiError> {
    let row = call.target.row;
    if !row.namespaced || !concerns(row, call.target.subresource.as_deref(), old.is_some()) {
        return Ok(None);
    }
    let refused =
        |why: String| ApiError::forbidden(row.group, row.plural, meta::name(new).unwrap_or_default(), &why);
    let namespace = meta::namespace(new).or(call.target.namespace());
    let is_leaving = old.is_some_and(|old| meta::deletion_timestamp(old).is_some());
    if row.group.is_empty() && matches!(row.plural, "pods" | "persistentvolumeclaims") && !is_leaving {
        for range in all(core, "limitranges", namespace)? {
            limit_range::check(&range, row.plural, new).map_err(refused)?;
        }
    }
    let Some(namespace) = namespace.filter(|_| !is_virtual(row)) else { return Ok(None) };
    if all(core, "resourcequotas", Some(namespace))?.is_empty() {
        core.quotas.forget(namespace);
        return Ok(None);
    }
    let mut tally = core.quotas.lock(namespace).await;
    // Again, now that nobody else writes: what was read before the lock may be outdated.
    let quotas = all(core, "resourcequotas", Some(namespace))?;
    let request = Request::new(call, new, old);
    for quota in quotas.iter().filter(|quota| request.concerns(quota)) {
        quota::check_named(quota, row.group, row.plural, new).map_err(|why| {
            refused(format!("failed quota: {}: {why}", meta::name(quota).unwrap_or_default()))
        })?;
        let growth = request.growth(quota);
        if growth.is_empty() {
            continue;
        }
        let objects = tally.measure(core, call, namespace);
        let used = quota::used(quota, row.group, row.plural, objects.iter());
        quota::check_room(quota, &growth, &used).map_err(refused)?;
    }
    Ok(Some(tally))
}

/// Only these changes can use more; everything may be created.
fn concerns(row: &Resource, subresource: Option<&str>, is_change: bool) -> bool {
    match (row.group, row.plural, subresource) {
        (_, _, None) if !is_change => true,
        ("", "services" | "persistentvolumeclaims" | "pods", None) | ("", "pods", Some("resize")) => true,
        _ => false,
    }
}

fn is_virtual(row: &Resource) -> bool {
    matches!(row.storage, api::resource::Storage::Virtual)
}

fn all(core: &Core, plural: &str, namespace: Option<&str>) -> Result<Vec<Value>, ApiError> {
    let row = core.row("", "v1", plural)?;
    Ok(match namespace {
        Some(namespace) => core.all(row, Some(namespace)),
        None => Vec::new(),
    })
}

/// An object as it would be, and as it was.
struct Request {
    row: &'static Resource,
    new: Measured,
    old: Option<Measured>,
}

impl Request {
    fn new(call: &Call, new: &Value, old: Option<&Value>) -> Self {
        let row = call.target.row;
        let measure = |object: &Value| quota::measure(row.group, row.plural, object, call.now);
        Self { row, new: measure(new), old: old.map(measure) }
    }

    fn concerns(&self, quota: &Value) -> bool {
        quota::counts(quota, self.row.group, self.row.plural, &self.new)
    }

    /// What the object would use of a quota beyond what it uses of it already.
    fn growth(&self, quota: &Value) -> Amounts {
        let old = self.old.as_ref().filter(|old| quota::counts(quota, self.row.group, self.row.plural, old));
        quota::growth(&self.new.usage, old.map(|old| &old.usage))
    }
}

impl Quotas {
    async fn lock(&self, namespace: &str) -> Reserved {
        let tally = Arc::clone(self.tallies().entry(namespace.to_owned()).or_default());
        tally.lock_owned().await
    }

    /// Frees what was noted of a namespace that has no quotas any more.
    fn forget(&self, namespace: &str) {
        self.tallies().remove(namespace);
    }

    fn tallies(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Mutex<Tally>>>> {
        self.tallies.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Tally {
    /// Returns what every object of the request's kind in the namespace uses.
    fn measure(&mut self, core: &Core, call: &Call, namespace: &str) -> Vec<Measured> {
        let row = core.storage_row(call.target.row);
        let prefix = core.prefix(row, Some(namespace));
        let listing = core.store().list(&prefix, None, usize::MAX);
        let mut fresh = HashMap::with_capacity(listing.entries.len());
        for (key, entry) in &listing.entries {
            let known = self
                .known
                .remove(key)
                .filter(|(revision, measured)| *revision == entry.modified && measured.holds(call.now));
            let measured = known.map_or_else(
                || quota::measure(row.group, row.plural, &core.object(row, entry), call.now),
                |(_, measured)| measured,
            );
            fresh.insert(Arc::clone(key), (entry.modified, measured));
        }
        self.known.retain(|key, _| !key.starts_with(&prefix));
        let all = fresh.values().map(|(_, measured)| measured.clone()).collect();
        self.known.extend(fresh);
        all
    }
}

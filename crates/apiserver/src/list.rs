//! Lists: consistent, in pages, in any form.

use api::status::ApiError;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Entry, Revision};

use crate::{
    Body, answer,
    core::{Call, Core},
    negotiate::{self, Form},
    respond,
    select::Selection,
};

/// Where the next page begins.
#[derive(Serialize, Deserialize)]
struct Continue {
    /// The revision of the whole list; 0 when it is no longer kept and the rest is of the present.
    #[serde(rename = "rv")]
    revision: u64,
    /// The last key served.
    #[serde(rename = "after")]
    start_after: String,
    /// When the first page was served, in seconds.
    #[serde(default)]
    since: i64,
}

/// How long the pages of one list stay those of one moment: as long as Kubernetes keeps old revisions.
const CONSISTENT_SECONDS: i64 = 300;

impl Continue {
    fn encode(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn decode(text: &str) -> Result<Self, ApiError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(|| {
            ApiError::bad_request("continue key is not valid: it must come from an earlier list")
        })
    }
}

/// One page of a list.
struct Page {
    items: Vec<Entry>,
    revision: Revision,
    next: Option<Continue>,
    /// Not known when a selector leaves things out.
    remaining: Option<usize>,
}

/// Serves `list`.
pub(crate) fn list(core: &Core, call: &Call) -> Result<Response<Body>, ApiError> {
    let form = negotiate::form(&call.headers, &call.query)?;
    let selection = Selection::parse(core, call)?;
    let page = match page(core, call, &selection) {
        Err(error) if error.code == 410 && call.query.get("continue").is_some() => {
            return Ok(expired_page(call, &error));
        }
        page => page?,
    };
    Ok(match form {
        Form::Whole => respond::json_bytes(StatusCode::OK, whole(core, &selection, &page)),
        Form::Table(include) => {
            let objects = decoded(core, &selection, &page);
            let borrowed: Vec<&Value> = objects.iter().collect();
            let table = api::table::table(selection.row, &borrowed, page.metadata(), include, call.now);
            respond::json(StatusCode::OK, &table)
        }
        Form::Metadata => {
            let items: Vec<Value> =
                decoded(core, &selection, &page).iter().map(answer::metadata_only).collect();
            let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                "metadata": page.metadata(), "items": items});
            respond::json(StatusCode::OK, &list)
        }
    })
}

impl Page {
    fn metadata(&self) -> Value {
        let mut metadata = json!({"resourceVersion": self.revision.to_string()});
        if let Some(next) = &self.next {
            metadata["continue"] = Value::String(next.encode());
            if let Some(remaining) = self.remaining.filter(|count| *count > 0) {
                metadata["remainingItemCount"] = json!(remaining);
            }
        }
        metadata
    }
}

fn page(core: &Core, call: &Call, selection: &Selection) -> Result<Page, ApiError> {
    let Position { at, start_after, since } = position(core, call)?;
    let limit = match call.query.number("limit")? {
        Some(limit) if limit > 0 => usize::try_from(limit).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let is_by_key = selection.is_by_key() && selection.exact.is_none();
    // without a selector the store itself counts to the limit
    let fetch = if is_by_key { limit } else { usize::MAX };
    let prefix = selection.exact.as_deref().unwrap_or(&selection.prefix);
    let start = start_after.as_deref();
    let listing = match at {
        None => core.store().list(prefix, start, fetch),
        Some(revision) => core.store().list_at(prefix, start, fetch, revision).map_err(|compacted| {
            ApiError::expired(format!(
                "The provided continue parameter or resource version is too old: {compacted}. \
                 You can start a new list without it"
            ))
        })?,
    };
    let since = since.unwrap_or(call.now.as_second());
    let mut page = Page { items: Vec::new(), revision: listing.revision, next: None, remaining: None };
    let mut last_key = None;
    let mut more = listing.remaining > 0;
    for (key, entry) in listing.entries.into_iter().filter(|(key, _)| selection.has_key(key)) {
        if !selection.selects(core, &entry) {
            continue;
        }
        if page.items.len() >= limit {
            more = true;
            break;
        }
        last_key = Some(key);
        page.items.push(entry);
    }
    if let Some(key) = last_key.filter(|_| more) {
        page.next = Some(Continue { revision: listing.revision.0, start_after: key.to_string(), since });
        page.remaining = is_by_key.then_some(listing.remaining);
    }
    Ok(page)
}

/// Where a page begins.
#[derive(Default)]
struct Position {
    /// The revision to list at; absent: now.
    at: Option<Revision>,
    /// The key to go on after.
    start_after: Option<String>,
    /// When the first page was served; absent: this is the first.
    since: Option<i64>,
}

fn position(core: &Core, call: &Call) -> Result<Position, ApiError> {
    let wanted = answer::check_revision(core, call)?;
    let matching = call.query.get("resourceVersionMatch");
    if let Some(token) = call.query.get("continue") {
        let token = Continue::decode(token)?;
        if matching.is_some() {
            return Err(ApiError::bad_request("resourceVersionMatch is forbidden for continue"));
        }
        let (now, start_after) = (call.now.as_second(), Some(token.start_after));
        if token.revision == 0 {
            return Ok(Position { at: None, start_after, since: Some(now) });
        }
        if now - token.since > CONSISTENT_SECONDS {
            return Err(ApiError::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a \
                 new list without the continue parameter, or use the continue token in this response to retrieve \
                 the remainder of the results. Continuing with the provided token results in an inconsistent list - \
                 objects that were created, modified, or deleted between the time the first chunk was returned and \
                 now may show up in the list.",
            ));
        }
        return Ok(Position { at: Some(Revision(token.revision)), start_after, since: Some(token.since) });
    }
    match (matching, wanted) {
        (None | Some("NotOlderThan"), _) => Ok(Position::default()),
        (Some("Exact"), Some(revision)) => Ok(Position { at: Some(revision), ..Position::default() }),
        (Some("Exact"), None) => Err(ApiError::bad_request(
            "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\" or unset",
        )),
        (Some(other), _) => Err(ApiError::bad_request(format!(
            "resourceVersionMatch: Unsupported value: \"{other}\": supported values: \"Exact\", \"NotOlderThan\""
        ))),
    }
}

/// The revision of a paged list is gone: the answer carries a token that goes on with the present.
fn expired_page(call: &Call, error: &ApiError) -> Response<Body> {
    let mut status = error.to_json();
    let token = call.query.get("continue").and_then(|token| Continue::decode(token).ok());
    if let Some(token) = token {
        let next = Continue { revision: 0, ..token };
        status["metadata"]["continue"] = Value::String(next.encode());
    }
    respond::json(StatusCode::GONE, &status)
}

fn decoded(core: &Core, selection: &Selection, page: &Page) -> Vec<Value> {
    page.items.iter().map(|entry| core.object(selection.row, entry)).collect()
}

fn whole(core: &Core, selection: &Selection, page: &Page) -> Vec<u8> {
    let row = selection.row;
    let size: usize = page.items.iter().map(|entry| entry.value.len() + 64).sum();
    let mut out = Vec::with_capacity(size + 256);
    out.extend_from_slice(
        format!("{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":", row.kind, row.api_version())
            .as_bytes(),
    );
    answer::append_json(&mut out, &page.metadata());
    out.extend_from_slice(b",\"items\":[");
    for (position, entry) in page.items.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        answer::append_object(core, &mut out, row, entry);
    }
    out.extend_from_slice(b"]}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continue_token_reads_back_and_garbage_is_refused() {
        let token = Continue { revision: 7, start_after: "core/pods/a/b".to_owned(), since: 5 }.encode();
        let read = Continue::decode(&token).unwrap();
        assert_eq!((read.revision, read.start_after.as_str()), (7, "core/pods/a/b"));
        assert!(Continue::decode("garbage!").is_err());
        assert!(Continue::decode("e30").is_err());
    }
}

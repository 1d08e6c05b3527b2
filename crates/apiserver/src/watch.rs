//! Watches: what is there, then every change, in any form, with bookmarks.

use std::{io, sync::Arc, time::Duration};

use api::status::ApiError;
use bytes::Bytes;
use futures::stream;
use http::Response;
use serde_json::{Value, json};
use store::{Compacted, Entry, Event, Revision};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    Body, answer,
    core::{Call, Core},
    negotiate::{self, Form},
    respond,
    select::Selection,
    stored,
};

/// Kubernetes sends bookmarks about once a minute.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);
/// Without `timeoutSeconds` a watch ends after this to twice this, as Kubernetes spreads it.
const MIN_TIMEOUT: u64 = 1800;
/// Events are put together up to about this size, so that one write carries many.
const CHUNK: usize = 64 << 10;
/// Marks the bookmark after the objects that were there at the start.
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// Where a watch begins.
struct Start {
    /// What is there already and is sent first.
    initial: Vec<Entry>,
    from: Revision,
    /// Whether the end of `initial` is marked.
    mark_end: bool,
}

/// Serves `watch`.
pub(crate) fn watch(core: &Arc<Core>, call: &Call) -> Result<Response<Body>, ApiError> {
    let form = negotiate::form(&call.headers, &call.query)?;
    let selection = Selection::parse(core, call)?;
    let seconds = match call.query.number("timeoutSeconds")? {
        Some(seconds) if seconds > 0 => seconds.unsigned_abs().min(24 * 3600),
        _ => MIN_TIMEOUT + fastrand::u64(0..MIN_TIMEOUT),
    };
    let opened = start(core, call, &selection)
        .and_then(|start| open(core, &selection, start.from).map(|watch| (start, watch)));
    let (start, watch) = match opened {
        Ok(opened) => opened,
        // clients expect this one inside the stream, since the revision may get too old there as well
        Err(error) if error.code == 410 => {
            let line = error_line(&error);
            return Ok(respond::stream("application/json", stream::iter([Ok(line)])));
        }
        Err(error) => return Err(error),
    };
    let mut bookmarks = tokio::time::interval_at(Instant::now() + BOOKMARK_PERIOD, BOOKMARK_PERIOD);
    bookmarks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let feed = Feed {
        render: Render { core: Arc::clone(core), selection, form },
        initial: start.initial.into_iter(),
        end_mark: start.mark_end.then_some(start.from),
        watch,
        bookmarks: call.query.flag("allowWatchBookmarks").then_some(bookmarks),
        deadline: Instant::now() + Duration::from_secs(seconds),
        draining: call.draining.clone(),
        is_over: false,
    };
    let chunks = stream::unfold(feed, |mut feed| async move {
        let chunk = feed.next().await?;
        Some((Ok::<_, io::Error>(chunk), feed))
    });
    Ok(respond::stream("application/json", chunks))
}

fn open(core: &Core, selection: &Selection, from: Revision) -> Result<store::Watch, ApiError> {
    let prefix = selection.exact.as_deref().unwrap_or(&selection.prefix);
    core.store().watch(prefix, from).map_err(|compacted| too_old(&compacted))
}

fn too_old(compacted: &Compacted) -> ApiError {
    ApiError::expired(format!("too old resource version: {} ({})", compacted.requested, compacted.oldest))
}

/// Decides where the watch begins, by the rules of `resourceVersion` and `sendInitialEvents`.
fn start(core: &Core, call: &Call, selection: &Selection) -> Result<Start, ApiError> {
    let sends_initial = call.query.get("sendInitialEvents").map(|text| text == "true" || text == "1");
    let matching = call.query.get("resourceVersionMatch");
    match (sends_initial, matching) {
        (None, Some(_)) => {
            return Err(forbidden(
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ));
        }
        (Some(_), Some("NotOlderThan")) | (None, None) => {}
        (Some(_), _) => {
            return Err(forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
        }
    }
    let wanted = answer::check_revision(core, call)?;
    let wants_state = sends_initial.unwrap_or(wanted.is_none());
    if wants_state {
        let prefix = selection.exact.as_deref().unwrap_or(&selection.prefix);
        let listing = core.store().list(prefix, None, usize::MAX);
        let entries = listing.entries.into_iter().filter(|(key, _)| selection.has_key(key));
        let initial = entries.map(|(_, entry)| entry).collect();
        let mark_end = sends_initial == Some(true) && call.query.flag("allowWatchBookmarks");
        return Ok(Start { initial, from: listing.revision, mark_end });
    }
    let from = wanted.unwrap_or_else(|| core.store().revision());
    Ok(Start { initial: Vec::new(), from, mark_end: false })
}

fn forbidden(message: &str) -> ApiError {
    ApiError {
        code: 422,
        reason: "Invalid",
        message: format!("ListOptions.meta.k8s.io \"\" is invalid: {message}"),
        details: None,
    }
}

/// One watch as it goes on.
struct Feed {
    render: Render,
    initial: std::vec::IntoIter<Entry>,
    end_mark: Option<Revision>,
    watch: store::Watch,
    bookmarks: Option<Interval>,
    deadline: Instant,
    draining: CancellationToken,
    is_over: bool,
}

impl Feed {
    /// Returns the next lines; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        // 1. what was there
        while out.len() < CHUNK
            && let Some(entry) = self.initial.next()
        {
            self.render.initial(&mut out, &entry);
        }
        if out.len() < CHUNK
            && let Some(revision) = self.end_mark.take()
        {
            self.render.bookmark(&mut out, revision, true);
        }
        // 2. what changes
        while out.is_empty() && !self.is_over {
            self.wait(&mut out).await;
        }
        if out.is_empty() { None } else { Some(Bytes::from(out)) }
    }

    async fn wait(&mut self, out: &mut Vec<u8>) {
        let first = tokio::select! {
            biased;
            event = self.watch.next() => event.map(Some),
            () = tick(self.bookmarks.as_mut()) => Ok(None),
            () = tokio::time::sleep_until(self.deadline) => { self.end(out); return }
            () = self.draining.cancelled() => { self.end(out); return }
        };
        let mut next = match first {
            Ok(None) => {
                if let Some(revision) = self.watch.caught_up() {
                    self.render.bookmark(out, revision, false);
                }
                return;
            }
            first => first,
        };
        loop {
            match next {
                Ok(Some(event)) => self.render.event(out, &event),
                Ok(None) => return,
                Err(lagged) => {
                    out.extend_from_slice(&error_line(&too_old(&lagged.0)));
                    self.is_over = true;
                    return;
                }
            }
            if out.len() >= CHUNK {
                return;
            }
            next = self.watch.try_next();
        }
    }

    /// A last bookmark saves the client a list when it comes back.
    fn end(&mut self, out: &mut Vec<u8>) {
        self.is_over = true;
        if self.bookmarks.is_some()
            && let Some(revision) = self.watch.caught_up()
        {
            self.render.bookmark(out, revision, false);
        }
    }
}

async fn tick(interval: Option<&mut Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// How events are written.
struct Render {
    core: Arc<Core>,
    selection: Selection,
    form: Form,
}

impl Render {
    fn initial(&self, out: &mut Vec<u8>, entry: &Entry) {
        if self.selection.selects(&self.core, entry) {
            self.line(out, "ADDED", entry);
        }
    }

    fn event(&self, out: &mut Vec<u8>, event: &Event) {
        if !self.selection.has_key(&event.key) {
            return;
        }
        let selected = |entry: &Option<Entry>| {
            entry.as_ref().is_some_and(|entry| self.selection.selects(&self.core, entry))
        };
        let (kind, entry) = match (selected(&event.previous), selected(&event.entry)) {
            (false, false) => return,
            (false, true) => ("ADDED", &event.entry),
            (true, true) => ("MODIFIED", &event.entry),
            (true, false) => ("DELETED", &event.previous),
        };
        if let Some(entry) = entry {
            // a deleted object carries the revision of its deletion
            self.line(out, kind, &Entry { modified: event.revision, ..entry.clone() });
        }
    }

    fn line(&self, out: &mut Vec<u8>, kind: &str, entry: &Entry) {
        begin_line(out, kind);
        let row = self.selection.row;
        match self.form {
            Form::Whole => answer::append_object(&self.core, out, row, entry),
            Form::Metadata => answer::append_json(out, &answer::metadata_only(&self.core.object(row, entry))),
            Form::Table(include) => {
                let object = self.core.object(row, entry);
                let metadata = json!({"resourceVersion": entry.modified.to_string()});
                let now = jiff::Timestamp::now();
                answer::append_json(out, &api::table::table(row, &[&object], metadata, include, now));
            }
        }
        out.extend_from_slice(b"}\n");
    }

    fn bookmark(&self, out: &mut Vec<u8>, revision: Revision, is_initial_end: bool) {
        let row = self.selection.row;
        let mut object = json!({"kind": row.kind, "apiVersion": row.api_version(),
            "metadata": {"creationTimestamp": null}});
        match self.form {
            Form::Whole => {}
            Form::Metadata => {
                object["kind"] = json!("PartialObjectMetadata");
                object["apiVersion"] = json!("meta.k8s.io/v1");
            }
            Form::Table(_) => {
                object = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
                    "columnDefinitions": [], "rows": []});
            }
        }
        stored::set_revision(&mut object, revision);
        if is_initial_end {
            object["metadata"]["annotations"] = json!({INITIAL_END: "true"});
        }
        begin_line(out, "BOOKMARK");
        answer::append_json(out, &object);
        out.extend_from_slice(b"}\n");
    }
}

fn begin_line(out: &mut Vec<u8>, kind: &str) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
}

fn error_line(error: &ApiError) -> Bytes {
    let line: Value = json!({"type": "ERROR", "object": error.to_json()});
    Bytes::from(format!("{line}\n"))
}

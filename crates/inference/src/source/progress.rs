//! How far a fetch is, as words for whoever asks.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Silence that is worth telling.
const QUIET: Duration = Duration::from_secs(3);

/// Follows one fetch: written by it, read by the probes.
#[derive(Debug)]
pub struct Progress {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    what: String,
    done: u64,
    total: Option<u64>,
    heard: Instant,
    attempt: u32,
    error: Option<String>,
}

impl Progress {
    /// Begins with what is being fetched.
    pub fn new(what: impl Into<String>) -> Progress {
        let what = what.into();
        let state = State { what, done: 0, total: None, heard: Instant::now(), attempt: 1, error: None };
        Progress { state: Mutex::new(state) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn begin(&self, what: String) {
        self.with(|state| {
            *state = State { what, done: 0, total: None, heard: Instant::now(), attempt: 1, error: None };
        });
    }

    pub(super) fn has(&self, done: u64, total: Option<u64>) {
        self.with(|state| {
            (state.done, state.total, state.heard, state.error) = (done, total, Instant::now(), None);
        });
    }

    pub(super) fn failed(&self, attempt: u32, error: String) {
        self.with(|state| (state.attempt, state.error) = (attempt, Some(error)));
    }

    /// How far it is now, and what holds it up: `fetching s3://b/lr.model: 1.2 of 3.4 MB, nothing came for 12 s`.
    pub fn reason(&self) -> String {
        self.with(|state| {
            let mut text = format!("fetching `{}`", state.what);
            match state.total {
                Some(total) => text += &format!(": {} of {} MB", megabytes(state.done), megabytes(total)),
                None if state.done > 0 => text += &format!(": {} MB", megabytes(state.done)),
                None => {}
            }
            let silence = state.heard.elapsed();
            if silence >= QUIET {
                text += &format!(", nothing came for {} s", silence.as_secs());
            }
            if let Some(error) = &state.error {
                text += &format!(", attempt {} failed: {error}", state.attempt);
            }
            text
        })
    }
}

/// Megabytes with one decimal.
pub(super) fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_add(50_000) / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

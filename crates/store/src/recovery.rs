//! From files to state, and the encoding of what is in the files.

use std::{io, sync::Arc};

use bytes::Bytes;

use crate::{
    Entry, OpenError, Options, Revision,
    frame::{self, Cursor, Frame, Kind},
    medium::{Medium, Tail},
    state::State,
};

const TEMPORARY: &str = ".tmp";
/// Snapshot frames of about this size keep the copy in memory small.
const SNAPSHOT_CHUNK: usize = 1 << 20;

/// What opening found.
pub(crate) struct Recovered {
    pub(crate) state: State,
    /// The segment that takes the next writes.
    pub(crate) segment: Segment,
}

/// The log file being written.
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) length: u64,
    pub(crate) tail: Box<dyn Tail>,
}

pub(crate) fn log_name(number: u64) -> String {
    format!("log-{number:08}")
}

pub(crate) fn snapshot_name(number: u64) -> String {
    format!("snapshot-{number:08}")
}

/// Appends one write to the body of a commit frame.
pub(crate) fn encode_write(buffer: &mut Vec<u8>, key: &str, value: Option<&Bytes>) {
    buffer.push(u8::from(value.is_some()));
    frame::put_slice(buffer, key.as_bytes());
    if let Some(value) = value {
        frame::put_slice(buffer, value);
    }
}

/// Rebuilds the state from a folder, cuts a torn tail, and opens the log for appending.
pub(crate) fn recover(medium: &dyn Medium, options: &Options) -> Result<Recovered, OpenError> {
    let names = medium.list().map_err(failed("list", "."))?;
    for name in names.iter().filter(|name| name.ends_with(TEMPORARY)) {
        medium.remove(name).map_err(failed("remove", name))?;
    }
    let mut state = State::new(options);
    let snapshot = numbers(&names, "snapshot-").into_iter().max();
    if let Some(number) = snapshot {
        load_snapshot(medium, &snapshot_name(number), &mut state)?;
    }
    let first = snapshot.unwrap_or(1);
    let last = numbers(&names, "log-").into_iter().max().unwrap_or(first).max(first);
    let mut length = 0;
    for number in first..=last {
        length = replay(medium, number, number == last, &names, &mut state)?;
    }
    remove_older(medium, &names, first);
    let name = log_name(last);
    let mut tail = medium.append(&name).map_err(failed("open", &name))?;
    tail.truncate(length).map_err(failed("cut the torn end of", &name))?;
    Ok(Recovered { state, segment: Segment { number: last, length, tail } })
}

/// Writes the state at the start of log `number`; whole or not at all.
pub(crate) fn write_snapshot(
    medium: &dyn Medium,
    number: u64,
    entries: &[(Arc<str>, Entry)],
    head: Revision,
) -> io::Result<()> {
    let name = snapshot_name(number);
    let temporary = format!("{name}{TEMPORARY}");
    let written = write_entries(medium, &temporary, entries, head);
    if written.is_err() {
        // best effort: opening removes it too
        let _ = medium.remove(&temporary);
    }
    written?;
    medium.rename(&temporary, &name)?;
    let names = medium.list()?;
    remove_older(medium, &names, number);
    Ok(())
}

fn write_entries(
    medium: &dyn Medium,
    name: &str,
    entries: &[(Arc<str>, Entry)],
    head: Revision,
) -> io::Result<()> {
    let mut tail = medium.append(name)?;
    let mut buffer = Vec::with_capacity(SNAPSHOT_CHUNK);
    let mut start = frame::begin(&mut buffer);
    for (key, entry) in entries {
        frame::put_slice(&mut buffer, key.as_bytes());
        buffer.extend_from_slice(&entry.created.0.to_le_bytes());
        buffer.extend_from_slice(&entry.modified.0.to_le_bytes());
        frame::put_slice(&mut buffer, &entry.value);
        if buffer.len() >= SNAPSHOT_CHUNK {
            frame::seal(&mut buffer, start, Kind::Entries, head.0);
            tail.write(&buffer)?;
            buffer.clear();
            start = frame::begin(&mut buffer);
        }
    }
    frame::seal(&mut buffer, start, Kind::Entries, head.0);
    let end = frame::begin(&mut buffer);
    buffer.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    frame::seal(&mut buffer, end, Kind::End, head.0);
    tail.write(&buffer)?;
    tail.sync()
}

fn load_snapshot(medium: &dyn Medium, name: &str, state: &mut State) -> Result<(), OpenError> {
    let file = medium.read(name).map_err(failed("read", name))?;
    let corrupt =
        |offset: usize, reason| OpenError::Corrupt { file: name.to_owned(), offset: offset as u64, reason };
    let mut entries = Vec::new();
    let mut offset = 0;
    loop {
        let frame = frame::read(&file, offset).map_err(|reason| corrupt(offset, reason))?;
        match frame.kind {
            Kind::Entries => {
                decode_entries(&frame, &mut entries)
                    .ok_or_else(|| corrupt(offset, "a record makes no sense"))?;
            }
            Kind::End => {
                let count = Cursor(frame.body).u64();
                if count != Some(entries.len() as u64) {
                    return Err(corrupt(offset, "the snapshot lacks entries"));
                }
                state.restore(entries, Revision(frame.number));
                return Ok(());
            }
            Kind::Commit => return Err(corrupt(offset, "a log record stands in a snapshot")),
        }
        offset = frame.end;
    }
}

fn decode_entries(frame: &Frame<'_>, entries: &mut Vec<(Arc<str>, Entry)>) -> Option<()> {
    let mut body = Cursor(frame.body);
    while !body.is_empty() {
        let key = Arc::from(body.text()?);
        let created = Revision(body.u64()?);
        let modified = Revision(body.u64()?);
        let value = Bytes::copy_from_slice(body.slice()?);
        entries.push((key, Entry { value, created, modified }));
    }
    Some(())
}

/// Replays one log and returns the length of its whole frames.
fn replay(
    medium: &dyn Medium,
    number: u64,
    is_last: bool,
    names: &[String],
    state: &mut State,
) -> Result<u64, OpenError> {
    let name = log_name(number);
    let corrupt =
        |offset: usize, reason| OpenError::Corrupt { file: name.clone(), offset: offset as u64, reason };
    if !names.contains(&name) {
        let fresh = is_last && state.head() == Revision(0);
        return if fresh { Ok(0) } else { Err(corrupt(0, "the file is missing")) };
    }
    let file = medium.read(&name).map_err(failed("read", &name))?;
    let mut offset = 0;
    while offset < file.len() {
        let frame = match frame::read(&file, offset) {
            Ok(frame) => frame,
            Err(reason) if !is_last || frame::any_after(&file, offset) => {
                return Err(corrupt(offset, reason));
            }
            Err(reason) => {
                let lost = file.len() - offset;
                tracing::warn!(file = name, offset, lost, reason, "cut an unacknowledged write");
                break;
            }
        };
        if frame.kind != Kind::Commit || frame.number != state.head().next().0 {
            return Err(corrupt(offset, "a record is out of order"));
        }
        apply_writes(&frame, state).ok_or_else(|| corrupt(offset, "a record makes no sense"))?;
        offset = frame.end;
    }
    Ok(offset as u64)
}

fn apply_writes(frame: &Frame<'_>, state: &mut State) -> Option<()> {
    let mut body = Cursor(frame.body);
    while !body.is_empty() {
        let is_put = body.u8()? == 1;
        let key = Arc::from(body.text()?);
        let value = if is_put { Some(Bytes::copy_from_slice(body.slice()?)) } else { None };
        state.apply(&key, value);
    }
    Some(())
}

/// Leftovers only cost space, so a failure to remove them is not worth failing for.
fn remove_older(medium: &dyn Medium, names: &[String], first: u64) {
    for (prefix, name_of) in
        [("snapshot-", snapshot_name as fn(u64) -> String), ("log-", log_name as fn(u64) -> String)]
    {
        for number in numbers(names, prefix).into_iter().filter(|number| *number < first) {
            if let Err(error) = medium.remove(&name_of(number)) {
                tracing::warn!(file = name_of(number), %error, "failed to remove a compacted file");
            }
        }
    }
}

fn numbers(names: &[String], prefix: &str) -> Vec<u64> {
    names.iter().filter_map(|name| name.strip_prefix(prefix)?.parse().ok()).collect()
}

fn failed(action: &'static str, file: &str) -> impl FnOnce(io::Error) -> OpenError + use<> {
    let file = file.to_owned();
    move |source| OpenError::Io { action, file, source }
}

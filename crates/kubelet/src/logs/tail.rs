//! Finds where the last lines of a log begin, reading backwards.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};

use super::Stream;
use super::files::LogFile;
use super::line::Line;

/// How much is read at once.
const BLOCK: u64 = 64 * 1024;

/// A place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Which of its files, the oldest first.
    pub(super) index: usize,
    /// Where in it.
    pub(super) offset: u64,
}

/// Returns where the last `lines` lines of a log begin. Parts of one line count once.
///
/// # Errors
/// The log cannot be read.
pub(super) fn find(files: &mut [LogFile], lines: u64, stream: Option<Stream>) -> io::Result<Place> {
    let mut wanted = lines;
    for (index, LogFile { file, .. }) in files.iter_mut().enumerate().rev() {
        let end = file.metadata()?.len();
        if let Some(offset) = find_in(file, end, &mut wanted, stream)? {
            return Ok(Place { index, offset });
        }
    }
    Ok(Place { index: 0, offset: 0 })
}

/// Walks back through one file; returns where the wanted lines begin, if that is in here.
fn find_in(
    file: &mut fs::File,
    end: u64,
    wanted: &mut u64,
    stream: Option<Stream>,
) -> io::Result<Option<u64>> {
    // The end of a line whose beginning lies in an earlier block.
    let mut carry: Vec<u8> = Vec::new();
    let mut begin = end;
    while begin > 0 {
        let from = begin.saturating_sub(BLOCK);
        let mut buffer = vec![0; usize::try_from(begin - from).unwrap_or_default()];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut buffer)?;
        buffer.append(&mut carry);
        let mut line_end = buffer.len();
        while let Some(line_begin) = line_begin(&buffer[..line_end], from == 0) {
            if is_counted(&buffer[line_begin..line_end], stream) {
                if *wanted == 0 {
                    return Ok(Some(from + line_end as u64));
                }
                *wanted -= 1;
            }
            line_end = line_begin;
        }
        buffer.truncate(line_end);
        carry = buffer;
        begin = from;
    }
    Ok(None)
}

/// Returns where the last line of `bytes` begins; `None` if that is not in them.
fn line_begin(bytes: &[u8], is_whole: bool) -> Option<usize> {
    let (_, before) = bytes.split_last()?;
    match before.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => Some(at + 1),
        None => is_whole.then_some(0),
    }
}

fn is_counted(raw: &[u8], stream: Option<Stream>) -> bool {
    let wanted = |line: &Line<'_>| stream.is_none_or(|stream| line.stream == stream);
    Line::parse(raw).is_some_and(|line| !line.is_partial && wanted(&line))
}

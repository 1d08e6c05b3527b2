//! A log as a stream of chunks, to its end or for as long as it grows.

use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::stream::{self, BoxStream};
use hyper::body::Bytes;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::files::{LogFile, newest, open_all};
use super::line::Line;
use super::tail::{self, Place};
use super::{Options, Stream};

/// Pieces of a log.
pub type Chunks = BoxStream<'static, io::Result<Bytes>>;

/// How much is read at once.
const BLOCK: usize = 64 * 1024;
/// How often a log that somebody follows is looked at. Writing is the shim's, another process's,
/// and nobody but a person or a pipe waits for it.
const PAUSE: Duration = Duration::from_millis(40);

/// Whether the container still writes.
type IsLive = Box<dyn FnMut() -> bool + Send>;

struct Reader {
    log: PathBuf,
    options: Options,
    is_live: IsLive,
    file: File,
    inode: u64,
    pending: Vec<u8>,
    left: Option<u64>,
    /// How many more lines are wanted of a log that is not followed: the last ones when it was opened, also where the
    /// container writes faster than anybody reads.
    lines_left: Option<u64>,
    is_over: bool,
}

/// Opens a log. `is_live` says whether the container may still write.
///
/// # Errors
/// The log cannot be read.
pub async fn open(
    log: PathBuf,
    options: Options,
    is_live: impl FnMut() -> bool + Send + 'static,
) -> io::Result<Chunks> {
    let LogFile { inode, file, .. } = {
        let (log, lines, stream) = (log.clone(), options.tail_lines, options.stream);
        tokio::task::spawn_blocking(move || start(&log, lines, stream)).await.map_err(io::Error::other)??
    };
    let left = options.limit_bytes;
    let lines_left = options.tail_lines.filter(|_| !options.follow);
    let reader = Reader {
        log,
        options,
        is_live: Box::new(is_live),
        file: File::from_std(file),
        inode,
        pending: Vec::new(),
        left,
        lines_left,
        is_over: false,
    };
    let chunks = stream::unfold(reader, |mut reader| async move {
        reader.next().await.transpose().map(|chunk| (chunk, reader))
    });
    Ok(Box::pin(chunks))
}

impl Reader {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.is_over && self.left != Some(0) && self.lines_left != Some(0) {
            // Asked before reading: what is written before the end is then always read.
            let was_live = (self.is_live)();
            let begin = self.pending.len();
            self.pending.resize(begin + BLOCK, 0);
            let count = self.file.read(&mut self.pending[begin..]).await?;
            self.pending.truncate(begin + count);
            if count > 0 {
                let chunk = self.take_lines();
                if !chunk.is_empty() {
                    return Ok(Some(self.limited(chunk)));
                }
            } else if !self.open_newer().await? {
                self.is_over = !(self.options.follow && was_live);
                if !self.is_over {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Ok(None)
    }

    /// Cuts whole lines off what was read.
    fn take_lines(&mut self) -> Vec<u8> {
        let mut chunk = Vec::new();
        let end = self.pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for raw in self.pending[..end].split_inclusive(|byte| *byte == b'\n') {
            let Some(line) = Line::parse(raw).filter(|line| self.is_of_stream(line)) else { continue };
            if self.lines_left == Some(0) {
                break;
            }
            if let Some(left) = self.lines_left.as_mut().filter(|_| !line.is_partial) {
                *left -= 1;
            }
            if self.is_recent(&line) {
                line.put(&mut chunk, self.options.timestamps);
            }
        }
        self.pending.drain(..end);
        chunk
    }

    fn is_recent(&self, line: &Line<'_>) -> bool {
        self.options.since.is_none_or(|since| line.moment().is_none_or(|moment| moment >= since))
    }

    fn is_of_stream(&self, line: &Line<'_>) -> bool {
        self.options.stream.is_none_or(|stream| stream == line.stream)
    }

    fn limited(&mut self, mut chunk: Vec<u8>) -> Bytes {
        if let Some(left) = &mut self.left {
            chunk.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= chunk.len() as u64;
        }
        chunk.into()
    }

    /// Goes on with the next newer file, once the open one is at its end: an older file of the log,
    /// or one that was rotated away while it was being read.
    async fn open_newer(&mut self) -> io::Result<bool> {
        // The usual case, of a log that is followed: nothing was rotated.
        if newest(&self.log) == Some(self.inode) {
            return Ok(false);
        }
        let log = self.log.clone();
        let opened = tokio::task::spawn_blocking(move || open_all(&log)).await.map_err(io::Error::other)?;
        let Ok(opened) = opened else { return Ok(false) };
        // A file that is gone was rotated out: the oldest there is comes after it.
        let next = opened.iter().position(|file| file.inode == self.inode).map_or(0, |known| known + 1);
        let Some(LogFile { inode, file, .. }) = opened.into_iter().nth(next) else { return Ok(false) };
        self.inode = inode;
        self.file = File::from_std(file);
        Ok(true)
    }
}

/// Opens the file where reading starts, at that place.
fn start(log: &Path, lines: Option<u64>, stream: Option<Stream>) -> io::Result<LogFile> {
    let mut files = open_all(log)?;
    let place = match lines {
        Some(lines) => tail::find(&mut files, lines, stream)?,
        None => Place { index: 0, offset: 0 },
    };
    let mut start = files.swap_remove(place.index);
    start.file.seek(SeekFrom::Start(place.offset))?;
    Ok(start)
}

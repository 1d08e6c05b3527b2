//! A log as a stream of chunks, to its end or for as long as it grows.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use hyper::body::Bytes;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

use super::line::Line;
use super::{Options, files, tail};

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
    /// How many files newer than the open one there are.
    index: u32,
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
    let place = {
        let (log, lines, stream) = (log.clone(), options.tail_lines, options.stream);
        let find = move || match lines {
            Some(lines) => tail::find(&log, lines, stream),
            None => Ok(tail::Place { index: files(&log).first().map_or(0, |file| file.index), offset: 0 }),
        };
        tokio::task::spawn_blocking(find).await.map_err(io::Error::other)??
    };
    let path =
        files(&log).into_iter().find(|file| file.index == place.index).map_or(log.clone(), |file| file.path);
    let mut file = File::open(&path).await?;
    file.seek(SeekFrom::Start(place.offset)).await?;
    let inode = inode(&file).await?;
    let left = options.limit_bytes;
    let lines_left = options.tail_lines.filter(|_| !options.follow);
    let reader = Reader {
        log,
        options,
        is_live: Box::new(is_live),
        file,
        index: place.index,
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
        let known = files(&self.log);
        let mut place = None;
        for file in &known {
            if let Ok(metadata) = tokio::fs::metadata(&file.path).await
                && std::os::unix::fs::MetadataExt::ino(&metadata) == self.inode
            {
                place = Some(file.index);
            }
        }
        // A file that is gone was rotated out: the oldest there is comes after it.
        let next = match place {
            Some(0) => return Ok(false),
            Some(index) => index - 1,
            None => known.first().map_or(0, |file| file.index),
        };
        let Some(file) = known.into_iter().find(|file| file.index == next) else { return Ok(false) };
        let Ok(open) = File::open(&file.path).await else { return Ok(false) };
        self.inode = inode(&open).await?;
        self.file = open;
        self.index = next;
        Ok(true)
    }
}

async fn inode(file: &File) -> io::Result<u64> {
    Ok(std::os::unix::fs::MetadataExt::ino(&file.metadata().await?))
}

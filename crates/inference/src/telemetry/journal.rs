//! The prediction log: a sample of what was asked and said, a line of JSON each, in a file that
//! rotates or sent on by HTTP.
//!
//! Lines wait in a bounded queue for a thread of their own; when it is full, or the disk is, lines are
//! dropped and counted, and serving goes on. Nothing is logged unless asked for: rows may be personal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use engine::Cell;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::post::{Endpoint, EndpointError};
use crate::observer::{Observer, Predicted};
use crate::reply::Reply;
use crate::rows::Rows;

/// Lines that wait for the disk; with the longest lines 64 MiB, usually a hundredth of that.
const MOST_WAITING: usize = 1024;

/// Rows of one request that are logged, and the longest text of a cell.
const MOST_ROWS: usize = 20;
const LONGEST_TEXT: usize = 2048;

/// Lines of one message by HTTP.
const MOST_SENT: usize = 256;

/// Trouble is told this often.
const TELL: Duration = Duration::from_secs(60);

/// After a failed write the file is tried again this much later.
const PAUSE: Duration = Duration::from_secs(5);

/// What to keep, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalConfig {
    /// Where lines go.
    pub sink: JournalSink,
    /// The share of requests kept, 0 to 1.
    pub sample: f64,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq)]
pub enum JournalSink {
    /// A file; when it has reached a size it becomes `FILE.1`, that `FILE.2`, and so on.
    File {
        /// The file.
        path: PathBuf,
        /// The size in bytes at which a new one is begun.
        size: u64,
        /// How many old ones are kept.
        kept: u32,
    },
    /// Lines are posted as `application/x-ndjson`.
    Http {
        /// `http://host:port/path`
        endpoint: String,
    },
}

/// Why there can be no prediction log.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The address is none.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The file cannot be written.
    #[error("failed to open the prediction log `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No thread could be started.
    #[error("failed to start the prediction log's thread")]
    Thread(#[source] io::Error),
}

/// Keeps a sample of predictions.
#[derive(Debug)]
pub(crate) struct Journal {
    lines: mpsc::Sender<String>,
    sample: f64,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    kept: AtomicU64,
    dropped: AtomicU64,
}

impl Journal {
    /// Opens the file, or starts sending; must be called inside of a runtime to send.
    ///
    /// # Errors
    /// When the file cannot be opened or the address is none: better told at the start than never.
    pub(crate) fn open(config: &JournalConfig) -> Result<Self, JournalError> {
        let (lines, waiting) = mpsc::channel(MOST_WAITING);
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        match &config.sink {
            JournalSink::File { path, size, kept } => {
                let file = Rotating::open(path, *size, *kept);
                let file = file.map_err(|source| JournalError::File { path: path.clone(), source })?;
                let thread = std::thread::Builder::new().name("predictions".to_owned());
                thread.spawn(move || write_all(file, waiting, &counted)).map_err(JournalError::Thread)?;
            }
            JournalSink::Http { endpoint } => {
                let endpoint = Endpoint::new(endpoint, "/", "application/x-ndjson")?;
                tokio::spawn(send_all(endpoint, waiting, counted));
            }
        }
        Ok(Journal { lines, sample: config.sample, counts })
    }

    /// Lines that were written or sent, and lines that were dropped.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.counts.kept.load(Ordering::Relaxed), self.counts.dropped.load(Ordering::Relaxed))
    }
}

impl Observer for Journal {
    fn predicted(&self, event: &Predicted<'_>) {
        if event.shadow_disagrees.is_some() || self.sample < 1.0 && fastrand::f64() >= self.sample {
            return;
        }
        // a line takes longer to write than to drop
        match self.lines.try_reserve() {
            Ok(place) => place.send(line(event, SystemTime::now())),
            Err(_) => drop(self.counts.dropped.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

fn line(event: &Predicted<'_>, now: SystemTime) -> String {
    let (rows, reply) = (event.rows, event.reply);
    let columns = &reply.model.signature.columns;
    let cell = |cell: &Cell| match cell {
        Cell::Missing => Value::Null,
        Cell::Bool(value) => json!(value),
        Cell::Number(number) => json!(number),
        Cell::Text(text) => shortened(text),
    };
    let kept = (0..rows.len()).take(MOST_ROWS).map(|row| {
        let input = match rows {
            Rows::Texts(texts) => shortened(&texts[row]),
            Rows::Numbers(matrix) => {
                let named = columns.iter().zip(matrix.row(row));
                named.map(|(column, number)| (column.name.clone(), json!(number))).collect()
            }
            Rows::Cells(cells) => {
                let named = columns.iter().zip(cells);
                named.map(|(column, cells)| (column.name.clone(), cell(&cells[row]))).collect()
            }
        };
        json!({ "input": input, "label": said(reply, row), "score": json!(reply.score(row)) })
    });
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut written = json!({
        "time": since.as_secs_f64(),
        "request_id": event.request_id,
        "model": reply.model.name,
        "version": reply.model.version,
        "rows": rows.len(),
        "predictions": kept.collect::<Vec<_>>(),
    })
    .to_string();
    written.push('\n');
    written
}

fn said(reply: &Reply, row: usize) -> Value {
    match reply.label(0, row) {
        Some(label) => json!(label),
        None => json!(reply.number(0, row)),
    }
}

fn shortened(text: &str) -> Value {
    match text.char_indices().nth(LONGEST_TEXT) {
        None => json!(text),
        Some((end, _)) => json!(format!("{}…", &text[..end])),
    }
}

/// A file that makes room for itself.
#[derive(Debug)]
struct Rotating {
    path: PathBuf,
    file: Option<File>,
    written: u64,
    size: u64,
    kept: u32,
}

impl Rotating {
    fn open(path: &Path, size: u64, kept: u32) -> io::Result<Self> {
        let mut rotating =
            Rotating { path: path.to_owned(), file: None, written: 0, size: size.max(1), kept };
        rotating.reopen()?;
        Ok(rotating)
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        self.written = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        if self.written >= self.size {
            self.rotate()?;
        }
        if self.file.is_none() {
            self.reopen()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = file.write_all(line.as_bytes());
        if written.is_err() {
            // a line may stand there half: what is cut off again is no line at all
            let _ = file.set_len(self.written);
            self.file = None;
            return written;
        }
        self.written += line.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        if self.kept == 0 {
            fs::remove_file(&self.path)?;
        }
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.kept).rev() {
            if let Err(error) = fs::rename(numbered(number), numbered(number + 1))
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
        }
        if self.kept > 0 {
            fs::rename(&self.path, numbered(1))?;
        }
        self.reopen()
    }
}

fn write_all(mut file: Rotating, mut waiting: mpsc::Receiver<String>, counts: &Counts) {
    let (mut told, mut failed): (Option<Instant>, Option<Instant>) = (None, None);
    while let Some(line) = waiting.blocking_recv() {
        if failed.is_some_and(|failed| failed.elapsed() < PAUSE) {
            counts.dropped.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        match file.write(&line) {
            Ok(()) => {
                failed = None;
                counts.kept.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                failed = Some(Instant::now());
                counts.dropped.fetch_add(1, Ordering::Relaxed);
                if told.is_none_or(|told| told.elapsed() >= TELL) {
                    told = failed;
                    let path = file.path.display();
                    tracing::warn!(%path, %error, "failed to write the prediction log; lines are dropped");
                }
            }
        }
    }
}

async fn send_all(endpoint: Endpoint, mut waiting: mpsc::Receiver<String>, counts: Arc<Counts>) {
    let mut told: Option<Instant> = None;
    let mut lines = Vec::new();
    while waiting.recv_many(&mut lines, MOST_SENT).await > 0 {
        let count = lines.len() as u64;
        match endpoint.post(Bytes::from(lines.concat())).await {
            Ok(()) => drop(counts.kept.fetch_add(count, Ordering::Relaxed)),
            Err(reason) => {
                counts.dropped.fetch_add(count, Ordering::Relaxed);
                if told.is_none_or(|told| told.elapsed() >= TELL) {
                    told = Some(Instant::now());
                    let to = endpoint.uri();
                    tracing::warn!(%to, %reason, count, "failed to send the prediction log; lines are dropped");
                }
            }
        }
        lines.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_makes_room_for_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.jsonl");
        fs::write(&path, "before\n").unwrap();
        let mut file = Rotating::open(&path, 10, 2).unwrap();
        for number in 0..6 {
            file.write(&format!("line {number}\n")).unwrap();
        }
        let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(text("predictions.jsonl"), "line 5\n");
        assert_eq!(text("predictions.jsonl.1"), "line 3\nline 4\n");
        assert_eq!(text("predictions.jsonl.2"), "line 1\nline 2\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        let mut alone = Rotating::open(&path, 1, 0).unwrap();
        alone.write("new\n").unwrap();
        assert_eq!(text("predictions.jsonl"), "new\n");
    }

    /// `/dev/full` refuses every write as a full disk does.
    #[test]
    fn a_full_disk_costs_lines_only() {
        let config = JournalConfig {
            sink: JournalSink::File { path: PathBuf::from("/dev/full"), size: u64::MAX, kept: 1 },
            sample: 1.0,
        };
        let journal = Journal::open(&config).unwrap();
        for _ in 0..3 {
            journal.lines.blocking_send("line\n".to_owned()).unwrap();
        }
        while journal.counts() != (0, 3) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let absent = JournalSink::File { path: PathBuf::from("/absent/log"), size: 1, kept: 1 };
        let refused = Journal::open(&JournalConfig { sink: absent, sample: 1.0 }).unwrap_err();
        assert!(refused.to_string().contains("/absent/log"), "{refused}");
    }
}

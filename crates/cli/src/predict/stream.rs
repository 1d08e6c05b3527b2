//! Predictions for the rows of a file: one thread reads, all cores predict, one writes in order.
//!
//! What is in memory at once is a few batches, whatever the length of the file.

mod worker;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use anyhow::{Context, Result, bail};
use engine::Model;
use engine::rows::{Batch, Format, Intake, Reader, is_parquet};

use self::worker::{Answered, Columns, Worker};
use crate::args::learn::Predict;
use crate::output::{self, Advice};

/// Rows a batch: enough for the kernels, few enough for the caches.
const BATCH: usize = 1024;

/// Batches under way for each thread: reading may run ahead a little, memory stays bounded.
const AHEAD: usize = 4;

/// Bad rows told of one by one.
const TOLD: usize = 10;

/// Predicts for the rows of a file.
pub(super) fn run(args: &Predict, model: &Model, table: &Path) -> Result<()> {
    let read = Arc::new(AtomicU64::new(0));
    let (mut reader, length) = open(args, table, &read)?;
    let dialect = args.spelling.dialect();
    let intake = Intake::new(model, reader.header(), args.text.as_deref(), None, dialect).map_err(
        |error| match error {
            engine::rows::IntakeError::WhichText { .. } => {
                Advice::error(error.to_string(), "`--text COLUMN` names it")
            }
            error => {
                Advice::error(error.to_string(), "rename the columns of the table as the model names them")
            }
        },
    )?;
    let format = format(args)?;
    let columns = Columns::new(model, reader.header(), args.only)?;
    let target = Target::new(&args.output, table)?;
    let worker = Worker { model, intake: &intake, columns: &columns, format };
    let mut out = target.open()?;
    if format == Format::Csv {
        out.write_all(&columns.header()).map_err(|source| closed(&target, source))?;
    }
    let bar = output::bar("predict");
    let tick = || {
        let share = read.load(Ordering::Relaxed).saturating_mul(100).checked_div(length).unwrap_or(0);
        bar.set_position(share);
    };
    let tally = work(&worker, &mut reader, &mut *out, &tick).map_err(|error| match error {
        Stopped::Read(error) => anyhow::Error::from(error),
        Stopped::Write(source) => closed(&target, source),
    });
    bar.finish_and_clear();
    let tally = tally?;
    out.flush().map_err(|source| closed(&target, source))?;
    drop(out);
    target.finish()?;
    tell(&tally, table)
}

/// Opens the file, and tells how long it is; zero if nobody knows.
fn open(args: &Predict, table: &Path, read: &Arc<AtomicU64>) -> Result<(Reader, u64)> {
    let dialect = args.spelling.dialect();
    let (source, length): (Box<dyn Read + Send>, u64) = if table == Path::new("-") {
        (Box::new(io::stdin()), 0)
    } else {
        let file =
            File::open(table).with_context(|| format!("failed to read table `{}`", table.display()))?;
        let metadata =
            file.metadata().with_context(|| format!("failed to read table `{}`", table.display()))?;
        if metadata.is_dir() {
            bail!("`{}` is a directory, not a table", table.display());
        }
        if is_parquet(&file) {
            let name = table.display().to_string();
            return Ok((Reader::parquet(file, &name, dialect, Some(Arc::clone(read)))?, metadata.len()));
        }
        (Box::new(file), metadata.len())
    };
    let counting = Counting { source, read: Arc::clone(read) };
    Ok((Reader::new(Box::new(counting), &table.display().to_string(), Format::of(table), dialect)?, length))
}

fn format(args: &Predict) -> Result<Format> {
    if args.output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet")) {
        return Err(Advice::error(
            format!("`{}` would be a Parquet file, which is read but not written", args.output.display()),
            "`--output FILE.csv` or `FILE.jsonl`",
        ));
    }
    Ok(match Format::of(&args.output) {
        Some(format) => format,
        None if args.json => Format::JsonLines,
        None => Format::Csv,
    })
}

struct Counting {
    source: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Where predictions go: a file beside the target first, so that nothing half-written is left.
struct Target {
    path: Option<PathBuf>,
    temporary: PathBuf,
}

impl Target {
    fn new(path: &Path, table: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Target { path: None, temporary: PathBuf::new() });
        }
        let is_same =
            fs::canonicalize(path).is_ok_and(|path| fs::canonicalize(table).is_ok_and(|table| table == path));
        if is_same {
            bail!(
                "`{}` would be read and written at once: name another file for the predictions",
                path.display()
            );
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}.tmp", std::process::id()));
        Ok(Target { path: Some(path.to_owned()), temporary: path.with_file_name(name) })
    }

    fn open(&self) -> Result<Box<dyn Write>> {
        let Some(path) = &self.path else { return Ok(Box::new(BufWriter::new(io::stdout()))) };
        let file =
            File::create(&self.temporary).with_context(|| format!("failed to write `{}`", path.display()))?;
        Ok(Box::new(BufWriter::with_capacity(1 << 20, file)))
    }

    fn finish(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        fs::rename(&self.temporary, path).with_context(|| format!("failed to write `{}`", path.display()))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.path.is_some() {
            // gone after success; after a failure the best that can be done
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// What a failed write means: a closed pipe is no error.
fn closed(target: &Target, source: io::Error) -> anyhow::Error {
    if target.path.is_none() && source.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    let path =
        target.path.as_ref().map_or("standard output".to_owned(), |path| format!("`{}`", path.display()));
    anyhow::Error::new(source).context(format!("failed to write {path}"))
}

/// What came of all rows.
#[derive(Debug, Default)]
struct Tally {
    rows: u64,
    bad: u64,
    told: Vec<(u64, String)>,
}

enum Stopped {
    Read(engine::rows::RowsError),
    Write(io::Error),
}

/// Sends batches through the workers and writes what comes back, in order.
fn work(
    worker: &Worker<'_>,
    reader: &mut Reader,
    out: &mut dyn Write,
    tick: &dyn Fn(),
) -> Result<Tally, Stopped> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let (to_workers, batches) = mpsc::sync_channel::<(u64, Batch)>(threads * AHEAD);
        let (to_writer, answers) = mpsc::channel::<(u64, Answered, Batch)>();
        let batches = Arc::new(Mutex::new(batches));
        for _ in 0..threads {
            let (batches, to_writer) = (Arc::clone(&batches), to_writer.clone());
            scope.spawn(move || {
                loop {
                    let next = batches.lock().map(|batches| batches.recv());
                    let Ok(Ok((number, batch))) = next else { break };
                    let answered = worker.answer(&batch);
                    if to_writer.send((number, answered, batch)).is_err() {
                        break;
                    }
                }
            });
        }
        drop((batches, to_writer));
        let mut flow =
            Flow { out, waiting: BTreeMap::new(), next: 0, tally: Tally::default(), spare: Vec::new() };
        let (mut sent, mut is_over) = (0, false);
        let most = (threads * AHEAD * 2) as u64;
        while !is_over || flow.next < sent {
            // more than this under way would be memory that grows
            if !is_over && sent - flow.next < most {
                let mut batch = flow.spare.pop().unwrap_or_default();
                is_over = !reader.fill(&mut batch, BATCH).map_err(Stopped::Read)?;
                if !is_over && to_workers.send((sent, batch)).is_ok() {
                    sent += 1;
                }
                while let Ok(answer) = answers.try_recv() {
                    flow.take(answer).map_err(Stopped::Write)?;
                }
            } else {
                let Ok(answer) = answers.recv() else { break };
                flow.take(answer).map_err(Stopped::Write)?;
            }
            tick();
        }
        Ok(flow.tally)
    })
}

/// Answers on their way out.
struct Flow<'o> {
    out: &'o mut dyn Write,
    /// Those that came before their turn.
    waiting: BTreeMap<u64, Answered>,
    next: u64,
    tally: Tally,
    /// Batches to be filled again.
    spare: Vec<Batch>,
}

impl Flow<'_> {
    fn take(&mut self, (number, answered, batch): (u64, Answered, Batch)) -> io::Result<()> {
        self.spare.push(batch);
        self.waiting.insert(number, answered);
        while let Some(answered) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.out.write_all(&answered.bytes)?;
            self.tally.rows += answered.rows;
            self.tally.bad += answered.bad.len() as u64;
            let room = TOLD.saturating_sub(self.tally.told.len());
            self.tally.told.extend(answered.bad.into_iter().take(room));
        }
        Ok(())
    }
}

/// Tells of rows that could not be predicted for; they make the command fail.
fn tell(tally: &Tally, table: &Path) -> Result<()> {
    if tally.bad == 0 {
        output::note(format!("predicted for {} rows", tally.rows));
        return Ok(());
    }
    for (line, problem) in &tally.told {
        output::note(format!("line {line} of `{}`: {problem}", table.display()));
    }
    let more = tally.bad - tally.told.len() as u64;
    if more > 0 {
        output::note(format!("and {more} more"));
    }
    bail!(
        "{} of {} rows of `{}` could not be predicted for: they have no prediction in the output",
        tally.bad,
        tally.rows,
        table.display()
    )
}

#[cfg(test)]
mod tests;

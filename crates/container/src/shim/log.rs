//! A container's log file, in the container runtime interface's format:
//! `2026-11-20T07:00:00.000000000Z stdout F line`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::clock;
use crate::LogLimits;

/// Longest piece of a line in one entry; longer lines are continued in the next one (tag `P`), as
/// containerd does.
pub(super) const MAX_LINE: usize = 16 << 10;

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A log file with its rotation.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    limits: LogLimits,
    file: Option<File>,
    size: u64,
    /// Entries that could not be written since the last one that could.
    lost: u64,
}

impl Log {
    /// Opens the file, with its folder, to append to it.
    pub(super) fn open(path: &Path, limits: &LogLimits) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut log = Self { path: path.to_owned(), limits: limits.clone(), file: None, size: 0, lost: 0 };
        log.reopen()?;
        Ok(log)
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(&self.path)?;
        self.size = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Appends entries made by [`Lines::split`]. On a full disk they are lost and counted: a
    /// container is never stopped by its log.
    pub(super) fn append(&mut self, entries: &[u8], count: u64) {
        if entries.is_empty() {
            return;
        }
        if self.lost > 0 {
            let note = format!(
                "{} stderr F {} log entries before this one were lost: the log could not be written\n",
                clock::rfc3339(SystemTime::now()),
                self.lost
            );
            if self.write(note.as_bytes()).is_ok() {
                self.lost = 0;
            }
        }
        if self.lost > 0 || self.write(entries).is_err() {
            self.lost += count;
        }
        if self.size >= self.limits.max_bytes {
            self.rotate();
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.reopen()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        if let Err(error) = file.write_all(bytes) {
            // Half an entry may have been written: cut it off, or the next one would be glued to it.
            let _ = file.set_len(self.size);
            return Err(error);
        }
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// `path` becomes `path.1`, which was `path.2` before, and so on; the oldest goes.
    fn rotate(&mut self) {
        let name = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        let oldest = self.limits.max_files.saturating_sub(1);
        if oldest == 0 {
            let _ = fs::remove_file(&self.path);
        } else {
            for number in (1..oldest).rev() {
                let _ = fs::rename(name(number), name(number + 1));
            }
            let _ = fs::rename(&self.path, name(1));
        }
        self.file = None;
        // If it cannot be opened now, the next entry tries again.
        let _ = self.reopen();
    }
}

/// Cuts what a stream brings into entries.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come; at most [`MAX_LINE`] bytes.
    rest: Vec<u8>,
}

impl Lines {
    /// Returns the entries that `bytes` complete, and their number.
    pub(super) fn split(&mut self, stream: Stream, mut bytes: &[u8], time: SystemTime) -> (Vec<u8>, u64) {
        let stamp = clock::rfc3339(time);
        let mut entries = Vec::with_capacity(bytes.len() + 128);
        let mut count = 0;
        let mut entry = |rest: &mut Vec<u8>, piece: &[u8], tag: char| {
            entries.extend_from_slice(format!("{stamp} {} {tag} ", stream.name()).as_bytes());
            entries.append(rest);
            entries.extend_from_slice(piece);
            entries.push(b'\n');
            count += 1;
        };
        while !bytes.is_empty() {
            let room = MAX_LINE - self.rest.len();
            let window = &bytes[..bytes.len().min(room + 1)];
            if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
                entry(&mut self.rest, &bytes[..end], 'F');
                bytes = &bytes[end + 1..];
            } else if bytes.len() > room {
                entry(&mut self.rest, &bytes[..room], 'P');
                bytes = &bytes[room..];
            } else {
                self.rest.extend_from_slice(bytes);
                bytes = &[];
            }
        }
        (entries, count)
    }

    /// Returns the entry of a line that never ended, and how many it is (0 or 1).
    pub(super) fn flush(&mut self, stream: Stream, time: SystemTime) -> (Vec<u8>, u64) {
        if self.rest.is_empty() {
            return (Vec::new(), 0);
        }
        let mut entry = format!("{} {} P ", clock::rfc3339(time), stream.name()).into_bytes();
        entry.append(&mut self.rest);
        entry.push(b'\n');
        (entry, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    const STAMP: &str = "2026-11-20T07:00:00.000000005Z";

    fn time() -> SystemTime {
        UNIX_EPOCH + Duration::new(1_795_158_000, 5)
    }

    fn split(lines: &mut Lines, bytes: &[u8]) -> String {
        String::from_utf8(lines.split(Stream::Stdout, bytes, time()).0).unwrap()
    }

    #[test]
    fn lines_are_stamped_and_a_split_line_is_joined() {
        let mut lines = Lines::default();
        assert_eq!(split(&mut lines, b"one\ntw"), format!("{STAMP} stdout F one\n"));
        assert_eq!(split(&mut lines, b"o\n\n"), format!("{STAMP} stdout F two\n{STAMP} stdout F \n"));
        assert_eq!(split(&mut lines, b"end"), "");
        let (rest, count) = lines.flush(Stream::Stderr, time());
        assert_eq!((String::from_utf8(rest).unwrap(), count), (format!("{STAMP} stderr P end\n"), 1));
        assert_eq!(lines.flush(Stream::Stderr, time()), (Vec::new(), 0));
    }

    #[test]
    fn a_long_line_is_continued_and_its_length_decides() {
        let mut lines = Lines::default();
        let long = "x".repeat(MAX_LINE);
        assert_eq!(split(&mut lines, format!("{long}\n").as_bytes()), format!("{STAMP} stdout F {long}\n"));
        assert_eq!(
            split(&mut lines, format!("{long}y\n").as_bytes()),
            format!("{STAMP} stdout P {long}\n{STAMP} stdout F y\n")
        );
    }

    #[test]
    fn a_flood_is_contained_and_the_newest_lines_are_kept() {
        let folder = std::env::temp_dir().join(format!("pinnace-log-{}", std::process::id()));
        let path = folder.join("0.log");
        let limits = LogLimits { max_bytes: 100, max_files: 3 };
        let mut log = Log::open(&path, &limits).unwrap();
        for number in 0..100 {
            log.append(format!("{number:049}\n").as_bytes(), 1);
        }
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let all = format!("{}{}{}", read("0.log.2"), read("0.log.1"), read("0.log"));
        let expected: String = (96..100).map(|number| format!("{number:049}\n")).collect();
        assert_eq!(all, expected);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
        fs::remove_dir_all(folder).unwrap();
    }
}

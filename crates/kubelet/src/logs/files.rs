//! The files of a log as they were at one moment, though its writer rotates them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How often the files are opened anew when they were rotated meanwhile: a rotation is a few renames, and far
/// apart from the next.
const ATTEMPTS: usize = 20;

/// One open file of a log. What it is called may change; what it is does not.
#[derive(Debug)]
pub(super) struct LogFile {
    /// What it was called when it was opened; the higher the older.
    index: usize,
    pub(super) inode: u64,
    pub(super) file: fs::File,
}

/// Opens the files of a log, the oldest first.
///
/// # Errors
/// None of them can be opened.
pub(super) fn open_all(log: &Path) -> io::Result<Vec<LogFile>> {
    let mut opened = Vec::new();
    for _ in 0..ATTEMPTS {
        opened = attempt(log)?;
        if is_unchanged(log, &opened) {
            break;
        }
    }
    if opened.is_empty() {
        // Says why.
        fs::File::open(log)?;
    }
    opened.reverse();
    Ok(opened)
}

/// Returns which file is written at present; `None` while there is none, as in the middle of a rotation.
pub(super) fn newest(log: &Path) -> Option<u64> {
    fs::metadata(log).ok().map(|metadata| metadata.ino())
}

/// Opens what there is, the newest first. One name may lead nowhere: in a rotation the gap moves from the oldest to
/// the newest, which is made with the next line.
fn attempt(log: &Path) -> io::Result<Vec<LogFile>> {
    let (mut opened, mut missing) = (Vec::new(), 0);
    for index in 0.. {
        match fs::File::open(path(log, index)) {
            Ok(file) => {
                opened.push(LogFile { index, inode: file.metadata()?.ino(), file });
                missing = 0;
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) if missing == 1 => break,
            Err(_) => missing += 1,
        }
    }
    Ok(opened)
}

fn is_unchanged(log: &Path, opened: &[LogFile]) -> bool {
    let now = |index| fs::metadata(path(log, index)).ok().map(|metadata| metadata.ino());
    let known = |index| opened.iter().find(|file| file.index == index).map(|file| file.inode);
    let end = opened.last().map_or(0, |oldest| oldest.index) + 2;
    (0..=end).all(|index| now(index) == known(index))
}

fn path(log: &Path, index: usize) -> PathBuf {
    let mut path = log.as_os_str().to_owned();
    if index > 0 {
        path.push(format!(".{index}"));
    }
    path.into()
}

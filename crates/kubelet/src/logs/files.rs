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

/// Opens what there is, the newest first. The newest may be missing: it is made with the next line.
fn attempt(log: &Path) -> io::Result<Vec<LogFile>> {
    let mut opened = Vec::new();
    for index in 0.. {
        match fs::File::open(path(log, index)) {
            Ok(file) => opened.push(LogFile { inode: file.metadata()?.ino(), file }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && index == 0 => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    Ok(opened)
}

fn is_unchanged(log: &Path, opened: &[LogFile]) -> bool {
    let now = |index| fs::metadata(path(log, index)).ok().map(|metadata| metadata.ino());
    let mut inodes = opened.iter().map(|file| file.inode);
    (0..=opened.len()).all(|index| now(index) == inodes.next())
}

fn path(log: &Path, index: usize) -> PathBuf {
    let mut path = log.as_os_str().to_owned();
    if index > 0 {
        path.push(format!(".{index}"));
    }
    path.into()
}

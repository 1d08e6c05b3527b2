//! The few file operations the store needs, behind a trait so that tests can crash them.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::OpenError;

/// A folder of files.
pub(crate) trait Medium: Send + Sync + 'static {
    /// Lists file names.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Reads a whole file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Opens a file for appending and creates it when it is absent. The name is durable on return.
    fn append(&self, name: &str) -> io::Result<Box<dyn Tail>>;
    /// Renames a file over another; durable on return.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// The end of a file that grows.
pub(crate) trait Tail: Send {
    /// Appends all bytes, or fails with some of them written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything written so far durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file and makes the cut durable.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// A folder on a real file system, locked against other processes.
pub(crate) struct Folder {
    path: PathBuf,
    /// Released by the kernel when the process dies, however it dies.
    _lock: File,
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |action: &'static str, file: &str| {
            let file = file.to_owned();
            move |source| OpenError::Io { action, file, source }
        };
        fs::create_dir_all(path).map_err(failed("create", &path.display().to_string()))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(failed("open", "lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed("lock", "lock")(source)),
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl Medium for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn append(&self, name: &str) -> io::Result<Box<dyn Tail>> {
        let file = OpenOptions::new().create(true).append(true).open(self.path.join(name))?;
        self.sync_folder()?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))?;
        self.sync_folder()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }
}

impl Tail for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.sync_all()
    }
}

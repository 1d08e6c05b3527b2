//! Constants that an ONNX file keeps in other files beside it: newer exporters of PyTorch do so by default.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// The most bytes that all constants of one file may have elsewhere.
const LIMIT: u64 = 2 << 30;

/// Where a file's constants may lie.
#[derive(Debug)]
pub(super) struct Outside<'a> {
    folder: &'a Path,
    left: Cell<u64>,
    read: RefCell<BTreeSet<PathBuf>>,
}

/// What an ONNX file says of a constant that lies elsewhere.
#[derive(Debug, Default)]
pub(super) struct Place<'a> {
    pub(super) location: &'a str,
    pub(super) offset: u64,
    pub(super) length: Option<u64>,
}

impl<'a> Outside<'a> {
    pub(super) fn new(folder: &'a Path) -> Self {
        // a file named without a folder lies in this one
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        Outside { folder, left: Cell::new(LIMIT), read: RefCell::default() }
    }

    /// The files that were read, relative to the folder.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.read.borrow().iter().cloned().collect()
    }

    /// Reads a constant of so many bytes; says in words why not.
    pub(super) fn read(&self, place: &Place<'_>, bytes: usize) -> Result<Vec<u8>, String> {
        let name: String = super::proto::clean(place.location);
        let told = Path::new(place.location);
        let stays = told.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if place.location.is_empty() || !stays {
            return Err(format!("keeps its values in `{name}`, which is not beside the model's file"));
        }
        let length = bytes as u64;
        if place.length.is_some_and(|told| told != length) {
            return Err(format!("has another number of bytes in `{name}` than its shape asks for"));
        }
        let Some(left) = self.left.get().checked_sub(length) else {
            return Err(format!("and others have more than {} MiB in other files", LIMIT >> 20));
        };
        self.left.set(left);
        let failed = |error: &dyn std::fmt::Display| {
            format!("keeps its values in `{name}`, which must lie beside the model's file: {error}")
        };
        let path = self.folder.join(told);
        // a link could lead anywhere
        let (found, folder) = (path.canonicalize(), self.folder.canonicalize());
        let found = found.map_err(|error| failed(&error))?;
        if !folder.is_ok_and(|folder| found.starts_with(folder)) || !found.is_file() {
            return Err(failed(&"it is no file of that folder"));
        }
        let mut file = File::open(found).map_err(|error| failed(&error))?;
        let size = file.metadata().map_err(|error| failed(&error))?.len();
        if place.offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(failed(&"it is too short"));
        }
        let mut values = vec![0; bytes];
        file.seek(SeekFrom::Start(place.offset)).map_err(|error| failed(&error))?;
        file.read_exact(&mut values).map_err(|error| failed(&error))?;
        self.read.borrow_mut().insert(told.to_owned());
        Ok(values)
    }
}

//! Tells a file's format by its content and opens it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Model, OpenError};
use crate::file;

/// The most a model file may have, and the most it may unpack to.
const LIMIT: u64 = 2 << 30;

pub(super) fn open(path: &Path) -> Result<Model, OpenError> {
    let bytes = read(path)?;
    let name = path.file_stem().map_or_else(|| "model".into(), |stem| stem.to_string_lossy());
    if bytes.starts_with(file::MAGIC) {
        let decoded = file::decode(&bytes);
        let parts = decoded.map_err(|source| OpenError::Decode { path: path.to_owned(), source })?;
        return Ok(Model::new(&name, parts));
    }
    Err(OpenError::NotAModel { path: path.to_owned(), what: "a file of an unknown kind" })
}

fn read(path: &Path) -> Result<Vec<u8>, OpenError> {
    let read_error = |source| OpenError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(read_error)?;
    let metadata = file.metadata().map_err(read_error)?;
    if metadata.is_dir() {
        return Err(OpenError::Directory { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    // not trusted to metadata: a device or a growing file has no honest length
    file.by_ref().take(LIMIT + 1).read_to_end(&mut bytes).map_err(read_error)?;
    match bytes.len() as u64 {
        0 => Err(OpenError::Empty { path: path.to_owned() }),
        length if length > LIMIT => {
            Err(OpenError::TooLarge { path: path.to_owned(), limit_mib: LIMIT >> 20 })
        }
        _ => Ok(bytes),
    }
}

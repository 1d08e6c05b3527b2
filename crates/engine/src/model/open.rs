//! Tells a file's format by its content and opens it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Model, OpenError, Parts, kind};
use crate::pickle::packing::{self, Packing};
use crate::{file, pickle, sklearn};

/// The most a model file may have, and the most it may unpack to.
const LIMIT: u64 = 2 << 30;

pub(super) fn open(path: &Path) -> Result<Model, OpenError> {
    let bytes = read(path)?;
    let parts = parts(path, bytes)?;
    let name = path.file_stem().map_or_else(|| "model".into(), |stem| stem.to_string_lossy());
    Ok(Model::new(&name, parts))
}

pub(super) fn parts(path: &Path, bytes: Vec<u8>) -> Result<Parts, OpenError> {
    let owned = || path.to_owned();
    if bytes.starts_with(file::MAGIC) {
        return file::decode(&bytes).map_err(|source| OpenError::Decode { path: owned(), source });
    }
    let bytes = match packing::sniff(&bytes) {
        None => bytes,
        Some(Packing::Other(compression)) => {
            return Err(OpenError::Compression { path: owned(), compression });
        }
        Some(packing) => {
            let unpacked = packing::unpack(&bytes, packing, LIMIT);
            let unpacked = unpacked.map_err(|source| OpenError::Decompress { path: owned(), source })?;
            if unpacked.len() as u64 > LIMIT {
                return Err(OpenError::TooLarge { path: owned(), limit_mib: LIMIT >> 20 });
            }
            unpacked
        }
    };
    if let Some(what) = kind::foreign(&bytes) {
        return Err(OpenError::NotAModel { path: owned(), what });
    }
    let graph = pickle::load(&bytes).map_err(|source| OpenError::Pickle { path: owned(), source })?;
    sklearn::extract(graph.root()).map_err(|source| OpenError::Extract { path: owned(), source })
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

#[cfg(test)]
mod tests;

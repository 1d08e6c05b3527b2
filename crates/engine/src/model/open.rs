//! Tells a file's format by its content and opens it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::{Model, OpenError, Parts, kind};
use crate::fitted::Takes;
use crate::pickle::packing::{self, Packing};
use crate::{boosters, file, mlflow, onnx, pickle, sklearn, skops};

/// The most a model file may have, and the most it may unpack to.
pub(crate) const LIMIT: u64 = 2 << 30;

pub(super) fn open(path: &Path) -> Result<Model, OpenError> {
    let parts = match mlflow::is_folder(path) {
        true => of_folder(path)?,
        false => parts(path, &read(path)?)?,
    };
    let name = path.file_stem().map_or_else(|| "model".into(), |stem| stem.to_string_lossy());
    Ok(Model::new(&name, parts))
}

pub(super) fn from_bytes(name: &str, bytes: &[u8]) -> Result<Model, OpenError> {
    let path = Path::new(name);
    let unpacked = unpacked(path, bytes, bytes.len() as u64)?;
    if kind::is_onnx(&unpacked) {
        // bytes lie in no folder: nothing beside them is read
        let parts = onnx::open(&unpacked, None);
        let parts = parts.map_err(|source| OpenError::Onnx { path: path.to_owned(), source })?;
        return Ok(Model::new(name, parts));
    }
    Ok(Model::new(name, parts(path, &unpacked)?))
}

/// The files beside a model's file that opening it reads, relative to its folder.
pub(super) fn files_beside(path: &Path) -> Result<Vec<std::path::PathBuf>, OpenError> {
    let bytes = read(path)?;
    match path.parent() {
        Some(folder) if kind::is_onnx(&bytes) => onnx::files_beside(&bytes, folder)
            .map_err(|source| OpenError::Onnx { path: path.to_owned(), source }),
        _ => Ok(Vec::new()),
    }
}

/// Makes a model of an MLflow folder; its signature names the inputs where the model does not.
fn of_folder(path: &Path) -> Result<Parts, OpenError> {
    let folder =
        mlflow::locate(path).map_err(|source| OpenError::Mlflow { path: path.to_owned(), source })?;
    let mut parts = parts(&folder.file, &read(&folder.file)?)?;
    let width = match parts.takes() {
        Takes::Numbers(width) | Takes::Cells(width) => width,
        Takes::Text | Takes::Anything => 0,
    };
    // LightGBM numbers the columns that nobody named, and has no spaces in names
    let is_made = |(number, name): (usize, &String)| {
        let told = folder.names.get(number).map(|told| told.replace(' ', "_"));
        *name == format!("Column_{number}") || told.as_ref() == Some(name)
    };
    if folder.names.len() == width && parts.names.iter().enumerate().all(is_made) {
        parts.names = folder.names;
    }
    Ok(parts)
}

/// Makes a model of a file's bytes, any compression undone.
pub(super) fn parts(path: &Path, bytes: &[u8]) -> Result<Parts, OpenError> {
    let owned = || path.to_owned();
    let decode_error = |source| OpenError::Decode { path: owned(), source };
    file::refuse_version_2(bytes).map_err(decode_error)?;
    if file::is_safetensors(bytes) {
        return file::decode(bytes).map_err(decode_error);
    }
    if skops::is_skops(bytes) {
        let skops_error = |source| OpenError::Skops { path: owned(), source };
        let archive = skops::Archive::open(bytes, LIMIT).map_err(skops_error)?;
        let graph = skops::graph(&archive).map_err(skops_error)?;
        return sklearn::extract(graph.root()).map_err(|source| OpenError::Extract { path: owned(), source });
    }
    if let Some(format) = boosters::sniff(bytes) {
        return boosters::open(format, bytes).map_err(|source| OpenError::Booster { path: owned(), source });
    }
    if kind::is_onnx(bytes) {
        return onnx::open(bytes, path.parent()).map_err(|source| OpenError::Onnx { path: owned(), source });
    }
    if let Some(what) = kind::foreign(bytes) {
        return Err(OpenError::NotAModel { path: owned(), what });
    }
    let graph = pickle::load(bytes).map_err(|source| OpenError::Pickle { path: owned(), source })?;
    sklearn::extract(graph.root()).map_err(|source| OpenError::Extract { path: owned(), source })
}

/// Whether the bytes may be a pickle, as far as their start tells.
pub(crate) fn may_be_pickle(bytes: &[u8]) -> bool {
    let is_other = file::is_safetensors(bytes) || kind::is_onnx(bytes) || boosters::sniff(bytes).is_some();
    !is_other && kind::foreign(bytes).is_none()
}

/// Whether the bytes are of an ONNX file, as far as their start tells.
pub(crate) fn is_onnx(bytes: &[u8]) -> bool {
    kind::is_onnx(bytes)
}

/// Reads a file, unpacking it on the way, so that it is never in memory twice.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, OpenError> {
    let read_error = |source| OpenError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read_error)?;
    let metadata = file.metadata().map_err(read_error)?;
    if metadata.is_dir() {
        return Err(OpenError::Directory { path: path.to_owned() });
    }
    unpacked(path, BufReader::new(file), metadata.len())
}

/// Reads to the end, any compression undone.
fn unpacked(path: &Path, mut file: impl BufRead, length: u64) -> Result<Vec<u8>, OpenError> {
    let read_error = |source| OpenError::Read { path: path.to_owned(), source };
    let packing = packing::sniff(file.fill_buf().map_err(read_error)?);
    let bytes = match packing {
        // not trusted to metadata alone: a device or a growing file has no honest length
        None => take(file, length).map_err(read_error)?,
        Some(Packing::Other(compression)) => {
            return Err(OpenError::Compression { path: path.to_owned(), compression });
        }
        Some(Packing::Known(packing)) => packing::unpacker(file, packing)
            .and_then(|unpacked| take(unpacked, length))
            .map_err(|source| OpenError::Decompress { path: path.to_owned(), source })?,
    };
    match bytes.len() as u64 {
        0 => Err(OpenError::Empty { path: path.to_owned() }),
        length if length > LIMIT => {
            Err(OpenError::TooLarge { path: path.to_owned(), limit_mib: LIMIT >> 20 })
        }
        _ => Ok(bytes),
    }
}

/// Reads to the end, or one byte beyond the limit.
fn take(source: impl Read, expected: u64) -> std::io::Result<Vec<u8>> {
    // one more than expected, so that finding the end does not grow the vector
    let mut bytes = Vec::with_capacity(usize::try_from(expected.min(LIMIT)).unwrap_or(0) + 1);
    source.take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests;

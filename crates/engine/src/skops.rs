//! Opens skops files: a zip archive of `schema.json`, which describes the objects, and numpy
//! arrays in files of their own.
//!
//! What a schema describes becomes the same graph of inert nodes that a pickle becomes, so that
//! one reader of each class serves both. [`zip`] lists and unpacks the archive, [`npy`] reads the
//! head of an array's file, [`schema`] makes the nodes, [`arrays`] those of arrays. Nothing is imported or called.

mod arrays;
mod npy;
mod schema;
mod zip;

use crate::pickle::Graph;

pub(crate) use schema::graph;
pub(crate) use zip::Archive;

/// Why a file is no sound skops file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkopsError {
    /// The zip archive is damaged, or of a kind skops does not write.
    #[error("the zip archive {problem}")]
    Zip {
        /// What is wrong.
        problem: &'static str,
    },
    /// A file in the archive is damaged.
    #[error("`{file}` in the zip archive {problem}")]
    File {
        /// The file's name, shortened.
        file: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The archive has no schema.
    #[error("the zip archive has no `schema.json`: it was not written by skops")]
    NoSchema,
    /// The schema is no JSON, or not the JSON it should be.
    #[error("`schema.json` is damaged at {place}: {problem}")]
    Schema {
        /// The way from the root to the object.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A kind of object that skops may write and the engine does not know.
    #[error("`schema.json` has a `{loader}` at {place}, which is not supported")]
    Loader {
        /// The way from the root to the object.
        place: String,
        /// The kind, as skops names it.
        loader: String,
    },
    /// The file holds more than the engine takes in.
    #[error("it holds {what}, more than a model may have")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
    },
}

/// Whether bytes may be a skops file: a zip archive with a schema.
pub(crate) fn is_skops(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") && zip::has(bytes, "schema.json")
}

/// Shortens a name that comes from a stranger.
fn shown(name: &str) -> String {
    name.chars().take(60).filter(|character| !character.is_control()).collect()
}

/// A graph made of an archive's objects; it borrows the archive's bytes.
pub(crate) type Objects<'a> = Graph<'a>;

#[cfg(test)]
mod tests;

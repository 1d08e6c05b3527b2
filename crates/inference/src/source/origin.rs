//! What a store can do: open a file from some byte on, and say which files there are.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use futures::Stream;

use super::Sha256;

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The bytes of a file, in pieces.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, OriginError>> + Send>>;

/// One place in a store: a file, or a folder of them.
pub trait Origin: Send + Sync {
    /// Lists the files, with their paths below this place; a single file is its own only entry, without a path.
    fn entries(&self) -> BoxFuture<'_, Result<Vec<Entry>, OriginError>>;

    /// Opens one of the files.
    fn open<'a>(&'a self, entry: &'a Entry, part: Part<'a>) -> BoxFuture<'a, Result<Opened, OriginError>>;

    /// The text of the file beside it that holds its checksum, if there is one.
    fn checksum<'a>(&'a self, entry: &'a Entry) -> BoxFuture<'a, Option<String>> {
        let _ = entry;
        Box::pin(async { None })
    }
}

/// A file of an origin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the origin, with `/`; empty when the origin is the file itself.
    pub path: String,
    /// Its size, where it is known beforehand.
    pub size: Option<u64>,
    /// Its checksum, where the store vouches for it.
    pub sha256: Option<Sha256>,
}

/// Which part of a file to open.
#[derive(Debug, Clone, Copy, Default)]
pub struct Part<'a> {
    /// The first byte.
    pub offset: u64,
    /// Only if the file still has this version, when a part of it is at hand.
    pub version: Option<&'a str>,
    /// Only if the file does not have this version, when all of it is at hand.
    pub unless: Option<&'a str>,
}

/// What opening a file gave.
pub enum Opened {
    /// The file has the version that is at hand.
    Unchanged,
    /// Its bytes follow.
    Bytes {
        /// The place of the first of them: not what was asked for if the store knows no parts or has another version.
        offset: u64,
        /// The size of the whole file.
        size: Option<u64>,
        /// What tells this version from others: an entity tag.
        version: Option<String>,
        /// The bytes.
        stream: ByteStream,
    },
}

/// Why a store does not give a file.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct OriginError {
    /// What it says.
    pub message: String,
    /// Whether it may be better in a moment.
    pub is_passing: bool,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl OriginError {
    /// An error that asking again does not mend.
    pub fn lasting(message: impl Into<String>) -> OriginError {
        OriginError { message: message.into(), is_passing: false, source: None }
    }

    /// An error that may be gone in a moment.
    pub fn passing(message: impl Into<String>) -> OriginError {
        OriginError { message: message.into(), is_passing: true, source: None }
    }

    /// With its cause.
    #[must_use]
    pub fn caused(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OriginError {
        self.source = Some(source.into());
        self
    }

    /// The message and all its causes, in one line.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.ends_with(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        text
    }
}

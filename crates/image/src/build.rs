//! Builds an image from files.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::layout::StoreError;
use crate::reference::Reference;

/// What to build.
#[derive(Clone, Debug)]
pub struct Build {
    /// The name of the image.
    pub tag: Reference,
    /// The layers, lowest first: what changes least goes first.
    pub layers: Vec<LayerSpec>,
    /// The program and its fixed arguments.
    pub entrypoint: Vec<String>,
    /// Arguments one may replace.
    pub cmd: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Ports the program listens on, `8000/tcp`.
    pub exposed_ports: Vec<String>,
    /// Free-form facts.
    pub labels: BTreeMap<String, String>,
    /// User or uid, with group or gid after a colon; empty for root.
    pub user: String,
    /// Where the program starts; empty for `/`.
    pub working_dir: String,
    /// The signal that asks the program to stop.
    pub stop_signal: Option<String>,
    /// When the image was made, in seconds since 1970; `None`: when the newest input file was changed.
    pub created: Option<i64>,
}

/// One layer to be built.
#[derive(Clone, Debug)]
pub struct LayerSpec {
    /// Files and folders; parent folders are added (0755, root).
    pub entries: Vec<Entry>,
}

/// A file or folder of a layer; root owns it, its time is 1970.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The path in the image, with or without the leading `/`.
    pub path: String,
    /// Permission bits, `0o755`.
    pub mode: u32,
    /// What it is.
    pub content: Content,
}

/// What an [`Entry`] is.
#[derive(Clone, Debug)]
pub enum Content {
    /// A copy of this file.
    File(PathBuf),
    /// A file of these bytes.
    Bytes(Vec<u8>),
    /// An empty folder.
    Folder,
}

/// Why an image could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file that should go in can't be read.
    #[error("failed to read `{}`", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A file changed while it was being read.
    #[error("`{}` changed while the image was being built; build again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A path in the image is not one.
    #[error("`{path}` is no path of a file in an image")]
    Path {
        /// The path.
        path: String,
    },
    /// The tag pins a digest, which only the build itself can know.
    #[error("can't build `{reference}`: a build names an image by tag, not by digest")]
    Tag {
        /// The name.
        reference: Reference,
    },
    /// The store could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Build {
    /// Returns a build of nothing, to be filled: `Build { layers, ..Build::new(tag) }`.
    pub fn new(tag: Reference) -> Build {
        Build {
            tag,
            layers: Vec::new(),
            entrypoint: Vec::new(),
            cmd: Vec::new(),
            env: Vec::new(),
            exposed_ports: Vec::new(),
            labels: BTreeMap::new(),
            user: String::new(),
            working_dir: String::new(),
            stop_signal: None,
            created: None,
        }
    }
}

impl LayerSpec {
    /// Returns a layer of one file: `LayerSpec::file(executable, "/pinnace", 0o755)`.
    pub fn file(source: impl Into<PathBuf>, path_in_image: &str, mode: u32) -> LayerSpec {
        let content = Content::File(source.into());
        LayerSpec { entries: vec![Entry { path: path_in_image.to_owned(), mode, content }] }
    }
}

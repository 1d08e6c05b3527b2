//! Makes an image from files, reproducibly: the same input gives the same digest.

mod archive;
mod layer;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::document::{
    CONFIG, ConfigFile, Descriptor, Empty, History, MANIFEST, Manifest, Platform, RootFs, RunConfig, to_json,
};
use crate::layout::{Hold, Layout, StoreError};
use crate::reference::Reference;
use crate::store::ResolveError;

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

/// One layer to be built. A layer is compressed once for the same files (path, size, times, inode).
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
    /// A symbolic link to this path.
    Link(String),
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
    /// Something that should go in is no regular file.
    #[error("`{}` is no regular file", path.display())]
    NotAFile {
        /// What it is instead is for the user to see.
        path: PathBuf,
    },
    /// A file changed while it was being read.
    #[error("`{}` changed while the image was being built; build again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A path in the image is not one.
    #[error("`{path}` can't be a file in an image: {why}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        why: &'static str,
    },
    /// The tag pins a digest, which only the build itself can know.
    #[error("can't build `{reference}`: a build names an image by tag, not by digest")]
    Tag {
        /// The name.
        reference: Reference,
    },
    /// What was built does not read.
    #[error("the image that was built does not read")]
    Result {
        /// Why.
        #[source]
        source: Box<ResolveError>,
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

/// Writes the blobs of an image and returns its manifest, which has no name yet.
pub(crate) fn assemble(layout: &Layout, hold: &Hold, build: &Build) -> Result<Descriptor, BuildError> {
    if build.tag.digest().is_some() {
        return Err(BuildError::Tag { reference: build.tag.clone() });
    }
    let mut built = Vec::with_capacity(build.layers.len());
    for spec in &build.layers {
        built.push(layer::build(layout, hold, spec)?);
    }
    let newest_input = built.iter().map(|layer| layer.newest).max().unwrap_or(0);
    let created = timestamp(build.created.unwrap_or(newest_input));
    let config = config_file(build, &built, &created);
    let config = layout.add_blob(hold, CONFIG, &to_json(&config))?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        config,
        layers: built.into_iter().map(|layer| layer.record.blob).collect(),
        annotations: BTreeMap::new(),
    };
    let platform = Some(Platform::current());
    let manifest = layout.add_blob(hold, MANIFEST, &to_json(&manifest))?;
    Ok(Descriptor { platform, ..manifest })
}

fn config_file(build: &Build, layers: &[layer::Built], created: &str) -> ConfigFile {
    let platform = Platform::current();
    let history = build.layers.iter().map(|spec| {
        let paths: Vec<&str> = spec.entries.iter().map(|entry| entry.path.as_str()).collect();
        let created_by = Some(format!("pinnace image build: {}", paths.join(" ")));
        History { created: Some(created.to_owned()), created_by, empty_layer: None }
    });
    ConfigFile {
        created: Some(created.to_owned()),
        architecture: platform.architecture,
        os: platform.os,
        variant: platform.variant,
        config: RunConfig {
            user: build.user.clone(),
            exposed_ports: build.exposed_ports.iter().map(|port| (port.clone(), Empty {})).collect(),
            env: build.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            entrypoint: build.entrypoint.clone(),
            cmd: build.cmd.clone(),
            volumes: BTreeMap::new(),
            working_dir: build.working_dir.clone(),
            labels: build.labels.clone(),
            stop_signal: build.stop_signal.clone(),
        },
        rootfs: RootFs {
            kind: "layers".to_owned(),
            diff_ids: layers.iter().map(|layer| layer.record.diff_id.clone()).collect(),
        },
        history: history.collect(),
    }
}

fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

//! Stores, archives and images to test with.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{Build, Digest, Image, ImageStore, LayerSpec, Reference};
use serde_json::{Value, json};
use tar::{EntryType, Header};
use tempfile::TempDir;

/// A store of its own, and a folder beside it.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) store: ImageStore,
}

impl Fixture {
    pub(crate) fn new() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::open(&folder.path().join("images")).unwrap();
        Fixture { folder, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.path("images")
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.path("snapshots")
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Builds an image of one file.
    pub(crate) fn build(&self, name: &str, bytes: &[u8]) -> Image {
        let source = self.write("source", bytes);
        self.store.build(&one_file(name, &source)).unwrap()
    }

    pub(crate) fn blobs(&self) -> Vec<String> {
        names_in(&self.images().join("blobs/sha256"))
    }

    pub(crate) fn add_blob(&self, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        fs::write(self.images().join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({ "digest": digest.to_string(), "size": bytes.len() })
    }

    /// Puts an image of these uncompressed archives into the store as another tool would.
    pub(crate) fn add_image(&self, name: &str, layers: &[Vec<u8>]) -> Image {
        let blobs: Vec<Vec<u8>> = layers.iter().map(|layer| gzip(layer)).collect();
        let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
        self.add_image_of_blobs(name, &blobs, &diff_ids)
    }

    pub(crate) fn add_image_of_blobs(&self, name: &str, blobs: &[Vec<u8>], diff_ids: &[Digest]) -> Image {
        let manifest = self.add_manifest(blobs, diff_ids);
        self.add_to_index(name, manifest);
        self.store.resolve(name).unwrap().expect("the image was just added")
    }

    pub(crate) fn add_manifest(&self, blobs: &[Vec<u8>], diff_ids: &[Digest]) -> Value {
        let diff_ids: Vec<String> = diff_ids.iter().map(Digest::to_string).collect();
        let config = json!({ "architecture": architecture(), "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": diff_ids } });
        let mut config = self.add_blob(config.to_string().as_bytes());
        config["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
        let layers: Vec<Value> = blobs
            .iter()
            .map(|blob| {
                let mut layer = self.add_blob(blob);
                layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip");
                layer
            })
            .collect();
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        let mut manifest = self.add_blob(manifest.to_string().as_bytes());
        manifest["mediaType"] = json!("application/vnd.oci.image.manifest.v1+json");
        manifest
    }

    pub(crate) fn add_to_index(&self, name: &str, mut entry: Value) {
        let path = self.images().join("index.json");
        let text = fs::read(&path).unwrap_or_else(|_| br#"{"schemaVersion":2,"manifests":[]}"#.to_vec());
        let mut index: Value = serde_json::from_slice(&text).unwrap();
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        index["manifests"].as_array_mut().unwrap().push(entry);
        fs::write(path, index.to_string()).unwrap();
    }

    /// Unpacks an image of these archives; returns the folders, lowest first.
    pub(crate) fn unpack(&self, layers: &[Vec<u8>]) -> Vec<PathBuf> {
        let image = self.add_image("test", layers);
        let mut folders = self.store.unpack(&image, &self.snapshots(), image::Ownership::detect()).unwrap();
        folders.reverse();
        folders
    }
}

pub(crate) fn name(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

pub(crate) fn one_file(tag: &str, source: &Path) -> Build {
    let layers = vec![LayerSpec::file(source, "/file", 0o644)];
    Build { layers, created: Some(1), ..Build::new(name(tag)) }
}

pub(crate) fn architecture() -> &'static str {
    if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" }
}

pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that don't compress, the same each time.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Whether this process may do what only root can; says so where a test then checks less.
/// Root in a user namespace is an ordinary user in this sense.
pub(crate) fn is_root(what: &str) -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let has_every_id = map.split_whitespace().nth(2) == Some("4294967295");
    let is_root = rustix::process::geteuid().is_root() && has_every_id;
    if !is_root {
        println!("not root: {what} is not checked");
    }
    is_root
}

/// An archive, also of what no honest program would write.
#[derive(Default)]
pub(crate) struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    pub(crate) fn folder(self, path: &str, mode: u32) -> Tar {
        self.entry(EntryType::Directory, path, "", mode, b"")
    }

    pub(crate) fn file(self, path: &str, content: &str) -> Tar {
        self.entry(EntryType::Regular, path, "", 0o644, content.as_bytes())
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Tar {
        self.entry(EntryType::Symlink, path, target, 0o777, b"")
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Tar {
        self.entry(EntryType::Link, path, target, 0o644, b"")
    }

    pub(crate) fn entry(self, kind: EntryType, path: &str, target: &str, mode: u32, content: &[u8]) -> Tar {
        let mut header = Header::new_ustar();
        // Not by `set_path`, which refuses what these tests are about.
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_size(content.len() as u64);
        self.raw(&mut header, content)
    }

    pub(crate) fn raw(mut self, header: &mut Header, content: &[u8]) -> Tar {
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    /// Adds an entry with a PAX attribute before it.
    pub(crate) fn file_with_attribute(self, path: &str, name: &str, value: &str) -> Tar {
        let rest = format!(" {name}={value}\n");
        let mut length = rest.len();
        while length != rest.len() + length.to_string().len() {
            length = rest.len() + length.to_string().len();
        }
        let record = format!("{length}{rest}");
        self.entry(EntryType::XHeader, "pax", "", 0o644, record.as_bytes()).file(path, "content")
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0; 1024]);
        self.bytes
    }
}

/// Everything below a folder with its kind and content: `d dir`, `f dir/file text`, `l link -> target`,
/// `w removed`, and an `o` for a folder that hides what is below.
pub(crate) fn listing(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    list_into(root, root, &mut lines);
    lines.sort();
    lines
}

fn list_into(root: &Path, folder: &Path, lines: &mut Vec<String>) {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let shown = path.strip_prefix(root).unwrap().display();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let kind = metadata.file_type();
        if kind.is_dir() {
            let mark = if is_opaque(&path) { "o" } else { "d" };
            lines.push(format!("{mark} {shown}"));
            list_into(root, &path, lines);
        } else if kind.is_symlink() {
            lines.push(format!("l {shown} -> {}", fs::read_link(&path).unwrap().display()));
        } else if kind.is_char_device() && metadata.rdev() == 0 {
            lines.push(format!("w {shown}"));
        } else if kind.is_file() {
            lines.push(format!("f {shown} {}", fs::read_to_string(&path).unwrap()));
        } else {
            lines.push(format!("? {shown}"));
        }
    }
}

fn is_opaque(folder: &Path) -> bool {
    attributes(folder).iter().any(|name| name.ends_with(".overlay.opaque"))
}

/// The names of a file's extended attributes.
pub(crate) fn attributes(path: &Path) -> Vec<String> {
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap();
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| std::ffi::OsStr::from_bytes(name).to_string_lossy().into_owned()).collect()
}

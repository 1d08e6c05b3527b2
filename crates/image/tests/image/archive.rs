//! Images in one file, as Docker, podman and skopeo write and read them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use image::{Digest, Image, LoadError, LoadOptions, Reference, SaveError};
use serde_json::{Value, json};

use crate::support::{Fixture, Tar, architecture, gzip, is_root, listing, name, names_in, noise};

fn save(fixture: &Fixture, names: &[&str]) -> Vec<u8> {
    let names: Vec<Reference> = names.iter().map(|text| name(text)).collect();
    let mut archive = Vec::new();
    fixture.store.save(&names, &mut archive).unwrap();
    archive
}

fn load(fixture: &Fixture, archive: &[u8]) -> Result<Vec<Image>, LoadError> {
    fixture.store.load(archive, &LoadOptions::default())
}

fn diff_ids(image: &Image) -> Vec<Digest> {
    image.layers.iter().map(|layer| layer.diff_id.clone()).collect()
}

/// Runs skopeo; false, with the reason printed, where there is none.
fn skopeo(arguments: &[&str]) -> bool {
    match Command::new("skopeo").arg("--insecure-policy").args(arguments).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skopeo is not installed: that we understand each other is not checked");
            false
        }
        output => {
            let output = output.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            true
        }
    }
}

#[test]
fn what_was_saved_loads_as_it_was() {
    let (here, there) = (Fixture::new(), Fixture::new());
    let one = here.build("web:1", &noise(1 << 20));
    let two = here.build("localhost:5000/web:2", b"two");
    let archive = save(&here, &["web:1", "localhost:5000/web:2"]);
    let loaded = load(&there, &archive).unwrap();
    assert_eq!(loaded, [one.clone(), two]);
    assert_eq!(there.store.resolve("web:1").unwrap(), Some(one));
    assert_eq!(there.blobs(), here.blobs());
    assert_eq!(archive, save(&there, &["web:1", "localhost:5000/web:2"]), "the same images, the same bytes");
}

#[test]
fn a_compressed_archive_loads_too() {
    let (here, there) = (Fixture::new(), Fixture::new());
    let image = here.build("web:1", b"content");
    let archive = save(&here, &["web:1"]);
    assert_eq!(load(&there, &gzip(&archive)).unwrap(), std::slice::from_ref(&image));
    let Some(compressed) = zstd(&archive) else { return };
    assert_eq!(load(&Fixture::new(), &compressed).unwrap(), [image]);
}

fn zstd(bytes: &[u8]) -> Option<Vec<u8>> {
    let spawned = Command::new("zstd").arg("-q").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut process) = spawned else {
        println!("zstd is not installed: archives that it compressed are not checked");
        return None;
    };
    let mut stdin = process.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = process.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    Some(output.stdout)
}

#[test]
fn layers_that_zstd_compressed_unpack() {
    let layer = Tar::default().file("file", "content").finish();
    let Some(blob) = zstd(&layer) else { return };
    let fixture = Fixture::new();
    // Two frames, as `zstd:chunked` and parallel compressors write.
    let halves = [zstd(&layer[..700]).unwrap(), zstd(&layer[700..]).unwrap()].concat();
    for (tag, blob) in [("one", blob), ("two", halves)] {
        let image = fixture.add_image_of_blobs(tag, &[blob], &[Digest::of(&layer)]);
        let folders = fixture.store.unpack(&image, &fixture.path(tag), image::Ownership::detect()).unwrap();
        assert_eq!(listing(&folders[0]), ["f file content"]);
    }
}

#[test]
fn skopeo_reads_what_we_save_and_we_read_what_it_writes() {
    let fixture = Fixture::new();
    let built = fixture.build("web:1", &noise(100_000));
    let archive = fixture.write("saved.tar", save(&fixture, &["web:1"]));
    let path = |name: &str| fixture.path(name).display().to_string();
    for (format, tag) in [("docker-archive", ":web:1"), ("oci-archive", ":web:1")] {
        let from = format!("{format}:{}", archive.display());
        let to = path(&format!("{format}.tar"));
        if !skopeo(&["copy", "-q", &from, &format!("{format}:{to}{tag}")]) {
            return;
        }
        let there = Fixture::new();
        let loaded = there.store.load(fs::File::open(&to).unwrap(), &LoadOptions::default()).unwrap();
        assert_eq!(loaded.len(), 1, "{format}");
        assert_eq!(diff_ids(&loaded[0]), diff_ids(&built), "{format}");
        assert_eq!(loaded[0].reference, Some(name("web:1")), "{format}");
        let folders = there.store.unpack(&loaded[0], &there.snapshots(), image::Ownership::detect()).unwrap();
        assert_eq!(names_in(&folders[0]), ["file"]);
    }
}

#[test]
fn podman_reads_what_we_save_and_we_read_what_it_writes() {
    if !is_root("podman, which needs more than a user id otherwise,") {
        return;
    }
    let fixture = Fixture::new();
    let built = fixture.build("web:1", &noise(100_000));
    let archive = fixture.write("saved.tar", save(&fixture, &["web:1"]));
    let archive = archive.display().to_string();
    if !podman(&fixture, &["load", "--input", &archive]) {
        return;
    }
    for format in ["docker-archive", "oci-archive"] {
        let path = fixture.path(&format!("{format}.tar")).display().to_string();
        podman(&fixture, &["save", "--format", format, "--output", &path, "web:1"]);
        let there = Fixture::new();
        let loaded = there.store.load(fs::File::open(&path).unwrap(), &LoadOptions::default()).unwrap();
        assert_eq!(diff_ids(&loaded[0]), diff_ids(&built), "{format}");
        let found = there.store.resolve("web:1").unwrap();
        assert_eq!(found.map(|image| image.digest), Some(loaded[0].digest.clone()), "{format}");
    }
}

/// Runs podman with a storage of its own; false, with the reason printed, where there is none.
fn podman(fixture: &Fixture, arguments: &[&str]) -> bool {
    let folder = |name: &str| fixture.path(name).display().to_string();
    let mut command = Command::new("podman");
    command.args(["--storage-driver=vfs", "--root", &folder("podman"), "--runroot", &folder("podman-run")]);
    match command.args(arguments).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("podman is not installed: that we understand each other is not checked");
            false
        }
        output => {
            let output = output.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            true
        }
    }
}

/// Docker's archive before version 25: layers that are not compressed, no manifest, a link for a
/// layer that is there twice.
fn old_docker_archive(layer: &[u8], diff_id: &Digest, tags: &Value) -> Vec<u8> {
    let config = json!({ "architecture": architecture(), "os": "linux", "config": { "Cmd": ["/run"] },
        "rootfs": { "type": "layers", "diff_ids": [diff_id.to_string(), diff_id.to_string()] } });
    let manifest = json!([{ "Config": "config.json", "RepoTags": tags,
        "Layers": ["aaa/layer.tar", "bbb/layer.tar"] }]);
    let content = |text: &Value| text.to_string();
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, bytes).unwrap();
    };
    add("aaa/VERSION", b"1.0");
    add("aaa/layer.tar", layer);
    add("config.json", content(&config).as_bytes());
    add("manifest.json", content(&manifest).as_bytes());
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    archive.append_link(&mut link, "bbb/layer.tar", "../aaa/layer.tar").unwrap();
    archive.into_inner().unwrap()
}

#[test]
fn dockers_older_archive_loads_under_all_its_names() {
    let fixture = Fixture::new();
    let layer = Tar::default().file("file", "content").finish();
    let archive =
        old_docker_archive(&layer, &Digest::of(&layer), &json!(["web:1", "registry.local/web:one"]));
    let loaded = load(&fixture, &archive).unwrap();
    let names: Vec<String> =
        loaded.iter().filter_map(|image| image.reference.clone()).map(|name| name.to_string()).collect();
    assert_eq!(names, ["web:1", "registry.local/web:one"]);
    assert_eq!(loaded[0].digest, loaded[1].digest);
    assert_eq!((loaded[0].config.cmd.as_slice(), loaded[0].layers.len()), (&["/run".to_owned()][..], 2));
    let folders = fixture.store.unpack(&loaded[0], &fixture.snapshots(), image::Ownership::detect()).unwrap();
    assert_eq!(listing(&folders[1]), ["f file content"]);
    assert_eq!(fixture.blobs().len(), 3, "the layer is there once");
}

#[test]
fn dockers_newer_archive_has_the_names_in_its_own_list() {
    let (here, there) = (Fixture::new(), Fixture::new());
    here.build("web:1", b"content");
    let archive = rewritten(&save(&here, &["web:1"]), |path, bytes| {
        if path != "index.json" {
            return;
        }
        let mut index: Value = serde_json::from_slice(bytes).unwrap();
        index["manifests"][0]["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
        *bytes = index.to_string().into_bytes();
    });
    assert_eq!(load(&there, &archive).unwrap()[0].reference, Some(name("web:1")));
}

#[test]
fn an_image_without_a_name_gets_the_one_that_is_given() {
    let fixture = Fixture::new();
    let layer = Tar::default().finish();
    let archive = old_docker_archive(&layer, &Digest::of(&layer), &Value::Null);
    assert!(matches!(load(&fixture, &archive), Err(LoadError::Unnamed { .. })));
    let options = LoadOptions { name: Some(name("given:1")) };
    fixture.store.load(&archive[..], &options).unwrap();
    assert!(fixture.store.resolve("given:1").unwrap().is_some());
}

/// Copies an archive and changes the files in it.
fn rewritten(archive: &[u8], change: impl Fn(&str, &mut Vec<u8>)) -> Vec<u8> {
    let mut output = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        change(&path, &mut bytes);
        let mut header = entry.header().clone();
        header.set_size(bytes.len() as u64);
        output.append_data(&mut header, Path::new(&path), &bytes[..]).unwrap();
    }
    output.into_inner().unwrap()
}

#[test]
fn damaged_archives_are_told_apart_and_leave_nothing() {
    let here = Fixture::new();
    let built = here.build("web:1", b"content");
    let archive = save(&here, &["web:1"]);
    let check = |archive: &[u8], is_expected: fn(&LoadError) -> bool, what: &str| {
        let there = Fixture::new();
        let error = load(&there, archive).expect_err(what);
        assert!(is_expected(&error), "{what}: {error:?}");
        assert_eq!(there.store.list().unwrap(), [], "{what}");
        assert_eq!(there.blobs(), Vec::<String>::new(), "{what}");
        assert_eq!(names_in(&there.images().join("tmp")), Vec::<String>::new(), "{what}");
    };
    let is_read = |error: &LoadError| matches!(error, LoadError::Read { .. });
    let is_mismatch = |error: &LoadError| matches!(error, LoadError::Mismatch { .. });
    let is_missing = |error: &LoadError| matches!(error, LoadError::Missing { .. });
    check(b"", |error| matches!(error, LoadError::NoImages), "nothing");
    check(&Tar::default().file("a", "b").finish(), |error| matches!(error, LoadError::NoImages), "no images");
    check(&b"no archive at all, but long enough to be one. ".repeat(20), is_read, "no archive");
    check(&archive[..archive.len() / 2], is_read, "cut in half");
    check(&gzip(&archive)[..500], is_read, "compressed and cut");
    let layer = built.layers[0].blob.digest.hex().to_owned();
    let damaged = rewritten(&archive, |path, bytes| {
        if path.ends_with(&layer) {
            bytes[20] ^= 1;
        }
    });
    check(&damaged, is_mismatch, "a blob of other bytes");
    let document = rewritten(&archive, |path, bytes| {
        if path == "index.json" {
            bytes.truncate(10);
        }
    });
    check(&document, |error| matches!(error, LoadError::Document { .. }), "half an index");
    let old = Tar::default().finish();
    check(&old_docker_archive(&old, &Digest::of(b"other"), &json!(["web:1"])), is_mismatch, "another layer");
    let without_layer = json!([{ "Config": "c.json", "RepoTags": ["web:1"], "Layers": [] }]).to_string();
    check(&Tar::default().file("manifest.json", &without_layer).finish(), is_missing, "no configuration");
    check(
        &old_docker_archive(&old, &Digest::of(&old), &json!(["Web"])),
        |error| matches!(error, LoadError::Name { .. }),
        "no name",
    );
}

#[test]
fn only_what_is_there_is_saved() {
    let fixture = Fixture::new();
    fixture.build("web:1", b"content");
    let mut archive = Vec::new();
    let error = fixture.store.save(&[name("web:1"), name("web:2")], &mut archive).unwrap_err();
    assert!(matches!(error, SaveError::NotFound { .. }), "{error}");
    assert!(archive.is_empty());
}

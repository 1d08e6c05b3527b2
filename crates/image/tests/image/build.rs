//! Building images.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use image::{Build, BuildError, Content, Entry, LayerSpec, Ownership};
use rustix::fs::{CWD, Mode};

use crate::support::{Fixture, name, names_in, one_file};

#[test]
fn the_same_input_gives_the_same_digest_wherever_it_comes_from() {
    let (one, two) = (Fixture::new(), Fixture::new());
    assert_eq!(one.build("web:1", b"content").digest, two.build("web:1", b"content").digest);
    assert_ne!(one.build("web:1", b"content").digest, two.build("web:1", b"CONTENT").digest);
}

#[test]
fn an_image_is_as_its_build_said() {
    let fixture = Fixture::new();
    let source = fixture.write("model", "weights");
    let build = Build {
        layers: vec![LayerSpec::file(&source, "/models/lr.model", 0o640)],
        entrypoint: vec!["/pinnace".into(), "serve".into()],
        cmd: vec!["/models/lr.model".into()],
        env: vec![("A".into(), "1=2".into()), ("EMPTY".into(), String::new())],
        exposed_ports: vec!["8000/tcp".into()],
        labels: BTreeMap::from([("kind".into(), "text".into())]),
        user: "65532:65532".into(),
        working_dir: "/models".into(),
        stop_signal: Some("SIGTERM".into()),
        created: Some(1_700_000_000),
        ..Build::new(name("jokemeter:lr"))
    };
    let built = fixture.store.build(&build).unwrap();
    let resolved = fixture.store.resolve("docker.io/library/jokemeter:lr").unwrap().unwrap();
    assert_eq!(built, resolved);
    assert_eq!(resolved.command(), ["/pinnace", "serve", "/models/lr.model"]);
    assert_eq!(resolved.config.env, build.env);
    assert_eq!(resolved.config.exposed_ports, build.exposed_ports);
    assert_eq!(resolved.config.labels, build.labels);
    assert_eq!(resolved.config.user, build.user);
    assert_eq!(resolved.config.working_dir, build.working_dir);
    assert_eq!(resolved.config.stop_signal, build.stop_signal);
    assert_eq!(resolved.config.created.as_deref(), Some("2023-11-14T22:13:20Z"));
    assert_eq!(resolved.config.os, "linux");
    assert_eq!(resolved.layers.len(), 1);
}

#[test]
fn a_layer_holds_its_files_and_the_folders_that_lead_to_them() {
    let fixture = Fixture::new();
    let source = fixture.write("tool", "program");
    let entry = |path: &str, mode, content| Entry { path: path.into(), mode, content };
    let entries = vec![
        entry("/usr/bin/tool", 0o4755, Content::File(source)),
        entry("/tmp", 0o1777, Content::Folder),
        entry("etc/passwd", 0o644, Content::Bytes(b"root:x:0:0::/:\n".to_vec())),
    ];
    let build = Build { layers: vec![LayerSpec { entries }], ..Build::new(name("web")) };
    let image = fixture.store.build(&build).unwrap();
    let blob = fixture.images().join("blobs/sha256").join(image.layers[0].blob.digest.hex());
    let mut archive = tar::Archive::new(GzDecoder::new(fs::File::open(blob).unwrap()));
    let found: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
            format!("{:o} {} {text}", header.mode().unwrap(), entry.path().unwrap().display())
        })
        .collect();
    let expected = [
        "755 etc/ ",
        "644 etc/passwd root:x:0:0::/:\n",
        "1777 tmp/ ",
        "755 usr/ ",
        "755 usr/bin/ ",
        "4755 usr/bin/tool program",
    ];
    assert_eq!(found, expected);
}

#[test]
fn long_and_russian_names_come_out_as_they_went_in() {
    let fixture = Fixture::new();
    let source = fixture.write("model", "weights");
    let long = format!("models/{}/{}.pkl", "x".repeat(120), "модель-".repeat(15));
    let layers =
        vec![LayerSpec::file(&source, &long, 0o644), LayerSpec::file(&source, "/Шутки/модель.pkl", 0o644)];
    let image = fixture.store.build(&Build { layers, ..Build::new(name("web")) }).unwrap();
    let folders = fixture.store.unpack(&image, &fixture.snapshots(), Ownership::detect()).unwrap();
    assert_eq!(fs::read_to_string(folders[1].join(&long)).unwrap(), "weights");
    assert_eq!(fs::read_to_string(folders[0].join("Шутки/модель.pkl")).unwrap(), "weights");
}

#[test]
fn a_layer_is_compressed_once_and_again_when_its_file_changes() {
    let fixture = Fixture::new();
    let source = fixture.write("model", "one");
    // The cache only trusts files whose times would show a change.
    let long_ago = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    fs::File::options().write(true).open(&source).unwrap().set_times(long_ago).unwrap();
    let is_settled = || names_in(&fixture.images().join("cache")).len() == 1;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    let first = loop {
        let image = fixture.store.build(&one_file("web", &source)).unwrap();
        if is_settled() {
            break image;
        }
        assert!(std::time::Instant::now() < deadline, "the layer is never kept in the cache");
        std::thread::yield_now();
    };
    let blob = fixture.images().join("blobs/sha256").join(first.layers[0].blob.digest.hex());
    // A blob of the right length: the second build would notice the wrong bytes if it read them.
    let zeros = vec![0; fs::read(&blob).unwrap().len()];
    fs::write(&blob, &zeros).unwrap();
    assert_eq!(fixture.store.build(&one_file("web", &source)).unwrap().digest, first.digest);
    assert_eq!(fs::read(&blob).unwrap(), zeros, "the layer came from the cache");

    fs::write(&source, "two").unwrap();
    let second = fixture.store.build(&one_file("web", &source)).unwrap();
    assert_ne!(second.layers[0].diff_id, first.layers[0].diff_id);
}

#[test]
fn what_cannot_be_built_is_refused_and_leaves_nothing() {
    let fixture = Fixture::new();
    let source = fixture.write("file", "content");
    let pipe = fixture.path("pipe");
    rustix::fs::mkfifoat(CWD, &pipe, Mode::RUSR).unwrap();
    let build = |source: PathBuf, path: &str| {
        let layers = vec![LayerSpec::file(source, path, 0o644)];
        fixture.store.build(&Build { layers, ..Build::new(name("web")) }).unwrap_err()
    };
    assert!(matches!(build(fixture.path("none"), "/a"), BuildError::Input { .. }));
    assert!(matches!(build(fixture.path("images"), "/a"), BuildError::NotAFile { .. }));
    assert!(matches!(build(pipe, "/a"), BuildError::NotAFile { .. }));
    assert!(matches!(build(source.clone(), "/../a"), BuildError::Path { .. }));
    assert!(matches!(build(source.clone(), &format!("/{}", "a".repeat(5000))), BuildError::Path { .. }));
    let mut twice = LayerSpec::file(&source, "/a", 0o644).entries;
    twice.extend(twice.clone());
    let twice = Build { layers: vec![LayerSpec { entries: twice }], ..Build::new(name("web")) };
    assert!(matches!(fixture.store.build(&twice), Err(BuildError::Path { .. })));
    let mut both = LayerSpec::file(&source, "/a", 0o644).entries;
    both.extend(LayerSpec::file(&source, "/a/b", 0o644).entries);
    let both = Build { layers: vec![LayerSpec { entries: both }], ..Build::new(name("web")) };
    assert!(matches!(fixture.store.build(&both), Err(BuildError::Path { .. })));
    let pinned = name(&format!("web@sha256:{}", "0".repeat(64)));
    assert!(matches!(fixture.store.build(&Build::new(pinned)), Err(BuildError::Tag { .. })));
    assert_eq!(fixture.blobs(), Vec::<String>::new());
    assert_eq!(names_in(&fixture.images().join("tmp")), Vec::<String>::new());
    assert_eq!(fixture.store.list().unwrap(), []);
}

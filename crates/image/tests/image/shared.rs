//! Several users at once, full disks, power cuts, other tools.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use image::{BuildError, ImageStore, Ownership, StoreError, UnpackError, UnpackOptions};

use crate::support::{Fixture, Tar, is_root, listing, name, names_in, noise, one_file};

#[test]
fn builds_and_removals_at_once_lose_nothing_that_has_a_name() {
    let fixture = Fixture::new();
    let sources: Vec<_> =
        (0..4).map(|n| fixture.write(&format!("source{n}"), format!("content {n}"))).collect();
    thread::scope(|scope| {
        for (number, source) in sources.iter().enumerate() {
            let root = fixture.images();
            scope.spawn(move || {
                let store = ImageStore::open(&root).unwrap();
                for round in 0..6 {
                    let tag = format!("web{number}:{round}");
                    let image = store.build(&one_file(&tag, source)).unwrap();
                    assert_eq!(store.resolve(&tag).unwrap().unwrap().digest, image.digest);
                    store.remove(&name(&tag)).unwrap();
                    store.build(&one_file(&format!("web{number}:kept"), source)).unwrap();
                }
            });
        }
    });
    assert_eq!(fixture.store.list().unwrap().len(), 4);
    for number in 0..4 {
        let image = fixture.store.resolve(&format!("web{number}:kept")).unwrap().unwrap();
        fixture.store.unpack(&image, &fixture.snapshots(), Ownership::detect()).unwrap();
    }
    assert_eq!(fixture.blobs().len(), 12, "three for each image, none left over");
}

#[test]
fn a_layer_is_unpacked_once_however_many_ask() {
    let fixture = Fixture::new();
    let image = fixture.add_image("test", &[Tar::default().file("file", "content").finish()]);
    let unpacked = AtomicUsize::new(0);
    let progress = |progress: image::Progress<'_>| {
        if progress.done == progress.total {
            unpacked.fetch_add(1, Ordering::Relaxed);
        }
    };
    let (image, progress) = (&image, &progress);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = ImageStore::open(&fixture.images()).unwrap();
                let options = UnpackOptions { progress, ..UnpackOptions::default() };
                let folders = store.unpack_with(image, &fixture.snapshots(), &options).unwrap();
                assert_eq!(listing(&folders[0]), ["f file content"]);
            });
        }
    });
    assert_eq!(unpacked.into_inner(), 1);
}

#[test]
fn layers_that_images_share_are_unpacked_once() {
    let fixture = Fixture::new();
    let program = Tar::default().file("program", "p").finish();
    let model = |text| Tar::default().file("model", text).finish();
    let lr = fixture.add_image("web:lr", &[program.clone(), model("lr")]);
    let tr = fixture.add_image("web:tr", &[program, model("tr")]);
    let unpack = |image| fixture.store.unpack(image, &fixture.snapshots(), Ownership::detect()).unwrap();
    let (lr, tr) = (unpack(&lr), unpack(&tr));
    assert_eq!(lr[1], tr[1]);
    assert_ne!(lr[0], tr[0]);
    assert_eq!(listing(&lr[0]), ["f model lr"]);
}

#[test]
fn a_folder_that_a_power_cut_may_have_damaged_is_made_anew() {
    let fixture = Fixture::new();
    let image = fixture.add_image("test", &[Tar::default().file("file", "content").finish()]);
    let unpack =
        || fixture.store.unpack(&image, &fixture.snapshots(), Ownership::detect()).unwrap().remove(0);
    let folder = unpack();
    let layer = folder.parent().unwrap();
    let is_durable = || layer.join("durable").exists();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !is_durable() {
        assert!(std::time::Instant::now() < deadline, "the folder never reaches the disk");
        thread::yield_now();
    }
    fs::write(layer.join("boot"), "another boot").unwrap();
    fs::write(folder.join("file"), "kept").unwrap();
    assert_eq!(listing(&unpack()), ["f file kept"], "what is on the disk outlives the boot");

    fs::remove_file(layer.join("durable")).unwrap();
    assert_eq!(listing(&unpack()), ["f file content"]);
}

#[test]
fn layers_that_nothing_needs_are_pruned() {
    let fixture = Fixture::new();
    let unpack = |name: &str, text: &str| {
        let image = fixture.build(name, text.as_bytes());
        fixture.store.unpack(&image, &fixture.snapshots(), Ownership::detect()).unwrap().remove(0)
    };
    let (kept, running, gone) = (unpack("kept", "1"), unpack("running", "2"), unpack("gone", "3"));
    fixture.store.remove(&name("running")).unwrap();
    fixture.store.remove(&name("gone")).unwrap();
    let killed = fixture.snapshots().join(format!("{}.tmp", "0".repeat(64)));
    fs::create_dir(&killed).unwrap();
    let removed =
        fixture.store.prune_snapshots(&fixture.snapshots(), std::slice::from_ref(&running)).unwrap();
    assert_eq!(removed, 1);
    assert_eq!((kept.exists(), running.exists(), gone.exists()), (true, true, false));
    assert!(!killed.exists(), "what a killed process had begun is gone");
}

/// Set for the copy of this program that runs where `/mnt` is a disk of one megabyte.
const ON_A_SMALL_DISK: &str = "IMAGE_TEST_ON_A_SMALL_DISK";

#[test]
fn a_full_disk_is_named_and_nothing_half_written_stays() {
    if std::env::var_os(ON_A_SMALL_DISK).is_some() {
        return fill_the_disk(Path::new("/mnt"));
    }
    if !is_root("what happens when the disk is full") {
        return;
    }
    let this = std::env::current_exe().unwrap();
    let script = r#"mount -t tmpfs -o size=1m none /mnt && exec "$0" --exact shared::a_full_disk_is_named_and_nothing_half_written_stays"#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(this).env(ON_A_SMALL_DISK, "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn fill_the_disk(disk: &Path) {
    let fixture = Fixture::new();
    let source = fixture.write("source", noise(2 << 20));
    let store = ImageStore::open(&disk.join("images")).unwrap();
    let error = store.build(&one_file("web", &source)).unwrap_err();
    assert!(matches!(error, BuildError::Store(StoreError::Full { .. })), "{error}");
    assert_eq!(names_in(&disk.join("images/tmp")), Vec::<String>::new());
    assert_eq!(names_in(&disk.join("images/blobs/sha256")), Vec::<String>::new());
    assert_eq!(store.list().unwrap(), []);

    let image = fixture.store.build(&one_file("web", &source)).unwrap();
    let error = fixture.store.unpack(&image, &disk.join("snapshots"), Ownership::detect()).unwrap_err();
    assert!(matches!(error, UnpackError::Store(StoreError::Full { .. })), "{error}");
    assert_eq!(names_in(&disk.join("snapshots")), ["locks"]);
    // A disk without any room left: removing an image must work all the same.
    let small = fixture.write("small", "fits");
    store.build(&one_file("small", &small)).unwrap();
    let filler = fs::File::create(disk.join("filler")).unwrap();
    while (&filler).write_all(&[1; 4096]).is_ok() {}
    assert!(store.build(&one_file("other", &source)).is_err());
    store.remove(&name("small")).unwrap();
    assert_eq!(store.list().unwrap(), []);
    drop(filler);
    fs::remove_file(disk.join("filler")).unwrap();
    assert_eq!(store.build(&one_file("small", &small)).unwrap().layers.len(), 1);
}

#[test]
fn skopeo_reads_the_store_as_an_image_layout() {
    let fixture = Fixture::new();
    let image = fixture.build("jokemeter:lr", b"model");
    let copy = fixture.path("copy");
    let from = format!("oci:{}:jokemeter:lr", fixture.images().display());
    let to = format!("oci:{}:copy", copy.display());
    let output = match Command::new("skopeo").args(["--insecure-policy", "copy", "-q", &from, &to]).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skopeo is not installed: that it reads our store is not checked");
            return;
        }
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let copied = ImageStore::open(&copy).unwrap().resolve("copy").unwrap().unwrap();
    assert_eq!(copied.config_digest, image.config_digest);
    assert_eq!(copied.layers, image.layers);
}

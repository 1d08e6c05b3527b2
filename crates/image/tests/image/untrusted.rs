//! Images that are damaged, or made to do harm.

use std::fs;
use std::sync::Mutex;

use image::{Digest, Image, Limits, Ownership, UnpackError, UnpackOptions};
use proptest::prelude::*;
use tar::EntryType;

use crate::support::{Fixture, Tar, gzip, listing, names_in, noise};

impl Fixture {
    fn refused(&self, image: &Image) -> UnpackError {
        let error = self.store.unpack(image, &self.snapshots(), Ownership::detect()).unwrap_err();
        assert_eq!(names_in(&self.snapshots()), ["locks"], "something is left behind: {error}");
        error
    }
}

#[test]
fn entries_that_would_leave_the_folder_are_refused() {
    let cases = [
        Tar::default().file("../outside", "x"),
        Tar::default().file("a/../../outside", "x"),
        Tar::default().folder("..", 0o777),
        Tar::default().link("../link", "x"),
        Tar::default().hard_link("link", "../outside"),
        Tar::default().hard_link("link", ""),
        Tar::default().hard_link("link", "/"),
        Tar::default().folder("dir/", 0o755).hard_link("link", "dir"),
        Tar::default().file("/", "x"),
        Tar::default().file(".wh...", ""),
        Tar::default().file(".wh..", ""),
        Tar::default().file(".wh.", ""),
        Tar::default().link("link", ""),
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let fixture = Fixture::new();
        let image = fixture.add_image("test", &[case.finish()]);
        let error = fixture.refused(&image);
        assert!(matches!(error, UnpackError::Dangerous { .. }), "case {number}: {error}");
        assert!(!fixture.path("outside").exists());
    }
}

#[test]
fn links_are_followed_within_the_layer_only() {
    let fixture = Fixture::new();
    let outside = fixture.path("outside");
    fs::create_dir(&outside).unwrap();
    let layer = Tar::default()
        .link("absolute", outside.to_str().unwrap())
        .file("absolute/one", "1")
        .link("upward", "../../../../../../../../tmp")
        .file("upward/two", "2")
        .link("through", "upward/..")
        .file("through/three", "3")
        .finish();
    let folder = &fixture.unpack(&[layer])[0];
    assert_eq!(names_in(&outside), Vec::<String>::new());
    let inside = folder.join(outside.strip_prefix("/").unwrap());
    assert_eq!(fs::read_to_string(inside.join("one")).unwrap(), "1");
    assert_eq!(fs::read_to_string(folder.join("tmp/two")).unwrap(), "2");
    assert_eq!(fs::read_to_string(folder.join("three")).unwrap(), "3");
}

#[test]
fn a_link_in_place_of_a_file_is_replaced_not_followed() {
    let fixture = Fixture::new();
    let outside = fixture.write("outside", "untouched");
    let layer = Tar::default()
        .link("file", outside.to_str().unwrap())
        .file("file", "new")
        .link("hard", outside.to_str().unwrap())
        .hard_link("hard2", "hard")
        .file("hard2", "new")
        .link("pipe", outside.to_str().unwrap())
        .entry(EntryType::Fifo, "pipe", "", 0o666, b"")
        .finish();
    fixture.unpack(&[layer]);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
}

#[test]
fn links_that_lead_in_a_circle_are_an_error() {
    let fixture = Fixture::new();
    let layer = Tar::default().link("a", "b").link("b", "a").file("a/file", "x").finish();
    let image = fixture.add_image("test", &[layer]);
    assert!(matches!(fixture.refused(&image), UnpackError::Entry { .. }));
}

#[test]
fn trees_of_absurd_depth_are_refused() {
    let fixture = Fixture::new();
    // Each link doubles the depth that the next one starts from.
    let mut layer = Tar::default();
    let mut base = String::from("0");
    for number in 0..12 {
        layer = layer.folder(&format!("{base}/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v"), 0o755);
        let link = format!("l{number}");
        layer = layer.link(&link, &format!("{base}/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v"));
        base = link;
    }
    let image = fixture.add_image("test", &[layer.finish()]);
    assert!(matches!(fixture.refused(&image), UnpackError::Entry { .. }));
}

#[test]
fn a_layer_that_explodes_is_stopped() {
    let fixture = Fixture::new();
    let zeros = String::from_utf8(vec![0; 3 << 20]).unwrap();
    let image = fixture.add_image("test", &[Tar::default().file("zeros", &zeros).finish()]);
    let unpack = |limits| {
        let options = UnpackOptions { limits, ..UnpackOptions::default() };
        fixture.store.unpack_with(&image, &fixture.snapshots(), &options)
    };
    let limits = Limits::default();
    let check = |limits: Limits, expected: u64| {
        let error = unpack(limits).unwrap_err();
        assert!(matches!(error, UnpackError::TooLarge { limit, .. } if limit == expected), "{error}");
        assert_eq!(names_in(&fixture.snapshots()), ["locks"]);
    };
    check(Limits { unpacked_bytes: 1 << 20, ..limits }, 1 << 20);
    check(Limits { ratio: 2, free_bytes: 1 << 20, ..limits }, 1 << 20);
    check(Limits { entries: 0, ..limits }, 0);
    unpack(Limits { ratio: 2, free_bytes: 4 << 20, ..limits }).unwrap();
}

#[test]
fn a_sparse_file_counts_with_its_holes() {
    let fixture = Fixture::new();
    let mut header = tar::Header::new_gnu();
    header.set_path("holes").unwrap();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.realsize.copy_from_slice(b"77777777777\0"); // 8 GiB
    gnu.sparse[0].offset.copy_from_slice(b"77777777777\0");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
    let image = fixture.add_image("test", &[Tar::default().raw(&mut header, b"").finish()]);
    let error = fixture.refused(&image);
    assert!(matches!(error, UnpackError::TooLarge { .. }), "{error}");
}

#[test]
fn damaged_layers_are_told_from_sound_ones() {
    let layer = Tar::default().file("file", "content").finish();
    let blob = gzip(&layer);
    let diff_id = Digest::of(&layer);
    let check = |blob: &[u8], diff_id: &Digest, what: &str| {
        let fixture = Fixture::new();
        let image = fixture.add_image_of_blobs("test", &[blob.to_vec()], std::slice::from_ref(diff_id));
        let error = fixture.refused(&image);
        assert!(matches!(error, UnpackError::Damaged { .. }), "{what}: {error}");
    };
    check(&blob, &Digest::of(b"other"), "another digest");
    check(&blob[..blob.len() - 9], &diff_id, "cut off");
    check(&blob[..blob.len() / 2], &diff_id, "cut in half");
    check(b"no gzip at all", &diff_id, "no gzip");
    check(
        &gzip(b"no archive at all, but long enough to be one. ".repeat(20).as_slice()),
        &diff_id,
        "no archive",
    );
    check(b"", &diff_id, "empty");
    check(&[&blob[..], b"garbage"].concat(), &diff_id, "garbage at the end");
    check(&gzip(&layer[..700]), &Digest::of(&layer[..700]), "an archive that ends in a file");
    let unknown = Tar::default().entry(EntryType::new(b'Q'), "x", "", 0o644, b"").finish();
    check(&gzip(&unknown), &Digest::of(&unknown), "an entry of unknown type");

    // Compressed in two parts, as parallel compressors do, is sound.
    let fixture = Fixture::new();
    let parts = [gzip(&layer[..600]), gzip(&layer[600..])].concat();
    let image = fixture.add_image_of_blobs("test", &[parts], &[diff_id]);
    let folders = fixture.store.unpack(&image, &fixture.snapshots(), Ownership::detect()).unwrap();
    assert_eq!(listing(&folders[0]), ["f file content"]);
}

#[test]
fn a_blob_that_is_gone_or_of_another_length_is_missing() {
    let fixture = Fixture::new();
    let image = fixture.add_image("test", &[Tar::default().finish()]);
    let blob = fixture.images().join("blobs/sha256").join(image.layers[0].blob.digest.hex());
    fs::write(&blob, b"short").unwrap();
    assert!(matches!(fixture.refused(&image), UnpackError::Store(image::StoreError::Missing { .. })));
    fs::remove_file(&blob).unwrap();
    assert!(matches!(fixture.refused(&image), UnpackError::Store(image::StoreError::Missing { .. })));
}

#[test]
fn a_type_of_layer_we_do_not_know_is_named() {
    let fixture = Fixture::new();
    let mut image = fixture.add_image("test", &[Tar::default().finish()]);
    image.layers[0].blob.media_type = "application/x-encrypted".into();
    assert!(fixture.refused(&image).to_string().contains("unknown type `application/x-encrypted`"));
}

#[test]
fn progress_grows_to_the_end() {
    let fixture = Fixture::new();
    let noise = noise(3 << 20);
    let layer = Tar::default().entry(EntryType::Regular, "noise", "", 0o644, &noise).finish();
    let image = fixture.add_image("test", &[layer]);
    let reports = Mutex::new(Vec::new());
    let progress =
        |progress: image::Progress<'_>| reports.lock().unwrap().push((progress.done, progress.total));
    let options = UnpackOptions { progress: &progress, ..UnpackOptions::default() };
    fixture.store.unpack_with(&image, &fixture.snapshots(), &options).unwrap();
    let reports = reports.into_inner().unwrap();
    assert!(reports.is_sorted() && reports.len() > 1, "{reports:?}");
    assert_eq!(reports.last(), Some(&(image.layers[0].blob.size, image.layers[0].blob.size)));
}

fn any_path() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c", "..", ".", "", ".wh.a", ".wh.b", ".wh..wh..opq"]);
    prop::collection::vec(name, 1..5).prop_map(|names| names.join("/"))
}

fn any_entry() -> impl Strategy<Value = (u8, String, String)> {
    let kind = prop::sample::select(b"00055512226".to_vec());
    let target = prop_oneof![any_path(), any_path().prop_map(|path| format!("/{path}"))];
    (kind, any_path(), target)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_archive_writes_outside_or_leaves_half_a_folder(
        below in prop::collection::vec(any_entry(), 0..12),
        above in prop::collection::vec(any_entry(), 0..12),
    ) {
        let fixture = Fixture::new();
        let canary = fixture.write("a", "canary");
        let tar = |entries: &[(u8, String, String)]| {
            let add = |tar: Tar, (kind, path, target): &(u8, String, String)| {
                let content: &[u8] = if *kind == b'0' { b"x" } else { b"" };
                tar.entry(EntryType::new(*kind), path, target, 0o755, content)
            };
            entries.iter().fold(Tar::default(), add).finish()
        };
        let image = fixture.add_image("test", &[tar(&below), tar(&above)]);
        let _ = fixture.store.unpack(&image, &fixture.snapshots(), Ownership::detect());
        prop_assert_eq!(fs::read_to_string(&canary).unwrap(), "canary");
        prop_assert_eq!(names_in(fixture.folder.path()), ["a", "images", "snapshots"]);
        let unexpected = |name: &String| name != "locks" && name.split('.').next().unwrap().len() != 64 || name.ends_with(".tmp");
        prop_assert!(!names_in(&fixture.snapshots()).iter().any(unexpected));
    }
}

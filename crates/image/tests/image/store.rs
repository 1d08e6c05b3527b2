//! Listing, tagging, removing, resolving.

use std::fs;

use image::{Digest, ImageStore, RemoveError, ResolveError, StoreError};
use serde_json::json;

use crate::support::{Fixture, Tar, architecture, gzip, name, names_in};

fn listed(fixture: &Fixture) -> Vec<Vec<String>> {
    let images = fixture.store.list().unwrap();
    let names = |image: &image::ImageInfo| image.references.iter().map(ToString::to_string).collect();
    images.iter().map(names).collect()
}

#[test]
fn every_image_is_listed_once_with_all_its_names() {
    let fixture = Fixture::new();
    fixture.build("web:2", b"two");
    fixture.build("web:1", b"one");
    fixture.store.tag(&name("web:1"), &name("localhost:5000/web:stable")).unwrap();
    assert_eq!(listed(&fixture), [vec!["web:1", "localhost:5000/web:stable"], vec!["web:2"]]);
    let image = fixture.store.resolve("web:1").unwrap().unwrap();
    let info = &fixture.store.list().unwrap()[0];
    assert_eq!(
        (&info.digest, info.size, &info.config_digest),
        (&image.digest, image.size, &image.config_digest)
    );
}

#[test]
fn a_blob_goes_with_the_last_name_that_leads_to_it() {
    let fixture = Fixture::new();
    fixture.build("web:1", b"one");
    fixture.store.tag(&name("web:1"), &name("web:same")).unwrap();
    fixture.build("web:2", b"two");
    assert_eq!(fixture.blobs().len(), 6);

    let removed = fixture.store.remove(&name("web:1")).unwrap();
    assert_eq!((removed.untagged, removed.freed), (vec![name("web:1")], 0));
    assert_eq!(fixture.blobs().len(), 6);

    let removed = fixture.store.remove(&name("web:same")).unwrap();
    assert!(removed.freed > 0);
    assert_eq!(fixture.blobs().len(), 3);
    assert_eq!(listed(&fixture), [vec!["web:2"]]);

    fixture.store.remove(&name("web:2")).unwrap();
    assert_eq!((fixture.blobs(), names_in(&fixture.images().join("cache"))), (vec![], vec![]));
    assert!(matches!(fixture.store.remove(&name("web:2")), Err(RemoveError::NotFound { .. })));
}

#[test]
fn removing_by_digest_removes_every_name() {
    let fixture = Fixture::new();
    let image = fixture.build("web:1", b"one");
    fixture.store.tag(&name("web:1"), &name("web:same")).unwrap();
    let removed = fixture.store.remove(&name("web").pinned(image.digest)).unwrap();
    assert_eq!(removed.untagged, [name("web:1"), name("web:same")]);
    assert_eq!(fixture.blobs(), Vec::<String>::new());
}

#[test]
fn an_image_that_loses_its_name_to_a_newer_one_goes() {
    let fixture = Fixture::new();
    fixture.build("web", b"old");
    let new = fixture.build("web", b"new");
    assert_eq!(fixture.blobs().len(), 3);
    assert_eq!(fixture.store.resolve("web").unwrap().unwrap().digest, new.digest);
}

#[test]
fn an_image_is_found_by_every_form_of_its_name() {
    let fixture = Fixture::new();
    let image = fixture.build("jokemeter:lr", b"lr");
    let (digest, id) = (&image.digest, &image.config_digest);
    let forms = [
        "jokemeter:lr".to_owned(),
        "docker.io/library/jokemeter:lr".to_owned(),
        "index.docker.io/jokemeter:lr".to_owned(),
        "localhost/jokemeter:lr".to_owned(),
        format!("jokemeter@{digest}"),
        format!("jokemeter:other@{digest}"),
        digest.to_string(),
        id.to_string(),
    ];
    for form in forms {
        let found = fixture.store.resolve(&form).unwrap().unwrap_or_else(|| panic!("{form} is not found"));
        assert_eq!(found.digest, image.digest, "{form}");
    }
    let others = [
        "jokemeter".to_owned(),
        "jokemeter:tr".to_owned(),
        "localhost:5000/jokemeter:lr".to_owned(),
        "someone/jokemeter:lr".to_owned(),
        format!("other@{digest}"),
        Digest::of(b"other").to_string(),
    ];
    for other in others {
        assert_eq!(fixture.store.resolve(&other).unwrap(), None, "{other}");
    }
    assert!(matches!(fixture.store.resolve("Jokemeter:lr"), Err(ResolveError::Name { .. })));
}

#[test]
fn podmans_names_are_found_by_dockers() {
    let fixture = Fixture::new();
    let image = fixture.add_image("localhost/web:1", &[Tar::default().finish()]);
    assert_eq!(fixture.store.resolve("web:1").unwrap().unwrap().digest, image.digest);
}

#[test]
fn of_several_platforms_the_one_that_runs_here_is_taken() {
    let fixture = Fixture::new();
    let layer = |text| Tar::default().file("platform", text).finish();
    let manifest = |text, architecture: &str| {
        let layer = layer(text);
        let mut manifest = fixture.add_manifest(&[gzip(&layer)], &[Digest::of(&layer)]);
        manifest["platform"] = json!({ "os": "linux", "architecture": architecture });
        manifest
    };
    let add = |name, manifests: Vec<serde_json::Value>| {
        let index = json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
        let mut entry = fixture.add_blob(index.as_bytes());
        entry["mediaType"] = json!("application/vnd.oci.image.index.v1+json");
        fixture.add_to_index(name, entry);
    };
    add("both", vec![manifest("other", "s390x"), manifest("ours", architecture())]);
    add("other", vec![manifest("other", "s390x")]);

    let image = fixture.store.resolve("both").unwrap().unwrap();
    assert_eq!(image.layers[0].diff_id, Digest::of(&layer("ours")));
    let error = fixture.store.resolve("other").unwrap_err().to_string();
    assert!(error.ends_with(&format!("no manifest for linux/{}, only for: linux/s390x", architecture())));
    assert_eq!(listed(&fixture).len(), 2);
    // A collection keeps all of it.
    fixture.build("gone", b"gone");
    let before = fixture.blobs().len();
    fixture.store.remove(&name("gone")).unwrap();
    assert_eq!(fixture.blobs().len(), before - 3);
}

#[test]
fn a_damaged_image_is_named_and_does_not_hide_the_others() {
    let fixture = Fixture::new();
    let damaged = fixture.build("damaged:1", b"one");
    fixture.build("sound:1", b"two");
    let manifest = fixture.images().join("blobs/sha256").join(damaged.digest.hex());
    let length = fs::read(&manifest).unwrap().len();

    fs::write(&manifest, vec![b' '; length]).unwrap();
    let mismatch = fixture.store.resolve("damaged:1").unwrap_err();
    assert!(matches!(mismatch, ResolveError::Store(StoreError::Mismatch { .. })), "{mismatch}");
    fs::write(&manifest, b"{").unwrap();
    let missing = fixture.store.resolve("damaged:1").unwrap_err();
    assert!(matches!(missing, ResolveError::Store(StoreError::Missing { .. })), "{missing}");
    assert_eq!(listed(&fixture), [vec!["sound:1"]]);
    // Building it again heals it.
    fixture.build("damaged:1", b"one");
    assert_eq!(listed(&fixture), [vec!["damaged:1"], vec!["sound:1"]]);
}

#[test]
fn documents_that_contradict_each_other_are_refused() {
    let fixture = Fixture::new();
    let layer = gzip(&Tar::default().finish());
    let manifest = fixture.add_manifest(&[layer], &[]);
    fixture.add_to_index("test", manifest);
    let error = fixture.store.resolve("test").unwrap_err();
    assert!(matches!(error, ResolveError::Inconsistent { .. }), "{error}");
}

#[test]
fn a_folder_of_another_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(matches!(ImageStore::open(folder.path()), Err(StoreError::Version { .. })));
}

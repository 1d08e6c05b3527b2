//! Archives made by hand: what skops would not write is refused by name, and nothing panics.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::*;
use crate::model::open::tests::{damage, rounds};

/// A zip archive of deflated files.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut local, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
        packed.write_all(content).unwrap();
        let packed = packed.finish().unwrap();
        let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        let checksum = crc32fast::hash(content).to_le_bytes();
        let sizes = [checksum, number(packed.len()), number(content.len())].concat();
        let name_length = &number(name.len())[..2];
        let offset = number(local.len());
        local.extend([&b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0"[..], &sizes, name_length, b"\0\0"].concat());
        local.extend([name.as_bytes(), &packed].concat());
        directory.extend([&b"PK\x01\x02\x14\0\x14\0\0\0\x08\0\0\0\0\0"[..], &sizes, name_length].concat());
        directory.extend([&[0; 12][..], &offset, name.as_bytes()].concat());
    }
    let count = &u16::try_from(files.len()).unwrap().to_le_bytes();
    let end =
        [u32::try_from(directory.len()).unwrap(), u32::try_from(local.len()).unwrap()].map(u32::to_le_bytes);
    [&local[..], &directory, b"PK\x05\x06\0\0\0\0", count, count, &end.concat(), b"\0\0"].concat()
}

fn refusal(schema: &str) -> SkopsError {
    let bytes = archive(&[("schema.json", schema.as_bytes())]);
    let archive = Archive::open(&bytes, 1 << 20).unwrap();
    graph(&archive).map(|graph| graph.root().describe()).expect_err(schema)
}

#[test]
fn what_is_not_known_is_named_with_its_place() {
    let inner = r#"{"__class__": "x", "__module__": "m", "__loader__": "RunNode"}"#;
    let types = r#"{"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content":
        [{"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode"}]}"#;
    let outer = format!(
        r#"{{"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode",
        "content": {{"model": {inner}}}, "key_types": {types}}}"#
    );
    let refused = refusal(&outer);
    assert_eq!(refused.to_string(), "`schema.json` has a `RunNode` at model, which is not supported");
    assert!(matches!(refusal("[1]"), SkopsError::Schema { .. }));
    assert!(matches!(refusal("{"), SkopsError::Schema { .. }));
    let newer = inner.replace("RunNode", "TypeNode").replace("}", r#", "protocol": 9}"#);
    assert!(refusal(&newer).to_string().contains("its protocol is 9"));
}

#[test]
fn an_archive_may_not_unpack_to_more_than_allowed() {
    let zeros = vec![0; 1 << 20];
    let bytes = archive(&[("schema.json", b"{}"), ("a.npy", &zeros)]);
    assert!(is_skops(&bytes));
    assert!(Archive::open(&bytes, 2 << 20).is_ok());
    assert!(matches!(Archive::open(&bytes, 1 << 20), Err(SkopsError::TooLarge { .. })));
    let mut damaged = bytes.clone();
    // in the packed bytes of the second file, behind two heads of 30 bytes and their names
    damaged[90] ^= 1;
    assert!(matches!(Archive::open(&damaged, 2 << 20), Err(SkopsError::File { .. })));
    assert!(!is_skops(&archive(&[("model.json", b"{}")])));
}

/// A seeded walk through damaged files: whatever the bytes, a graph or an error.
#[test]
fn damaged_files_are_refused_without_panic() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/1.6/words_lr.deflated.skops");
    let original = std::fs::read(path).unwrap();
    let sound = Archive::open(&original, 1 << 24).unwrap();
    let schema = sound.data[sound.find("schema.json").unwrap()].to_vec();
    let mut random = fastrand::Rng::with_seed(6);
    for _ in 0..rounds(60) {
        let _ = Archive::open(&damage(&original, &mut random), 1 << 24).is_ok();
        // past the checksums
        let bytes = archive(&[("schema.json", &damage(&schema, &mut random))]);
        let Ok(archive) = Archive::open(&bytes, 1 << 24) else { continue };
        let _ = graph(&archive).map(|graph| crate::sklearn::extract(graph.root()).is_ok()).is_ok();
    }
}

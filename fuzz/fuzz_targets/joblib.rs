//! Compressed joblib files: the first byte chooses the compression, whose mark is put before the rest.

#![no_main]

mod ask;

use libfuzzer_sys::fuzz_target;

const MARKS: &[&[u8]] = &[
    b"\x78\x9c",
    b"\x1f\x8b\x08",
    b"BZh9",
    b"\x5d\x00\x00",
    b"\xfd7zXZ\x00",
    b"\x04\x22\x4d\x18",
];

fuzz_target!(|bytes: &[u8]| {
    if let Some((first, rest)) = bytes.split_first() {
        let mark = MARKS[usize::from(*first) % MARKS.len()];
        ask::ask(&[mark, rest].concat());
        ask::ask(bytes);
    }
});

//! skops files: the input is cut at zero bytes into the schema and the files of arrays `0.npy`,
//! `1.npy`, …, which are put into an archive with sound checksums. The archive's own reader is
//! fuzzed by `file`.

#![no_main]

mod ask;

use libfuzzer_sys::fuzz_target;

fn archive(files: &[(String, &[u8])]) -> Vec<u8> {
    let (mut local, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let size = u32::try_from(content.len()).unwrap_or(0).to_le_bytes();
        let sizes = [crc32fast::hash(content).to_le_bytes(), size, size].concat();
        let length = u16::try_from(name.len()).unwrap_or(0).to_le_bytes();
        let offset = u32::try_from(local.len()).unwrap_or(0).to_le_bytes();
        local.extend([&b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0"[..], &sizes, &length, b"\0\0"].concat());
        local.extend([name.as_bytes(), content].concat());
        directory.extend([&b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0"[..], &sizes, &length, &[0; 12], &offset].concat());
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(files.len()).unwrap_or(0).to_le_bytes();
    let ends = [directory.len(), local.len()].map(|end| u32::try_from(end).unwrap_or(0).to_le_bytes()).concat();
    [&local[..], &directory, b"PK\x05\x06\0\0\0\0", &count, &count, &ends, b"\0\0"].concat()
}

fuzz_target!(|bytes: &[u8]| {
    let mut pieces = bytes.splitn(2, |byte| *byte == 0);
    let schema = pieces.next().unwrap_or_default();
    let arrays = pieces.next().unwrap_or_default();
    let mut files = vec![("schema.json".to_owned(), schema)];
    files.extend(arrays.chunks(160).take(16).enumerate().map(|(number, array)| (format!("{number}.npy"), array)));
    ask::ask(&archive(&files));
});

//! The engine's own files: the input is cut at its first zero byte into the header and the tensors. Checksums are not
//! asked for while fuzzing.

#![no_main]

mod ask;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut pieces = bytes.splitn(2, |byte| *byte == 0);
    let header = pieces.next().unwrap_or_default();
    let tensors = pieces.next().unwrap_or_default();
    ask::ask(&[&(header.len() as u64).to_le_bytes()[..], header, tensors].concat());
});

//! ONNX graphs.

#![no_main]

mod ask;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // the first byte of every file: the version of its representation follows
    if bytes.first() == Some(&8) {
        ask::ask(bytes);
    }
});

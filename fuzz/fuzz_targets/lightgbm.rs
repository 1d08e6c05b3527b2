//! Models of LightGBM: its text.

#![no_main]

mod ask;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // what begins otherwise is another target's
    if bytes.starts_with(b"tree\n") {
        ask::ask(bytes);
    }
});

//! Models of CatBoost: its binary format and JSON.

#![no_main]

mod ask;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // what begins otherwise is another target's
    if bytes.starts_with(b"CBM1") || bytes.starts_with(b"{") {
        ask::ask(bytes);
    }
});

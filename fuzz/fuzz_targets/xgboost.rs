//! Models of XGBoost: JSON, UBJSON and the old binary.

#![no_main]

mod ask;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // what begins otherwise is another target's
    if !matches!(bytes.first(), Some(0x80 | b'P')) && !bytes.starts_with(b"tree\n") && !bytes.starts_with(b"CBM1") {
        ask::ask(bytes);
    }
});

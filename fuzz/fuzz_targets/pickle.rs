//! Pickles and raw joblib files.

#![no_main]

mod ask;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // compressed files are another target's: here every byte changed should change what is read
    if bytes.first().is_some_and(|first| *first == 0x80) {
        ask::ask(bytes);
    }
});

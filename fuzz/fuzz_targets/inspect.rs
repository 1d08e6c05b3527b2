//! The look at a file that `pinnace inspect` takes, whatever the file is.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("pinnace-fuzz-inspect-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("the folder for temporary files can be written to");
    engine::inspect::inspect(&path).expect("a file that is there is told about");
});

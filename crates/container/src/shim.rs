//! The program that runs as `__shim`: parent of a sandbox's processes.

use std::ffi::OsString;

/// Runs as the shim of one sandbox; never returns. `args` are the arguments after `__shim`.
///
/// Must be called before any thread exists.
pub fn main(args: Vec<OsString>) -> ! {
    let _ = args;
    unimplemented!()
}

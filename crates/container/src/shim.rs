//! The program that runs as `__shim`: parent of a sandbox's processes.
//!
//! Single-threaded and synchronous throughout: it forks, and there are hundreds of it.

mod capability;
mod census;
mod client;
mod clock;
mod container;
mod endings;
mod execution;
mod executor;
mod freeze;
mod helper;
mod ids;
mod launch;
mod log;
mod oci;
mod output;
mod pause;
mod requests;
mod rootfs;
mod seccomp;
mod server;
mod setup;
mod throttle;
mod trouble;
mod watchdog;

use std::ffi::OsString;
use std::path::Path;

/// Runs as the shim of one sandbox; never returns. `args` are the arguments after `__shim`: the
/// folder of the sandbox. Standard input is the socket to listen on.
///
/// Must be called before any thread exists.
pub fn main(args: Vec<OsString>) -> ! {
    let Some(folder) = args.into_iter().next() else { std::process::exit(2) };
    let code = match setup::serve(Path::new(&folder)) {
        Ok(()) => 0,
        Err(_) => 1,
    };
    std::process::exit(code)
}

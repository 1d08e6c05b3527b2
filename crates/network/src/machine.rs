//! The start order: from a plain process to one that lives in its own namespaces.

use std::{io, path::PathBuf};

use crate::host::HostNetwork;

/// A process id as the host sees it.
pub type Pid = i32;

/// How to enter.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The holder of an earlier main process, whose namespaces are to be joined.
    pub join: Option<Pid>,
    /// The program that becomes the holder; `/proc/self/exe` when `None`.
    pub executable: Option<PathBuf>,
}

/// What [`enter`] made.
#[derive(Debug)]
pub struct Machine {
    /// Makes sockets in the host's network namespace.
    pub host: HostNetwork,
    /// The process runs in a user namespace because it was not started by root.
    pub rootless: bool,
    /// More than one user id is mapped: images with other users work.
    pub many_ids: bool,
    /// The process that keeps the namespaces; to be written to the state folder.
    pub holder: Pid,
    /// The namespaces of an earlier main process were joined.
    pub joined: bool,
}

/// Why the namespaces could not be made or joined.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// Placeholder.
    #[error("failed to {act}")]
    System {
        /// What was tried.
        act: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

/// Enters.
///
/// # Errors
/// [`EnterError`] says what the kernel refused.
pub fn enter(_options: Options) -> Result<Machine, EnterError> {
    unimplemented!()
}

/// Is the body of `pinnace __holder`.
pub fn holder_main() -> ! {
    unimplemented!()
}

/// Says whether `holder` is a live holder process of this user.
pub fn holder_is_alive(_holder: Pid) -> bool {
    unimplemented!()
}

/// Ends the holder and waits until it is gone.
///
/// # Errors
/// When the process may not be signalled.
pub fn stop_holder(_holder: Pid) -> io::Result<()> {
    unimplemented!()
}

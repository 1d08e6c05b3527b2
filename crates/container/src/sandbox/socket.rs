//! The socket of a shim, found by its folder however long the folder's path is.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

const NAME: &str = "shim.sock";

/// Listens; the socket file must not exist.
pub(crate) fn listen(folder: &Path) -> io::Result<UnixListener> {
    let folder = File::open(folder)?;
    UnixListener::bind(short_path(&folder))
}

/// Connects.
pub(crate) fn connect(folder: &Path) -> io::Result<UnixStream> {
    let folder = File::open(folder)?;
    UnixStream::connect(short_path(&folder))
}

/// The address of a socket has room for 107 bytes, a path by descriptor for any folder.
fn short_path(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()))
}

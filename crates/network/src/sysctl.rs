//! Kernel settings of the calling thread's network namespace.

use std::{fs, io};

pub(crate) fn write(name: &str, value: &str) -> io::Result<()> {
    fs::write(format!("/proc/sys/{name}"), value)
}

/// Writes a setting that is only for the better; some kernels lack some of them.
pub(crate) fn try_write(name: &str, value: &str) {
    if let Err(error) = write(name, value) {
        tracing::debug!(setting = name, value, %error, "kernel setting not changed");
    }
}

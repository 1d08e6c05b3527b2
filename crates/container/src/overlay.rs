//! How the layers of an overlay are named to the kernel.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The most layers the kernel stacks.
pub(crate) const LAYERS_MAX: usize = 500;

/// Returns the value of `lowerdir`: the layers, the topmost first.
///
/// `mount` takes no more than a page of options, and a comma or a colon in a path would need
/// escaping. So each layer gets a link in `folder` whose name is a number, and `folder` becomes the
/// working folder of the calling thread, which must share it with nobody.
pub(crate) fn lower_names(layers: &[PathBuf], folder: &Path) -> io::Result<String> {
    if layers.len() > LAYERS_MAX {
        let message = format!("an image has {} layers, the kernel stacks {LAYERS_MAX} at most", layers.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let links = folder.join("lower");
    match fs::remove_dir_all(&links) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::create_dir_all(&links)?;
    for (number, layer) in layers.iter().enumerate() {
        if !layer.is_dir() {
            let message = format!("`{}` is not a folder", layer.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        symlink(layer, links.join(number.to_string()))?;
    }
    std::env::set_current_dir(&links)?;
    let names: Vec<String> = (0..layers.len()).map(|number| number.to_string()).collect();
    Ok(names.join(":"))
}

/// Returns a name of an open folder that is short and needs no escaping.
pub(crate) fn descriptor_name(folder: &File) -> String {
    format!("/proc/self/fd/{}", folder.as_raw_fd())
}

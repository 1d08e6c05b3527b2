//! Paths of the host: made where the pod asks for it, checked to be what it says.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::PathBuf;

use k8s_openapi::api::core::v1::HostPathVolumeSource;

use super::VolumeError;

/// Makes and checks the path.
pub(super) fn prepare(volume: &str, host: &HostPathVolumeSource) -> Result<(), VolumeError> {
    let path = PathBuf::from(&host.path);
    let file = |source| VolumeError::File { volume: volume.to_owned(), path: path.clone(), source };
    let kind = host.type_.as_deref().unwrap_or_default();
    let is_there = path.exists();
    match kind {
        // Without a type nothing is checked, and the runtime makes a folder of what is not there.
        "DirectoryOrCreate" | "" if !is_there => {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(&path).map_err(file)?;
        }
        "FileOrCreate" if !is_there => {
            let created =
                fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(&path);
            created.map_err(file)?;
        }
        _ => {}
    }
    let wanted: (&'static str, fn(&fs::FileType) -> bool) = match kind {
        "Directory" | "DirectoryOrCreate" => ("directory", fs::FileType::is_dir),
        "File" | "FileOrCreate" => ("file", fs::FileType::is_file),
        "Socket" => ("socket file", FileTypeExt::is_socket),
        "CharDevice" => ("character device", FileTypeExt::is_char_device),
        "BlockDevice" => ("block device", FileTypeExt::is_block_device),
        _ => return Ok(()),
    };
    let is_wanted = fs::metadata(&path).is_ok_and(|known| wanted.1(&known.file_type()));
    let error = VolumeError::HostPathType { volume: volume.to_owned(), path: path.clone(), wanted: wanted.0 };
    if is_wanted { Ok(()) } else { Err(error) }
}

//! A folder of files that changes all at once.
//!
//! As Kubernetes' atomic writer: the files live in a folder with the time in its name, `..data`
//! links to it, and each visible name links into `..data`. An update writes a new folder and
//! renames one link over another, so that a reader sees either all old or all new files.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use jiff::Timestamp;

use super::content::Files;
use super::give_to_group;

const DATA: &str = "..data";
const DATA_NEW: &str = "..data_tmp";

/// Makes `folder` hold exactly `files`; returns whether anything changed. Blocks on the disk.
///
/// # Errors
/// The disk refused; readers then still see the earlier files.
pub fn write(folder: &Path, files: &Files, group: Option<u32>) -> io::Result<bool> {
    fs::create_dir_all(folder)?;
    if is_current(folder, files) {
        return Ok(false);
    }
    let earlier = fs::read_link(folder.join(DATA)).ok();
    let version = Timestamp::now().strftime("..%Y_%m_%d_%H_%M_%S.%9f").to_string();
    write_version(&folder.join(&version), files, group)?;
    let new = folder.join(DATA_NEW);
    remove_file(&new)?;
    symlink(&version, &new)?;
    fs::rename(&new, folder.join(DATA))?;
    link_names(folder, files)?;
    if let Some(earlier) = earlier {
        fs::remove_dir_all(folder.join(earlier))?;
    }
    Ok(true)
}

fn is_current(folder: &Path, files: &Files) -> bool {
    let data = folder.join(DATA);
    let is_same = |(path, wanted): (&String, &super::FileData)| {
        let file = data.join(path);
        fs::read(&file).is_ok_and(|bytes| bytes == wanted.bytes)
    };
    data.is_dir() && files.iter().all(is_same) && count(&data).is_ok_and(|count| count == files.len())
}

fn count(folder: &Path) -> io::Result<usize> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        total += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(total)
}

fn write_version(folder: &Path, files: &Files, group: Option<u32>) -> io::Result<()> {
    fs::create_dir(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for (path, data) in files {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, &data.bytes)?;
        // A group of the pod's own can read what its owner can.
        let mode = if group.is_some() { data.mode | (data.mode & 0o700) >> 3 & 0o050 } else { data.mode };
        give_to_group(&file, group)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

fn link_names(folder: &Path, files: &Files) -> io::Result<()> {
    let names: BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !names.contains(name.as_ref()) {
            fs::remove_file(entry.path())?;
        }
    }
    for name in names {
        match symlink(Path::new(DATA).join(name), folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

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
use super::ownership::{give, give_to_group};

const DATA: &str = "..data";
const DATA_NEW: &str = "..data_tmp";

/// Makes `folder` hold exactly `files`; returns whether anything changed. Blocks on the disk.
///
/// # Errors
/// The disk refused; readers then still see the earlier files.
pub fn write(folder: &Path, files: &Files, group: Option<u32>) -> io::Result<bool> {
    make_folder(folder, group)?;
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
    make_inner_folder(folder, group)?;
    for (path, data) in files {
        let mut parent = folder.to_owned();
        for part in Path::new(path).parent().into_iter().flat_map(Path::components) {
            parent.push(part);
            make_inner_folder(&parent, group)?;
        }
        let file = folder.join(path);
        fs::write(&file, &data.bytes)?;
        // A group of the pod's own can read every file.
        let mode = if group.is_some() { data.mode | 0o440 } else { data.mode };
        give(&file, data.owner, group)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// The folder of the volume itself.
fn make_folder(folder: &Path, group: Option<u32>) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    give_to_group(folder, group)?;
    let mode = if group.is_some() { 0o3777 } else { 0o1777 };
    fs::set_permissions(folder, fs::Permissions::from_mode(mode))
}

fn make_inner_folder(folder: &Path, group: Option<u32>) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir(folder)?;
    give_to_group(folder, group)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(if group.is_some() { 0o2775 } else { 0o755 }))
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

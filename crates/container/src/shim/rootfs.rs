//! The root file system of a container: its layers under a writable one.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, mkdirat};

use crate::ContainerSpec;
use crate::overlay;
use crate::paths::ContainerPaths;
use crate::wire::Fault;

/// Mounts the root file system in a mount namespace of this process's own, so that it is gone as
/// soon as the container is, whoever dies first.
pub(super) fn prepare(spec: &ContainerSpec, paths: &ContainerPaths, rootless: bool) -> Result<(), Fault> {
    let failed = |what: &str, error: io::Error| Fault::container(what, &error);
    unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| {
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        })
        .map_err(|error| failed("cannot make a mount namespace", error.into()))?;
    make_folders(paths).map_err(|error| failed("cannot make the container's folders", error))?;
    // A device node in an image opens nothing.
    let flags = if spec.privileged { MsFlags::empty() } else { MsFlags::MS_NODEV };
    mount_layers(&spec.layers, paths, flags, rootless)
        .map_err(|error| failed("cannot mount the root file system", error))?;
    make_working_directory(&paths.root, &spec.cwd).map_err(|error| {
        failed(&format!("cannot make the working directory `{}`", spec.cwd.display()), error)
    })?;
    if let Some(file) = &spec.termination_message_path {
        make_empty(file)
            .map_err(|error| failed(&format!("cannot make the file `{}`", file.display()), error))?;
    }
    Ok(())
}

fn make_folders(paths: &ContainerPaths) -> io::Result<()> {
    let folder = |path: &Path| fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    folder(&paths.root)?;
    folder(&paths.state)
}

/// Mounts the layers, the topmost first, below a writable one on the disk; where that disk is an
/// overlay itself (this machine is a container), which the kernel refuses, below one in memory.
fn mount_layers(
    layers: &[PathBuf],
    paths: &ContainerPaths,
    flags: MsFlags,
    rootless: bool,
) -> io::Result<()> {
    match mount_overlay(layers, paths, &paths.scratch, flags, rootless) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            mount_overlay(layers, paths, &paths.folder.join("scratch"), flags, rootless)
        }
        result => result,
    }
}

/// Mounts the layers below a writable one in `scratch`. Changes the working folder: this process is
/// a helper, which has it for itself.
fn mount_overlay(
    layers: &[PathBuf],
    paths: &ContainerPaths,
    scratch: &Path,
    flags: MsFlags,
    rootless: bool,
) -> io::Result<()> {
    fs::create_dir_all(scratch.join("upper"))?;
    fs::create_dir_all(scratch.join("work"))?;
    let empty = paths.folder.join("empty");
    let layers = if layers.is_empty() {
        fs::create_dir_all(&empty)?;
        std::slice::from_ref(&empty)
    } else {
        layers
    };
    let open = |path: &Path| {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(path);
        file.map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))
    };
    let (upper, work) = (open(&scratch.join("upper"))?, open(&scratch.join("work"))?);
    let (upper_name, work_name) = (overlay::descriptor_name(&upper), overlay::descriptor_name(&work));
    let lower_names = overlay::lower_names(layers, &paths.folder)?;
    let mut options = format!("lowerdir={lower_names},upperdir={upper_name},workdir={work_name}");
    if rootless {
        // Attributes of trusted.* are the machine's root's alone.
        options.push_str(",userxattr");
    }
    // `volatile` spares a sync of the whole disk when the container ends: the layer dies with it.
    let attempt = |options: &str| mount(Some("overlay"), &paths.root, Some("overlay"), flags, Some(options));
    match attempt(&format!("{options},volatile")) {
        Err(Errno::EINVAL) => attempt(&options)?,
        result => result?,
    }
    std::env::set_current_dir("/")
}

/// Makes a folder and those above it inside a root file system; links are followed inside it only.
fn make_working_directory(root: &Path, folder: &Path) -> io::Result<()> {
    let mut parent = File::open(root)?;
    let root = parent.try_clone()?;
    let mut so_far = PathBuf::from("/");
    for part in folder.components() {
        let Component::Normal(name) = part else { continue };
        so_far.push(name);
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        let opened = match openat2(root.as_fd(), &so_far, how) {
            Err(Errno::ENOENT) => {
                mkdirat(parent.as_fd(), name, Mode::from_bits_truncate(0o755))?;
                openat2(root.as_fd(), &so_far, how)?
            }
            result => result?,
        };
        parent = File::from(opened);
    }
    Ok(())
}

fn make_empty(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Any user of the container may write to it, as kubelet makes it.
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o666).open(path)?;
    let name = CString::new(path.as_os_str().as_encoded_bytes())?;
    nix::sys::stat::fchmodat(
        nix::fcntl::AT_FDCWD,
        name.as_c_str(),
        Mode::from_bits_truncate(0o666),
        nix::sys::stat::FchmodatFlags::FollowSymlink,
    )?;
    Ok(())
}

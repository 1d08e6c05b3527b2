//! Paths in a volume, which the volume's own links must not lead out of.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, fchmodat, mkdirat};

/// Why a path in a volume cannot be had.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It leads out of the volume.
    Escape,
    /// The system refused.
    File(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// Returns the real place of `path` in `root`; folders that are missing are made, with the
/// permissions of `root`, if `may_create`.
pub(super) fn inside(root: &Path, path: &str, may_create: bool) -> Result<PathBuf, Refusal> {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(path).components().all(is_plain) {
        return Err(Refusal::Escape);
    }
    let root = root.canonicalize()?;
    let top = File::open(&root)?;
    let mode = fs::metadata(&root)?.permissions().mode() & 0o7777;
    let mut parent = top.try_clone()?;
    let mut so_far = PathBuf::new();
    for part in Path::new(path).components() {
        let Component::Normal(name) = part else { continue };
        so_far.push(name);
        let opened = match open(&top, &so_far) {
            Err(Errno::ENOENT) if may_create => {
                let bits = Mode::from_bits_truncate(mode);
                match mkdirat(parent.as_fd(), name, bits) {
                    Ok(()) => {
                        let follow = nix::sys::stat::FchmodatFlags::FollowSymlink;
                        fchmodat(parent.as_fd(), name, bits, follow).map_err(io::Error::from)?;
                    }
                    // A link that leads nowhere inside.
                    Err(Errno::EEXIST) => return Err(Refusal::Escape),
                    Err(error) => return Err(io::Error::from(error).into()),
                }
                open(&top, &so_far)
            }
            result => result,
        };
        parent = match opened {
            Ok(file) => file,
            Err(Errno::EXDEV | Errno::ELOOP) => return Err(Refusal::Escape),
            Err(error) => return Err(io::Error::from(error).into()),
        };
    }
    let real = fs::read_link(format!("/proc/self/fd/{}", parent.as_raw_fd()))?;
    if real.starts_with(&root) { Ok(real) } else { Err(Refusal::Escape) }
}

fn open(top: &File, path: &Path) -> Result<File, Errno> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(top.as_fd(), path, how).map(File::from)
}

//! Finds the folder of an entry, step by step, without ever leaving the layer's folder.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rustix::fs;
use rustix::io::Errno;

use super::lower::Below;
use super::{Attributes, Kind, Place, Refusal, Tree};

/// As many links as the kernel follows in one path.
const LINKS_MAX: usize = 40;
/// Deeper than any real tree; keeps the recursion that removes one in bounds.
pub(in crate::unpack) const DEPTH_MAX: usize = 255;

/// An open folder of the layer.
pub(super) struct Folder {
    pub(super) fd: OwnedFd,
    /// Below the layer's folder, with every link resolved.
    pub(super) path: PathBuf,
}

/// What a step leads to.
enum Step {
    Folder(OwnedFd),
    Link(OsString),
}

impl Tree {
    /// Opens a folder, and makes it where this layer doesn't have it.
    pub(super) fn walk(&mut self, path: &[OsString]) -> Result<Rc<Folder>, Refusal> {
        if let Some((latest, folder)) = &self.latest
            && latest == path
        {
            return Ok(folder.clone());
        }
        let mut todo: VecDeque<OsString> = path.iter().cloned().collect();
        let mut open = vec![self.root.clone()];
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            if name == ".." {
                // As in `/..`: the root's parent is the root.
                open.truncate(open.len().saturating_sub(1).max(1));
                continue;
            }
            let folder = open.last().cloned().unwrap_or_else(|| self.root.clone());
            let place = Place { folder, name };
            match self.step(&place)? {
                Step::Folder(_) if open.len() > DEPTH_MAX => return Err(Errno::NAMETOOLONG.into()),
                Step::Folder(fd) => open.push(Rc::new(Folder { fd, path: place.path() })),
                Step::Link(_) if links == LINKS_MAX => return Err(Errno::LOOP.into()),
                Step::Link(target) => {
                    links += 1;
                    follow(&target, &mut todo, &mut open);
                }
            }
        }
        let folder = open.pop().unwrap_or_else(|| self.root.clone());
        self.latest = Some((path.to_vec(), folder.clone()));
        Ok(folder)
    }

    fn step(&mut self, place: &Place) -> Result<Step, Refusal> {
        match place.kind()? {
            Kind::Folder => Ok(Step::Folder(place.open_folder()?)),
            Kind::Link => Ok(Step::Link(read_link(place)?)),
            Kind::File | Kind::Device => Err(Errno::NOTDIR.into()),
            Kind::Whiteout => {
                self.clear(place)?;
                let folder = place.make_folder()?;
                self.mark_opaque(&folder)?;
                self.folders.insert(place.path(), Attributes::of_implied_folder());
                Ok(Step::Folder(folder))
            }
            Kind::Nothing => self.step_below(place),
        }
    }

    /// Takes from the layers below what this layer doesn't have.
    fn step_below(&mut self, place: &Place) -> Result<Step, Refusal> {
        let path = place.path();
        let attributes = match self.lowers.look(&path)? {
            Below::Link(target) => return Ok(Step::Link(target)),
            Below::Folder(attributes) => attributes,
            Below::Other | Below::Nothing => Attributes::of_implied_folder(),
        };
        let folder = place.make_folder()?;
        self.folders.insert(path, attributes);
        Ok(Step::Folder(folder))
    }
}

fn read_link(place: &Place) -> Result<OsString, Refusal> {
    let target = fs::readlinkat(&place.folder.fd, &place.name, Vec::new())?;
    Ok(OsStr::from_bytes(target.as_bytes()).to_owned())
}

/// Goes on with a link's target, whose root is the layer's folder.
fn follow(target: &OsStr, todo: &mut VecDeque<OsString>, open: &mut Vec<Rc<Folder>>) {
    let target = Path::new(target);
    if target.is_absolute() {
        open.truncate(1);
    }
    for component in target.components().rev() {
        match component {
            Component::Normal(name) => todo.push_front(name.to_owned()),
            Component::ParentDir => todo.push_front(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => (),
        }
    }
}

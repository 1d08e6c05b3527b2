//! `tar` as `kubectl cp` speaks it: an archive of files and folders to standard output, or from standard
//! input into a folder. What comes from outside never leaves that folder.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use ::tar::{Archive, Builder, EntryType};

use super::{Outcome, Trouble, on};

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Order {
    /// `c`, `x` or `t`.
    action: Option<char>,
    /// Standard input or output if `-` or none.
    file: Option<PathBuf>,
    folder: Option<PathBuf>,
    /// Times are those of now.
    touches: bool,
    /// Permissions are those of the archive less what the process takes from new files.
    masks: bool,
    verbose: bool,
    paths: Vec<OsString>,
}

pub(super) fn main(args: &[OsString]) -> Outcome {
    let order = parse(args)?;
    match order.action {
        Some('c') => create(&order),
        Some('x') => extract(&order, input(&order)?),
        Some('t') => list(input(&order)?),
        Some(_) | None => Err(Trouble::usage("one of `c`, `x` and `t` is needed, as in `tar cf - PATH`")),
    }
}

fn parse(args: &[OsString]) -> Result<Order, Trouble> {
    let mut order = Order::default();
    let mut rest = args.iter();
    let mut is_first = true;
    while let Some(word) = rest.next() {
        let text = word.to_string_lossy().into_owned();
        let mut value = |what: &str| {
            rest.next().map(PathBuf::from).ok_or_else(|| Trouble::usage(format!("`{what}` needs a value")))
        };
        let bundle = match text.strip_prefix('-') {
            Some("") | None if !is_first => {
                order.paths.push(word.clone());
                continue;
            }
            Some(long) if long.starts_with('-') => {
                match &long[1..] {
                    "no-same-permissions" => order.masks = true,
                    "no-same-owner" | "numeric-owner" | "warning=no-timestamp" => {}
                    "touch" => order.touches = true,
                    "" => {
                        order.paths.extend(rest.by_ref().cloned());
                    }
                    other => match other.split_once('=') {
                        Some(("directory", folder)) => order.folder = Some(folder.into()),
                        Some(("file", file)) => order.file = Some(file.into()),
                        Some(_) | None => return Err(Trouble::usage(format!("unknown option `--{other}`"))),
                    },
                }
                is_first = false;
                continue;
            }
            Some(bundle) => bundle.to_owned(),
            // The oldest way: the first word without a dash.
            None => text,
        };
        is_first = false;
        for letter in bundle.chars() {
            match letter {
                'c' | 'x' | 't' => order.action = Some(letter),
                'f' => order.file = Some(value("f")?).filter(|file| file != Path::new("-")),
                'C' => order.folder = Some(value("C")?),
                'm' => order.touches = true,
                'v' => order.verbose = true,
                'o' | 'p' | 'h' => {}
                other => {
                    return Err(Trouble::usage(format!(
                        "unknown option `{other}`; known are: c x t f C m v o p"
                    )));
                }
            }
        }
    }
    Ok(order)
}

fn input(order: &Order) -> Result<Box<dyn Read>, Trouble> {
    Ok(match &order.file {
        Some(file) => Box::new(File::open(file).map_err(on(file.display()))?),
        None => Box::new(io::stdin().lock()),
    })
}

fn create(order: &Order) -> Outcome {
    let output: Box<dyn Write> = match &order.file {
        Some(file) => Box::new(File::create(file).map_err(on(file.display()))?),
        None => Box::new(io::stdout().lock()),
    };
    if let Some(folder) = &order.folder {
        std::env::set_current_dir(folder).map_err(on(folder.display()))?;
    }
    if order.paths.is_empty() {
        return Err(Trouble::usage("an empty archive helps nobody: name what goes in"));
    }
    let mut builder = Builder::new(io::BufWriter::new(output));
    builder.follow_symlinks(false);
    let mut code = 0;
    for path in &order.paths {
        let path = Path::new(path);
        let name = inner_name(path);
        let added = add(&mut builder, path, &name);
        if let Err(error) = added {
            let _ = writeln!(io::stderr(), "tar: {}: {error}", path.display());
            code = 2;
        }
    }
    let mut output = builder.into_inner().map_err(on("the archive"))?;
    output.flush().map_err(on("the archive"))?;
    Ok(code)
}

fn add<W: Write>(builder: &mut Builder<W>, path: &Path, name: &Path) -> io::Result<()> {
    let known = fs::symlink_metadata(path)?;
    if known.is_dir() {
        if name.as_os_str().is_empty() || name == Path::new(".") {
            return builder.append_dir_all(".", path);
        }
        return builder.append_dir_all(name, path);
    }
    builder.append_path_with_name(path, name)
}

/// The name in the archive: relative, as every tar makes it.
fn inner_name(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::RootDir | Component::ParentDir)).collect()
}

fn extract(order: &Order, input: Box<dyn Read>) -> Outcome {
    let folder = order.folder.clone().unwrap_or_else(|| PathBuf::from("."));
    if !folder.is_dir() {
        return Err(Trouble::usage(format!("`{}` is not a folder", folder.display())));
    }
    let mut archive = Archive::new(input);
    archive.set_preserve_mtime(!order.touches);
    archive.set_preserve_permissions(!order.masks);
    archive.set_preserve_ownerships(false);
    archive.set_overwrite(true);
    // Permissions of folders come last: one that is closed to its owner would take no files.
    let mut folders = Vec::new();
    let mut is_empty = true;
    for entry in archive.entries().map_err(on("the archive"))? {
        let mut entry = entry.map_err(on("the archive"))?;
        is_empty = false;
        let name = entry.path().map_err(on("the archive"))?.into_owned();
        if order.verbose {
            let _ = writeln!(io::stdout(), "{}", name.display());
        }
        let is_folder = entry.header().entry_type() == EntryType::Directory;
        let mode = entry.header().mode().unwrap_or(0o755) & 0o7777;
        // What leads out of the folder, by `..` or over a link, is not unpacked.
        let is_inside = entry.unpack_in(&folder).map_err(on(name.display()))?;
        if !is_inside {
            return Err(Trouble::usage(format!(
                "`{}` leads out of the folder and is not unpacked",
                name.display()
            )));
        }
        if is_folder {
            let path = folder.join(inner_name(&name));
            set_mode(&path, mode | 0o700)?;
            folders.push((path, mode));
        }
    }
    for (path, mode) in folders.into_iter().rev().filter(|_| !order.masks) {
        set_mode(&path, mode)?;
    }
    if is_empty {
        return Err(Trouble::usage("this does not look like a tar archive: it has no entries"));
    }
    Ok(0)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Trouble> {
    match fs::set_permissions(path, fs::Permissions::from_mode(mode)) {
        // A folder that was there before may be somebody else's.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        result => result.map_err(on(path.display())),
    }
}

fn list(input: Box<dyn Read>) -> Outcome {
    let mut archive = Archive::new(input);
    let mut out = io::stdout().lock();
    for entry in archive.entries().map_err(on("the archive"))? {
        let entry = entry.map_err(on("the archive"))?;
        let name = entry.path().map_err(on("the archive"))?.into_owned();
        writeln!(out, "{}", name.display()).map_err(on("standard output"))?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(words: &[&str]) -> Order {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>()).unwrap()
    }

    fn unpack(bytes: Vec<u8>, folder: &Path) -> Outcome {
        let order = Order { action: Some('x'), folder: Some(folder.to_owned()), ..Order::default() };
        extract(&order, Box::new(io::Cursor::new(bytes)))
    }

    #[test]
    fn every_way_kubectl_asks_is_understood() {
        let out = order(&["cf", "-", "/var/log/x"]);
        assert_eq!((out.action, out.file, out.paths), (Some('c'), None, vec![OsString::from("/var/log/x")]));
        for words in [&["xmf", "-", "-C", "/tmp"][..], &["-xmf", "-", "-C", "/tmp"]] {
            let order = order(words);
            assert_eq!((order.action, order.touches, order.folder), (Some('x'), true, Some("/tmp".into())));
        }
        let order = order(&["--no-same-permissions", "--no-same-owner", "-xmf", "-"]);
        assert_eq!((order.action, order.masks), (Some('x'), true));
        assert!(matches!(parse(&["czf".into(), "-".into(), "x".into()]), Err(Trouble::Usage(_))));
    }

    #[test]
    fn what_goes_in_comes_out() {
        let from = tempfile::tempdir().unwrap();
        fs::create_dir(from.path().join("in")).unwrap();
        fs::write(from.path().join("in/file"), "content").unwrap();
        fs::set_permissions(from.path().join("in"), fs::Permissions::from_mode(0o500)).unwrap();
        std::os::unix::fs::symlink("file", from.path().join("in/link")).unwrap();
        let mut builder = Builder::new(Vec::new());
        builder.follow_symlinks(false);
        add(&mut builder, &from.path().join("in"), Path::new("in")).unwrap();
        let to = tempfile::tempdir().unwrap();
        unpack(builder.into_inner().unwrap(), to.path()).unwrap();
        assert_eq!(fs::read_to_string(to.path().join("in/file")).unwrap(), "content");
        assert_eq!(fs::read_link(to.path().join("in/link")).unwrap(), Path::new("file"));
        assert_eq!(fs::metadata(to.path().join("in")).unwrap().permissions().mode() & 0o777, 0o500);
        for folder in [from.path(), to.path()] {
            fs::set_permissions(folder.join("in"), fs::Permissions::from_mode(0o700)).unwrap();
        }
    }

    /// An entry whose name no honest program writes.
    fn hostile(name: &str, kind: EntryType, link: &str, content: &[u8]) -> Vec<u8> {
        let mut header = ::tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().to_str().unwrap();
        let file = |name: &str| hostile(name, EntryType::Regular, "", b"bad");
        let over_link = [hostile("link", EntryType::Symlink, target, b""), file("link/file")].concat();
        let hard_link = hostile("hard", EntryType::Link, &format!("{target}/kept"), b"");
        fs::write(outside.path().join("kept"), "kept").unwrap();
        for mut archive in [file("../file"), file("a/../../file"), over_link, hard_link] {
            archive.extend([0; 1024]);
            let to = tempfile::tempdir().unwrap();
            let inner = to.path().join("inner");
            fs::create_dir(&inner).unwrap();
            assert!(unpack(archive, &inner).is_err());
            assert!(!to.path().join("file").exists());
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let to = tempfile::tempdir().unwrap();
        for bytes in [Vec::new(), vec![7; 512], b"hello".to_vec()] {
            assert!(unpack(bytes, to.path()).is_err());
        }
    }
}

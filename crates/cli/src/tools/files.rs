//! Files and folders.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Outcome, Trouble, on, options};

/// `test`: one condition, as `kubectl cp` asks it and people do.
pub(super) fn test(args: &[OsString]) -> Outcome {
    let words: Vec<String> = args.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let holds = match words.as_slice() {
        [] => false,
        ["!", rest @ ..] => {
            let rest: Vec<OsString> = rest.iter().map(OsString::from).collect();
            return Ok(u8::from(test(&rest)? == 0));
        }
        [word] => !word.is_empty(),
        [operator, path] => of_one(operator, path)?,
        [left, operator, right] => of_two(left, operator, right)?,
        _ => return Err(Trouble::usage("one condition at a time, please")),
    };
    Ok(u8::from(!holds))
}

/// `[ … ]`.
pub(super) fn bracket(args: &[OsString]) -> Outcome {
    match args.split_last() {
        Some((last, condition)) if last == "]" => test(condition),
        Some(_) | None => Err(Trouble::usage("missing `]`")),
    }
}

fn of_one(operator: &str, word: &str) -> Result<bool, Trouble> {
    let known = || fs::metadata(word);
    let may = |bits: u32| known().is_ok_and(|it| it.permissions().mode() & bits != 0);
    Ok(match operator {
        "-n" => !word.is_empty(),
        "-z" => word.is_empty(),
        "-e" => known().is_ok(),
        "-f" => known().is_ok_and(|it| it.is_file()),
        "-d" => known().is_ok_and(|it| it.is_dir()),
        "-s" => known().is_ok_and(|it| it.len() > 0),
        "-S" => known().is_ok_and(|it| it.file_type().is_socket()),
        "-p" => known().is_ok_and(|it| it.file_type().is_fifo()),
        "-L" | "-h" => fs::symlink_metadata(word).is_ok_and(|it| it.is_symlink()),
        "-r" => File::open(word).is_ok(),
        "-w" => may(0o222),
        "-x" => may(0o111),
        _ => return Err(Trouble::usage(format!("unknown condition `{operator}`"))),
    })
}

fn of_two(left: &str, operator: &str, right: &str) -> Result<bool, Trouble> {
    let number =
        |text: &str| text.parse::<i64>().map_err(|_| Trouble::usage(format!("`{text}` is not a number")));
    Ok(match operator {
        "=" | "==" => left == right,
        "!=" => left != right,
        "-eq" => number(left)? == number(right)?,
        "-ne" => number(left)? != number(right)?,
        "-lt" => number(left)? < number(right)?,
        "-le" => number(left)? <= number(right)?,
        "-gt" => number(left)? > number(right)?,
        "-ge" => number(left)? >= number(right)?,
        _ => return Err(Trouble::usage(format!("unknown condition `{operator}`"))),
    })
}

/// `ls [-a] [-l] [-d] [-1] [PATH…]`.
pub(super) fn ls(args: &[OsString]) -> Outcome {
    let (given, paths) = options(args, "aAldh1F")?;
    let here = [OsString::from(".")];
    let paths = if paths.is_empty() { &here } else { paths };
    let mut out = io::stdout().lock();
    let mut code = 0;
    for path in paths {
        let path = Path::new(path);
        let known = match fs::symlink_metadata(path) {
            Ok(known) => known,
            Err(error) => {
                let _ = writeln!(io::stderr(), "ls: {}: {error}", path.display());
                code = 1;
                continue;
            }
        };
        let is_listed = fs::metadata(path).is_ok_and(|it| it.is_dir()) && !given.contains('d');
        if !is_listed {
            write_entry(&mut out, path.as_os_str().as_bytes(), path, &known, &given)
                .map_err(on("standard output"))?;
            continue;
        }
        if paths.len() > 1 {
            writeln!(out, "{}:", path.display()).map_err(on("standard output"))?;
        }
        let entries = fs::read_dir(path).map_err(on(path.display()))?;
        let mut entries = entries.collect::<io::Result<Vec<_>>>().map_err(on(path.display()))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            if name.as_bytes().starts_with(b".") && !given.contains(['a', 'A']) {
                continue;
            }
            let known = entry.metadata().map_err(on(entry.path().display()))?;
            write_entry(&mut out, name.as_bytes(), &entry.path(), &known, &given)
                .map_err(on("standard output"))?;
        }
    }
    Ok(code)
}

fn write_entry(
    out: &mut impl Write,
    name: &[u8],
    path: &Path,
    known: &Metadata,
    given: &str,
) -> io::Result<()> {
    if given.contains('l') {
        let time = jiff::Timestamp::from_second(known.mtime()).unwrap_or_default().strftime("%Y-%m-%d %H:%M");
        let (mode, links) = (mode_word(known), known.nlink());
        write!(out, "{mode} {links:>3} {:>5} {:>5} {:>10} {time} ", known.uid(), known.gid(), known.len())?;
    }
    out.write_all(name)?;
    if given.contains('l') && known.is_symlink() {
        let target = fs::read_link(path).unwrap_or_else(|_| PathBuf::from("?"));
        write!(out, " -> {}", target.display())?;
    }
    writeln!(out)
}

/// `drwxr-xr-x`.
fn mode_word(known: &Metadata) -> String {
    let kind = known.file_type();
    let first = match () {
        () if kind.is_dir() => 'd',
        () if kind.is_symlink() => 'l',
        () if kind.is_socket() => 's',
        () if kind.is_fifo() => 'p',
        () if kind.is_char_device() => 'c',
        () if kind.is_block_device() => 'b',
        () => '-',
    };
    let bits = known.permissions().mode();
    let mut word: Vec<char> = vec![first];
    for (place, letter) in "rwxrwxrwx".chars().enumerate() {
        word.push(if bits & (0o400 >> place) == 0 { '-' } else { letter });
    }
    for (bit, place, set, unset) in [(0o4000, 3, 's', 'S'), (0o2000, 6, 's', 'S'), (0o1000, 9, 't', 'T')] {
        if bits & bit != 0 {
            word[place] = if word[place] == 'x' { set } else { unset };
        }
    }
    word.into_iter().collect()
}

/// `cat [FILE…]`.
pub(super) fn cat(args: &[OsString]) -> Outcome {
    each_input(args, |name, mut input| {
        io::copy(&mut input, &mut io::stdout().lock()).map(drop).map_err(on(name))
    })
}

/// `head [-n N] [FILE…]`.
pub(super) fn head(args: &[OsString]) -> Outcome {
    let (count, files) = line_count(args)?;
    each_input(files, |name, input| {
        let mut out = io::stdout().lock();
        let mut lines = io::BufRead::split(io::BufReader::new(input), b'\n');
        for line in lines.by_ref().take(count) {
            let line = line.map_err(on(&name))?;
            out.write_all(&line).and_then(|()| out.write_all(b"\n")).map_err(on("standard output"))?;
        }
        Ok(())
    })
}

/// `tail [-n N | -c +N] [FILE…]`: `kubectl cp --retries` asks for the bytes from one on.
pub(super) fn tail(args: &[OsString]) -> Outcome {
    let first = args.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let (from, files) = match first.strip_prefix("-c") {
        Some("") => {
            (args.get(1).map(|word| word.to_string_lossy().into_owned()), args.get(2..).unwrap_or_default())
        }
        Some(rest) => (Some(rest.to_owned()), &args[1..]),
        None => (None, args),
    };
    if let Some(from) = from {
        let from = from.strip_prefix('+').and_then(|number| number.parse::<u64>().ok());
        let skip = from.ok_or_else(|| Trouble::usage("`-c` takes `+N`: from byte N on"))?.saturating_sub(1);
        return each_input(files, |name, mut input| {
            io::copy(&mut input.by_ref().take(skip), &mut io::sink()).map_err(on(&name))?;
            io::copy(&mut input, &mut io::stdout().lock()).map(drop).map_err(on(name))
        });
    }
    let (count, files) = line_count(args)?;
    each_input(files, |name, input| {
        let mut kept = std::collections::VecDeque::with_capacity(count.min(1024));
        for line in io::BufRead::split(io::BufReader::new(input), b'\n') {
            kept.push_back(line.map_err(on(&name))?);
            if kept.len() > count {
                kept.pop_front();
            }
        }
        let mut out = io::stdout().lock();
        for line in kept {
            out.write_all(&line).and_then(|()| out.write_all(b"\n")).map_err(on("standard output"))?;
        }
        Ok(())
    })
}

/// `-n N`, `-nN` or `-N`; ten without.
fn line_count(args: &[OsString]) -> Result<(usize, &[OsString]), Trouble> {
    let words: Vec<_> = args.iter().take(2).map(|word| word.to_string_lossy()).collect();
    let number =
        |text: &str| text.parse().map_err(|_| Trouble::usage(format!("`{text}` is not a number of lines")));
    match words.first().and_then(|word| word.strip_prefix('-')) {
        Some("n") => Ok((number(words.get(1).map_or("", AsRef::as_ref))?, args.get(2..).unwrap_or_default())),
        Some(rest) if !rest.is_empty() => Ok((number(rest.strip_prefix('n').unwrap_or(rest))?, &args[1..])),
        Some(_) | None => Ok((10, args)),
    }
}

fn each_input(
    files: &[OsString],
    mut work: impl FnMut(String, Box<dyn Read>) -> Result<(), Trouble>,
) -> Outcome {
    if files.is_empty() {
        work("standard input".to_owned(), Box::new(io::stdin()))?;
    }
    for file in files {
        let name = file.to_string_lossy().into_owned();
        if name == "-" {
            work(name, Box::new(io::stdin()))?;
        } else {
            let opened = File::open(file).map_err(on(&name))?;
            work(name, Box::new(opened))?;
        }
    }
    Ok(0)
}

/// `mkdir [-p] FOLDER…`.
pub(super) fn mkdir(args: &[OsString]) -> Outcome {
    let (given, folders) = options(args, "p")?;
    for folder in folders {
        let made = if given.contains('p') { fs::create_dir_all(folder) } else { fs::create_dir(folder) };
        made.map_err(on(folder.to_string_lossy()))?;
    }
    Ok(0)
}

/// `rm [-r] [-f] PATH…`.
pub(super) fn rm(args: &[OsString]) -> Outcome {
    let (given, paths) = options(args, "rRf")?;
    for path in paths {
        let is_folder = fs::symlink_metadata(path).is_ok_and(|known| known.is_dir());
        let removed = match is_folder && given.contains(['r', 'R']) {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound && given.contains('f') => {}
            result => result.map_err(on(path.to_string_lossy()))?,
        }
    }
    Ok(0)
}

/// `pwd`.
pub(super) fn pwd() -> Outcome {
    let here = std::env::current_dir().map_err(on("the working folder"))?;
    writeln!(io::stdout(), "{}", here.display()).map_err(on("standard output"))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], expected: u8) {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        assert_eq!(test(&words).unwrap(), expected, "{words:?}");
    }

    #[test]
    fn conditions_are_judged_as_everywhere() {
        check(&["-d", "/"], 0);
        check(&["-d", "/no/such"], 1);
        check(&["-f", "/proc/self/status"], 0);
        check(&["!", "-d", "/"], 1);
        check(&["a", "=", "a"], 0);
        check(&["2", "-gt", "10"], 1);
        check(&["-z", ""], 0);
        check(&[], 1);
        assert!(matches!(test(&["-Q".into(), "x".into()]), Err(Trouble::Usage(_))));
        assert!(matches!(bracket(&["-d".into(), "/".into()]), Err(Trouble::Usage(_))));
    }

    #[test]
    fn options_may_be_joined_and_end_where_paths_begin() {
        let args: Vec<OsString> = ["-r", "-f", "--", "-x"].iter().map(OsString::from).collect();
        let (given, rest) = options(&args, "rf").unwrap();
        assert_eq!((given.as_str(), rest), ("rf", &args[3..]));
        assert!(options(&["-q".into()], "rf").is_err());
    }
}

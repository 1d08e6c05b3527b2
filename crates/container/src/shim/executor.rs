//! Starts the program of a container, and says in Kubernetes' words why it cannot.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use libcontainer::oci_spec::runtime::Spec;
use libcontainer::workload::{Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};
use nix::errno::Errno;

use super::trouble;
use crate::sys;
use crate::wire::Fault;

/// Exit codes of a shell that cannot find or cannot execute a command.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

/// Looks the command up in the container's `PATH` and executes it with exactly the environment of
/// the configuration. Runs inside the container, in its first process.
#[derive(Clone, Default)]
pub(super) struct CommandExecutor {
    confinement: Option<Confinement>,
}

/// What a process loses before its program runs.
///
/// The runtime drops capabilities before an executor has its turn, and without `no_new_privs` the kernel wants
/// `CAP_SYS_ADMIN` for a filter. So the process comes here with that one too, outside of its bounding set.
#[derive(Clone)]
struct Confinement {
    filter: Vec<libc::sock_filter>,
    capabilities: u64,
}

impl CommandExecutor {
    /// Returns an executor whose programs are judged by `filter` and have these capabilities.
    pub(super) fn confined(filter: Vec<libc::sock_filter>, capabilities: u64) -> Self {
        Self { confinement: Some(Confinement { filter, capabilities }) }
    }

    fn confine(&self) -> Result<(), Fault> {
        let Some(Confinement { filter, capabilities }) = &self.confinement else { return Ok(()) };
        sys::install_filter(&mut filter.clone())
            .and_then(|()| sys::keep_capabilities(*capabilities))
            .map_err(|error| Fault::container("cannot confine the system calls", &error))
    }
}

impl Executor for CommandExecutor {
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        find(spec).map(drop).map_err(|fault| {
            let message = fault.message.clone();
            trouble::report(&fault);
            ExecutorValidationError::ArgValidationError(message)
        })
    }

    fn setup_envs(&self, _: std::collections::HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        // The environment goes to `execve` in the configuration's order.
        Ok(())
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let found = self.confine().and_then(|()| find(spec));
        let fault = match found {
            Ok(path) => match execute(&path, spec) {
                Ok(never) => match never {},
                Err(error) => Fault::command(
                    format!(
                        "exec {}: {}",
                        path.display(),
                        words(Errno::from_raw(error.raw_os_error().unwrap_or(0)))
                    ),
                    NOT_EXECUTABLE,
                ),
            },
            Err(fault) => fault,
        };
        trouble::report(&fault);
        Err(ExecutorError::Other(fault.message))
    }
}

fn execute(path: &Path, spec: &Spec) -> io::Result<Infallible> {
    let process = spec.process().as_ref();
    let strings = |list: Option<&Vec<String>>| {
        list.into_iter().flatten().map(|word| CString::new(word.as_str())).collect::<Result<Vec<_>, _>>()
    };
    let args = strings(process.and_then(|process| process.args().as_ref()))?;
    let env = strings(process.and_then(|process| process.env().as_ref()))?;
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    Ok(nix::unistd::execve(&path, &args, &env)?)
}

/// Finds the command of the configuration.
fn find(spec: &Spec) -> Result<PathBuf, Fault> {
    let process = spec.process().as_ref();
    let args = process.and_then(|process| process.args().as_ref());
    let Some(name) = args.and_then(|args| args.first()).filter(|name| !name.is_empty()) else {
        return Err(Fault::command("no command specified", NOT_FOUND));
    };
    let env = process.and_then(|process| process.env().as_ref());
    let path = env.into_iter().flatten().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or_default();
    search(name, path)
}

fn search(name: &str, path: &str) -> Result<PathBuf, Fault> {
    if name.contains('/') {
        return check(Path::new(name)).map(|()| name.into()).map_err(|errno| {
            let detail = match errno {
                Errno::ENOENT => format!("stat {name}: no such file or directory"),
                other => words(other),
            };
            let code = if errno == Errno::ENOENT { NOT_FOUND } else { NOT_EXECUTABLE };
            Fault::command(format!("exec: {name:?}: {detail}"), code)
        });
    }
    let mut refused = None;
    for folder in path.split(':') {
        let candidate = Path::new(if folder.is_empty() { "." } else { folder }).join(name);
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(errno) => refused = refused.or(Some(errno)),
        }
    }
    Err(match refused {
        Some(errno) => Fault::command(format!("exec: {name:?}: {}", words(errno)), NOT_EXECUTABLE),
        None => Fault::command(format!("exec: {name:?}: executable file not found in $PATH"), NOT_FOUND),
    })
}

/// Whether a file could be executed, by somebody.
fn check(path: &Path) -> Result<(), Errno> {
    let metadata =
        fs::metadata(path).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::ENOENT)))?;
    if metadata.is_dir() {
        return Err(Errno::EISDIR);
    }
    if metadata.permissions().mode() & 0o111 == 0 { Err(Errno::EACCES) } else { Ok(()) }
}

/// An error in lower case, as the words users know are.
fn words(errno: Errno) -> String {
    errno.desc().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_message(name: &str, expected: &str, code: i32) {
        let fault = search(name, "/nowhere:/usr/bin:/bin").unwrap_err();
        assert_eq!((fault.message.as_str(), fault.code), (expected, code));
    }

    #[test]
    fn the_words_are_those_users_know() {
        check_message("nope", "exec: \"nope\": executable file not found in $PATH", 127);
        check_message("/nope", "exec: \"/nope\": stat /nope: no such file or directory", 127);
        check_message("/etc", "exec: \"/etc\": is a directory", 126);
        check_message("/etc/passwd", "exec: \"/etc/passwd\": permission denied", 126);
    }

    #[test]
    fn a_command_is_found_in_the_search_path() {
        assert!(search("env", "/nowhere:/usr/bin:/bin").is_ok());
    }
}

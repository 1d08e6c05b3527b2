//! Why the namespaces could not be made or joined, and what to do about it.

use std::io;

use crate::machine::Pid;

/// Why the namespaces could not be made or joined.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The process has threads already: a mistake of the caller.
    #[error("failed to enter namespaces: the process has more than one thread")]
    Threads,
    /// The kernel refused a user namespace, or refused to let it do anything.
    #[error("failed to create a user namespace: {refusal}")]
    UserNamespace {
        /// Who refused.
        refusal: Refusal,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The holder is gone, and its namespaces with it.
    #[error("failed to join the namespaces of process {holder}: it is not a holder of this cluster any more")]
    HolderGone {
        /// The process asked for.
        holder: Pid,
    },
    /// The kernel refused another step.
    #[error("failed to {act}")]
    System {
        /// What was tried.
        act: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

/// Who refuses user namespaces to ordinary users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The kernel was built without them.
    NotBuilt,
    /// `user.max_user_namespaces` is 0.
    SwitchedOff,
    /// All that `user.max_user_namespaces` allows are in use.
    Exhausted,
    /// `kernel.unprivileged_userns_clone` is 0 (Debian's switch).
    DebianSwitch,
    /// `kernel.apparmor_restrict_unprivileged_userns` is 1 (Ubuntu 23.10 and later).
    AppArmor,
    /// A seccomp filter, as container engines set one.
    Seccomp,
    /// Unknown.
    Unknown,
}

impl EnterError {
    /// Returns what the user can do, when that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::UserNamespace { refusal, .. } => Some(refusal.hint()),
            Self::HolderGone { .. } => Some("start the cluster anew: `pinnace down`, then `pinnace up`"),
            Self::Threads | Self::System { .. } => None,
        }
    }

    pub(super) fn system(act: &'static str, source: impl Into<io::Error>) -> Self {
        Self::System { act, source: source.into() }
    }

    /// Blames what is known to refuse user namespaces for a refusal met while making or using one.
    pub(super) fn user_namespace(source: impl Into<io::Error>) -> Self {
        let source = source.into();
        let refusal = Refusal::diagnose(&source, &|path| std::fs::read_to_string(path).ok());
        Self::UserNamespace { refusal, source }
    }
}

impl Refusal {
    /// Looks at the usual switches; `read` returns a file's text.
    fn diagnose(error: &io::Error, read: &dyn Fn(&str) -> Option<String>) -> Self {
        let is = |path: &str, value: &str| read(path).is_some_and(|text| text.trim() == value);
        if is("/proc/sys/user/max_user_namespaces", "0") {
            return Self::SwitchedOff;
        }
        if matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EUSERS)) {
            return Self::Exhausted;
        }
        if read("/proc/self/uid_map").is_none() || error.raw_os_error() == Some(libc::EINVAL) {
            return Self::NotBuilt;
        }
        if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
            return Self::DebianSwitch;
        }
        if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
            return Self::AppArmor;
        }
        let filtered = read("/proc/self/status")
            .is_some_and(|text| text.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"])));
        if filtered { Self::Seccomp } else { Self::Unknown }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::NotBuilt => "run as root, or on a kernel built with CONFIG_USER_NS",
            Self::SwitchedOff => {
                "run as root, or let root allow them: `sysctl -w user.max_user_namespaces=15000`"
            }
            Self::Exhausted => {
                "end what holds user namespaces, or let root allow more: `sysctl -w user.max_user_namespaces=15000`"
            }
            Self::DebianSwitch => {
                "run as root, or let root allow them: `sysctl -w kernel.unprivileged_userns_clone=1`"
            }
            Self::AppArmor => {
                "run as root, or let root allow them: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"
            }
            Self::Seccomp => {
                "inside a container, start it with `--privileged` or `--security-opt seccomp=unconfined`"
            }
            Self::Unknown => "run as root",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotBuilt => "this kernel has none",
            Self::SwitchedOff => "they are switched off (`user.max_user_namespaces` is 0)",
            Self::Exhausted => "all that `user.max_user_namespaces` allows are in use",
            Self::DebianSwitch => {
                "ordinary users may not create one (`kernel.unprivileged_userns_clone` is 0)"
            }
            Self::AppArmor => "AppArmor restricts them (`kernel.apparmor_restrict_unprivileged_userns` is 1)",
            Self::Seccomp => "a seccomp filter around this process forbids it",
            Self::Unknown => "the kernel refused",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], errno: i32, expected: Refusal) {
        let read = |path: &str| files.iter().find(|file| file.0 == path).map(|file| file.1.to_owned());
        assert_eq!(Refusal::diagnose(&io::Error::from_raw_os_error(errno), &read), expected);
    }

    #[test]
    fn a_refusal_is_blamed_on_the_switch_that_is_set() {
        let built = ("/proc/self/uid_map", "0 0 4294967295");
        check(&[], libc::EPERM, Refusal::NotBuilt);
        check(&[built], libc::EINVAL, Refusal::NotBuilt);
        check(&[built, ("/proc/sys/user/max_user_namespaces", "0\n")], libc::ENOSPC, Refusal::SwitchedOff);
        check(&[built, ("/proc/sys/user/max_user_namespaces", "3\n")], libc::ENOSPC, Refusal::Exhausted);
        check(
            &[built, ("/proc/sys/kernel/unprivileged_userns_clone", "0\n")],
            libc::EPERM,
            Refusal::DebianSwitch,
        );
        check(
            &[built, ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")],
            libc::EACCES,
            Refusal::AppArmor,
        );
        check(&[built, ("/proc/self/status", "Name:\tx\nSeccomp:\t2\n")], libc::EPERM, Refusal::Seccomp);
        check(&[built, ("/proc/self/status", "Seccomp:\t0\n")], libc::EPERM, Refusal::Unknown);
    }
}

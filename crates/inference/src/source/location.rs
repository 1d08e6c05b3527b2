//! The address of a model: a path, or a URL with an optional `#sha256=…`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::settings::Text;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256(pub [u8; 32]);

impl FromStr for Sha256 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim();
        let digits = digits.strip_prefix("sha256:").unwrap_or(digits);
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes)
            .map_err(|_| "it must be a SHA-256 of 64 hexadecimal digits".to_owned())?;
        Ok(Sha256(bytes))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Text for Sha256 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Where a model is.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// On this machine.
    Local(PathBuf),
    /// Elsewhere.
    Remote {
        /// `https`, `s3`, …, in lower case.
        scheme: String,
        /// All of it but the fragment. It may hold secrets: show the location instead.
        url: String,
        /// What its bytes must add up to.
        sha256: Option<Sha256>,
    },
}

/// Why a location is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// The scheme is unknown.
    #[error(
        "models do not come from `{scheme}:`: there are file, http, https, s3, gs, az, abfs, abfss and oci"
    )]
    Scheme {
        /// What was given.
        scheme: String,
    },
    /// A `file:` URL that names another machine or no absolute path.
    #[error("`{url}` is no file of this machine: write `file:///absolute/path`")]
    File {
        /// What was given.
        url: String,
    },
    /// The URL lacks its host, bucket or path.
    #[error("`{url}` names no {what}")]
    Incomplete {
        /// What was given, without secrets.
        url: String,
        /// What is missing.
        what: &'static str,
    },
    /// The fragment is not `sha256=…`.
    #[error("after `#` only `sha256=` and 64 hexadecimal digits are understood, not `{fragment}`")]
    Fragment {
        /// What was given.
        fragment: String,
    },
}

const REMOTE: [&str; 10] = ["http", "https", "s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "oci"];

impl Location {
    /// Reads a path or a URL. What has no scheme is a path, whatever characters it has.
    ///
    /// # Errors
    /// When the URL names nothing that can be fetched.
    pub fn parse(text: &str) -> Result<Location, LocationError> {
        let Some((scheme, rest)) = split_scheme(text) else {
            return Ok(Location::Local(PathBuf::from(text)));
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            return local(text, rest);
        }
        if !REMOTE.contains(&scheme.as_str()) {
            return Err(LocationError::Scheme { scheme });
        }
        let (rest, sha256) = match rest.split_once('#') {
            Some((rest, fragment)) => (rest, Some(checksum(fragment)?)),
            None => (rest, None),
        };
        let url = format!("{scheme}:{rest}");
        let names = rest.strip_prefix("//").unwrap_or_default();
        let path = names.split(['?', '#']).next().unwrap_or_default();
        let (host, path) = path.split_once('/').unwrap_or((path, ""));
        let missing = |what| LocationError::Incomplete { url: without_secrets(&url), what };
        if host.is_empty() {
            return Err(missing(if scheme.starts_with("http") { "host" } else { "bucket" }));
        }
        if path.is_empty() && !scheme.starts_with("http") {
            return Err(missing("path below the bucket"));
        }
        Ok(Location::Remote { scheme, url, sha256 })
    }

    /// The file's or folder's own name: the last part of the path.
    pub fn name(&self) -> &str {
        let text = match self {
            Location::Local(path) => {
                return path.file_name().and_then(|name| name.to_str()).unwrap_or("model");
            }
            Location::Remote { url, .. } => url.split(['?', '#']).next().unwrap_or_default(),
        };
        let path = text.split_once("//").map_or(text, |(_, path)| path).trim_end_matches('/');
        let last = path.split_once('/').map_or("", |(_, path)| path).rsplit('/').next().unwrap_or_default();
        if last.is_empty() || last == "." || last == ".." { "model" } else { last }
    }
}

/// Shows it without what may be secret in it.
impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Local(path) => path.display().fmt(formatter),
            Location::Remote { url, .. } => formatter.write_str(&without_secrets(url)),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Splits `scheme:rest`; one letter is no scheme, and `a:b` without slashes is a name.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme =
        scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    (is_scheme && (rest.starts_with("//") || scheme.eq_ignore_ascii_case("file"))).then_some((scheme, rest))
}

/// `file:///a`, `file:/a` and `file://localhost/a` are the same.
fn local(url: &str, rest: &str) -> Result<Location, LocationError> {
    let path = rest.strip_prefix("//").map_or(rest, |path| path.strip_prefix("localhost").unwrap_or(path));
    let path =
        percent_encoding::percent_decode_str(path).decode_utf8().ok().filter(|path| path.starts_with('/'));
    let path = path.ok_or_else(|| LocationError::File { url: url.to_owned() })?;
    Ok(Location::Local(PathBuf::from(path.as_ref())))
}

fn checksum(fragment: &str) -> Result<Sha256, LocationError> {
    let digits = fragment.strip_prefix("sha256=").or_else(|| fragment.strip_prefix("sha256:"));
    let refused = || LocationError::Fragment { fragment: fragment.to_owned() };
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(refused)
}

/// A presigned query and a password are as good as a key.
fn without_secrets(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, _)| (url, "?…"));
    let Some((scheme, rest)) = url.split_once("//") else { return format!("{url}{query}") };
    let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    // `abfss://container@account/` is no password
    let host = if scheme.starts_with("http") { host.rsplit('@').next().unwrap_or(host) } else { host };
    format!("{scheme}//{host}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_addresses_are_told_apart() {
        let local = |text: &str, path: &str| {
            assert_eq!(Location::parse(text), Ok(Location::Local(PathBuf::from(path))), "{text}");
        };
        local("lr.model", "lr.model");
        local("/models/a b#c?.pkl", "/models/a b#c?.pkl");
        local("c:\\lr.model", "c:\\lr.model");
        local("name:tag", "name:tag");
        local("file:///models/a%20b.model", "/models/a b.model");
        local("file:/models/lr.model", "/models/lr.model");
        local("file://localhost/lr.model", "/lr.model");
        let remote = |text: &str, name: &str, shown: &str| {
            let location = Location::parse(text).unwrap();
            assert_eq!((location.name(), location.to_string().as_str()), (name, shown));
        };
        remote("S3://bucket/a/lr.model", "lr.model", "s3://bucket/a/lr.model");
        remote("https://u:p@h/a/lr.pkl?X-Sig=secret", "lr.pkl", "https://h/a/lr.pkl?…");
        remote("https://h", "model", "https://h");
        remote("gs://bucket/models/", "models", "gs://bucket/models/");
        remote(
            "abfss://box@account.dfs.core.windows.net/m",
            "m",
            "abfss://box@account.dfs.core.windows.net/m",
        );
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in [
            "ftp://h/x",
            "s3://",
            "s3://bucket",
            "https:///x",
            "file://elsewhere/x",
            "file:x",
            "s3://b/k#md5=1",
        ] {
            assert!(Location::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_checksum_may_be_part_of_the_address() {
        let digits = "ab".repeat(32);
        let Location::Remote { url, sha256, .. } =
            Location::parse(&format!("s3://b/k#sha256={digits}")).unwrap()
        else {
            panic!("not local");
        };
        assert_eq!((url.as_str(), sha256), ("s3://b/k", Some(Sha256([0xab; 32]))));
    }
}

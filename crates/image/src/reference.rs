//! Names of images, parsed and normalised as Docker does
//! (the grammar of `distribution/reference`, which Kubernetes uses as well).

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, DigestError};

const DEFAULT_DOMAIN: &str = "docker.io";
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";
/// The longest repository name, the domain included.
const NAME_LENGTH_MAX: usize = 255;
const TAG_LENGTH_MAX: usize = 128;

/// The normalised name of an image: domain, path, and a tag, a digest or both.
///
/// A name without tag and digest means `:latest`. `Display` writes the familiar form
/// (`jokemeter:lr`), [`Reference::canonical`] the full one (`docker.io/library/jokemeter:lr`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no name of an image: Kubernetes' `InvalidImageName`, in the words of
/// `distribution/reference`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The text does not follow the grammar.
    #[error("invalid reference format")]
    Format,
    /// The repository contains capital letters.
    #[error("invalid reference format: repository name ({name}) must be lowercase")]
    Uppercase {
        /// The offending name.
        name: String,
    },
    /// The name is longer than 255 characters.
    #[error("repository name must not be more than {NAME_LENGTH_MAX} characters")]
    TooLong,
    /// 64 hexadecimal characters, which Docker takes for an image id.
    #[error("invalid repository name ({name}), cannot specify 64-byte hexadecimal strings")]
    Identifier {
        /// The offending name.
        name: String,
    },
    /// The part after `@` is no digest that can be verified.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl Reference {
    /// Parses and normalises the name of an image; the tag defaults to `latest`.
    ///
    /// # Errors
    /// When `text` does not follow the grammar: Kubernetes' `InvalidImageName`.
    pub fn parse(text: &str) -> Result<Reference, ReferenceError> {
        if is_identifier(text) {
            return Err(ReferenceError::Identifier { name: text.to_owned() });
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(parse_digest(digest)?)),
            None => (text, None),
        };
        let (domain, remainder) = split_domain(rest);
        let (path, tag) = match remainder.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (remainder, None),
        };
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(ReferenceError::Uppercase { name: path.to_owned() });
        }
        if !is_domain(domain) || !path.split('/').all(is_path_component) || !tag.is_none_or(is_tag) {
            return Err(ReferenceError::Format);
        }
        let domain = if domain == LEGACY_DEFAULT_DOMAIN { DEFAULT_DOMAIN } else { domain };
        let is_official = domain == DEFAULT_DOMAIN && !path.contains('/');
        let path = if is_official { format!("{OFFICIAL_PREFIX}{path}") } else { path.to_owned() };
        if domain.len() + 1 + path.len() > NAME_LENGTH_MAX {
            return Err(ReferenceError::TooLong);
        }
        let default_tag = digest.is_none().then_some(DEFAULT_TAG);
        let tag = tag.or(default_tag).map(str::to_owned);
        Ok(Reference { domain: domain.to_owned(), path, tag, digest })
    }

    /// Returns the registry's host and port, `docker.io` where none was given.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Returns the repository within the registry: `library/jokemeter`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the tag, which is there unless the reference is by digest only.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest, if the reference pins one.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Returns the full name without tag and digest: `docker.io/library/jokemeter`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// Returns the full form: `docker.io/library/jokemeter:lr`.
    pub fn canonical(&self) -> String {
        self.with_suffix(self.repository())
    }

    /// Returns the short form people write: `jokemeter:lr`.
    pub fn familiar(&self) -> String {
        self.with_suffix(self.familiar_repository())
    }

    /// Returns the same repository pinned to `digest`, without a tag.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Reference {
        Reference { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// Returns the other name under which the same local image may be stored.
    ///
    /// Podman keeps what it built as `localhost/NAME` where Docker says `docker.io/library/NAME`;
    /// a manifest that works with the one should work with the other.
    pub(crate) fn local_alias(&self) -> Option<Reference> {
        let (domain, path) = match self.domain.as_str() {
            DEFAULT_DOMAIN => ("localhost", self.path.strip_prefix(OFFICIAL_PREFIX)?.to_owned()),
            "localhost" if !self.path.contains('/') => {
                (DEFAULT_DOMAIN, format!("{OFFICIAL_PREFIX}{}", self.path))
            }
            _ => return None,
        };
        Some(Reference { domain: domain.to_owned(), path, ..self.clone() })
    }

    fn familiar_repository(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.repository();
        }
        let short = self.path.strip_prefix(OFFICIAL_PREFIX).filter(|rest| !rest.contains('/'));
        short.unwrap_or(&self.path).to_owned()
    }

    fn with_suffix(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(&digest.to_string());
        }
        name
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Reference, ReferenceError> {
        Reference::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.familiar())
    }
}

fn is_identifier(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A digest of a shape the grammar knows but an algorithm we don't is named as such;
/// anything else is a reference that is not well formed.
fn parse_digest(text: &str) -> Result<Digest, ReferenceError> {
    let algorithm_is_well_formed = text.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.starts_with(|first: char| first.is_ascii_alphabetic())
            && hex.len() >= 32
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    if !algorithm_is_well_formed {
        return Err(ReferenceError::Format);
    }
    Ok(text.parse()?)
}

/// The first component is a domain only if it could not be part of a path.
fn split_domain(name: &str) -> (&str, &str) {
    let Some((first, rest)) = name.split_once('/') else {
        return (DEFAULT_DOMAIN, name);
    };
    let has_upper = first.bytes().any(|byte| byte.is_ascii_uppercase());
    if first.contains(['.', ':']) || first == "localhost" || has_upper {
        (first, rest)
    } else {
        (DEFAULT_DOMAIN, name)
    }
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = if let Some(rest) = domain.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let is_ipv6 = !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        if !is_ipv6 {
            return false;
        }
        (None, port)
    } else {
        let end = domain.find(':').unwrap_or(domain.len());
        (Some(&domain[..end]), &domain[end..])
    };
    let port_is_valid = port.is_empty()
        || port.strip_prefix(':').is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    port_is_valid && host.is_none_or(|host| host.split('.').all(is_domain_component))
}

fn is_domain_component(component: &str) -> bool {
    let bytes = component.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// Lower-case letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn is_path_component(component: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !component.starts_with(is_alphanumeric) || !component.ends_with(is_alphanumeric) {
        return false;
    }
    let mut separators = component.split(is_alphanumeric).filter(|separator| !separator.is_empty());
    separators
        .all(|separator| matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let Some(first) = tag.bytes().next() else { return false };
    is_word(first)
        && tag.len() <= TAG_LENGTH_MAX
        && tag.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_are_normalised_as_docker_does() {
        fn check(text: &str, canonical: &str, familiar: &str) {
            let reference = Reference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((reference.canonical(), reference.familiar()), (canonical.into(), familiar.into()));
            assert_eq!(Reference::parse(canonical).as_ref(), Ok(&reference), "{canonical} is a fixed point");
            assert_eq!(Reference::parse(familiar).as_ref(), Ok(&reference), "{familiar} is a fixed point");
        }
        check("jokemeter", "docker.io/library/jokemeter:latest", "jokemeter:latest");
        check("jokemeter:lr", "docker.io/library/jokemeter:lr", "jokemeter:lr");
        check("library/jokemeter:lr", "docker.io/library/jokemeter:lr", "jokemeter:lr");
        check("index.docker.io/jokemeter:lr", "docker.io/library/jokemeter:lr", "jokemeter:lr");
        check("someone/web", "docker.io/someone/web:latest", "someone/web:latest");
        check("docker.io/library/a/b:c", "docker.io/library/a/b:c", "library/a/b:c");
        check("localhost/web", "localhost/web:latest", "localhost/web:latest");
        check("localhost:5000/a/b:1.2", "localhost:5000/a/b:1.2", "localhost:5000/a/b:1.2");
        check("ghcr.io/x/y__z-a.b", "ghcr.io/x/y__z-a.b:latest", "ghcr.io/x/y__z-a.b:latest");
        check("[fd00::1]:5000/a", "[fd00::1]:5000/a:latest", "[fd00::1]:5000/a:latest");
        check("Registry/a", "Registry/a:latest", "Registry/a:latest");
        check("a--b---c:_x.Y-z", "docker.io/library/a--b---c:_x.Y-z", "a--b---c:_x.Y-z");
        let by_digest = format!("localhost:5000/a/b@sha256:{HEX}");
        check(&by_digest, &by_digest, &by_digest);
        let by_both = format!("localhost:5000/a/b:tag@sha256:{HEX}");
        check(&by_both, &by_both, &by_both);
    }

    #[test]
    fn what_docker_refuses_is_refused_in_the_same_words() {
        fn check(text: &str, message: &str) {
            let error = Reference::parse(text).expect_err(text);
            assert_eq!(error.to_string(), message, "{text}");
        }
        let malformed = [
            "",
            ":tag",
            "a:",
            "a@",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a/",
            "/a",
            "a//b",
            "a b",
            "a:b c",
            "a:.b",
            "a:b:c",
            "https://registry/a",
            "localhost:port/a",
            "a.b-/c",
            "[::1/a",
            "a@sha256:1234",
            "a@b@c",
            "ж",
        ];
        for text in malformed {
            check(text, "invalid reference format");
        }
        check("Jokemeter:lr", "invalid reference format: repository name (Jokemeter) must be lowercase");
        check("a/B", "invalid reference format: repository name (a/B) must be lowercase");
        check(HEX, &format!("invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"));
        check(&format!("a:{}", "t".repeat(129)), "invalid reference format");
        check(&"a/".repeat(128), "invalid reference format");
        check(&"a".repeat(256), "repository name must not be more than 255 characters");
        check(&format!("a@md5:{HEX}"), "unsupported digest algorithm");
    }

    #[test]
    fn podmans_local_names_and_dockers_are_aliases() {
        let alias = |text: &str| Reference::parse(text).unwrap().local_alias().map(|alias| alias.canonical());
        assert_eq!(alias("jokemeter:lr").as_deref(), Some("localhost/jokemeter:lr"));
        assert_eq!(alias("localhost/jokemeter:lr").as_deref(), Some("docker.io/library/jokemeter:lr"));
        assert_eq!(alias("someone/jokemeter"), None);
        assert_eq!(alias("localhost:5000/jokemeter"), None);
    }

    proptest::proptest! {
        #[test]
        fn what_parses_is_a_fixed_point_in_both_forms(text in "[a-zA-Z0-9._:/@\\[\\]-]{0,80}") {
            if let Ok(reference) = Reference::parse(&text) {
                proptest::prop_assert_eq!(&Reference::parse(&reference.canonical()).unwrap(), &reference);
                proptest::prop_assert_eq!(&Reference::parse(&reference.familiar()).unwrap(), &reference);
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = Reference::parse(&text);
        }
    }
}

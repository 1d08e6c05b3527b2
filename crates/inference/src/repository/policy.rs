//! Which version of a model answers: a pure function of the versions there are and of a draw.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

/// The file beside a model's versions that says who answers.
pub(super) const FILE: &str = "policy.yaml";

/// The most bytes of it: it names some versions.
const LIMIT: u64 = 64 << 10;

/// Which version of a model answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The version, or an alias of one, that answers requests for none in particular; the newest if none is given.
    #[serde(default, deserialize_with = "lenient::version")]
    pub default: Option<String>,
    /// Other names of versions.
    #[serde(default, deserialize_with = "lenient::aliases")]
    pub aliases: BTreeMap<String, String>,
    /// Shares of the requests for no version in particular: `{3: 90, 4: 10}`.
    #[serde(default)]
    pub weights: BTreeMap<String, u32>,
    /// A version that is asked all such requests, too, its answers only compared and counted.
    #[serde(default, deserialize_with = "lenient::version")]
    pub shadow: Option<String>,
}

/// Why a policy file says nothing.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It could not be read.
    #[error("failed to read `{FILE}`")]
    Read(#[source] std::io::Error),
    /// It is no YAML of the expected form.
    #[error("`{FILE}` is not a policy: {0}")]
    Form(String),
}

impl Policy {
    /// Reads the policy of a model's folder; the usual one if there is no file.
    pub(super) fn read(folder: &Path) -> Result<Self, PolicyError> {
        use std::io::Read;
        let file = match std::fs::File::open(folder.join(FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Policy::default()),
            Err(error) => return Err(PolicyError::Read(error)),
        };
        let mut text = String::new();
        file.take(LIMIT).read_to_string(&mut text).map_err(PolicyError::Read)?;
        Policy::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, PolicyError> {
        let read: Result<Option<Policy>, _> = serde_saphyr::from_str(text);
        let form = |error: &dyn std::fmt::Display| {
            PolicyError::Form(
                error.to_string().lines().next().unwrap_or_default().chars().take(200).collect(),
            )
        };
        read.map(Option::unwrap_or_default).map_err(|error| form(&error))
    }

    /// Who answers a request for no version in particular; `None` when nobody can.
    ///
    /// Versions that are not served give their share to the others.
    pub(super) fn pick<'v>(
        &self,
        versions: impl Iterator<Item = &'v str>,
        is_served: &impl Fn(&str) -> bool,
        draw: u64,
    ) -> Option<String> {
        let resolved =
            |version: &str| self.aliases.get(version).map_or_else(|| version.to_owned(), Clone::clone);
        let shares = self.weights.iter().map(|(version, share)| (resolved(version), u64::from(*share)));
        let shares: Vec<(String, u64)> =
            shares.filter(|(version, share)| *share > 0 && is_served(version)).collect();
        let total: u64 = shares.iter().map(|(_, share)| share).sum();
        if total == 0 {
            return self.default_of(versions, is_served);
        }
        let mut left = draw % total;
        let picked = shares.into_iter().find(|(_, share)| match left.checked_sub(*share) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
        picked.map(|(version, _)| version)
    }

    /// Who answers where no weights are given: the default if it is served, else the newest that is.
    pub(super) fn default_of<'v>(
        &self,
        versions: impl Iterator<Item = &'v str>,
        is_served: &impl Fn(&str) -> bool,
    ) -> Option<String> {
        let named = self.default.as_deref();
        let named = named.map(|version| self.aliases.get(version).map_or(version, String::as_str));
        if let Some(named) = named.filter(|version| is_served(version)) {
            return Some(named.to_owned());
        }
        versions
            .filter(|version| is_served(version))
            .max_by(|one, other| compare(one, other))
            .map(str::to_owned)
    }
}

/// Older before newer: numbers by value and before words, `1.10` after `1.9`.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let part = |text: &str| text.trim_start_matches('v').parse::<u64>().ok();
    let mut ones = one.split(['.', '-', '_']);
    let mut others = other.split(['.', '-', '_']);
    loop {
        let ordering = match (ones.next(), others.next()) {
            (None, None) => return one.cmp(other),
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) => match (part(one), part(other)) {
                (Some(one), Some(other)) => one.cmp(&other),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => one.cmp(other),
            },
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
}

/// Versions are often numbers, which YAML reads as such.
mod lenient {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Version {
        Number(i64),
        Fraction(f64),
        Word(String),
    }

    impl Version {
        fn into_text(self) -> String {
            match self {
                Version::Number(number) => number.to_string(),
                Version::Fraction(number) => number.to_string(),
                Version::Word(word) => word,
            }
        }
    }

    pub(super) fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        Ok(Option::<Version>::deserialize(deserializer)?.map(Version::into_text))
    }

    pub(super) fn aliases<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, String>, D::Error> {
        let read = BTreeMap::<String, Version>::deserialize(deserializer)?;
        Ok(read.into_iter().map(|(alias, version)| (alias, version.into_text())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSIONS: [&str; 4] = ["1", "10", "2", "9"];

    #[test]
    fn the_newest_served_version_answers_unless_another_is_named() {
        let check = |text: &str, served: &[&str], expected: Option<&str>| {
            let policy = Policy::parse(text).unwrap();
            let is_served = |version: &str| served.contains(&version);
            assert_eq!(policy.pick(VERSIONS.into_iter(), &is_served, 0).as_deref(), expected, "{text}");
        };
        check("", &VERSIONS, Some("10"));
        check("{}", &["1", "2"], Some("2"));
        check("default: 2", &VERSIONS, Some("2"));
        check("default: stable\naliases: {stable: 9}", &VERSIONS, Some("9"));
        check("default: 2", &["1"], Some("1"));
        check("default: 2", &[], None);
        check("weights: {7: 5}", &VERSIONS, Some("10"));
    }

    #[test]
    fn requests_are_shared_by_weight_among_those_that_are_served() {
        let policy = Policy::parse("weights: {1: 90, 2: 10}\nshadow: 9").unwrap();
        assert_eq!(policy.shadow.as_deref(), Some("9"));
        let count = |served: &[&str]| {
            let is_served = |version: &str| served.contains(&version);
            let picked = (0..1000).map(|draw| policy.pick(VERSIONS.into_iter(), &is_served, draw).unwrap());
            picked.filter(|version| version == "2").count()
        };
        assert_eq!(count(&VERSIONS), 100);
        assert_eq!(count(&["2"]), 1000);
        assert_eq!(count(&["1"]), 0);
    }

    #[test]
    fn versions_are_ordered_as_people_number_them() {
        let mut versions = ["1.10", "v2", "1.9", "latest", "1", "10"];
        versions.sort_by(|one, other| compare(one, other));
        assert_eq!(versions, ["1", "1.9", "1.10", "v2", "10", "latest"]);
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for text in ["default: [1]", "canary: 1", "weights: {1: -1}", "\tx"] {
            assert!(Policy::parse(text).is_err(), "{text}");
        }
    }
}

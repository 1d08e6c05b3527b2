//! How answers are phrased.

use api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use jiff::{SignedDuration, Timestamp};

use super::Look;

impl Look<'_> {
    /// Returns a `kubectl` command for this namespace, in backticks.
    pub(super) fn kubectl(&self, words: &str) -> String {
        if self.namespace == "default" {
            format!("`kubectl {words}`")
        } else {
            let (words, tail) = words.split_once(" -- ").map_or((words, None), |(a, b)| (a, Some(b)));
            let tail = tail.map(|tail| format!(" -- {tail}")).unwrap_or_default();
            format!("`kubectl -n {} {words}{tail}`", self.namespace)
        }
    }

    /// Returns how long ago something was, in words: `12 s`; empty for the unknown.
    pub(super) fn since(&self, at: Option<Timestamp>) -> Option<String> {
        at.map(|at| span(self.now.duration_since(at).max(SignedDuration::ZERO)))
    }
}

/// Returns an object's name, or `?`.
pub(super) fn name(meta: &ObjectMeta) -> &str {
    meta.name.as_deref().unwrap_or("?")
}

/// Returns a count with its noun: `1 pod`, `2 pods`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    let ending = match (count, noun) {
        (1, _) => "",
        (_, noun) if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{count} {noun}{ending}")
}

/// Returns a time span in the units people read: `40 s`, `5 min 3 s`, `3 h 20 min`, `2 days`.
pub(super) fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    match seconds {
        ..=119 => format!("{} s", seconds.max(0)),
        120..=3599 if seconds % 60 == 0 => format!("{} min", seconds / 60),
        120..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..=172_799 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Returns what is between the first pair of double quotes after a marker.
pub(super) fn quoted_after<'a>(text: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(marker)?;
    let (_, rest) = rest.split_once('"')?;
    rest.split_once('"').map(|(quoted, _)| quoted)
}

/// Returns names in backticks with commas, at most five of them.
pub(super) fn list<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<String> =
        names.iter().take(SHOWN).map(|name| format!("`{}`", name.as_ref())).collect();
    if names.len() > SHOWN {
        shown.push(format!("{} more", names.len() - SHOWN));
    }
    shown.join(", ")
}

/// Tells whether two words differ by at most two typing errors.
pub(super) fn is_similar(one: &str, other: &str) -> bool {
    const LONGEST: usize = 200;
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.len() > LONGEST || other.len() > LONGEST || one.len().abs_diff(other.len()) > 2 {
        return false;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, b) in other.iter().enumerate() {
            let above = row[column + 1];
            row[column + 1] = (diagonal + usize::from(a != b)).min(above + 1).min(row[column] + 1);
            diagonal = above;
        }
    }
    row[other.len()] <= 2
}

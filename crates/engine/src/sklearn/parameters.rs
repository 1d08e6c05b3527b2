//! The parameters scikit-learn's classes have, over all versions the engine opens.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A line a class: its name, then its constructor's parameters. `tests/data/parameters.py` makes it.
const TABLE: &str = include_str!("parameters.txt");

static BY_CLASS: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let words = TABLE.lines().map(str::split_ascii_whitespace);
    words.filter_map(|mut words| Some((words.next()?, words.collect()))).collect()
});

/// The parameters of a class; none for a class that is not in the table.
pub(super) fn of(class: &str) -> &'static [&'static str] {
    BY_CLASS.get(class).map_or(&[], Vec::as_slice)
}

/// All classes of scikit-learn that the table knows.
#[cfg(test)]
pub(super) fn classes() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<&str> = BY_CLASS.keys().copied().collect();
    names.sort_unstable();
    names.into_iter()
}

#[cfg(test)]
mod tests {
    use super::super::FAMILIES;
    use super::*;

    #[test]
    fn every_class_is_in_the_table() {
        for class in FAMILIES.iter().copied().flatten().filter(|class| !class.is_foreign()) {
            assert!(BY_CLASS.contains_key(class.name), "{}", class.name);
        }
    }

    #[test]
    fn every_class_is_in_the_documentation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/models.md");
        let page = std::fs::read_to_string(path).unwrap();
        for class in FAMILIES.iter().copied().flatten() {
            assert!(page.contains(&format!("`{}`", class.name)), "{}", class.name);
        }
    }
}

//! What Kubernetes says of its types and fields, for `kubectl explain`.
//!
//! The texts lie compressed in the program and are unpacked when a document is made, then dropped: few ask.
//! `schema/describe.py` writes the file and says how it looks.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::ZlibDecoder;

/// The packed texts.
pub(super) const PACKED: &[u8] = include_bytes!("../../schema/descriptions.z");

/// The texts by type and field.
#[derive(Debug, Default)]
pub(super) struct Descriptions {
    texts: Vec<String>,
    types: BTreeMap<String, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    own: usize,
    fields: BTreeMap<String, usize>,
}

impl Descriptions {
    /// Unpacks the texts. A file that is broken, which a test rules out, has none.
    pub(super) fn load() -> Self {
        let mut text = String::new();
        match ZlibDecoder::new(PACKED).read_to_string(&mut text) {
            Ok(_) => Self::parse(&text),
            Err(_) => Self::default(),
        }
    }

    fn parse(text: &str) -> Self {
        let (texts, lines) = text.split_once("\n\n").unwrap_or_default();
        let mut found = Self { texts: texts.split('\n').map(plain).collect(), types: BTreeMap::new() };
        let mut name = String::new();
        for line in lines.lines() {
            let mut words = line.split(' ');
            let (first, key, number) = (words.next(), words.next(), words.next());
            let number = number.unwrap_or_else(|| key.unwrap_or_default()).parse().unwrap_or(usize::MAX);
            match (first, key) {
                (Some("T"), Some(key)) => {
                    key.clone_into(&mut name);
                    found.types.insert(name.clone(), Entry { own: number, fields: BTreeMap::new() });
                }
                (Some(""), Some(key)) => {
                    if let Some(entry) = found.types.get_mut(&name) {
                        entry.fields.insert(key.to_owned(), number);
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// Returns what is said of a type, by its short name.
    pub(super) fn of_type(&self, name: &str) -> Option<&str> {
        self.text(self.types.get(name)?.own)
    }

    /// Returns what is said of a field.
    pub(super) fn of_field(&self, name: &str, field: &str) -> Option<&str> {
        self.text(*self.types.get(name)?.fields.get(field)?)
    }

    fn text(&self, number: usize) -> Option<&str> {
        self.texts.get(number).map(String::as_str).filter(|text| !text.is_empty())
    }
}

/// Undoes the escapes of a line.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '\\' => text.push(if rest.next() == Some('n') { '\n' } else { '\\' }),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn nearly_every_type_and_field_is_described() {
        let all = Descriptions::load();
        let fields =
            || schema::types().iter().flat_map(|one| one.fields.iter().map(move |field| (one, field)));
        let described = fields().filter(|(one, field)| all.of_field(one.name, field.name).is_some()).count();
        assert!(described * 100 > fields().count() * 95, "{described} of {}", fields().count());
        assert_eq!(
            all.of_field("core.v1.Container", "image").map(|text| text.starts_with("Container image name")),
            Some(true)
        );
        assert!(all.of_type("core.v1.Pod").is_some_and(|text| text.starts_with("Pod is a collection")));
    }

    #[test]
    fn line_breaks_come_back() {
        let all = Descriptions::parse("one\\ntwo\nback\\\\slash\n\nT a.v1.B 0\n c 1\n");
        assert_eq!(all.of_type("a.v1.B"), Some("one\ntwo"));
        assert_eq!(all.of_field("a.v1.B", "c"), Some("back\\slash"));
        assert_eq!(all.of_field("a.v1.B", "d"), None);
    }
}

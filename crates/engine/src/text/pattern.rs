//! A `token_pattern` of Python's `re`, matched by `fancy-regex` with Python's meaning of
//! `\w`, `\d`, `\s` and `\b`.

use fancy_regex::{Regex, RegexBuilder};

/// Steps of backtracking before a match is given up: a pattern comes from a model file and a
/// text from a stranger, together they could otherwise take for ever.
const BACKTRACK_LIMIT: usize = 1_000_000;

const WORD: &str = r"\p{L}\p{N}_";
const SPACE: &str = r"\s\x1c-\x1f";
const DIGIT: &str = r"\p{Nd}";

/// A translated pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    python: String,
    regex: Regex,
}

/// Why a pattern was not translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("`{0}` inside `[…]` has no translation")]
    InClass(String),
    #[error("`{0}` has no translation")]
    Escape(String),
    #[error("it has more than one group")]
    Groups,
    #[error("it does not parse: {0}")]
    Syntax(String),
}

/// The text made the pattern backtrack beyond all measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PatternTooSlow;

impl Pattern {
    /// Translates a pattern of Python's `re`.
    pub(crate) fn from_python(python: &str) -> Result<Self, PatternError> {
        let translated = translate(python)?;
        let regex = RegexBuilder::new(&translated)
            .backtrack_limit(BACKTRACK_LIMIT)
            .build()
            .map_err(|error| PatternError::Syntax(error.to_string()))?;
        if regex.captures_len() > 2 {
            return Err(PatternError::Groups);
        }
        Ok(Pattern { python: python.to_owned(), regex })
    }

    /// The pattern as Python had it.
    pub(crate) fn python(&self) -> &str {
        &self.python
    }

    /// `re.findall`: each match, or what its group holds when there is one.
    pub(crate) fn for_each_match(
        &self,
        text: &str,
        sink: &mut dyn FnMut(&str),
    ) -> Result<(), PatternTooSlow> {
        let group = self.regex.captures_len() - 1;
        for captures in self.regex.captures_iter(text) {
            let captures = captures.map_err(|_| PatternTooSlow)?;
            sink(captures.get(group).map_or("", |found| found.as_str()));
        }
        Ok(())
    }
}

fn translate(python: &str) -> Result<String, PatternError> {
    let pattern = python.strip_prefix("(?u)").unwrap_or(python);
    let mut translated = String::with_capacity(pattern.len() * 2);
    let mut in_class = false;
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                let escaped = characters.next().ok_or_else(|| PatternError::Escape("\\".to_owned()))?;
                translate_escape(escaped, in_class, &mut translated)?;
            }
            '[' if in_class => translated.push_str("\\["),
            '[' => {
                in_class = true;
                translated.push('[');
                class_start(&mut characters, &mut translated);
            }
            ']' if in_class => {
                in_class = false;
                translated.push(']');
            }
            // set operations in Rust, plain characters in Python
            '&' | '~' if in_class => translated.extend(['\\', character]),
            _ => translated.push(character),
        }
    }
    Ok(translated)
}

/// Copies a `^` and a leading `]`, which Python takes literally.
fn class_start(characters: &mut std::str::Chars<'_>, translated: &mut String) {
    if characters.as_str().starts_with('^') {
        translated.extend(characters.next());
    }
    if characters.as_str().starts_with(']') {
        characters.next();
        translated.push_str("\\]");
    }
}

fn translate_escape(escaped: char, in_class: bool, translated: &mut String) -> Result<(), PatternError> {
    let piece = match (escaped, in_class) {
        ('w', true) => WORD.to_owned(),
        ('d', true) => DIGIT.to_owned(),
        ('s', true) => SPACE.to_owned(),
        ('W', true) => format!("[^{WORD}]"),
        ('D', true) => format!("[^{DIGIT}]"),
        ('S', true) => format!("[^{SPACE}]"),
        ('w', false) => format!("[{WORD}]"),
        ('W', false) => format!("[^{WORD}]"),
        ('d', false) => format!("[{DIGIT}]"),
        ('D', false) => format!("[^{DIGIT}]"),
        ('s', false) => format!("[{SPACE}]"),
        ('S', false) => format!("[^{SPACE}]"),
        ('b', false) => format!("(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))"),
        ('B', false) => format!("(?:(?<=[{WORD}])(?=[{WORD}])|(?<![{WORD}])(?![{WORD}]))"),
        ('A', false) => "^".to_owned(),
        ('n' | 't' | 'r' | 'f' | 'v', _) => format!("\\{escaped}"),
        ('1'..='9', false) => format!("\\{escaped}"),
        (other, _) if !other.is_alphanumeric() => format!("\\{other}"),
        (other, true) => return Err(PatternError::InClass(format!("\\{other}"))),
        (other, false) => return Err(PatternError::Escape(format!("\\{other}"))),
    };
    translated.push_str(&piece);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: &[&str]) {
        let pattern = Pattern::from_python(pattern).unwrap();
        let mut found = Vec::new();
        pattern.for_each_match(text, &mut |word| found.push(word.to_owned())).unwrap();
        assert_eq!(found, expected);
    }

    // expected values are those of Python's re.findall
    #[test]
    fn patterns_find_what_python_finds() {
        check(r"(?u)\b\w\w+\b", "за́мок a bc_1", &["за", "мок", "bc_1"]);
        check(r"\b[a-zа-я]{3,}\b", "кот ко Кот the The", &["кот", "the"]);
        check(r"#(\w+)", "a #теги #b2", &["теги", "b2"]);
        check(r"[^\W\d_]+", "a1b_в2", &["a", "b", "в"]);
        check(r"\S+", "a\u{a0}b\x1cc d", &["a", "b", "c", "d"]);
        check(r"[\w'-]+", "don't well-known", &["don't", "well-known"]);
        check(r"[]x]+", "a]x", &["]x"]);
    }

    #[test]
    fn what_cannot_be_translated_is_refused() {
        assert_eq!(Pattern::from_python(r"(a)(b)").unwrap_err(), PatternError::Groups);
        assert!(matches!(Pattern::from_python(r"\Qx").unwrap_err(), PatternError::Escape(_)));
        assert!(matches!(Pattern::from_python(r"(a").unwrap_err(), PatternError::Syntax(_)));
    }
}

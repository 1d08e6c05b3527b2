//! What Python's `str` and `re` say of characters.
//!
//! Rust's `regex` and Python's `re` disagree about `\w` at 3,444 assigned code points (marks and
//! joiners), so that `за́мок` with its accent is two words in Python. Python's rule is used.

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// Whether Python's `\w` matches: any letter, any number, the underscore.
pub(crate) fn is_word(character: char) -> bool {
    match character {
        '\0'..='\x7f' => character.is_ascii_alphanumeric() || character == '_',
        // Cyrillic: letters but for the thousands sign and the combining marks
        '\u{400}'..='\u{52f}' => !('\u{482}'..='\u{489}').contains(&character),
        _ => is_letter_or_number(character),
    }
}

fn is_letter_or_number(character: char) -> bool {
    use GeneralCategory as Category;
    matches!(
        get_general_category(character),
        Category::UppercaseLetter
            | Category::LowercaseLetter
            | Category::TitlecaseLetter
            | Category::ModifierLetter
            | Category::OtherLetter
            | Category::DecimalNumber
            | Category::LetterNumber
            | Category::OtherNumber
    )
}

/// Whether Python's `\s` and `str.split()` take the character for a space.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// The letter whose lower case at the end of a word is another than elsewhere.
pub(crate) const FINAL: char = 'Σ';

/// What a character is to a text that is lowercased and cut into runs of word characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Letter {
    /// A word character, its own lower case.
    Same,
    /// Its lower case is something else: one or several characters, of any kind.
    Upper(char),
    /// No word character, its own lower case.
    Other,
}

impl Letter {
    /// The letters of a text, each with where it starts.
    pub(crate) fn of(text: &str) -> Letters<'_> {
        Letters { text, position: 0 }
    }

    const fn of_ascii(byte: u8) -> Self {
        match byte {
            b'A'..=b'Z' => Letter::Upper(byte as char),
            b'a'..=b'z' | b'0'..=b'9' | b'_' => Letter::Same,
            _ => Letter::Other,
        }
    }

    fn of_any(character: char) -> Self {
        let mut lower = character.to_lowercase();
        if lower.next() != Some(character) || lower.next().is_some() {
            Letter::Upper(character)
        } else if is_word(character) {
            Letter::Same
        } else {
            Letter::Other
        }
    }
}

/// The letters of a text.
pub(crate) struct Letters<'t> {
    text: &'t str,
    position: usize,
}

impl Letters<'_> {
    /// Where the next letter starts.
    pub(crate) fn position(&self) -> usize {
        self.position
    }
}

impl Iterator for Letters<'_> {
    type Item = (usize, Letter);

    #[inline]
    fn next(&mut self) -> Option<(usize, Letter)> {
        const ASCII: [Letter; 128] = {
            let mut table = [Letter::Other; 128];
            let mut byte = 0;
            while byte < 128u8 {
                table[byte as usize] = Letter::of_ascii(byte);
                byte += 1;
            }
            table
        };
        let start = self.position;
        let (letter, length) = match self.text.as_bytes()[start..] {
            [] => return None,
            [byte @ 0..=0x7f, ..] => (ASCII[usize::from(byte)], 1),
            // а to п, р to џ: what Cyrillic texts are made of
            [0xd0, 0xb0..=0xbf, ..] | [0xd1, 0x80..=0x9f, ..] => (Letter::Same, 2),
            _ => {
                let character = self.text[start..].chars().next()?;
                (Letter::of_any(character), character.len_utf8())
            }
        };
        self.position = start + length;
        Some((start, letter))
    }
}

/// `str.lower()`: as the standard library has it, with a shorter way for ASCII and Cyrillic.
pub(crate) fn lowercase(text: &str) -> String {
    if text.contains(FINAL) {
        return text.to_lowercase();
    }
    let mut lower = String::with_capacity(text.len());
    for character in text.chars() {
        let shift = match character {
            '\0'..='\x7f' => {
                lower.push(character.to_ascii_lowercase());
                continue;
            }
            'а'..='џ' => 0,
            'А'..='Я' => 0x20,
            'Ѐ'..='Џ' => 0x50,
            _ => {
                lower.extend(character.to_lowercase());
                continue;
            }
        };
        lower.push(char::from_u32(u32::from(character) + shift).unwrap_or(character));
    }
    lower
}

/// How accents are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accents {
    /// `strip_accents='unicode'`: compatibility decomposition, combining marks dropped.
    Unicode,
    /// `strip_accents='ascii'`: the same, then all that is not ASCII dropped, Cyrillic too.
    Ascii,
}

impl Accents {
    pub(crate) fn strip(self, text: &str) -> String {
        match self {
            Accents::Unicode if text.is_ascii() => text.to_owned(),
            Accents::Unicode => {
                text.nfkd().filter(|&character| canonical_combining_class(character) == 0).collect()
            }
            Accents::Ascii => text.nfkd().filter(char::is_ascii).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowercase_is_that_of_the_standard_library() {
        for character in (0..=0x10_ffff).filter_map(char::from_u32) {
            let text = format!("a{character}B");
            assert_eq!(lowercase(&text), text.to_lowercase(), "{:x}", u32::from(character));
        }
        assert_eq!(lowercase("ΟΔΟΣ Я"), "ΟΔΟΣ Я".to_lowercase());
    }

    #[test]
    fn the_fast_paths_agree_with_the_table() {
        for character in (0..0x600).filter_map(char::from_u32) {
            let by_table = is_letter_or_number(character) || character == '_';
            assert_eq!(is_word(character), by_table, "{character:?}");
        }
    }

    #[test]
    fn accents_go_and_cyrillic_letters_lose_their_breve() {
        assert_eq!(Accents::Unicode.strip("за́мок йод ёлка café ½"), "замок иод елка cafe 1⁄2");
        assert_eq!(Accents::Ascii.strip("ёж café"), " cafe");
    }

    #[test]
    fn separators_of_old_terminals_are_spaces() {
        assert!(is_space('\x1c') && is_space('\u{a0}') && is_space('\u{85}'));
        assert!(!is_space('\u{200b}') && !is_space('\u{feff}'));
    }
}

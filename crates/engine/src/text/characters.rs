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

/// `str.lower()`: as the standard library has it, with a shorter way for ASCII and Cyrillic.
pub(crate) fn lowercase(text: &str) -> String {
    // at the end of a word it becomes another letter than elsewhere
    if text.contains('Σ') {
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

//! Cuts a text into terms as scikit-learn's vectorizers do.
//!
//! Terms are handed out as slices of one buffer: no allocation per term.

use std::collections::HashSet;

use super::characters::{Accents, FINAL, Letter, is_space, is_word, lowercase};
use super::pattern::{Pattern, PatternTooSlow};

/// What terms are made of.
#[derive(Debug, Clone)]
pub(crate) enum Unit {
    /// `analyzer='word'`: what `token` finds, without the stop words.
    Word { token: Token, stop_words: Option<HashSet<String>> },
    /// `analyzer='char'`: any run of characters.
    Char,
    /// `analyzer='char_wb'`: runs of characters within a word and the space around it.
    CharWithinWord,
}

/// What a word is.
#[derive(Debug, Clone)]
pub(crate) enum Token {
    /// A maximal run of at least this many of Python's word characters: `(?u)\b\w\w+\b` is 2.
    Run { at_least: usize },
    /// What a pattern finds.
    Pattern(Box<Pattern>),
}

/// From a text to its terms.
#[derive(Debug, Clone)]
pub(crate) struct Analyzer {
    pub(crate) unit: Unit,
    pub(crate) lowercase: bool,
    pub(crate) accents: Option<Accents>,
    /// The shortest and the longest n-gram.
    pub(crate) ngrams: (usize, usize),
}

/// Buffers reused from text to text.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    joined: String,
    bounds: Vec<(usize, usize)>,
}

impl Analyzer {
    /// Joins the parts; `None` for n-grams of no length or in the wrong order.
    pub(crate) fn new(
        unit: Unit,
        lowercase: bool,
        accents: Option<Accents>,
        ngrams: (usize, usize),
    ) -> Option<Self> {
        let fits = 1 <= ngrams.0 && ngrams.0 <= ngrams.1;
        fits.then_some(Analyzer { unit, lowercase, accents, ngrams })
    }

    /// Hands every term of a text to `sink`, repetitions included.
    pub(crate) fn for_each_term(
        &self,
        text: &str,
        scratch: &mut Scratch,
        mut sink: impl FnMut(&str),
    ) -> Result<(), PatternTooSlow> {
        if let (Unit::Word { token: Token::Run { at_least }, stop_words }, true, None) =
            (&self.unit, self.lowercase, self.accents)
            && !text.contains(FINAL)
        {
            collect_lowered_runs(text, *at_least, stop_words.as_ref(), scratch);
            word_ngrams(scratch, self.ngrams, sink);
            return Ok(());
        }
        let lowered = self.lowercase.then(|| lowercase(text));
        let text = lowered.as_deref().unwrap_or(text);
        let stripped = self.accents.map(|accents| accents.strip(text));
        let text = stripped.as_deref().unwrap_or(text);
        match &self.unit {
            Unit::Word { token, stop_words } => {
                collect_words(text, token, stop_words.as_ref(), scratch)?;
                word_ngrams(scratch, self.ngrams, sink);
            }
            Unit::Char => {
                squeeze_spaces(text, &mut scratch.joined);
                char_bounds(&scratch.joined, &mut scratch.bounds);
                char_ngrams(&scratch.joined, &scratch.bounds, self.ngrams, &mut sink);
            }
            Unit::CharWithinWord => char_ngrams_within_words(text, scratch, self.ngrams, &mut sink),
        }
        Ok(())
    }
}

/// Fills the buffer with the words, each followed by a space, so that the n-gram of words
/// `i..i + n` is one slice of it.
fn collect_words(
    text: &str,
    token: &Token,
    stop_words: Option<&HashSet<String>>,
    scratch: &mut Scratch,
) -> Result<(), PatternTooSlow> {
    scratch.joined.clear();
    scratch.bounds.clear();
    let mut take = |word: &str| {
        if stop_words.is_some_and(|stop_words| stop_words.contains(word)) {
            return;
        }
        let start = scratch.joined.len();
        scratch.joined.push_str(word);
        scratch.bounds.push((start, scratch.joined.len()));
        scratch.joined.push(' ');
    };
    match token {
        Token::Run { at_least } => for_each_run(text, *at_least, take),
        Token::Pattern(pattern) => pattern.for_each_match(text, &mut take)?,
    }
    Ok(())
}

/// As [`collect_words`] of the lowercased text, in one pass: what is in lower case already is copied
/// as it is. Not for a text with [`FINAL`], whose lower case depends on what is around it.
fn collect_lowered_runs(
    text: &str,
    at_least: usize,
    stop_words: Option<&HashSet<String>>,
    scratch: &mut Scratch,
) {
    let Scratch { joined, bounds } = scratch;
    joined.clear();
    bounds.clear();
    // characters of the run, where it starts in `joined`, and from where on it is still to be copied
    let (mut length, mut start, mut copied) = (0, 0, 0);
    let mut finish = |joined: &mut String, start: &mut usize, length: usize| {
        if length >= at_least && !stop_words.is_some_and(|words| words.contains(&joined[*start..])) {
            bounds.push((*start, joined.len()));
            joined.push(' ');
        } else {
            joined.truncate(*start);
        }
        *start = joined.len();
    };
    let mut characters = Letter::of(text);
    while let Some((position, letter)) = characters.next() {
        match letter {
            Letter::Same if length == 0 => (length, copied) = (1, position),
            Letter::Same => length += 1,
            Letter::Other if length == 0 => {}
            Letter::Other => {
                joined.push_str(&text[copied..position]);
                finish(joined, &mut start, length);
                length = 0;
            }
            Letter::Upper(upper) => {
                if length > 0 {
                    joined.push_str(&text[copied..position]);
                }
                for lower in upper.to_lowercase() {
                    if is_word(lower) {
                        joined.push(lower);
                        length += 1;
                    } else {
                        finish(joined, &mut start, length);
                        length = 0;
                    }
                }
                copied = characters.position();
            }
        }
    }
    if length > 0 {
        joined.push_str(&text[copied..]);
        finish(joined, &mut start, length);
    }
}

fn for_each_run(text: &str, at_least: usize, mut sink: impl FnMut(&str)) {
    let mut start = 0;
    let mut length = 0;
    for (position, character) in text.char_indices() {
        if is_word(character) {
            if length == 0 {
                start = position;
            }
            length += 1;
        } else {
            if length >= at_least && length > 0 {
                sink(&text[start..position]);
            }
            length = 0;
        }
    }
    if length >= at_least && length > 0 {
        sink(&text[start..]);
    }
}

fn word_ngrams(scratch: &Scratch, (shortest, longest): (usize, usize), mut sink: impl FnMut(&str)) {
    for length in shortest..=longest.min(scratch.bounds.len()) {
        for window in scratch.bounds.windows(length) {
            sink(&scratch.joined[window[0].0..window[length - 1].1]);
        }
    }
}

/// Replaces each run of two or more spaces by one blank; a lone tab or newline stays as it is.
fn squeeze_spaces(text: &str, squeezed: &mut String) {
    squeezed.clear();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if is_space(character) && characters.peek().copied().is_some_and(is_space) {
            while characters.next_if(|&next| is_space(next)).is_some() {}
            squeezed.push(' ');
        } else {
            squeezed.push(character);
        }
    }
}

fn char_bounds(text: &str, bounds: &mut Vec<(usize, usize)>) {
    bounds.clear();
    bounds.extend(text.char_indices().map(|(start, character)| (start, start + character.len_utf8())));
}

fn char_ngrams(
    text: &str,
    bounds: &[(usize, usize)],
    (shortest, longest): (usize, usize),
    sink: &mut impl FnMut(&str),
) {
    for length in shortest..=longest.min(bounds.len()) {
        for window in bounds.windows(length) {
            sink(&text[window[0].0..window[length - 1].1]);
        }
    }
}

fn char_ngrams_within_words(
    text: &str,
    scratch: &mut Scratch,
    (shortest, longest): (usize, usize),
    sink: &mut impl FnMut(&str),
) {
    for word in text.split(is_space).filter(|word| !word.is_empty()) {
        scratch.joined.clear();
        scratch.joined.push(' ');
        scratch.joined.push_str(word);
        scratch.joined.push(' ');
        char_bounds(&scratch.joined, &mut scratch.bounds);
        for length in shortest..=longest {
            if length >= scratch.bounds.len() {
                // scikit-learn counts a word that is too short for an n-gram once, then stops
                sink(&scratch.joined);
                break;
            }
            char_ngrams(&scratch.joined, &scratch.bounds, (length, length), sink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(unit: Unit, ngrams: (usize, usize), text: &str, expected: &[&str]) {
        let analyzer = Analyzer { unit, lowercase: true, accents: None, ngrams };
        let mut terms = Vec::new();
        analyzer.for_each_term(text, &mut Scratch::default(), |term| terms.push(term.to_owned())).unwrap();
        assert_eq!(terms, expected);
    }

    fn words(at_least: usize) -> Unit {
        Unit::Word { token: Token::Run { at_least }, stop_words: None }
    }

    #[test]
    fn words_are_runs_of_two_or_more_word_characters() {
        check(words(2), (1, 1), "Я не я: За́мок, a b cd_1!", &["не", "за", "мок", "cd_1"]);
        check(words(1), (1, 1), "a b", &["a", "b"]);
        check(words(2), (1, 1), "", &[]);
    }

    /// One pass or two: lowercased first, then cut.
    #[test]
    fn runs_are_those_of_the_lowercased_text() {
        let one_pass = Analyzer { unit: words(2), lowercase: true, accents: None, ngrams: (1, 2) };
        let two_passes = Analyzer { lowercase: false, ..one_pass.clone() };
        let terms = |analyzer: &Analyzer, text: &str| {
            let mut terms = Vec::new();
            analyzer
                .for_each_term(text, &mut Scratch::default(), |term| terms.push(term.to_owned()))
                .unwrap();
            terms
        };
        let check = |text: &str| {
            assert_eq!(terms(&one_pass, text), terms(&two_passes, &lowercase(text)), "{text:?}");
        };
        // every letter that has two cases is below
        for character in (0..0x1_f000).filter_map(char::from_u32) {
            check(&format!("aБ{character}Cг {character}{character}x"));
        }
        let letters: Vec<char> = "aZ_1яЯёЁЀџҁ\u{301}İßΣσΑ ,-ǅ中\u{10400}ﬁ½".chars().collect();
        let mut random = fastrand::Rng::with_seed(3);
        for length in 0..2000 {
            check(&(0..length % 40).map(|_| letters[random.usize(0..letters.len())]).collect::<String>());
        }
    }

    #[test]
    fn ngrams_of_words_come_after_the_single_words() {
        check(words(2), (1, 2), "aa bb  cc", &["aa", "bb", "cc", "aa bb", "bb cc"]);
        check(words(2), (2, 3), "aa", &[]);
    }

    #[test]
    fn stop_words_go_before_ngrams_are_made() {
        let stop_words = Some(HashSet::from(["bb".to_owned()]));
        let unit = Unit::Word { token: Token::Run { at_least: 2 }, stop_words };
        check(unit, (1, 2), "aa BB cc", &["aa", "cc", "aa cc"]);
    }

    #[test]
    fn runs_of_spaces_shrink_but_a_lone_newline_stays() {
        check(Unit::Char, (2, 2), "a \t b\nc", &["a ", " b", "b\n", "\nc"]);
    }

    #[test]
    fn a_word_too_short_is_counted_once() {
        check(
            Unit::CharWithinWord,
            (2, 5),
            "ab c",
            &[" a", "ab", "b ", " ab", "ab ", " ab ", " c", "c ", " c "],
        );
    }
}

//! Rust source without what is not code: comments, text and, if wanted, tests become spaces.
//! Every line keeps its number.

/// Blanks comments and the contents of text and character literals.
pub(super) fn code(source: &str) -> String {
    let mut masked = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let before = masked.chars().next_back();
        let length = token_length(rest, before);
        match length {
            Some(length) => {
                let (token, after) = rest.split_at(length);
                masked.extend(token.chars().map(|c| if c == '\n' { c } else { ' ' }));
                rest = after;
            }
            None => {
                masked.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    masked
}

/// Blanks also what is compiled for tests only.
pub(super) fn code_without_tests(source: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut masked = code(source);
    while let Some(start) = masked.find(MARK) {
        let end = start + item_length(&masked[start..]);
        let blank: String = masked[start..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        masked.replace_range(start..end, &blank);
    }
    masked
}

/// Returns the place of every word in masked code: `(line, word)`.
pub(super) fn words(masked: &str) -> impl Iterator<Item = (usize, &str)> {
    masked.lines().enumerate().flat_map(|(index, line)| {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|word| !word.is_empty()).map(move |word| (index + 1, word))
    })
}

/// The length of the comment or literal that `rest` starts with, if it does.
fn token_length(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_length(rest));
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_word && let Some(length) = raw_text_length(rest) {
        return Some(length);
    }
    match rest.chars().next()? {
        '"' => Some(quoted_length(rest, '"')),
        '\'' => character_length(rest),
        _ => None,
    }
}

fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut position) = (0_usize, 0);
    while let Some(tail) = rest.get(position..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            position += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            position += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, and the same after `b` or `c`.
fn raw_text_length(rest: &str) -> Option<usize> {
    let start = ["r", "br", "cr"].into_iter().find(|start| {
        let after = rest.strip_prefix(start).map(|after| after.trim_start_matches('#'));
        after.is_some_and(|after| after.starts_with('"'))
    })?;
    let hashes = rest[start.len()..].chars().take_while(|c| *c == '#').count();
    let open = start.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    let length = rest[open..].find(&close).map(|end| open + end + close.len());
    Some(length.unwrap_or(rest.len()))
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (position, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return position + c.len_utf8(),
            _ => (),
        }
    }
    rest.len()
}

/// A character literal; a lifetime is none.
fn character_length(rest: &str) -> Option<usize> {
    let mut inside = rest.char_indices().skip(1);
    let (_, first) = inside.next()?;
    let (after_first, second) = inside.next()?;
    match (first, second) {
        ('\\', _) => Some(quoted_length(rest, '\'')),
        (_, '\'') => Some(after_first + 1),
        _ => None,
    }
}

/// The length of the item that starts at a `#[cfg(test)]` in masked code.
fn item_length(masked: &str) -> usize {
    let mut depth = 0_usize;
    for (position, c) in masked.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return position + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return position + 1,
            _ => (),
        }
    }
    masked.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_text_are_blanked_and_code_stays() {
        fn check(source: &str, expected: &str) {
            let masked = code(source);
            assert_eq!(masked.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{source}");
            assert_eq!(masked.lines().count(), source.lines().count());
        }
        check("a // b\nc", "a c");
        check("a /* b /* c */ d\n */ e", "a e");
        check("f(\"text \\\" // more\") // b", "f( )");
        check("f(r#\"a \"quote\" b\"#, b\"c\")", "f( , b )");
        check("let c = '\"'; d('\\'') // x", "let c = ; d( )");
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
        check("\"multi\nline\" end", "end");
        check("'ж' 'a", "'a");
        check("/* never ends", "");
    }

    #[test]
    fn tests_are_blanked_and_what_follows_stays() {
        let source = "a();\n#[cfg(test)]\nmod tests {\n  fn b() { c() }\n}\nd();\n#[cfg(test)]\nuse e;\nf();";
        let words: Vec<_> =
            words(&code_without_tests(source)).map(|(line, word)| format!("{line}{word}")).collect();
        assert_eq!(words, ["1a", "6d", "9f"]);
    }
}

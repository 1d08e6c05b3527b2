//! Text to tokens.

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it stands: quoted, its letters mean nothing.
    Literal(String),
    /// As it stands, not quoted: `*`, `?` and a leading `~` mean something.
    Plain(String),
    /// A variable; quoted, its value stays one word.
    Variable { name: String, quoted: bool },
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Vec<Piece>),
    /// `;`, `&&`, `||`, `|`, `<`, `>`, `>>`, `2>`, `2>>`, `2>&1`.
    Sign(&'static str),
}

const SIGNS: [&str; 10] = ["2>&1", "2>>", "2>", "&&", "||", ">>", ">", "<", "|", ";"];

/// Tells whether the text ends within quotes or with a backslash, so that more is to come.
pub(super) fn is_open(text: &str) -> bool {
    matches!(split(text), Err(message) if message == UNCLOSED) || text.ends_with("\\\n")
}

const UNCLOSED: &str = "a quote is not closed";

/// Splits text into tokens.
pub(super) fn split(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(tail) = rest.strip_prefix("\\\n") {
            rest = tail;
        } else if first == '\n' {
            tokens.push(Token::Sign(";"));
            rest = &rest[1..];
        } else if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
        } else if first == '#' {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else if let Some(known) = ["&", "(", ")", "`"].iter().find(|known| rest.starts_with(**known)) {
            return Err(format!("`{known}` is beyond this small shell"));
        } else {
            let (pieces, tail) = word(rest)?;
            tokens.push(Token::Word(pieces));
            rest = tail;
        }
    }
    Ok(tokens)
}

/// Takes one word off.
fn word(text: &str) -> Result<(Vec<Piece>, &str), String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match first {
            '\'' => {
                let end = rest[1..].find('\'').ok_or(UNCLOSED)?;
                pieces.push(Piece::Literal(rest[1..=end].to_owned()));
                rest = &rest[end + 2..];
            }
            '"' => rest = quoted(&rest[1..], &mut pieces)?,
            '$' => rest = variable(rest, false, &mut pieces)?,
            '\\' => {
                let next = rest[1..].chars().next().ok_or(UNCLOSED)?;
                pieces.push(Piece::Literal(next.to_string()));
                rest = &rest[1 + next.len_utf8()..];
            }
            _ if first.is_whitespace() || matches!(first, ';' | '&' | '|' | '<' | '>' | '(' | ')' | '`') => {
                break;
            }
            _ => {
                let is_end = |letter: char| {
                    letter.is_whitespace()
                        || matches!(
                            letter,
                            '\'' | '"' | '$' | '\\' | ';' | '&' | '|' | '<' | '>' | '(' | ')' | '`'
                        )
                };
                let end = rest.find(is_end).unwrap_or(rest.len());
                pieces.push(Piece::Plain(rest[..end].to_owned()));
                rest = &rest[end..];
            }
        }
    }
    Ok((pieces, rest))
}

/// What is between double quotes; returns what follows.
fn quoted<'a>(text: &'a str, pieces: &mut Vec<Piece>) -> Result<&'a str, String> {
    let mut rest = text;
    let mut literal = String::new();
    loop {
        match rest.chars().next().ok_or(UNCLOSED)? {
            '"' => {
                pieces.push(Piece::Literal(literal));
                return Ok(&rest[1..]);
            }
            '$' => {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                rest = variable(rest, true, pieces)?;
            }
            '`' => return Err("`…` is beyond this small shell".to_owned()),
            '\\' => {
                let next = rest[1..].chars().next().ok_or(UNCLOSED)?;
                if !matches!(next, '"' | '\\' | '$' | '`') {
                    literal.push('\\');
                }
                literal.push(next);
                rest = &rest[1 + next.len_utf8()..];
            }
            letter => {
                literal.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
}

/// `$NAME`, `${NAME}`, `$?`, `$1`; a dollar before anything else is one.
fn variable<'a>(text: &'a str, quoted: bool, pieces: &mut Vec<Piece>) -> Result<&'a str, String> {
    let rest = &text[1..];
    if rest.starts_with('(') {
        return Err("`$(…)` is beyond this small shell".to_owned());
    }
    if let Some(inner) = rest.strip_prefix('{') {
        let end = inner.find('}').ok_or(UNCLOSED)?;
        let name = &inner[..end];
        if name.is_empty()
            || !name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '?'))
        {
            return Err(format!("`${{{name}}}` is beyond this small shell"));
        }
        pieces.push(Piece::Variable { name: name.to_owned(), quoted });
        return Ok(&inner[end + 1..]);
    }
    let first = rest.chars().next().unwrap_or(' ');
    let length = match first {
        '?' | '$' | '#' | '@' | '0'..='9' => 1,
        _ if first.is_alphabetic() || first == '_' => {
            rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len())
        }
        _ => {
            pieces.push(Piece::Literal("$".to_owned()));
            return Ok(rest);
        }
    };
    pieces.push(Piece::Variable { name: rest[..length].to_owned(), quoted });
    Ok(&rest[length..])
}

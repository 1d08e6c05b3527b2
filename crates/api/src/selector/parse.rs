//! The grammars of both selectors.

use super::{FieldTerm, Requirement, SelectorError, Test};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Sign(&'a str),
    End,
}

impl Token<'_> {
    fn text(&self) -> &str {
        match self {
            Token::Word(text) | Token::Sign(text) => text,
            Token::End => "",
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

const SIGNS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

impl<'a> Parser<'a> {
    fn peek(&self) -> (Token<'a>, &'a str) {
        let rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if rest.is_empty() {
            return (Token::End, rest);
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            let (sign, after) = rest.split_at(sign.len());
            return (Token::Sign(sign), after);
        }
        let is_end = |c: char| " \t\r\n=!(),><".contains(c);
        let (word, after) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
        (Token::Word(word), after)
    }

    fn next(&mut self) -> Token<'a> {
        let (token, after) = self.peek();
        self.rest = after;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let mut token = self.next();
        let is_absent = token == Token::Sign("!");
        if is_absent {
            token = self.next();
        }
        let Token::Word(key) = token else {
            return Err(expected(&token, "identifier"));
        };
        let (next, _) = self.peek();
        if is_absent || matches!(next, Token::End | Token::Sign(",")) {
            let test = if is_absent { Test::Absent } else { Test::Exists };
            return Ok(Requirement { key: key.to_owned(), test });
        }
        let test = match self.next() {
            Token::Word("in") => Test::In(self.values()?),
            Token::Word("notin") => Test::NotIn(self.values()?),
            Token::Sign("=" | "==") => Test::In(vec![self.value()?]),
            Token::Sign("!=") => Test::NotIn(vec![self.value()?]),
            Token::Sign(">") => Test::GreaterThan(self.number()?),
            Token::Sign("<") => Test::LessThan(self.number()?),
            other @ (Token::Word(_) | Token::Sign(_) | Token::End) => {
                return Err(expected(&other, "in, notin, =, ==, !=, gt, lt"));
            }
        };
        Ok(Requirement { key: key.to_owned(), test })
    }

    fn value(&mut self) -> Result<String, SelectorError> {
        match self.peek().0 {
            Token::Word(word) => {
                self.next();
                Ok(word.to_owned())
            }
            Token::End | Token::Sign(",") => Ok(String::new()),
            other @ Token::Sign(_) => Err(expected(&other, "identifier")),
        }
    }

    fn number(&mut self) -> Result<i64, SelectorError> {
        let value = self.value()?;
        value
            .parse()
            .map_err(|_| SelectorError::new("for 'Gt', 'Lt' operators, the value must be an integer"))
    }

    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        let open = self.next();
        if open != Token::Sign("(") {
            return Err(SelectorError::new(format!("found '{}' expected: '('", open.text())));
        }
        let mut values = Vec::new();
        loop {
            let mut token = self.next();
            let mut value = "";
            if let Token::Word(word) = token {
                value = word;
                token = self.next();
            }
            values.push(value.to_owned());
            match token {
                Token::Sign(",") => {}
                Token::Sign(")") => break,
                Token::Word(_) | Token::Sign(_) | Token::End => return Err(expected(&token, "',' or ')'")),
            }
        }
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }
}

fn expected(found: &Token<'_>, what: &str) -> SelectorError {
    SelectorError::new(format!("found '{}', expected: {what}", found.text()))
}

/// Parses `a=b,c in (x,y),!d`.
pub(super) fn label_requirements(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let failed = |error: SelectorError| SelectorError::new(format!("unable to parse requirement: {error}"));
    let mut parser = Parser { rest: text };
    let mut requirements = Vec::new();
    if parser.peek().0 == Token::End {
        return Ok(requirements);
    }
    loop {
        requirements.push(parser.requirement().map_err(failed)?);
        match parser.next() {
            Token::End => return Ok(requirements),
            Token::Sign(",") if parser.peek().0 == Token::End => {
                return Err(SelectorError::new("found '', expected: identifier after ','"));
            }
            Token::Sign(",") => {}
            other @ (Token::Word(_) | Token::Sign(_)) => {
                return Err(expected(&other, "',' or 'end of string'"));
            }
        }
    }
}

/// Parses `a=b,c!=d`, where `\\`, `\,` and `\=` stand for themselves.
pub(super) fn field_terms(text: &str) -> Result<Vec<FieldTerm>, SelectorError> {
    let mut terms = Vec::new();
    for part in split_unescaped(text) {
        if part.is_empty() {
            continue;
        }
        let mistaken =
            || SelectorError::new(format!("invalid selector: '{text}'; can't understand '{part}'"));
        let place = part.find(['=', '!']).ok_or_else(mistaken)?;
        let (field, rest) = part.split_at(place);
        let (equal, value) = if let Some(value) = rest.strip_prefix("!=") {
            (false, value)
        } else if let Some(value) = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
            (true, value)
        } else {
            return Err(mistaken());
        };
        terms.push(FieldTerm { field: field.to_owned(), value: unescape(value)?, equal });
    }
    Ok(terms)
}

fn split_unescaped(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut is_escaped = false;
    for (place, byte) in text.bytes().enumerate() {
        if byte == b',' && !is_escaped {
            parts.push(&text[start..place]);
            start = place + 1;
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(value: &str) -> Result<String, SelectorError> {
    let mut plain = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            Some(escaped @ ('\\' | ',' | '=')) => plain.push(escaped),
            Some(other) => {
                return Err(SelectorError::new(format!(
                    "invalid field selector: invalid escape sequence: \\{other}"
                )));
            }
            None => {
                return Err(SelectorError::new("invalid field selector: invalid escape sequence: \\"));
            }
        }
    }
    Ok(plain)
}

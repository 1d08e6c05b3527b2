//! Reads JSON piece by piece, straight into what the caller makes of it; writes its strings and numbers.
//!
//! A tree of values would cost more than most predictions. The reader takes what RFC 8259 allows and nothing else,
//! keeps no more state than a place, and never recurses: depth costs strangers' requests a bit each, not our stack.

use std::borrow::Cow;
use std::fmt;

/// The deepest nesting that is passed over: what is deeper is no request for a prediction.
const MAX_DEPTH: usize = 128;

/// Powers of ten that are exact in double precision.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Reads one JSON text.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// Where a text stops being JSON, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) what: &'static str,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at line {} column {}", self.what, self.line, self.column)
    }
}

impl<'a> Reader<'a> {
    /// Begins; refuses what is not UTF-8.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Reader { text, at: 0 }),
            Err(error) => {
                let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
                Err(Reader { text: good, at: good.len() }.malformed("the text is not UTF-8"))
            }
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn malformed(&self, what: &'static str) -> Malformed {
        let before = &self.text.as_bytes()[..self.at.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        Malformed { what, line, column: before.len() - start + 1 }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    /// What the next value is.
    pub(crate) fn peek(&mut self) -> Result<Kind, Malformed> {
        self.space();
        match self.byte() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(b'N' | b'I') => {
                Err(self.malformed("NaN and Infinity are not JSON (null is a missing number)"))
            }
            Some(_) => Err(self.malformed("expected a value")),
            None => Err(self.malformed("the text ends where a value should be")),
        }
    }

    /// Whether an array is next whose first element is neither a list nor an object.
    pub(crate) fn begins_with_scalar(&self) -> bool {
        let inside = self.text[self.at..].strip_prefix('[').unwrap_or_default();
        let first = inside.trim_start_matches([' ', '\n', '\r', '\t']).bytes().next();
        !matches!(first, None | Some(b'[' | b'{' | b']'))
    }

    /// Steps into an object or an array, whose first byte is next.
    pub(crate) fn enter(&mut self) {
        self.at += 1;
    }

    /// Goes to the next element of an array that was entered; false at its end.
    pub(crate) fn element(&mut self, is_first: &mut bool) -> Result<bool, Malformed> {
        self.next_in(is_first, b']', "expected `,` or `]`")
    }

    fn next_in(&mut self, is_first: &mut bool, end: u8, what: &'static str) -> Result<bool, Malformed> {
        self.space();
        match self.byte() {
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !*is_first => {
                self.at += 1;
                self.space();
                match self.byte() {
                    Some(byte) if byte == end => Err(self.malformed("a comma before the end")),
                    _ => Ok(true),
                }
            }
            Some(_) if *is_first => {
                *is_first = false;
                Ok(true)
            }
            Some(_) => Err(self.malformed(what)),
            None => Err(self.malformed("the text ends too early")),
        }
    }

    /// The next key of an object that was entered, the value after it being next; none at its end.
    pub(crate) fn key(&mut self, is_first: &mut bool) -> Result<Option<Cow<'a, str>>, Malformed> {
        if !self.next_in(is_first, b'}', "expected `,` or `}`")? {
            return Ok(None);
        }
        if self.byte() != Some(b'"') {
            return Err(self.malformed("expected a key in quotes"));
        }
        let key = self.string()?;
        self.space();
        if self.byte() != Some(b':') {
            return Err(self.malformed("expected `:`"));
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// A string, whose quote is next.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.at += 1;
        let start = self.at;
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    let text = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => return self.escaped(start).map(Cow::Owned),
                Some(0..=0x1f) => return Err(self.malformed("a control character in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.malformed("the text ends in a string")),
            }
        }
    }

    /// A string from its first escape on.
    fn escaped(&mut self, start: usize) -> Result<String, Malformed> {
        let mut text = self.text[start..self.at].to_owned();
        loop {
            let plain = self.at;
            while self.byte().is_some_and(|byte| byte != b'"' && byte != b'\\' && byte > 0x1f) {
                self.at += 1;
            }
            text.push_str(&self.text[plain..self.at]);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return Err(self.malformed("a control character in a string")),
                None => return Err(self.malformed("the text ends in a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        let escape = self.byte();
        self.at += 1;
        match escape {
            Some(escape @ (b'"' | b'\\' | b'/')) => Ok(char::from(escape)),
            Some(b'b') => Ok('\u{8}'),
            Some(b'f') => Ok('\u{c}'),
            Some(b'n') => Ok('\n'),
            Some(b'r') => Ok('\r'),
            Some(b't') => Ok('\t'),
            Some(b'u') => {
                let first = self.hex()?;
                let lone = "an escape that is half of a character";
                let code = match first {
                    0xd800..=0xdbff => {
                        if !self.text[self.at..].starts_with("\\u") {
                            return Err(self.malformed(lone));
                        }
                        self.at += 2;
                        match self.hex()? {
                            second @ 0xdc00..=0xdfff => {
                                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                            }
                            _ => return Err(self.malformed(lone)),
                        }
                    }
                    code => code,
                };
                char::from_u32(code).ok_or_else(|| self.malformed(lone))
            }
            _ => {
                self.at -= 1;
                Err(self.malformed("an escape that JSON does not know"))
            }
        }
    }

    fn hex(&mut self) -> Result<u32, Malformed> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let code = digits.and_then(|digits| {
            digits.iter().try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?))
        });
        let code = code.ok_or_else(|| self.malformed("`\\u` needs four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }

    /// A number, whose first byte is next, and how it is written.
    pub(crate) fn number(&mut self) -> Result<(f64, &'a str), Malformed> {
        let start = self.at;
        let is_negative = self.byte() == Some(b'-');
        self.at += usize::from(is_negative);
        let whole = self.at;
        let mut mantissa = self.digits(0)?;
        let bytes = self.text.as_bytes();
        if self.at - whole > 1 && bytes[whole] == b'0' {
            return Err(self.malformed("a number that begins with zero"));
        }
        let mut digits = self.at - whole;
        let mut power = 0_i32;
        if self.byte() == Some(b'.') {
            self.at += 1;
            let fraction = self.at;
            mantissa = self.digits(mantissa)?;
            let count = self.at - fraction;
            digits += count;
            power = i32::try_from(count).map_or(i32::MIN, |count| -count);
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            let is_down = self.byte() == Some(b'-');
            self.at += usize::from(matches!(self.byte(), Some(b'-' | b'+')));
            let exponent = self.at;
            let value = i32::try_from(self.digits(0)?).unwrap_or(i32::MAX);
            // digits beyond what an integer holds were counted wrong: the slow way reads them
            let value = if self.at - exponent > 9 { i32::MAX } else { value };
            power = power.saturating_add(if is_down { -value } else { value });
        }
        let written = &self.text[start..self.at];
        let value = match EXACT_POWERS.get(power.unsigned_abs() as usize) {
            // both are exact in double precision, so that one operation rounds once
            Some(exact) if digits <= 15 => {
                #[expect(clippy::cast_precision_loss, reason = "15 digits are fewer than 2^53")]
                let mantissa = mantissa as f64;
                let value = if power < 0 { mantissa / exact } else { mantissa * exact };
                if is_negative { -value } else { value }
            }
            _ => written.parse().unwrap_or(f64::NAN),
        };
        if value.is_finite() { Ok((value, written)) } else { Err(self.malformed("a number out of range")) }
    }

    /// Digits added to a number, of which at least one must be there; wraps beyond 19 of them.
    fn digits(&mut self, mut value: u64) -> Result<u64, Malformed> {
        let start = self.at;
        while let Some(digit @ b'0'..=b'9') = self.byte() {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        if self.at == start { Err(self.malformed("expected a digit")) } else { Ok(value) }
    }

    /// `true` or `false`, whose first letter is next.
    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        let is_true = self.byte() == Some(b't');
        self.word(if is_true { "true" } else { "false" })?;
        Ok(is_true)
    }

    /// `null`, whose first letter is next.
    pub(crate) fn null(&mut self) -> Result<(), Malformed> {
        self.word("null")
    }

    fn word(&mut self, word: &'static str) -> Result<(), Malformed> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.malformed("expected `true`, `false` or `null`"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Passes over a value and gives its text.
    pub(crate) fn skip(&mut self) -> Result<&'a str, Malformed> {
        self.space();
        let start = self.at;
        // what is open, innermost last: true for objects; and whether nothing was in it yet
        let mut open: Vec<(bool, bool)> = Vec::new();
        loop {
            match self.peek()? {
                kind @ (Kind::Object | Kind::Array) => {
                    if open.len() == MAX_DEPTH {
                        return Err(self.malformed("nested too deeply"));
                    }
                    self.enter();
                    open.push((kind == Kind::Object, true));
                }
                Kind::String => drop(self.string()?),
                Kind::Number => drop(self.number()?),
                Kind::Bool => drop(self.bool()?),
                Kind::Null => self.null()?,
            }
            loop {
                let Some((is_object, is_first)) = open.last_mut() else {
                    return Ok(&self.text[start..self.at]);
                };
                let has_more = match is_object {
                    true => self.key(is_first)?.is_some(),
                    false => self.element(is_first)?,
                };
                if has_more {
                    break;
                }
                open.pop();
            }
        }
    }

    /// Refuses anything but space up to the end.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.malformed("more after the end")) }
    }

    /// Whether nothing but space is left.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.space();
        self.at == self.text.len()
    }
}

/// Writes a number; JSON has no NaN and no infinity, which become null.
pub(crate) fn write_number(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Writes a string in quotes.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    // writing to a vector cannot fail
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests;

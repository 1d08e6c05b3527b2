//! What is wrong with a text that is no JSON, in the words of Go's scanner.

/// Nested deeper than this, a text is not followed.
const DEPTH_MAX: usize = 1_000;

/// Returns the first fault of a text, none when it is JSON.
pub(super) fn fault(text: &[u8]) -> Option<String> {
    let mut scanner = Scanner { text, place: 0, depth: 0 };
    let scanned = scanner.document();
    scanned.err()
}

struct Scanner<'a> {
    text: &'a [u8],
    place: usize,
    depth: usize,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), String> {
        self.value()?;
        match self.skip_space() {
            None => Ok(()),
            Some(byte) => Err(invalid(byte, "after top-level value")),
        }
    }

    fn value(&mut self) -> Result<(), String> {
        match self.skip_space() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(byte) => Err(invalid(byte, "looking for beginning of value")),
            None => Err(end()),
        }
    }

    fn nested(&mut self, inside: fn(&mut Self) -> Result<(), String>) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("exceeded max depth".to_owned());
        }
        self.place += 1;
        inside(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<(), String> {
        if self.skip_space() == Some(b'}') {
            self.place += 1;
            return Ok(());
        }
        loop {
            match self.skip_space() {
                Some(b'"') => self.string()?,
                Some(byte) => return Err(invalid(byte, "looking for beginning of object key string")),
                None => return Err(end()),
            }
            match self.skip_space() {
                Some(b':') => self.place += 1,
                Some(byte) => return Err(invalid(byte, "after object key")),
                None => return Err(end()),
            }
            self.value()?;
            match self.skip_space() {
                Some(b',') => self.place += 1,
                Some(b'}') => {
                    self.place += 1;
                    return Ok(());
                }
                Some(byte) => return Err(invalid(byte, "after object key:value pair")),
                None => return Err(end()),
            }
        }
    }

    fn array(&mut self) -> Result<(), String> {
        if self.skip_space() == Some(b']') {
            self.place += 1;
            return Ok(());
        }
        loop {
            self.value()?;
            match self.skip_space() {
                Some(b',') => self.place += 1,
                Some(b']') => {
                    self.place += 1;
                    return Ok(());
                }
                Some(byte) => return Err(invalid(byte, "after array element")),
                None => return Err(end()),
            }
        }
    }

    fn string(&mut self) -> Result<(), String> {
        self.place += 1;
        loop {
            let byte = self.next()?;
            match byte {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let digit = self.next()?;
                            if !digit.is_ascii_hexdigit() {
                                return Err(invalid(digit, "in \\u hexadecimal character escape"));
                            }
                        }
                    }
                    other => return Err(invalid(other, "in string escape code")),
                },
                0..0x20 => return Err(invalid(byte, "in string literal")),
                _ => {}
            }
        }
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        for (place, expected) in word.bytes().enumerate() {
            let byte = self.next()?;
            if byte != expected && place > 0 {
                let wanted = char::from(expected);
                return Err(invalid(byte, &format!("in literal {word} (expecting '{wanted}')")));
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        if self.peek() == Some(b'-') {
            self.place += 1;
            self.digit("in numeric literal")?;
            self.place -= 1;
        }
        if self.next()? != b'0' {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.place += 1;
            self.digit("after decimal point in numeric literal")?;
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.place += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.place += 1;
            }
            self.digit("in exponent of numeric literal")?;
            self.digits();
        }
        Ok(())
    }

    fn digit(&mut self, place: &str) -> Result<(), String> {
        let byte = self.next()?;
        if byte.is_ascii_digit() { Ok(()) } else { Err(invalid(byte, place)) }
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.place += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.place).copied()
    }

    fn next(&mut self) -> Result<u8, String> {
        let byte = self.peek().ok_or_else(end)?;
        self.place += 1;
        Ok(byte)
    }

    fn skip_space(&mut self) -> Option<u8> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.place += 1;
        }
        self.peek()
    }
}

fn end() -> String {
    "unexpected end of JSON input".to_owned()
}

fn invalid(byte: u8, place: &str) -> String {
    let shown = match byte {
        b'\'' => "'\\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        // Go shows the byte as if it were a character of Latin 1
        _ => format!("'{}'", char::from(byte)),
    };
    format!("invalid character {shown} {place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_equal_gos() {
        let check =
            |text: &str, words: &str| assert_eq!(fault(text.as_bytes()).as_deref(), Some(words), "{text}");
        check("", "unexpected end of JSON input");
        check("{\"a\": [1, ", "unexpected end of JSON input");
        check("{nonsense", "invalid character 'n' looking for beginning of object key string");
        check("{\"a\":1}{", "invalid character '{' after top-level value");
        check("{\"a\" 1}", "invalid character '1' after object key");
        check("{\"a\":1 2}", "invalid character '2' after object key:value pair");
        check("[1 2]", "invalid character '2' after array element");
        check("nul!", "invalid character '!' in literal null (expecting 'l')");
        check("\"\\q\"", "invalid character 'q' in string escape code");
        check("-x", "invalid character 'x' in numeric literal");
        check("1.x", "invalid character 'x' after decimal point in numeric literal");
        check("\"\n\"", "invalid character '\\n' in string literal");
        check("я", "invalid character 'Ñ' looking for beginning of value");
    }

    #[test]
    fn sound_texts_have_no_fault() {
        for text in ["{}", " [1, -2.5e+3, \"\\u00e9\", true, null] ", "0", "{\"a\":{\"b\":[]}}"] {
            assert_eq!(fault(text.as_bytes()), None, "{text}");
        }
        assert_eq!(fault(&b"[".repeat(2_000)).as_deref(), Some("exceeded max depth"));
    }
}

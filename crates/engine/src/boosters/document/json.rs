//! JSON as XGBoost writes it: `NaN` and `Infinity` are numbers, too.

use super::{Items, MAX_DEPTH, Value};
use crate::boosters::BoosterError;

/// Reads a whole JSON text.
pub(in crate::boosters) fn read(bytes: &[u8]) -> Result<Value, BoosterError> {
    let mut reader = Reader { bytes, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    match reader.at {
        at if at == bytes.len() => Ok(value),
        // what XGBoost keeps for itself behind a model
        at if bytes[at..].iter().all(|&byte| byte == 0) => Ok(value),
        _ => Err(reader.wrong("something follows the end")),
    }
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    fn wrong(&self, problem: &'static str) -> BoosterError {
        match self.at >= self.bytes.len() {
            true => BoosterError::Truncated { offset: self.bytes.len() },
            false => BoosterError::Syntax { offset: self.at, problem },
        }
    }

    fn space(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
    }

    /// The next byte that is no space, not taken yet.
    fn next(&mut self) -> Option<u8> {
        self.space();
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, expected: u8, problem: &'static str) -> Result<(), BoosterError> {
        match self.next() {
            Some(byte) if byte == expected => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.wrong(problem)),
        }
    }

    /// Takes a comma, or the end of a list or map.
    fn goes_on(&mut self, end: u8) -> Result<bool, BoosterError> {
        let next = self.next();
        match next {
            Some(byte) if byte == b',' || byte == end => {
                self.at += 1;
                Ok(byte == b',')
            }
            _ => Err(self.wrong("a comma or the end of the list is expected")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, BoosterError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("lists are nested too deep"));
        }
        match self.next() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.text().map(Value::Text),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => match self.bytes[self.at..].starts_with(b"nan") {
                true => self.word("nan", Value::Number(f64::NAN)),
                false => self.word("null", Value::Null),
            },
            Some(b'N') => self.word("NaN", Value::Number(f64::NAN)),
            Some(b'I') => self.word("Infinity", Value::Number(f64::INFINITY)),
            Some(b'-' | b'+' | b'0'..=b'9') => self.number(),
            _ => Err(self.wrong("a value is expected")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, BoosterError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.wrong("a value is expected"))
    }

    fn number(&mut self) -> Result<Value, BoosterError> {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(b"-Infinity") || rest.starts_with(b"-nan") {
            let (word, value) =
                if rest[1] == b'n' { ("-nan", f64::NAN) } else { ("-Infinity", f64::NEG_INFINITY) };
            return self.word(word, Value::Number(value));
        }
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte)).count();
        let text = std::str::from_utf8(&rest[..length]).unwrap_or_default();
        let number = text.parse().map_err(|_| self.wrong("a number is expected"))?;
        self.at += length;
        Ok(Value::Number(number))
    }

    fn list(&mut self, depth: usize) -> Result<Value, BoosterError> {
        self.at += 1;
        let mut items = Items::new();
        if self.next() == Some(b']') {
            self.at += 1;
            return Ok(items.into_value());
        }
        loop {
            items.push(self.value(depth + 1)?);
            if !self.goes_on(b']')? {
                return Ok(items.into_value());
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, BoosterError> {
        self.at += 1;
        let mut pairs = Vec::new();
        if self.next() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(pairs));
        }
        loop {
            if self.next() != Some(b'"') {
                return Err(self.wrong("a name is expected"));
            }
            let name = self.text()?;
            self.take(b':', "a colon is expected")?;
            pairs.push((name, self.value(depth + 1)?));
            if !self.goes_on(b'}')? {
                return Ok(Value::Map(pairs));
            }
        }
    }

    /// A text: the opening quote is next.
    fn text(&mut self) -> Result<String, BoosterError> {
        let start = self.at;
        let mut end = start + 1;
        let mut is_plain = true;
        loop {
            match self.bytes.get(end) {
                None => return Err(BoosterError::Truncated { offset: self.bytes.len() }),
                Some(b'"') => break,
                Some(b'\\') => {
                    is_plain = false;
                    end += 2;
                }
                Some(_) => end += 1,
            }
        }
        self.at = end + 1;
        let wrong = |problem| BoosterError::Syntax { offset: start, problem };
        if is_plain {
            let text = std::str::from_utf8(&self.bytes[start + 1..end]);
            return text.map(str::to_owned).map_err(|_| wrong("a text is not Unicode"));
        }
        unescaped(&self.bytes[start + 1..end]).ok_or_else(|| wrong("a text has an escape that is not JSON's"))
    }
}

/// Resolves escapes. XGBoost escapes bytes of UTF-8, not characters: `\u00d0\u00b4` is one letter.
fn unescaped(bytes: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        if *first != b'\\' {
            out.push(*first);
            rest = tail;
            continue;
        }
        let (escape, tail) = tail.split_first()?;
        rest = tail;
        let plain = match escape {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'"' | b'\\' | b'/' => *escape,
            b'u' => {
                let (mut unit, mut tail) = unit(rest)?;
                if (0xd800..0xdc00).contains(&unit) && tail.starts_with(b"\\u") {
                    let (low, after) = self::unit(&tail[2..])?;
                    unit = 0x10000
                        + ((unit - 0xd800) << 10)
                        + low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                    tail = after;
                }
                rest = tail;
                let mut buffer = [0; 4];
                out.extend(char::from_u32(unit)?.encode_utf8(&mut buffer).bytes());
                continue;
            }
            _ => return None,
        };
        out.push(plain);
    }
    String::from_utf8(out).ok()
}

/// Four hexadecimal digits.
fn unit(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(4)?;
    let text =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some((u32::from_str_radix(text, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        let value = read(
            br#" {"a":[1,-2.5E1,NaN,-Infinity],"b":[true,null,"x\n\u0434\ud83d\ude00"],"c":{},"a b":[]} "#,
        )
        .unwrap();
        let numbers = value.numbers("a").unwrap();
        assert_eq!((numbers[1], numbers[3]), (-25.0, f64::NEG_INFINITY));
        assert!(numbers[2].is_nan());
        assert_eq!(value.get("b").unwrap().items().unwrap()[2].as_text(), Some("x\nд😀"));
        assert_eq!(value.get("a b").unwrap().items(), Some(&[][..]));
    }

    #[test]
    fn what_is_no_json_is_told_by_its_place() {
        let check =
            |text: &str, expected: &str| assert_eq!(read(text.as_bytes()).unwrap_err().to_string(), expected);
        check("{\"a\":1", "it breaks off at byte 6: the file was not written or copied whole");
        check("{\"a\" 1}", "byte 5: a colon is expected");
        check("[1 2]", "byte 3: a comma or the end of the list is expected");
        check("[1]x", "byte 3: something follows the end");
        check("[1e]", "byte 1: a number is expected");
        check("\"\\x\"", "byte 0: a text has an escape that is not JSON's");
        check(&"[".repeat(100), "byte 65: lists are nested too deep");
    }
}

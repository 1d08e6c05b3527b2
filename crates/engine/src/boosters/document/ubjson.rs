//! UBJSON (draft 12) as XGBoost writes it: numbers big-endian, lists of one type with their count.

use super::{Items, MAX_DEPTH, Value};
use crate::boosters::BoosterError;

/// Reads a whole UBJSON value.
pub(in crate::boosters) fn read(bytes: &[u8]) -> Result<Value, BoosterError> {
    let mut reader = Reader { bytes, at: 0 };
    let marker = reader.marker()?;
    let value = reader.value(marker, 0)?;
    match bytes[reader.at..].iter().all(|&byte| byte == 0 || byte == b'N') {
        true => Ok(value),
        false => Err(reader.wrong("something follows the end")),
    }
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn wrong(&self, problem: &'static str) -> BoosterError {
        BoosterError::Syntax { offset: self.at.min(self.bytes.len()), problem }
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], BoosterError> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(BoosterError::Truncated { offset: self.bytes.len() })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], BoosterError> {
        let taken = self.take(LENGTH)?;
        taken.try_into().map_err(|_| BoosterError::Truncated { offset: self.bytes.len() })
    }

    /// The next type marker; `N` is nothing.
    fn marker(&mut self) -> Result<u8, BoosterError> {
        loop {
            match self.array::<1>()?[0] {
                b'N' => {}
                marker => return Ok(marker),
            }
        }
    }

    /// The next marker, not taken yet.
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[expect(clippy::cast_precision_loss, reason = "no number of a model is beyond 2^53")]
    fn number(&mut self, marker: u8) -> Result<f64, BoosterError> {
        Ok(match marker {
            b'i' => f64::from(i8::from_be_bytes(self.array()?)),
            b'U' => f64::from(u8::from_be_bytes(self.array()?)),
            b'I' => f64::from(i16::from_be_bytes(self.array()?)),
            b'l' => f64::from(i32::from_be_bytes(self.array()?)),
            b'L' => i64::from_be_bytes(self.array()?) as f64,
            b'd' => f64::from(f32::from_be_bytes(self.array()?)),
            b'D' => f64::from_be_bytes(self.array()?),
            _ => return Err(self.wrong("a number is expected")),
        })
    }

    fn length(&mut self) -> Result<usize, BoosterError> {
        let marker = self.marker()?;
        let length = match marker {
            b'L' => i64::from_be_bytes(self.array()?),
            b'l' => i64::from(i32::from_be_bytes(self.array()?)),
            b'I' => i64::from(i16::from_be_bytes(self.array()?)),
            b'U' => i64::from(self.array::<1>()?[0]),
            b'i' => i64::from(i8::from_be_bytes(self.array()?)),
            _ => return Err(self.wrong("a length is expected")),
        };
        usize::try_from(length).map_err(|_| self.wrong("a length is negative"))
    }

    fn text(&mut self) -> Result<String, BoosterError> {
        let length = self.length()?;
        let start = self.at;
        let text = std::str::from_utf8(self.take(length)?);
        text.map(str::to_owned)
            .map_err(|_| BoosterError::Syntax { offset: start, problem: "a text is not Unicode" })
    }

    fn value(&mut self, marker: u8, depth: usize) -> Result<Value, BoosterError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("lists are nested too deep"));
        }
        Ok(match marker {
            b'Z' => Value::Null,
            b'T' => Value::Bool(true),
            b'F' => Value::Bool(false),
            b'S' => Value::Text(self.text()?),
            b'C' => Value::Text(char::from(self.array::<1>()?[0]).to_string()),
            b'H' => {
                let text = self.text()?;
                Value::Number(text.parse().map_err(|_| self.wrong("a number is expected"))?)
            }
            b'[' => self.list(depth)?,
            b'{' => self.map(depth)?,
            marker => Value::Number(self.number(marker)?),
        })
    }

    fn list(&mut self, depth: usize) -> Result<Value, BoosterError> {
        let (kind, count) = self.header()?;
        let mut items = Items::new();
        match (kind, count) {
            (Some(kind), Some(count)) => self.typed(kind, count, depth),
            (None, Some(count)) => {
                for _ in 0..count {
                    let marker = self.marker()?;
                    items.push(self.value(marker, depth + 1)?);
                }
                Ok(items.into_value())
            }
            (_, None) => loop {
                match self.marker()? {
                    b']' => return Ok(items.into_value()),
                    marker => items.push(self.value(marker, depth + 1)?),
                }
            },
        }
    }

    /// A list of items of one type: their bytes follow each other.
    fn typed(&mut self, kind: u8, count: usize, depth: usize) -> Result<Value, BoosterError> {
        let size = match kind {
            b'i' | b'U' => 1,
            b'I' => 2,
            b'l' | b'd' => 4,
            b'L' | b'D' => 8,
            // what takes no bytes could be counted without end
            b'Z' | b'T' | b'F' | b'N' => return Err(self.wrong("a list of nothing is not supported")),
            _ => {
                let mut items = Items::new();
                for _ in 0..count {
                    items.push(self.value(kind, depth + 1)?);
                }
                return Ok(items.into_value());
            }
        };
        let length = count.checked_mul(size).ok_or_else(|| self.wrong("a list is larger than any memory"))?;
        if length > self.bytes.len() - self.at {
            return Err(BoosterError::Truncated { offset: self.bytes.len() });
        }
        let numbers = (0..count).map(|_| self.number(kind)).collect::<Result<_, _>>()?;
        Ok(Value::Numbers(numbers))
    }

    fn map(&mut self, depth: usize) -> Result<Value, BoosterError> {
        let (kind, count) = self.header()?;
        let mut pairs = Vec::new();
        loop {
            let is_done = match count {
                Some(count) => pairs.len() >= count,
                None => self.peek() == Some(b'}'),
            };
            if is_done {
                self.at += usize::from(count.is_none());
                return Ok(Value::Map(pairs));
            }
            let name = self.text()?;
            let marker = match kind {
                Some(kind) => kind,
                None => self.marker()?,
            };
            pairs.push((name, self.value(marker, depth + 1)?));
        }
    }

    /// The type and count that a list or map may begin with.
    fn header(&mut self) -> Result<(Option<u8>, Option<usize>), BoosterError> {
        let mut kind = None;
        if self.peek() == Some(b'$') {
            self.at += 1;
            kind = Some(self.array::<1>()?[0]);
        }
        if self.peek() == Some(b'#') {
            self.at += 1;
            return Ok((kind, Some(self.length()?)));
        }
        match kind {
            None => Ok((None, None)),
            Some(_) => Err(self.wrong("a list with a type has no count")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        let bytes = b"{L\0\0\0\0\0\0\0\x01a[$d#L\0\0\0\0\0\0\0\x02\x3f\x80\0\0\xc0\0\0\0i\x01b[i\x05Si\x02hiT]U\x01cZ}";
        let value = read(bytes).unwrap();
        assert_eq!(*value.numbers("a").unwrap(), [1.0, -2.0]);
        let expected = [Value::Number(5.0), Value::Text("hi".to_owned()), Value::Bool(true)];
        assert_eq!(value.get("b").unwrap().items().unwrap(), expected);
        assert_eq!(value.get("c").unwrap(), &Value::Null);
    }

    #[test]
    fn lengths_beyond_the_file_cost_no_memory() {
        let check =
            |bytes: &[u8], expected: &str| assert!(read(bytes).unwrap_err().to_string().contains(expected));
        check(b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff", "larger than any memory");
        check(b"[$d#L\0\0\0\xff\xff\xff\xff\xff", "breaks off");
        check(b"[$Z#L\0\0\0\xff\xff\xff\xff\xff", "a list of nothing");
        check(b"SL\0\0\0\xff\xff\xff\xff\xff", "breaks off");
        check(b"Si\xff", "negative");
        check(&[b'['; 100], "nested too deep");
    }
}

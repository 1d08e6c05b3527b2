//! Reads the head of a numpy array's file: what its bytes mean, and how many there are.
//!
//! NEP 1 and `numpy.lib.format`: a magic number, a version, a length, and a Python dictionary
//! written out.

/// The head of an array's file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    pub(super) items: Items,
    pub(super) is_fortran: bool,
    pub(super) shape: Vec<usize>,
    /// Where the items begin.
    pub(super) start: usize,
}

/// What an item is: a code as `<f8`, or named fields one behind the other.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Items {
    Plain(String),
    Fields(Vec<(String, String)>),
}

/// The longest head: numpy itself reads no longer one without being asked to.
const MAX_HEAD: usize = 10_000;

/// A Python literal, as far as heads have them.
#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Text(String),
    Number(usize),
    Bool(bool),
    Sequence(Vec<Literal>),
    Dictionary(Vec<(String, Literal)>),
}

impl Head {
    /// Reads a head; `None` when it is damaged.
    pub(super) fn read(file: &[u8]) -> Option<Head> {
        let (version, rest) = file.strip_prefix(b"\x93NUMPY")?.split_first_chunk::<2>()?;
        let (length, head) = match version[0] {
            1 => {
                let (length, head) = rest.split_first_chunk::<2>()?;
                (usize::from(u16::from_le_bytes(*length)), head)
            }
            2 | 3 => {
                let (length, head) = rest.split_first_chunk::<4>()?;
                (usize::try_from(u32::from_le_bytes(*length)).ok()?, head)
            }
            _ => return None,
        };
        let text = std::str::from_utf8(head.get(..length.min(MAX_HEAD + 1))?).ok()?;
        let start = file.len() - head.len() + length;
        let mut parser = Parser { rest: text };
        let Literal::Dictionary(pairs) = parser.literal(0)? else { return None };
        let get = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let Literal::Bool(is_fortran) = *get("fortran_order")? else { return None };
        let Literal::Sequence(shape) = get("shape")? else { return None };
        let side = |side: &Literal| match side {
            Literal::Number(side) => Some(*side),
            _ => None,
        };
        let shape = shape.iter().map(side).collect::<Option<_>>()?;
        Some(Head { items: items(get("descr")?)?, is_fortran, shape, start })
    }
}

fn items(description: &Literal) -> Option<Items> {
    let field = |field: &Literal| match field {
        Literal::Sequence(pair) => match &pair[..] {
            [Literal::Text(name), Literal::Text(code)] => Some((name.clone(), code.clone())),
            _ => None,
        },
        _ => None,
    };
    match description {
        Literal::Text(code) => Some(Items::Plain(code.clone())),
        Literal::Sequence(fields) => fields.iter().map(field).collect::<Option<_>>().map(Items::Fields),
        _ => None,
    }
}

struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    fn skip(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn literal(&mut self, depth: usize) -> Option<Literal> {
        /// A dictionary of a list of tuples.
        const MAX_DEPTH: usize = 4;
        if depth > MAX_DEPTH {
            return None;
        }
        for (token, value) in [("True", true), ("False", false)] {
            if self.skip(token) {
                return Some(Literal::Bool(value));
            }
        }
        for (open, close) in [("(", ")"), ("[", "]")] {
            if self.skip(open) {
                return self.sequence(close, depth).map(Literal::Sequence);
            }
        }
        if self.skip("{") {
            return self.dictionary(depth).map(Literal::Dictionary);
        }
        if let Some(text) = self.text() {
            return Some(Literal::Text(text));
        }
        let digits = self.rest.len() - self.rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        // numpy 1 under Python 2 wrote longs
        self.skip("L");
        number.parse().ok().map(Literal::Number)
    }

    fn sequence(&mut self, close: &str, depth: usize) -> Option<Vec<Literal>> {
        let mut items = Vec::new();
        while !self.skip(close) {
            items.push(self.literal(depth + 1)?);
            if !self.skip(",") {
                return self.skip(close).then_some(items);
            }
        }
        Some(items)
    }

    fn dictionary(&mut self, depth: usize) -> Option<Vec<(String, Literal)>> {
        let mut pairs = Vec::new();
        while !self.skip("}") {
            let key = self.text()?;
            if !self.skip(":") {
                return None;
            }
            pairs.push((key, self.literal(depth + 1)?));
            if !self.skip(",") {
                return self.skip("}").then_some(pairs);
            }
        }
        Some(pairs)
    }

    /// A string without escapes: names of fields and codes need none.
    fn text(&mut self) -> Option<String> {
        let quote = ["'", "\""].into_iter().find(|quote| self.skip(quote))?;
        let (text, rest) = self.rest.split_once(quote)?;
        self.rest = rest;
        (!text.contains('\\')).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(head: &str) -> Vec<u8> {
        let length = u16::try_from(head.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], head.as_bytes(), b"items"].concat()
    }

    #[test]
    fn heads_are_read_as_numpy_writes_them() {
        let read = |head: &str| Head::read(&file(head));
        let plain = read("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }\n").unwrap();
        assert_eq!((plain.items, plain.is_fortran), (Items::Plain("<f8".to_owned()), false));
        assert_eq!(plain.shape, [3, 4]);
        let fields = "{'descr': [('left', '<i8'), ('', '|V7')], 'fortran_order': True, 'shape': (5,), }";
        let fields = read(fields).unwrap();
        let pairs = [("left", "<i8"), ("", "|V7")].map(|(name, code)| (name.to_owned(), code.to_owned()));
        assert_eq!(fields.items, Items::Fields(pairs.to_vec()));
        assert!(read("{'descr': '<f8', 'fortran_order': False, 'shape': (), }").unwrap().shape.is_empty());
        for damaged in ["", "{", "{'descr': __import__('os')}", "{'shape': (1,)}", &"[".repeat(9000)] {
            assert_eq!(read(damaged), None, "{damaged}");
        }
    }
}

use serde_json::{Map, Value};

use super::*;

/// The whole tree, by the reader.
fn tree(reader: &mut Reader<'_>) -> Result<Value, Malformed> {
    Ok(match reader.peek()? {
        Kind::Object => {
            reader.enter();
            let mut map = Map::new();
            let mut is_first = true;
            while let Some(key) = reader.key(&mut is_first)? {
                map.insert(key.into_owned(), tree(reader)?);
            }
            Value::Object(map)
        }
        Kind::Array => {
            reader.enter();
            let mut values = Vec::new();
            let mut is_first = true;
            while reader.element(&mut is_first)? {
                values.push(tree(reader)?);
            }
            Value::Array(values)
        }
        Kind::String => Value::String(reader.string()?.into_owned()),
        Kind::Number => Value::from(reader.number()?.0),
        Kind::Bool => Value::Bool(reader.bool()?),
        Kind::Null => {
            reader.null()?;
            Value::Null
        }
    })
}

fn read(text: &[u8]) -> Result<Value, Malformed> {
    let mut reader = Reader::new(text)?;
    let value = tree(&mut reader)?;
    reader.end()?;
    Ok(value)
}

fn skips(text: &[u8]) -> bool {
    let Ok(mut reader) = Reader::new(text) else { return false };
    reader.skip().is_ok_and(|_| reader.end().is_ok())
}

/// The same tree with all numbers in double precision, as another reader has it.
fn floats(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.to_string().parse::<f64>().unwrap()),
        Value::Array(values) => values.into_iter().map(floats).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, floats(value))).collect(),
        other => other,
    }
}

#[test]
fn what_is_json_is_read_as_others_read_it() {
    for text in [
        "{}",
        "[]",
        " [1, -2.5 ,3e2,\t0.1, 1E-3, 0, -0, 123456789012345678, 17.99] ",
        r#"{"a": {"b": [true, false, null]}, "ё": "ж\n\"\\\/\b\f\r\t\u0416\ud83d\ude00"}"#,
        "\"plain\"",
        "12",
    ] {
        let expected = floats(serde_json::from_str(text).unwrap());
        assert_eq!(read(text.as_bytes()).unwrap(), expected, "{text}");
        assert!(skips(text.as_bytes()), "{text}");
    }
}

#[test]
fn numbers_are_the_nearest_there_are() {
    for text in [
        "0.1",
        "17.99",
        "123456.789012",
        "1e22",
        "1e23",
        "9007199254740993",
        "0.30000000000000004",
        "2.2250738585072014e-308",
        "5e-324",
        "1.7976931348623157e308",
        "1e-400",
        "0.000001",
        "8.41",
        "184467440737095516160",
        "1.00000000000000000000000001",
        "999999999999999e22",
        "1e0000000000000000001",
    ] {
        let (value, written) = Reader::new(text.as_bytes()).unwrap().number().unwrap();
        assert_eq!((value.to_bits(), written), (text.parse::<f64>().unwrap().to_bits(), text));
    }
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a: 1}",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        "tru",
        "nulll",
        "NaN",
        "[Infinity]",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00x\"",
        "\"a\nb\"",
        "\"a",
        "[1]]",
        "1e999",
        "{\"a\":1 \"b\":2}",
        "[,1]",
        "{,}",
        "\u{feff}1",
    ] {
        assert!(read(text.as_bytes()).is_err(), "{text}");
        assert!(!skips(text.as_bytes()), "{text}");
    }
    assert!(!skips(b"\"\xff\""));
    let error = read(b"{\n \"a\": x}").unwrap_err();
    assert_eq!(error.to_string(), "expected a value at line 2 column 7");
}

#[test]
fn depth_costs_nothing_but_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(skips(nested(MAX_DEPTH).as_bytes()));
    assert!(!skips(nested(MAX_DEPTH + 1).as_bytes()));
    assert!(!skips("[".repeat(1_000_000).as_bytes()));
}

#[test]
fn mangled_texts_are_read_as_others_read_them() {
    let seed = r#"{"instances": [[1.5, -2e3, null], {"a": "б\u0041", "b": true}], "x": {"y": []}}"#;
    let bytes = seed.as_bytes();
    let inserts = b"\"\\{}[],:0eE+-.tnu \x00\xff";
    for place in 0..bytes.len() {
        let mut cases = vec![[&bytes[..place], &bytes[place + 1..]].concat()];
        cases.extend(inserts.iter().map(|byte| [&bytes[..place], &[*byte], &bytes[place..]].concat()));
        for case in cases {
            let other: Result<Value, _> = serde_json::from_slice(&case);
            let text = String::from_utf8_lossy(&case);
            assert_eq!(read(&case).ok(), other.ok().map(floats), "{text}");
            assert_eq!(skips(&case), read(&case).is_ok(), "{text}");
        }
    }
}

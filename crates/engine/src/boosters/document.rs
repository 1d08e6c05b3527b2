//! A tree of named values: what JSON and UBJSON files hold.
//!
//! [`json`] and [`ubjson`] read it. Lists of numbers, of which models are full, are kept as numbers.

pub(super) mod json;
pub(super) mod ubjson;

use super::BoosterError;

/// The most levels of lists and maps inside each other.
const MAX_DEPTH: usize = 64;

/// A value of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Numbers(Vec<f64>),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The value of a key, if there is one; the last of several.
    pub(super) fn find(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(pairs) => pairs.iter().rev().find(|(found, _)| found == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Result<&Value, BoosterError> {
        self.find(key).ok_or_else(|| BoosterError::Missing { name: key.to_owned() })
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a key.
    pub(super) fn text(&self, key: &str) -> Result<&str, BoosterError> {
        self.get(key)?.as_text().ok_or_else(|| BoosterError::field(key, "is not a text"))
    }

    /// A number, also one that is written as a text.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            Value::Bool(value) => Some(f64::from(u8::from(*value))),
            _ => None,
        }
    }

    /// A count, also one that is written as a text.
    pub(super) fn as_count(&self) -> Option<usize> {
        count(self.as_number()?)
    }

    /// The count of a key.
    pub(super) fn count(&self, key: &str) -> Result<usize, BoosterError> {
        self.get(key)?.as_count().ok_or_else(|| BoosterError::field(key, "is not a count"))
    }

    /// A list of numbers or truth values.
    pub(super) fn as_numbers(&self) -> Option<std::borrow::Cow<'_, [f64]>> {
        match self {
            Value::Numbers(numbers) => Some(numbers.as_slice().into()),
            Value::List(items) => {
                items.iter().map(Value::as_number).collect::<Option<Vec<_>>>().map(Into::into)
            }
            _ => None,
        }
    }

    /// The numbers of a key.
    pub(super) fn numbers(&self, key: &str) -> Result<std::borrow::Cow<'_, [f64]>, BoosterError> {
        let numbers = self.get(key)?.as_numbers();
        numbers.ok_or_else(|| BoosterError::field(key, "is not a list of numbers"))
    }

    /// The items of a list that is not one of numbers; an empty one may be taken for either.
    pub(super) fn items(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            Value::Numbers(numbers) if numbers.is_empty() => Some(&[]),
            _ => None,
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        self.items()?.iter().map(|item| item.as_text().map(str::to_owned)).collect()
    }
}

/// A whole number that is not negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number is checked")]
pub(super) fn count(number: f64) -> Option<usize> {
    (number >= 0.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0).then_some(number as usize)
}

/// Gathers the items of a list, as numbers as long as they are.
#[derive(Debug)]
pub(super) struct Items(Value);

impl Items {
    fn new() -> Self {
        Items(Value::Numbers(Vec::new()))
    }

    fn push(&mut self, value: Value) {
        match (&mut self.0, value) {
            (Value::Numbers(numbers), Value::Number(number)) => numbers.push(number),
            (Value::Numbers(numbers), value) => {
                let mut items: Vec<Value> = numbers.drain(..).map(Value::Number).collect();
                items.push(value);
                self.0 = Value::List(items);
            }
            (Value::List(items), value) => items.push(value),
            _ => {}
        }
    }

    fn into_value(self) -> Value {
        self.0
    }
}

//! The JSON of `/api/v1/predict`: from a body to inputs, from predictions to a body.

use std::collections::BTreeMap;

use engine::{Cell, Input, Label, Model, PredictError, Prediction};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value};

/// The most inputs of one request: with a hundred classes their answer is about 3 MB.
const MAX_BATCH: usize = 1_000;

/// What a request asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    One(Input),
    Batch(Vec<Input>),
}

/// What is wrong with a request, and in which field.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("the body is not a JSON object like {{\"text\": \"…\"}}")]
    NotAnObject,
    #[error("the body needs one of the fields `text`, `texts`, `features`")]
    NoInput,
    #[error("the body has both `{0}` and `{1}`: give one")]
    TwoInputs(&'static str, &'static str),
    #[error("the field `{field}` must be {expected}")]
    Type { field: String, expected: &'static str },
    #[error("the field `{field}` has more than {MAX_BATCH} entries")]
    TooMany { field: &'static str },
    #[error("{source}")]
    Input { field: &'static str, source: PredictError },
}

impl RequestError {
    /// The field at fault, if it is one.
    pub(crate) fn field(&self) -> Option<&str> {
        match self {
            RequestError::NotJson(_) | RequestError::NotAnObject => None,
            RequestError::NoInput => Some("text"),
            RequestError::TwoInputs(_, field) => Some(field),
            RequestError::Type { field, .. } => Some(field),
            RequestError::TooMany { field } | RequestError::Input { field, .. } => Some(field),
        }
    }
}

/// Reads a body. Fields it does not know, such as `joker`, are ignored.
pub(crate) fn parse(body: &[u8]) -> Result<Request, RequestError> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| RequestError::NotJson(error.to_string()))?;
    let Value::Object(mut object) = value else { return Err(RequestError::NotAnObject) };
    let (field, value) = only_input(&mut object)?;
    match (field, value) {
        ("text", Value::String(text)) => Ok(Request::One(Input::Text(text))),
        ("texts", Value::Array(texts)) => batch("texts", texts, text),
        ("features", Value::Array(rows))
            if rows.first().is_some_and(|row| row.is_array() || row.is_object()) =>
        {
            batch("features", rows, features)
        }
        ("features", value) => Ok(Request::One(features("features".to_owned(), value)?)),
        ("texts", _) => Err(wrong_type("texts".to_owned(), "an array of strings")),
        (field, _) => Err(wrong_type(field.to_owned(), "a string")),
    }
}

fn only_input(object: &mut Map<String, Value>) -> Result<(&'static str, Value), RequestError> {
    let mut given = ["text", "texts", "features"].into_iter().filter(|field| object.contains_key(*field));
    let Some(field) = given.next() else { return Err(RequestError::NoInput) };
    if let Some(second) = given.next() {
        return Err(RequestError::TwoInputs(field, second));
    }
    let value = object.remove(field).unwrap_or(Value::Null);
    Ok((field, value))
}

fn batch(
    field: &'static str,
    values: Vec<Value>,
    read: fn(String, Value) -> Result<Input, RequestError>,
) -> Result<Request, RequestError> {
    if values.len() > MAX_BATCH {
        return Err(RequestError::TooMany { field });
    }
    let inputs =
        values.into_iter().enumerate().map(|(position, value)| read(format!("{field}[{position}]"), value));
    Ok(Request::Batch(inputs.collect::<Result<_, _>>()?))
}

fn text(field: String, value: Value) -> Result<Input, RequestError> {
    match value {
        Value::String(text) => Ok(Input::Text(text)),
        _ => Err(wrong_type(field, "a string")),
    }
}

fn features(field: String, value: Value) -> Result<Input, RequestError> {
    match value {
        Value::Array(values) => {
            if let Some(numbers) = values.iter().map(number).collect() {
                return Ok(Input::Row(numbers));
            }
            let cells = values.into_iter().enumerate().map(|(position, value)| {
                cell(value).ok_or_else(|| wrong_type(format!("{field}[{position}]"), CELL))
            });
            Ok(Input::Cells(cells.collect::<Result<_, _>>()?))
        }
        Value::Object(values) => {
            let named = values.into_iter().map(|(name, value)| match cell(value) {
                Some(cell) => Ok((name, cell)),
                None => Err(wrong_type(format!("{field}.{}", shortened(&name)), CELL)),
            });
            Ok(Input::Named(named.collect::<Result<BTreeMap<_, _>, _>>()?))
        }
        _ => Err(wrong_type(field, "an array of values or an object of them by feature name")),
    }
}

/// A number; null is a missing one.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Null => Some(f64::NAN),
        value => value.as_f64(),
    }
}

/// What one value of a row may be.
const CELL: &str = "a number, a string, a truth value or null";

fn cell(value: Value) -> Option<Cell> {
    match value {
        Value::Null => Some(Cell::Missing),
        Value::Bool(value) => Some(Cell::Bool(value)),
        Value::Number(value) => value.as_f64().map(Cell::Number),
        Value::String(value) => Some(Cell::Text(value)),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// A name from a stranger is not repeated at length.
fn shortened(name: &str) -> String {
    name.chars().take(60).filter(|character| !character.is_control()).collect()
}

fn wrong_type(field: String, expected: &'static str) -> RequestError {
    RequestError::Type { field, expected }
}

impl Request {
    /// Whether predicting takes long enough to be worth another thread.
    pub(crate) fn is_costly(&self) -> bool {
        /// A text this long takes about half a millisecond.
        const LONG_TEXT: usize = 16 << 10;
        const LONG_BATCH: usize = 8;
        match self {
            Request::One(Input::Text(text)) => text.len() > LONG_TEXT,
            Request::One(Input::Row(_) | Input::Cells(_) | Input::Named(_)) => false,
            Request::Batch(inputs) => inputs.len() > LONG_BATCH || inputs.iter().any(is_long),
        }
    }

    /// The number of inputs.
    pub(crate) fn len(&self) -> usize {
        match self {
            Request::One(_) => 1,
            Request::Batch(inputs) => inputs.len(),
        }
    }
}

fn is_long(input: &Input) -> bool {
    matches!(input, Input::Text(text) if text.len() > 2 << 10)
}

/// Predicts and writes the answer as JSON.
pub(crate) fn answer(model: &Model, request: &Request) -> Result<Vec<u8>, RequestError> {
    let refuse = |source: PredictError| RequestError::Input { field: field_of(request), source };
    let body = match request {
        Request::One(input) => {
            let prediction = model.predict(input).map_err(refuse)?;
            serde_json::to_vec(&One { model: model.name(), prediction: Answer::new(model, &prediction) })
        }
        Request::Batch(inputs) => {
            let predictions = model.predict_batch(inputs).map_err(refuse)?;
            let predictions = predictions.iter().map(|prediction| Answer::new(model, prediction)).collect();
            serde_json::to_vec(&Many { model: model.name(), predictions })
        }
    };
    Ok(body.unwrap_or_else(|_| unreachable!("strings, numbers and string keys always serialize")))
}

fn field_of(request: &Request) -> &'static str {
    match request {
        Request::One(Input::Text(_)) => "text",
        Request::Batch(inputs) if matches!(inputs.first(), Some(Input::Text(_))) => "texts",
        Request::One(Input::Row(_) | Input::Cells(_) | Input::Named(_)) | Request::Batch(_) => "features",
    }
}

#[derive(Serialize)]
struct One<'a> {
    model: &'a str,
    #[serde(flatten)]
    prediction: Answer<'a>,
}

#[derive(Serialize)]
struct Many<'a> {
    model: &'a str,
    predictions: Vec<Answer<'a>>,
}

#[derive(Serialize)]
struct Answer<'a> {
    label: Label,
    score: f64,
    #[serde(serialize_with = "by_class")]
    probabilities: (&'a [Label], Vec<f64>),
    /// What a model of several outputs says, the first one's label included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<Label>,
}

impl<'a> Answer<'a> {
    fn new(model: &'a Model, prediction: &Prediction) -> Self {
        let further = prediction.further.iter().map(|further| &further.label);
        let has_further = further.len() > 0;
        let outputs = std::iter::once(&prediction.label).filter(|_| has_further).chain(further);
        Answer {
            outputs: outputs.cloned().collect(),
            label: prediction.label.clone(),
            score: prediction.score,
            probabilities: (model.classes(), prediction.probabilities.clone()),
        }
    }
}

fn by_class<S: Serializer>(
    (classes, values): &(&[Label], Vec<f64>),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(values.len()))?;
    for (class, value) in classes.iter().zip(values) {
        map.serialize_entry(&class.to_string(), value)?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &Request) {
        assert_eq!(&parse(body.as_bytes()).unwrap(), expected);
    }

    fn check_error(body: &str, field: Option<&str>, message: &str) {
        let error = parse(body.as_bytes()).unwrap_err();
        assert_eq!((error.field(), error.to_string().as_str()), (field, message));
    }

    #[test]
    fn inputs_come_one_or_many_as_texts_or_numbers() {
        check(r#"{"text": "Ходит дурачок", "joker": "None"}"#, &Request::One(Input::from("Ходит дурачок")));
        check(r#"{"texts": ["a", "b"]}"#, &Request::Batch(vec!["a".into(), "b".into()]));
        check(r#"{"texts": []}"#, &Request::Batch(vec![]));
        check(r#"{"features": [1, 2.5]}"#, &Request::One(Input::Row(vec![1.0, 2.5])));
        let named = BTreeMap::from([("a".to_owned(), Cell::Number(1.0))]);
        check(r#"{"features": {"a": 1}}"#, &Request::One(Input::Named(named)));
        let cells = vec![Cell::Text("a".to_owned()), Cell::Missing, Cell::Bool(true)];
        check(r#"{"features": ["a", null, true]}"#, &Request::One(Input::Cells(cells)));
        let rows = vec![Input::Row(vec![1.0]), Input::Row(vec![2.0])];
        check(r#"{"features": [[1], [2]]}"#, &Request::Batch(rows));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_field() {
        check_error("{", None, "the body is not JSON: EOF while parsing an object at line 1 column 1");
        check_error("[]", None, "the body is not a JSON object like {\"text\": \"…\"}");
        check_error("{}", Some("text"), "the body needs one of the fields `text`, `texts`, `features`");
        check_error(r#"{"text": 1}"#, Some("text"), "the field `text` must be a string");
        check_error(r#"{"texts": ["a", 1]}"#, Some("texts[1]"), "the field `texts[1]` must be a string");
        check_error(
            r#"{"text": "a", "texts": []}"#,
            Some("texts"),
            "the body has both `text` and `texts`: give one",
        );
        let expected = "the field `features.a` must be a number, a string, a truth value or null";
        check_error(r#"{"features": {"a": []}}"#, Some("features.a"), expected);
    }
}

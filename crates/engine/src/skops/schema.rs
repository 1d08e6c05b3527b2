//! Makes a graph of what `schema.json` describes.
//!
//! Each object is a JSON object that names its class and how skops would load it (`__loader__`).
//! Only what a loader would build is described to the graph; no class is looked up.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Archive, Objects, SkopsError, shown};
use crate::pickle::{Builder, Id, PickleError};

/// How deep objects may nest: an estimator in an estimator takes four levels.
const MAX_DEPTH: usize = 100;

/// The newest format of skops that was compared.
const NEWEST: u64 = 2;

/// One object of the schema.
#[derive(Deserialize)]
pub(super) struct State<'j> {
    #[serde(rename = "__class__", borrow)]
    pub(super) class: Cow<'j, str>,
    #[serde(rename = "__module__", borrow)]
    pub(super) module: Cow<'j, str>,
    #[serde(rename = "__loader__", borrow)]
    pub(super) loader: Cow<'j, str>,
    #[serde(borrow)]
    pub(super) content: Option<&'j RawValue>,
    #[serde(borrow)]
    pub(super) key_types: Option<&'j RawValue>,
    #[serde(rename = "__reduce__", borrow)]
    pub(super) reduce: Option<&'j RawValue>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) file: Option<String>,
    #[serde(borrow)]
    pub(super) shape: Option<&'j RawValue>,
    pub(super) protocol: Option<u64>,
}

/// The members of a JSON object, in order.
pub(super) struct Members<'j>(pub(super) Vec<(Cow<'j, str>, &'j RawValue)>);

/// A string that is borrowed where it has no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'j>(#[serde(borrow)] pub(super) Cow<'j, str>);

impl<'de: 'j, 'j> Deserialize<'de> for Members<'j> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Makes the graph of an archive's objects.
///
/// # Errors
/// When the schema is damaged, or has an object of a kind the engine does not know.
pub(crate) fn graph<'a>(archive: &'a Archive<'_>) -> Result<Objects<'a>, SkopsError> {
    let schema = archive.find("schema.json").ok_or(SkopsError::NoSchema)?;
    let broken =
        |problem: &str| SkopsError::Schema { place: "its start".to_owned(), problem: problem.to_owned() };
    let text = std::str::from_utf8(&archive.data[schema]).map_err(|_| broken("it is not UTF-8"))?;
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| broken(&error.to_string()))?;
    // every level is read again by the one above; honest files nest a few dozen deep
    let work = text.len().saturating_mul(64).saturating_add(1 << 20);
    let mut reader = Reader { archive, builder: Builder::new(&archive.data), path: Vec::new(), work };
    let root = reader.object(raw)?;
    Ok(reader.builder.finish(root))
}

pub(super) struct Reader<'a> {
    pub(super) archive: &'a Archive<'a>,
    pub(super) builder: Builder<'a>,
    /// Where in the schema the reader is.
    path: Vec<String>,
    /// How many bytes of JSON may still be read.
    work: usize,
}

impl Reader<'_> {
    fn place(&self) -> String {
        if self.path.is_empty() { "its root".to_owned() } else { shown_path(&self.path) }
    }

    pub(super) fn broken(&self, problem: impl Into<String>) -> SkopsError {
        SkopsError::Schema { place: self.place(), problem: problem.into() }
    }

    pub(super) fn parse<'j, T: Deserialize<'j>>(&mut self, raw: &'j RawValue) -> Result<T, SkopsError> {
        let left = self.work.checked_sub(raw.get().len());
        self.work = left.ok_or_else(|| self.broken("objects are nested too deep"))?;
        serde_json::from_str(raw.get()).map_err(|error| self.broken(error.to_string()))
    }

    pub(super) fn inside<T>(
        &mut self,
        name: String,
        read: impl FnOnce(&mut Self) -> Result<T, SkopsError>,
    ) -> Result<T, SkopsError> {
        if self.path.len() >= MAX_DEPTH {
            return Err(self.broken("objects are nested too deep"));
        }
        self.path.push(name);
        let result = read(self);
        // an error keeps the way to where it happened; nothing is read after it
        self.path.pop();
        result
    }

    pub(super) fn add(&self, id: Result<Id, PickleError>) -> Result<Id, SkopsError> {
        id.map_err(|error| match error {
            PickleError::TooManyNodes => SkopsError::TooLarge { what: "more objects" },
            error => self.broken(error.to_string()),
        })
    }

    /// Reads one object by its loader.
    pub(super) fn object(&mut self, raw: &RawValue) -> Result<Id, SkopsError> {
        let state: State<'_> = self.parse(raw)?;
        if let Some(protocol) = state.protocol.filter(|protocol| *protocol > NEWEST) {
            return Err(self.broken(format!("its protocol is {protocol}, {NEWEST} is the newest known")));
        }
        match &*state.loader {
            "JsonNode" => self.scalar(&state),
            "DictNode" => self.dictionary(&state),
            "DefaultDictNode" => {
                let main = self.member(&state, "main")?;
                main.ok_or_else(|| self.broken("a dictionary has no content"))
            }
            "ListNode" | "SetNode" | "TupleNode" => self.sequence(&state),
            "FunctionNode" | "TypeNode" => {
                let global = self.builder.global(&state.module, &state.class);
                self.add(global)
            }
            "ObjectNode" | "TreeNode" | "LossNode" | "ConstructorFromReduceNode" => self.instance(&state),
            "PartialNode" => self.partial(&state),
            "SliceNode" => self.slice(&state),
            "NdArrayNode" => self.array(&state),
            "DTypeNode" => self.dtype_of(&state),
            "SparseMatrixNode" => self.sparse(&state),
            "BytesNode" | "BytearrayNode" => {
                let (range, _) = self.file(&state)?;
                let bytes = self.builder.bytes(range);
                self.add(bytes)
            }
            // what these hold no prediction asks for; whoever asks finds an object without a state
            "RandomStateNode"
            | "RandomGeneratorNode"
            | "MaskedArrayNode"
            | "MethodNode"
            | "OperatorFuncNode" => {
                let object = self.builder.object((&state.module, &state.class), &[], None);
                self.add(object)
            }
            loader => Err(SkopsError::Loader { place: self.place(), loader: shown(loader) }),
        }
    }

    pub(super) fn content<'j>(&self, state: &State<'j>) -> Result<&'j RawValue, SkopsError> {
        state.content.ok_or_else(|| self.broken("an object has no content"))
    }

    /// A number, a text or a constant, written as JSON in a JSON string.
    fn scalar(&mut self, state: &State<'_>) -> Result<Id, SkopsError> {
        let Text(written) = self.parse(self.content(state)?)?;
        let id = match &*written {
            "NaN" => self.builder.float(f64::NAN),
            "Infinity" => self.builder.float(f64::INFINITY),
            "-Infinity" => self.builder.float(f64::NEG_INFINITY),
            written => match serde_json::from_str(written) {
                Ok(serde_json::Value::Null) => self.builder.none(),
                Ok(serde_json::Value::Bool(value)) => self.builder.bool(value),
                Ok(serde_json::Value::String(text)) => self.builder.text(&text),
                Ok(serde_json::Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
                    (Some(value), _) => self.builder.int(value),
                    (None, Some(value)) if written.contains(['.', 'e', 'E']) => self.builder.float(value),
                    (None, _) => self.builder.big_int(),
                },
                Ok(serde_json::Value::Array(_) | serde_json::Value::Object(_)) | Err(_) => {
                    return Err(self.broken("a value is neither number, text nor constant"));
                }
            },
        };
        self.add(id)
    }

    fn sequence(&mut self, state: &State<'_>) -> Result<Id, SkopsError> {
        let raw: Vec<&RawValue> = self.parse(self.content(state)?)?;
        let items = raw.into_iter().enumerate();
        let items = items.map(|(number, raw)| self.inside(number.to_string(), |reader| reader.object(raw)));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let id = match &*state.loader {
            "ListNode" => self.builder.list(items),
            "SetNode" => self.builder.set(items),
            _ => self.builder.tuple(&items),
        };
        self.add(id)
    }

    /// JSON's keys are texts; what they were is told apart from them.
    fn dictionary(&mut self, state: &State<'_>) -> Result<Id, SkopsError> {
        let Members(members) = self.parse(self.content(state)?)?;
        let types = self.key_types(state, members.len())?;
        let mut pairs = Vec::with_capacity(members.len());
        for ((key, value), kind) in members.into_iter().zip(types) {
            let key_id = match &*kind {
                "int" | "int64" | "int32" => key.parse().ok().map(|value| self.builder.int(value)),
                "float" | "float64" | "float32" => key.parse().ok().map(|value| self.builder.float(value)),
                "bool" | "bool_" => Some(self.builder.bool(matches!(&*key, "true" | "True"))),
                "NoneType" => Some(self.builder.none()),
                _ => Some(self.builder.text(&key)),
            };
            let key_id = key_id.ok_or_else(|| self.broken("a key is not of its type"))?;
            let key_id = self.add(key_id)?;
            pairs.push((key_id, self.inside(key.into_owned(), |reader| reader.object(value))?));
        }
        let id = self.builder.dictionary(pairs);
        self.add(id)
    }

    /// The names of the types of a dictionary's keys.
    fn key_types<'j>(&mut self, state: &State<'j>, count: usize) -> Result<Vec<Cow<'j, str>>, SkopsError> {
        let raw = state.key_types.ok_or_else(|| self.broken("a dictionary does not tell its keys' types"))?;
        let types: State<'j> = self.parse(raw)?;
        let types: Vec<State<'j>> = self.parse(self.content(&types)?)?;
        match types.len() {
            length if length == count => Ok(types.into_iter().map(|kind| kind.class).collect()),
            _ => Err(self.broken("a dictionary has not a type for each key")),
        }
    }

    /// A member of an object's content, if it is there.
    fn member(&mut self, state: &State<'_>, name: &'static str) -> Result<Option<Id>, SkopsError> {
        let Members(members) = self.parse(self.content(state)?)?;
        let found = members.into_iter().find(|(key, _)| key == name);
        found.map(|(_, raw)| self.inside(name.to_owned(), |reader| reader.object(raw))).transpose()
    }

    /// An object of a class: its arguments, its state.
    fn instance(&mut self, state: &State<'_>) -> Result<Id, SkopsError> {
        let content = state.content.map(|raw| self.object(raw)).transpose()?;
        if state.loader == "ConstructorFromReduceNode" {
            let arguments = content.ok_or_else(|| self.broken("an object has no content"))?;
            let object = self.builder.call((&state.module, &state.class), arguments, None);
            return self.add(object);
        }
        let Some(raw) = state.reduce else {
            let object = self.builder.object((&state.module, &state.class), &[], content);
            return self.add(object);
        };
        let Members(members) = self.parse(raw)?;
        let arguments = members.into_iter().find(|(key, _)| key == "args");
        let (_, arguments) = arguments.ok_or_else(|| self.broken("an object has no arguments"))?;
        let arguments = self.object(arguments)?;
        let object = self.builder.call((&state.module, &state.class), arguments, content);
        self.add(object)
    }

    /// As a pickle has it: `partial(function)`, then its state.
    fn partial(&mut self, state: &State<'_>) -> Result<Id, SkopsError> {
        let function = self.member(state, "func")?;
        let function = function.ok_or_else(|| self.broken("a partial call has no function"))?;
        let object = self.builder.object(("functools", "partial"), &[function], None);
        self.add(object)
    }

    fn slice(&mut self, state: &State<'_>) -> Result<Id, SkopsError> {
        let Members(members) = self.parse(self.content(state)?)?;
        let mut bounds = Vec::new();
        for name in ["start", "stop", "step"] {
            let raw = members.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw);
            let bound = raw.map(|raw| self.parse::<Option<i64>>(raw)).transpose()?.flatten();
            let id = match bound {
                Some(bound) => self.builder.int(bound),
                None => self.builder.none(),
            };
            bounds.push(self.add(id)?);
        }
        let slice = self.builder.object(("builtins", "slice"), &bounds, None);
        self.add(slice)
    }
}

fn shown_path(path: &[String]) -> String {
    /// Enough to find it.
    const MOST: usize = 12;
    let skipped = path.len().saturating_sub(MOST);
    let dots = if skipped > 0 { "….".to_owned() } else { String::new() };
    dots + &path[skipped..].iter().map(|step| shown(step)).collect::<Vec<_>>().join(".")
}

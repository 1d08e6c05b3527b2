//! The JSON of `/api/v1/predict`: texts and rows of tables in the forms people write them, and their answers.
//!
//! One text: `{"text": "…"}`. One row: `{"radius": 1.5, "colour": "red"}`, `{"features": [1.5, "red"]}`. Many:
//! `{"texts": […]}`, `{"instances": […]}`, `{"features": [[…], …]}`, or a bare array. Fields that nobody knows, such as
//! `joker`, are passed over, unless the row itself is the body: there a wrong name is a wrong column.

use std::borrow::Cow;

use engine::Label;

use super::fault::Fault;
use super::json::{Kind, Reader, write_number, write_string};
use super::table::Gathering;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::repository::shortened;
use crate::rows::Rows;
use crate::signature::{Output, Signature};

/// What a request asks for.
#[derive(Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) rows: Rows,
    /// Where the rows were.
    pub(crate) place: Cow<'static, str>,
    /// Whether they were a list; then the answer is one, too.
    pub(crate) is_list: bool,
}

/// What a key of the body stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// A text alone.
    Text,
    /// A row alone or a list of rows.
    Features,
    /// A list of rows.
    List(&'static str),
    /// A column of the model.
    Column(usize),
    Other,
}

/// Reads a body.
pub(crate) fn read(body: &[u8], signature: &Signature, example: &str) -> Result<Asked, Refusal> {
    parse(body, signature).map_err(|fault| fault.refusal(example))
}

fn parse(body: &[u8], signature: &Signature) -> Result<Asked, Fault> {
    let mut reader = Reader::new(body)?;
    let mut gathering = Gathering::new(signature);
    let (place, is_list) = match reader.peek()? {
        Kind::Object => object(&mut reader, &mut gathering, signature)?,
        Kind::Array => ("", list_or_row(&mut reader, &mut gathering, signature)?),
        Kind::String if signature.is_text() => {
            gathering.row(&mut reader)?;
            ("", false)
        }
        Kind::String | Kind::Number | Kind::Bool | Kind::Null => {
            reader.skip()?;
            return Err(Fault::type_of("a JSON object or array"));
        }
    };
    reader.end()?;
    Ok(Asked { rows: gathering.finish(), place: Cow::Borrowed(place), is_list })
}

/// Reads lines of JSON, each a row.
pub(crate) fn read_lines(body: &[u8], signature: &Signature, example: &str) -> Result<Asked, Refusal> {
    let mut gathering = Gathering::new(signature);
    let mut lines = || -> Result<(), Fault> {
        let mut reader = Reader::new(body)?;
        let mut row = 0;
        while !reader.is_at_end() {
            gathering.row(&mut reader).map_err(|fault| fault.within(&format!("[{row}]")))?;
            row += 1;
        }
        Ok(())
    };
    lines().map_err(|fault| fault.refusal(example))?;
    Ok(Asked { rows: gathering.finish(), place: Cow::Borrowed(""), is_list: true })
}

/// Reads the body of KServe's version 1: `instances`, or `inputs` as older clients have it.
pub(crate) fn read_instances(body: &[u8], signature: &Signature, example: &str) -> Result<Asked, Refusal> {
    let parse = || -> Result<Asked, Fault> {
        let mut reader = Reader::new(body)?;
        if reader.peek()? != Kind::Object {
            reader.skip()?;
            return Err(Fault::type_of("a JSON object"));
        }
        reader.enter();
        let mut gathering = Gathering::new(signature);
        let mut is_first = true;
        let mut place = None;
        while let Some(name) = reader.key(&mut is_first)? {
            match name.as_ref() {
                key @ ("instances" | "inputs") if place.is_none() => {
                    let key = if key == "inputs" { "inputs" } else { "instances" };
                    place = Some(key);
                    let read = match reader.peek()? {
                        Kind::Array => list(&mut reader, &mut gathering),
                        _ => Err(Fault::type_of("an array of rows")),
                    };
                    read.map_err(|fault| fault.within(&format!(".{key}")))?;
                }
                "instances" | "inputs" => return Err(two("instances", "inputs")),
                _ => drop(reader.skip()?),
            }
        }
        reader.end()?;
        let missing = || Fault::unfit("the body needs the field `instances`").within(".instances");
        let place = place.ok_or_else(missing)?;
        Ok(Asked { rows: gathering.finish(), place: Cow::Borrowed(place), is_list: true })
    };
    parse().map_err(|fault| fault.refusal(example))
}

fn key_of(name: &str, gathering: &mut Gathering<'_>, signature: &Signature) -> Key {
    if signature.is_text() {
        return match name {
            "texts" => Key::List("texts"),
            "instances" => Key::List("instances"),
            "features" => Key::Features,
            _ if signature.place_of(name).is_some() => Key::Text,
            _ => Key::Other,
        };
    }
    // a column may be called `instances`; who has such a one gives it by name
    if let Some(place) = gathering.place_of(name) {
        return Key::Column(place);
    }
    match name {
        "features" => Key::Features,
        "instances" => Key::List("instances"),
        "text" => Key::Text,
        "texts" => Key::List("texts"),
        _ => Key::Other,
    }
}

/// Reads the body's object; where its rows were, and whether they were a list.
fn object(
    reader: &mut Reader<'_>,
    gathering: &mut Gathering<'_>,
    signature: &Signature,
) -> Result<(&'static str, bool), Fault> {
    reader.enter();
    let mut is_first = true;
    let mut found: Option<(&'static str, bool)> = None;
    let mut is_row = false;
    let mut unknown: Option<String> = None;
    while let Some(name) = reader.key(&mut is_first)? {
        let key = key_of(&name, gathering, signature);
        let place = match key {
            Key::Text => "text",
            Key::Features => "features",
            Key::List(place) => place,
            Key::Column(place) => {
                if let Some((other, _)) = found {
                    return Err(two(other, &name));
                }
                if !is_row {
                    gathering.begin();
                    is_row = true;
                }
                gathering
                    .value(place, reader)
                    .map_err(|fault| fault.within(&format!(".{}", shortened(&name))))?;
                continue;
            }
            Key::Other => {
                reader.skip()?;
                unknown.get_or_insert_with(|| shortened(&name));
                continue;
            }
        };
        if let Some((other, _)) = found {
            return Err(two(other, place));
        }
        if is_row {
            return Err(two("a row", place));
        }
        let read = rows(key, reader, gathering, signature);
        found = Some((place, read.map_err(|fault| fault.within(&format!(".{place}")))?));
    }
    match (found, is_row, unknown) {
        (Some(found), ..) => Ok(found),
        (None, true, Some(name)) => Err(gathering.unknown(&name)),
        (None, true, None) => gathering.end().map(|()| ("", false)),
        (None, false, unknown) => Err(nothing(signature, unknown.as_deref(), gathering)),
    }
}

/// Reads the rows under a key; whether they are a list.
fn rows(
    key: Key,
    reader: &mut Reader<'_>,
    gathering: &mut Gathering<'_>,
    signature: &Signature,
) -> Result<bool, Fault> {
    let wrong = |what: &str| match signature.is_text() {
        true => Fault::unfit("the model takes a text, not numbers"),
        false => Fault::unfit(format!("the model takes {} values a row, not {what}", signature.width())),
    };
    match (key, reader.peek()?) {
        (Key::Features, _) if signature.is_text() => Err(wrong("")),
        (Key::Features, Kind::Array) => list_or_row(reader, gathering, signature),
        (Key::Text | Key::List("texts"), _) if !signature.is_text() => Err(wrong("a text")),
        (Key::Text, Kind::String) | (Key::Features, _) => gathering.row(reader).map(|()| false),
        (Key::Text, _) => Err(Fault::type_of("a string")),
        (Key::List(_), Kind::Array) => list(reader, gathering).map(|()| true),
        (Key::List("texts"), _) => Err(Fault::type_of("an array of strings")),
        (Key::List(_) | Key::Column(_) | Key::Other, _) => Err(Fault::type_of("an array of rows")),
    }
}

/// An array is a list of rows, or, beginning with a lone value, one row in order.
fn list_or_row(
    reader: &mut Reader<'_>,
    gathering: &mut Gathering<'_>,
    signature: &Signature,
) -> Result<bool, Fault> {
    let is_row = !signature.is_text() && reader.begins_with_scalar();
    match is_row {
        true => gathering.row(reader).map(|()| false),
        false => list(reader, gathering).map(|()| true),
    }
}

fn list(reader: &mut Reader<'_>, gathering: &mut Gathering<'_>) -> Result<(), Fault> {
    reader.enter();
    let mut is_first = true;
    let mut row = 0;
    while reader.element(&mut is_first)? {
        gathering.row(reader).map_err(|fault| fault.within(&format!("[{row}]")))?;
        row += 1;
    }
    Ok(())
}

fn two(one: &str, other: &str) -> Fault {
    let (one, other) = (shortened(one), shortened(other));
    Fault::unfit(format!("the body has both `{one}` and `{other}`: give one")).within(&format!(".{other}"))
}

fn nothing(signature: &Signature, unknown: Option<&str>, gathering: &Gathering<'_>) -> Fault {
    if signature.is_text() {
        return Fault::unfit("the body needs one of the fields `text`, `texts`, `instances`").within(".text");
    }
    match unknown {
        Some(name) if signature.is_named => gathering.unknown(name),
        _ => Fault::unfit("the body needs the model's columns, or one of the fields `features`, `instances`")
            .within(".features"),
    }
}

/// What does not change in a model's answers, as JSON.
#[derive(Debug)]
pub(crate) struct Script {
    /// `{"model":"lr"`
    head: Vec<u8>,
    /// Of each output, its labels as JSON and, of the first one, as keys: `"joke":`.
    labels: Vec<Vec<Vec<u8>>>,
    keys: Vec<Vec<u8>>,
    /// A request that would do.
    pub(crate) example: String,
}

impl Script {
    /// What does not change in the answers of a model.
    pub(crate) fn new(name: &str, signature: &Signature) -> Self {
        let mut head = b"{\"model\":".to_vec();
        write_string(&mut head, name);
        let labels = signature.outputs.iter().map(|output| match output {
            Output::Classes(labels) => labels.iter().map(written).collect(),
            Output::Number => Vec::new(),
        });
        let key = |label: &Label| {
            let mut key = Vec::new();
            write_string(&mut key, &label.to_string());
            key.push(b':');
            key
        };
        Script {
            head,
            labels: labels.collect(),
            keys: signature.classes().iter().map(key).collect(),
            example: super::example::row(signature).to_string(),
        }
    }
}

/// A label as JSON.
fn written(label: &Label) -> Vec<u8> {
    serde_json::to_vec(label).unwrap_or_else(|_| b"null".to_vec())
}

/// Writes a reply as JSON: an object for one row, `predictions` for a list.
pub(crate) fn answer(reply: &Reply, is_list: bool) -> Vec<u8> {
    let script = &reply.model.script;
    let each = 64 + 32 * script.keys.len();
    let mut out = Vec::with_capacity(script.head.len() + each * reply.rows.max(1) + 32);
    out.extend_from_slice(&script.head);
    if is_list {
        out.extend_from_slice(b",\"predictions\":[");
        for row in 0..reply.rows {
            out.extend_from_slice(if row == 0 { b"{" } else { b",{" });
            prediction(&mut out, reply, script, row);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    } else {
        out.push(b',');
        prediction(&mut out, reply, script, 0);
        out.push(b'}');
    }
    out
}

fn prediction(out: &mut Vec<u8>, reply: &Reply, script: &Script, row: usize) {
    out.extend_from_slice(b"\"label\":");
    label(out, reply, script, 0, row);
    out.extend_from_slice(b",\"score\":");
    write_number(out, reply.score(row));
    out.extend_from_slice(b",\"probabilities\":{");
    for (place, (key, probability)) in script.keys.iter().zip(reply.probabilities(0, row)).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(key);
        write_number(out, *probability);
    }
    out.push(b'}');
    if script.labels.len() > 1 {
        out.extend_from_slice(b",\"outputs\":");
        labels(out, reply, row);
    }
}

/// What a model says of a row: its label or number, or a list of them.
pub(crate) fn labels(out: &mut Vec<u8>, reply: &Reply, row: usize) {
    let script = &reply.model.script;
    let outputs = script.labels.len();
    if outputs == 1 {
        return label(out, reply, script, 0, row);
    }
    out.push(b'[');
    for output in 0..outputs {
        if output > 0 {
            out.push(b',');
        }
        label(out, reply, script, output, row);
    }
    out.push(b']');
}

/// The label of an output, or its number.
fn label(out: &mut Vec<u8>, reply: &Reply, script: &Script, output: usize, row: usize) {
    let class = reply.class(output, row);
    match class.and_then(|class| script.labels.get(output)?.get(class)) {
        Some(label) => out.extend_from_slice(label),
        None => write_number(out, reply.number(output, row)),
    }
}

#[cfg(test)]
mod tests;

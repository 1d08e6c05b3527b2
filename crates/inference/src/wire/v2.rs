//! The Open Inference Protocol's infer request and answer over REST: JSON, and JSON with binary tensors behind it.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::fault::Fault;
use super::json::{Kind, Reader, write_number, write_string};
use super::tensors::{Datatype, Tensor, Values};
use crate::refusal::{Refusal, RefusalKind};
use crate::repository::{Served, shortened};

/// The deepest nesting of a tensor's values.
const MAX_RANK: usize = 16;

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) id: Option<String>,
    pub(crate) tensors: Vec<Tensor>,
    wanted: Option<Vec<(String, bool)>>,
    /// Whether outputs are binary unless they say otherwise.
    is_binary: bool,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
    #[serde(default)]
    outputs: Option<Vec<Output>>,
    #[serde(default)]
    parameters: Option<Value>,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    #[serde(default)]
    parameters: Option<Value>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
    #[serde(default)]
    parameters: Option<Value>,
}

/// Reads a request; `json` is the length of its JSON where tensors follow it as bytes.
pub(crate) fn read(body: &[u8], json: Option<usize>) -> Result<Asked, Refusal> {
    let length = json.unwrap_or(body.len());
    let Some((json, mut binary)) = body.split_at_checked(length) else {
        let detail = format!("the body has {} bytes, its JSON is said to have {length}", body.len());
        return Err(malformed(detail).at("Inference-Header-Content-Length"));
    };
    let head: Head<'_> = serde_json::from_slice(json).map_err(|error| {
        if error.is_data() {
            Refusal::new(RefusalKind::Unfit, format!("the body is no infer request: {error}"))
                .expecting("`inputs`, each with `name`, `shape`, `datatype` and `data`")
                .showing(r#"{"inputs": [{"name": "input", "shape": [1, 2], "datatype": "FP64", "data": [1.5, 2]}]}"#)
        } else {
            malformed(format!("the body is not JSON: {error}"))
        }
    })?;
    let mut tensors = Vec::with_capacity(head.inputs.len());
    for (place, input) in head.inputs.into_iter().enumerate() {
        let tensor = tensor(input, &mut binary);
        tensors.push(tensor.map_err(|fault| fault.within(&format!("inputs[{place}]")).refusal("null"))?);
    }
    if !binary.is_empty() {
        return Err(malformed(format!("{} bytes follow the last binary tensor", binary.len())));
    }
    let is_binary = flag(head.parameters.as_ref(), "binary_data_output").unwrap_or(false);
    let wanted = head.outputs.filter(|outputs| !outputs.is_empty()).map(|outputs| {
        let wanted = outputs.into_iter().map(|output| {
            (output.name, flag(output.parameters.as_ref(), "binary_data").unwrap_or(is_binary))
        });
        wanted.collect()
    });
    Ok(Asked { id: head.id, tensors, wanted, is_binary })
}

fn flag(parameters: Option<&Value>, name: &str) -> Option<bool> {
    parameters?.get(name)?.as_bool()
}

fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::Malformed, detail)
}

fn tensor(input: Input<'_>, binary: &mut &[u8]) -> Result<Tensor, Fault> {
    let Some(datatype) = Datatype::of(&input.datatype) else {
        let detail = format!("the datatype `{}` is not known", shortened(&input.datatype));
        return Err(Fault::unfit(detail).within(".datatype"));
    };
    let size = input.parameters.as_ref().and_then(|parameters| parameters.get("binary_data_size"));
    let values = match (size, input.data) {
        (Some(size), _) => {
            let size = size.as_u64().and_then(|size| usize::try_from(size).ok());
            let taken = size.and_then(|size| binary.split_at_checked(size));
            let Some((bytes, rest)) = taken else {
                let detail = format!("{} bytes are left of the body, fewer than this tensor's", binary.len());
                return Err(Fault::unfit(detail).within(".parameters.binary_data_size"));
            };
            *binary = rest;
            of_bytes(bytes, datatype).map_err(|fault| fault.within(".data"))?
        }
        (None, Some(data)) => of_json(data.get(), datatype).map_err(|fault| fault.within(".data"))?,
        (None, None) => return Err(Fault::type_of("an array of values").within(".data")),
    };
    Ok(Tensor { name: input.name, datatype, shape: input.shape, values })
}

/// Values written as JSON, nested as the shape is or flat.
fn of_json(text: &str, datatype: Datatype) -> Result<Values, Fault> {
    let mut reader = Reader::new(text.as_bytes())?;
    if reader.peek()? != Kind::Array {
        return Err(Fault::type_of("an array of values"));
    }
    reader.enter();
    let mut open = vec![true];
    let mut values = match datatype {
        Datatype::Bytes => Values::Texts(Vec::new()),
        _ => Values::Numbers(Vec::new()),
    };
    while let Some(is_first) = open.last_mut() {
        if !reader.element(is_first)? {
            open.pop();
            continue;
        }
        if reader.peek()? == Kind::Array {
            if open.len() == MAX_RANK {
                return Err(Fault::unfit("the field {} is nested too deeply"));
            }
            reader.enter();
            open.push(true);
            continue;
        }
        let place = values.len();
        value(&mut reader, &mut values).map_err(|fault| fault.within(&format!("[{place}]")))?;
    }
    Ok(values)
}

fn value(reader: &mut Reader<'_>, values: &mut Values) -> Result<(), Fault> {
    match (values, reader.peek()?) {
        (Values::Texts(texts), Kind::String) => texts.push(reader.string()?.into_owned()),
        (Values::Numbers(numbers), Kind::Number) => numbers.push(reader.number()?.0),
        (Values::Numbers(numbers), Kind::Bool) => numbers.push(f64::from(u8::from(reader.bool()?))),
        (Values::Numbers(numbers), Kind::Null) => {
            reader.null()?;
            numbers.push(f64::NAN);
        }
        (Values::Texts(_), _) => return Err(Fault::type_of("a string")),
        (..) => return Err(Fault::type_of("a number")),
    }
    Ok(())
}

/// Values as little-endian bytes; texts with their length in four bytes before each.
#[expect(clippy::cast_precision_loss, reason = "integers beyond 2^53 are no features")]
pub(crate) fn of_bytes(bytes: &[u8], datatype: Datatype) -> Result<Values, Fault> {
    if datatype == Datatype::Bytes {
        return texts(bytes).map(Values::Texts);
    }
    if !bytes.len().is_multiple_of(datatype.size()) {
        return Err(Fault::unfit(format!(
            "the field {{}} has {} bytes, which are no whole number of {}",
            bytes.len(),
            datatype.word()
        )));
    }
    macro_rules! of {
        ($type:ty, $make:expr) => {{
            let chunks = bytes.chunks_exact(size_of::<$type>());
            let make = $make;
            chunks.map(|chunk| make(<$type>::from_le_bytes(chunk.try_into().unwrap_or_default()))).collect()
        }};
    }
    Ok(Values::Numbers(match datatype {
        Datatype::Bool => bytes.iter().map(|byte| f64::from(u8::from(*byte != 0))).collect(),
        Datatype::Uint8 => of!(u8, f64::from),
        Datatype::Uint16 => of!(u16, f64::from),
        Datatype::Uint32 => of!(u32, f64::from),
        Datatype::Uint64 => of!(u64, |value| value as f64),
        Datatype::Int8 => of!(i8, f64::from),
        Datatype::Int16 => of!(i16, f64::from),
        Datatype::Int32 => of!(i32, f64::from),
        Datatype::Int64 => of!(i64, |value| value as f64),
        Datatype::Fp16 => of!(u16, half),
        Datatype::Fp32 => of!(f32, f64::from),
        Datatype::Fp64 | Datatype::Bytes => of!(f64, |value| value),
    }))
}

/// A number of half precision.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from((bits >> 10) & 0x1f);
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

fn texts(mut bytes: &[u8]) -> Result<Vec<String>, Fault> {
    let mut texts = Vec::new();
    while !bytes.is_empty() {
        let place = texts.len();
        let wrong = |what: &str| Fault::unfit(format!("the field {{}} {what}")).within(&format!("[{place}]"));
        let (length, rest) =
            bytes.split_first_chunk::<4>().ok_or_else(|| wrong("ends in the length of a text"))?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (text, rest) = rest.split_at_checked(length).ok_or_else(|| wrong("is longer than the bytes"))?;
        let text = std::str::from_utf8(text).map_err(|_| wrong("is not UTF-8"))?;
        texts.push(text.to_owned());
        bytes = rest;
    }
    Ok(texts)
}

/// An answer, and the length of its JSON if bytes follow it.
pub(crate) fn write(
    asked: &Asked,
    served: &Served,
    tensors: Vec<Tensor>,
) -> Result<(Vec<u8>, Option<usize>), Refusal> {
    let chosen = chosen(asked, tensors)?;
    let mut out = b"{\"model_name\":".to_vec();
    write_string(&mut out, &served.name);
    out.extend_from_slice(b",\"model_version\":");
    write_string(&mut out, &served.version);
    if let Some(id) = &asked.id {
        out.extend_from_slice(b",\"id\":");
        write_string(&mut out, id);
    }
    out.extend_from_slice(b",\"outputs\":[");
    let mut binary = Vec::new();
    for (place, (tensor, is_binary)) in chosen.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"name\":");
        write_string(&mut out, &tensor.name);
        let shape = tensor.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        out.extend_from_slice(
            format!(",\"shape\":[{shape}],\"datatype\":\"{}\"", tensor.datatype.word()).as_bytes(),
        );
        if *is_binary {
            let before = binary.len();
            to_bytes(&mut binary, &tensor.values);
            let size = binary.len() - before;
            out.extend_from_slice(format!(",\"parameters\":{{\"binary_data_size\":{size}}}}}").as_bytes());
        } else {
            out.extend_from_slice(b",\"data\":");
            to_json(&mut out, &tensor.values);
            out.push(b'}');
        }
    }
    out.extend_from_slice(b"]}");
    let is_mixed = chosen.iter().any(|(_, is_binary)| *is_binary);
    let length = out.len();
    out.extend_from_slice(&binary);
    Ok((out, is_mixed.then_some(length)))
}

/// The outputs that are wanted, and which of them as bytes.
fn chosen(asked: &Asked, tensors: Vec<Tensor>) -> Result<Vec<(Tensor, bool)>, Refusal> {
    let Some(wanted) = &asked.wanted else {
        return Ok(tensors.into_iter().map(|tensor| (tensor, asked.is_binary)).collect());
    };
    let names = tensors.iter().map(|tensor| format!("`{}`", tensor.name)).collect::<Vec<_>>().join(", ");
    let find = |(place, (name, is_binary)): (usize, &(String, bool))| {
        let found = tensors.iter().find(|tensor| tensor.name == *name);
        found.map(|tensor| (tensor.clone(), *is_binary)).ok_or_else(|| {
            let detail = format!("the model has no output `{}`: there are {names}", shortened(name));
            Refusal::new(RefusalKind::Unfit, detail).at(format!("outputs[{place}].name"))
        })
    };
    wanted.iter().enumerate().map(find).collect()
}

/// Values as JSON.
fn to_json(out: &mut Vec<u8>, values: &Values) {
    fn list<T>(out: &mut Vec<u8>, values: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
        out.push(b'[');
        for (place, value) in values.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            write(out, value);
        }
        out.push(b']');
    }
    match values {
        Values::Bools(values) => {
            list(out, values, |out, value| out.extend_from_slice(if *value { b"true" } else { b"false" }));
        }
        Values::Ints(values) => {
            list(out, values, |out, value| out.extend_from_slice(value.to_string().as_bytes()))
        }
        Values::Numbers(values) => list(out, values, |out, value| write_number(out, *value)),
        Values::Texts(values) => list(out, values, |out, value| write_string(out, value)),
    }
}

/// Values as bytes: of the types that answers have.
pub(crate) fn to_bytes(out: &mut Vec<u8>, values: &Values) {
    match values {
        Values::Bools(values) => out.extend(values.iter().map(|value| u8::from(*value))),
        Values::Ints(values) => values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes())),
        Values::Numbers(values) => {
            values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()))
        }
        Values::Texts(values) => {
            for value in values {
                let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(value.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! The messages of an ONNX file, as far as a model needs them. Names and bytes stay slices of the file.

use super::error::{OnnxError, Problem};
use super::half::Half;
use super::outside::{Outside, Place};
use super::tensor::{Data, Element, Kind, Tensor, elements};
use super::wire::{Field, Message};

/// A whole file.
#[derive(Debug, Default)]
pub(super) struct ModelProto<'a> {
    pub(super) ir_version: i64,
    pub(super) producer: &'a str,
    pub(super) producer_version: &'a str,
    /// Operator sets the file is written for: domain and version.
    pub(super) opsets: Vec<(&'a str, i64)>,
    pub(super) graph: Option<GraphProto<'a>>,
    pub(super) metadata: Vec<(&'a str, &'a str)>,
    /// Functions of the file's own: domain and name.
    pub(super) functions: usize,
}

#[derive(Debug, Clone, Default)]
pub(super) struct GraphProto<'a> {
    pub(super) name: &'a str,
    pub(super) nodes: Vec<NodeProto<'a>>,
    pub(super) initializers: Vec<(&'a str, Tensor)>,
    pub(super) inputs: Vec<Port<'a>>,
    pub(super) outputs: Vec<Port<'a>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct NodeProto<'a> {
    pub(super) name: &'a str,
    pub(super) operator: &'a str,
    pub(super) domain: &'a str,
    /// An empty name is an optional input that is not there.
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) attributes: Vec<(&'a str, Attribute<'a>)>,
}

#[derive(Debug, Clone)]
pub(super) enum Attribute<'a> {
    Float(f32),
    Int(i64),
    Text(&'a [u8]),
    Tensor(Tensor),
    Graph(GraphProto<'a>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Texts(Vec<&'a [u8]>),
    /// A type the operators here have no use for.
    Other,
}

/// A declared input or output.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Port<'a> {
    pub(super) name: &'a str,
    pub(super) declared: Declared,
}

/// A declared type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Declared {
    /// Type and sizes; a size that is not fixed is `None`. No sizes: any shape.
    Tensor(Kind, Option<Vec<Option<usize>>>),
    /// Sequences, maps, optionals, types that the engine has not, or nothing said.
    Other(&'static str),
}

impl<'a> ModelProto<'a> {
    pub(super) fn read(bytes: &'a [u8], outside: Option<&'a Outside<'a>>) -> Result<Self, OnnxError> {
        let mut message = Message::new(bytes, outside);
        let mut model = ModelProto::default();
        while let Some((number, field)) = message.next()? {
            match number {
                1 => model.ir_version = field.int(&message)?,
                2 => model.producer = field.text(&message)?,
                3 => model.producer_version = field.text(&message)?,
                7 => model.graph = Some(GraphProto::read(field.message(&message)?)?),
                8 => model.opsets.push(opset(field.message(&message)?)?),
                14 => model.metadata.push(pair(field.message(&message)?)?),
                25 => model.functions += 1,
                _ => {}
            }
        }
        Ok(model)
    }
}

fn opset(mut message: Message<'_>) -> Result<(&str, i64), OnnxError> {
    let (mut domain, mut version) = ("", 0);
    while let Some((number, field)) = message.next()? {
        match number {
            1 => domain = field.text(&message)?,
            2 => version = field.int(&message)?,
            _ => {}
        }
    }
    // its long name
    Ok((if domain == "ai.onnx" { "" } else { domain }, version))
}

fn pair(mut message: Message<'_>) -> Result<(&str, &str), OnnxError> {
    let (mut key, mut value) = ("", "");
    while let Some((number, field)) = message.next()? {
        match number {
            1 => key = field.text(&message)?,
            2 => value = field.text(&message)?,
            _ => {}
        }
    }
    Ok((key, value))
}

impl<'a> GraphProto<'a> {
    fn read(mut message: Message<'a>) -> Result<Self, OnnxError> {
        let mut graph = GraphProto::default();
        while let Some((number, field)) = message.next()? {
            match number {
                1 => graph.nodes.push(NodeProto::read(field.message(&message)?)?),
                2 => graph.name = field.text(&message)?,
                5 => graph.initializers.push(tensor(field.message(&message)?)?),
                11 => graph.inputs.push(Port::read(field.message(&message)?)?),
                12 => graph.outputs.push(Port::read(field.message(&message)?)?),
                15 => graph.initializers.push(sparse(field.message(&message)?)?),
                _ => {}
            }
        }
        Ok(graph)
    }
}

impl<'a> NodeProto<'a> {
    fn read(mut message: Message<'a>) -> Result<Self, OnnxError> {
        let mut node = NodeProto::default();
        while let Some((number, field)) = message.next()? {
            match number {
                1 => node.inputs.push(field.text(&message)?),
                2 => node.outputs.push(field.text(&message)?),
                3 => node.name = field.text(&message)?,
                4 => node.operator = field.text(&message)?,
                5 => node.attributes.push(attribute(field.message(&message)?)?),
                7 => node.domain = field.text(&message)?,
                _ => {}
            }
        }
        if node.domain == "ai.onnx" {
            node.domain = "";
        }
        Ok(node)
    }
}

/// What an attribute message has gathered; which of it counts is told by its type.
#[derive(Default)]
struct Gathered<'a> {
    float: f32,
    int: i64,
    text: &'a [u8],
    tensor: Option<Tensor>,
    graph: Option<GraphProto<'a>>,
    floats: Vec<f32>,
    ints: Vec<i64>,
    texts: Vec<&'a [u8]>,
}

fn attribute(mut message: Message<'_>) -> Result<(&str, Attribute<'_>), OnnxError> {
    let (mut name, mut kind, mut seen) = ("", 0, 0);
    let mut all = Gathered::default();
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (1, _) => name = field.text(&message)?,
            (2, Field::Fixed32(bits)) => all.float = f32::from_bits(bits),
            (3, _) => all.int = field.int(&message)?,
            (4, _) => all.text = field.message(&message)?.bytes(),
            (5, _) => all.tensor = Some(tensor(field.message(&message)?)?.1),
            (6, _) => all.graph = Some(GraphProto::read(field.message(&message)?)?),
            (7, _) => field.floats(&message, &mut all.floats)?,
            (8, _) => field.ints(&message, &mut all.ints)?,
            (9, _) => all.texts.push(field.message(&message)?.bytes()),
            (20, _) => kind = field.int(&message)?,
            _ => {}
        }
        if (2..=9).contains(&number) {
            seen = i64::from(number) - 1;
        }
    }
    // files of the first versions have no type: the field that is there tells it
    let kind = if kind == 0 { seen } else { kind };
    let missing = || message.problem("has an attribute without its value");
    let attribute = match kind {
        1 => Attribute::Float(all.float),
        2 => Attribute::Int(all.int),
        3 => Attribute::Text(all.text),
        4 => Attribute::Tensor(all.tensor.ok_or_else(missing)?),
        5 => Attribute::Graph(all.graph.ok_or_else(missing)?),
        6 => Attribute::Floats(all.floats),
        7 => Attribute::Ints(all.ints),
        8 => Attribute::Texts(all.texts),
        _ => Attribute::Other,
    };
    Ok((name, attribute))
}

impl Attribute<'_> {
    /// The value, shortened.
    pub(super) fn in_words(&self) -> String {
        match self {
            Attribute::Float(value) => value.to_string(),
            Attribute::Int(value) => value.to_string(),
            Attribute::Text(text) => clean(&String::from_utf8_lossy(text)),
            Attribute::Tensor(tensor) => format!("{} {:?}", tensor.kind(), tensor.shape()),
            Attribute::Graph(graph) => format!("a graph of {} nodes", graph.nodes.len()),
            Attribute::Floats(values) if values.len() <= 4 => format!("{values:?}"),
            Attribute::Ints(values) if values.len() <= 4 => format!("{values:?}"),
            Attribute::Floats(values) => format!("{} numbers", values.len()),
            Attribute::Ints(values) => format!("{} integers", values.len()),
            Attribute::Texts(values) => format!("{} strings", values.len()),
            Attribute::Other => "?".to_owned(),
        }
    }
}

impl<'a> Port<'a> {
    fn read(mut message: Message<'a>) -> Result<Self, OnnxError> {
        let mut port = Port { name: "", declared: Declared::Other("nothing in particular") };
        while let Some((number, field)) = message.next()? {
            match number {
                1 => port.name = field.text(&message)?,
                2 => port.declared = declared(field.message(&message)?)?,
                _ => {}
            }
        }
        Ok(port)
    }
}

fn declared(mut message: Message<'_>) -> Result<Declared, OnnxError> {
    let mut found = Declared::Other("nothing in particular");
    while let Some((number, field)) = message.next()? {
        match number {
            1 => found = declared_tensor(field.message(&message)?)?,
            4 => found = Declared::Other("a sequence"),
            5 => found = Declared::Other("a map"),
            8 => found = Declared::Other("a sparse tensor"),
            9 => found = Declared::Other("an optional value"),
            _ => {}
        }
    }
    Ok(found)
}

fn declared_tensor(mut message: Message<'_>) -> Result<Declared, OnnxError> {
    let (mut kind, mut sizes) = (0, None);
    while let Some((number, field)) = message.next()? {
        match number {
            1 => kind = field.int(&message)?,
            2 => {
                let mut shape = field.message(&message)?;
                let mut found = Vec::new();
                while let Some((number, field)) = shape.next()? {
                    if number == 1 {
                        found.push(size(field.message(&shape)?)?);
                    }
                }
                sizes = Some(found);
            }
            _ => {}
        }
    }
    // half precision is computed in single
    let kind = Half::of_number(kind).map(|_| Kind::F32).or(Kind::of_number(kind));
    Ok(match kind {
        Some(kind) => Declared::Tensor(kind, sizes),
        None => Declared::Other("a tensor of a type that is not supported"),
    })
}

fn size(mut message: Message<'_>) -> Result<Option<usize>, OnnxError> {
    let mut size = None;
    while let Some((number, field)) = message.next()? {
        if number == 1 {
            // some exporters write an unknown size as 0 or -1
            size = usize::try_from(field.int(&message)?).ok().filter(|size| *size > 0);
        }
    }
    Ok(size)
}

/// What a tensor message has gathered.
#[derive(Default)]
struct RawTensor<'a> {
    shape: Vec<i64>,
    kind: i64,
    floats: Vec<f32>,
    ints: Vec<i64>,
    texts: Vec<&'a [u8]>,
    doubles: Vec<f64>,
    raw: Option<&'a [u8]>,
}

fn tensor(mut message: Message<'_>) -> Result<(&str, Tensor), OnnxError> {
    let mut name = "";
    let mut all = RawTensor::default();
    let (mut is_external, mut place) = (false, Place::default());
    while let Some((number, field)) = message.next()? {
        match number {
            1 => field.ints(&message, &mut all.shape)?,
            2 => all.kind = field.int(&message)?,
            4 => field.floats(&message, &mut all.floats)?,
            5 | 7 | 11 => field.ints(&message, &mut all.ints)?,
            6 => all.texts.push(field.message(&message)?.bytes()),
            8 => name = field.text(&message)?,
            9 => all.raw = Some(field.message(&message)?.bytes()),
            10 => field.doubles(&message, &mut all.doubles)?,
            13 => match pair(field.message(&message)?)? {
                ("location", location) => place.location = location,
                ("offset", offset) => place.offset = offset.parse().unwrap_or(u64::MAX),
                ("length", length) => place.length = Some(length.parse().unwrap_or(u64::MAX)),
                _ => {}
            },
            14 => is_external = field.int(&message)? == 1,
            _ => {}
        }
    }
    let refused = |problem: &str| OnnxError::Model(format!("the constant `{}` {problem}", clean(name)));
    let values;
    if is_external {
        let outside = message.outside().ok_or_else(|| {
            refused("keeps its values in another file: open the model by its path, with that file beside it")
        })?;
        let bytes = all.bytes().map_err(|problem| refused(problem.text()))?;
        values = outside.read(&place, bytes).map_err(|problem| refused(&problem))?;
        all.raw = Some(&values);
    }
    let tensor = all.tensor().map_err(|problem| refused(problem.text()))?;
    Ok((name, tensor))
}

/// A constant of which only what differs from zero is kept.
fn sparse(mut message: Message<'_>) -> Result<(&str, Tensor), OnnxError> {
    let (mut values, mut places, mut shape) = (None, None, Vec::new());
    while let Some((number, field)) = message.next()? {
        match number {
            1 => values = Some(tensor(field.message(&message)?)?),
            2 => places = Some(tensor(field.message(&message)?)?.1),
            3 => field.ints(&message, &mut shape)?,
            _ => {}
        }
    }
    let missing = || message.problem("has a sparse constant without values");
    let ((name, values), places) = values.zip(places).ok_or_else(missing)?;
    let refused =
        |problem: &str| OnnxError::Model(format!("the sparse constant `{}` {problem}", clean(name)));
    let shape = shape.iter().map(|size| usize::try_from(*size)).collect::<Result<Vec<_>, _>>();
    let shape = shape.map_err(|_| refused("has a negative size"))?;
    let total = elements(&shape).map_err(|problem| refused(problem.text()))?;
    let told = places.to_ints().map_err(|problem| refused(problem.text()))?;
    let each = if places.rank() == 2 { shape.len() } else { 1 };
    if told.len() != values.len().saturating_mul(each) || each == 0 {
        return Err(refused("has another number of places than of values"));
    }
    let inner = super::broadcast::steps(&shape);
    let mut found = vec![None; total];
    for (number, place) in told.chunks(each).enumerate() {
        let flat = match place {
            [flat] if places.rank() != 2 => usize::try_from(*flat).ok(),
            place => place.iter().zip(&shape).zip(&inner).try_fold(0, |flat, ((at, size), step)| {
                let at = usize::try_from(*at).ok().filter(|at| at < size)?;
                Some(flat + at * step)
            }),
        };
        let slot = flat.and_then(|flat| found.get_mut(flat));
        *slot.ok_or_else(|| refused("has a place outside of its shape"))? = Some(number);
    }
    let data = values.data().gathered(found.into_iter());
    Tensor::of_data(shape, data).map(|tensor| (name, tensor)).map_err(|problem| refused(problem.text()))
}

impl RawTensor<'_> {
    fn shape(&self) -> Result<Vec<usize>, Problem> {
        let shape = self.shape.iter().map(|&size| usize::try_from(size)).collect::<Result<Vec<_>, _>>();
        shape.map_err(|_| Problem::shape("has a negative size"))
    }

    fn kind(&self) -> Result<Kind, Problem> {
        Kind::of_number(self.kind)
            .ok_or_else(|| Problem::shape(format!("is of type number {}, which is not supported", self.kind)))
    }

    /// How many bytes its values take in a file.
    fn bytes(&self) -> Result<usize, Problem> {
        let each = match Half::of_number(self.kind) {
            Some(_) => 2,
            None => match self.kind()? {
                Kind::Str => return Err(Problem::shape("keeps strings in another file")),
                kind => kind.size(),
            },
        };
        Ok(elements(&self.shape()?)? * each)
    }

    fn tensor(self) -> Result<Tensor, Problem> {
        let shape = self.shape()?;
        elements(&shape)?;
        if let Some(half) = Half::of_number(self.kind) {
            let data = match self.raw {
                Some(raw) => unpacked(raw, |bytes| half.value(u16::from_le_bytes(bytes))),
                None => Element::wrap(self.ints.iter().map(|bits| half.value(low_bits(*bits))).collect()),
            };
            return Tensor::of_data(shape, data);
        }
        let kind = self.kind()?;
        let data = match (self.raw, kind) {
            (Some(raw), Kind::F32) => unpacked(raw, f32::from_le_bytes),
            (Some(raw), Kind::F64) => unpacked(raw, f64::from_le_bytes),
            (Some(raw), Kind::I8) => unpacked(raw, i8::from_le_bytes),
            (Some(raw), Kind::U8) => unpacked(raw, u8::from_le_bytes),
            (Some(raw), Kind::I16) => unpacked(raw, i16::from_le_bytes),
            (Some(raw), Kind::U16) => unpacked(raw, u16::from_le_bytes),
            (Some(raw), Kind::I32) => unpacked(raw, i32::from_le_bytes),
            (Some(raw), Kind::U32) => unpacked(raw, u32::from_le_bytes),
            (Some(raw), Kind::I64) => unpacked(raw, i64::from_le_bytes),
            (Some(raw), Kind::U64) => unpacked(raw, u64::from_le_bytes),
            (Some(raw), Kind::Bool) => unpacked(raw, |[byte]: [u8; 1]| byte != 0),
            (_, Kind::Str) => texts(&self.texts)?,
            (None, Kind::F32) => Element::wrap(self.floats),
            (None, Kind::F64) => Element::wrap(self.doubles),
            (None, kind) => integers(kind, &self.ints),
        };
        Tensor::of_data(shape, data)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the file keeps two bytes widened"
)]
fn low_bits(wide: i64) -> u16 {
    wide as u16
}

fn unpacked<T: Element, const N: usize>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Data {
    // bytes that are left over make the number of values wrong, which is refused
    T::wrap(raw.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect())
}

fn texts(texts: &[&[u8]]) -> Result<Data, Problem> {
    let texts = texts.iter().map(|text| String::from_utf8(text.to_vec())).collect::<Result<Vec<_>, _>>();
    texts.map(Element::wrap).map_err(|_| Problem::shape("has a string that is not UTF-8"))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the file keeps narrow integers widened"
)]
fn integers(kind: Kind, ints: &[i64]) -> Data {
    fn narrowed<T: Element>(ints: &[i64], narrow: impl Fn(i64) -> T) -> Data {
        T::wrap(ints.iter().map(|&value| narrow(value)).collect())
    }
    match kind {
        Kind::I8 => narrowed(ints, |value| value as i8),
        Kind::U8 => narrowed(ints, |value| value as u8),
        Kind::I16 => narrowed(ints, |value| value as i16),
        Kind::U16 => narrowed(ints, |value| value as u16),
        Kind::I32 => narrowed(ints, |value| value as i32),
        Kind::U32 => narrowed(ints, |value| value as u32),
        Kind::U64 => narrowed(ints, |value| value as u64),
        Kind::Bool => narrowed(ints, |value| value != 0),
        Kind::I64 | Kind::F32 | Kind::F64 | Kind::Str => narrowed(ints, |value| value),
    }
}

/// A name from a stranger, bounded and without control characters.
pub(super) fn clean(name: &str) -> String {
    name.chars().take(80).map(|character| if character.is_control() { '?' } else { character }).collect()
}

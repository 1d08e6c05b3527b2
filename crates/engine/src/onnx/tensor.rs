//! Tensors: a shape and values of one type. Cloning shares the values.

use std::fmt;
use std::sync::Arc;

use super::error::Problem;

/// The most elements of one tensor: half a gigabyte of single precision.
pub(super) const MAX_ELEMENTS: usize = 1 << 27;

/// The most dimensions of one tensor.
pub(super) const MAX_RANK: usize = 16;

/// A type of elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    F32,
    F64,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    Bool,
    Str,
}

/// Values of one type.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    F32(Arc<Vec<f32>>),
    F64(Arc<Vec<f64>>),
    I8(Arc<Vec<i8>>),
    U8(Arc<Vec<u8>>),
    I16(Arc<Vec<i16>>),
    U16(Arc<Vec<u16>>),
    I32(Arc<Vec<i32>>),
    U32(Arc<Vec<u32>>),
    I64(Arc<Vec<i64>>),
    U64(Arc<Vec<u64>>),
    Bool(Arc<Vec<bool>>),
    Str(Arc<Vec<String>>),
}

/// Runs the same expression over whatever type the values have.
macro_rules! each {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            $crate::onnx::tensor::Data::F32($values) => $body,
            $crate::onnx::tensor::Data::F64($values) => $body,
            $crate::onnx::tensor::Data::I8($values) => $body,
            $crate::onnx::tensor::Data::U8($values) => $body,
            $crate::onnx::tensor::Data::I16($values) => $body,
            $crate::onnx::tensor::Data::U16($values) => $body,
            $crate::onnx::tensor::Data::I32($values) => $body,
            $crate::onnx::tensor::Data::U32($values) => $body,
            $crate::onnx::tensor::Data::I64($values) => $body,
            $crate::onnx::tensor::Data::U64($values) => $body,
            $crate::onnx::tensor::Data::Bool($values) => $body,
            $crate::onnx::tensor::Data::Str($values) => $body,
        }
    };
}
pub(super) use each;

/// Runs the same expression over whatever type of number the values have; `else` for the others.
macro_rules! numbers {
    ($data:expr, $values:ident => $body:expr, else $other:expr) => {
        match $data {
            $crate::onnx::tensor::Data::F32($values) => $body,
            $crate::onnx::tensor::Data::F64($values) => $body,
            $crate::onnx::tensor::Data::I8($values) => $body,
            $crate::onnx::tensor::Data::U8($values) => $body,
            $crate::onnx::tensor::Data::I16($values) => $body,
            $crate::onnx::tensor::Data::U16($values) => $body,
            $crate::onnx::tensor::Data::I32($values) => $body,
            $crate::onnx::tensor::Data::U32($values) => $body,
            $crate::onnx::tensor::Data::I64($values) => $body,
            $crate::onnx::tensor::Data::U64($values) => $body,
            $crate::onnx::tensor::Data::Bool(_) | $crate::onnx::tensor::Data::Str(_) => $other,
        }
    };
}
pub(super) use numbers;

/// A type that tensors hold.
pub(super) trait Element: Clone + Default + PartialEq + PartialOrd + Send + Sync + 'static {
    fn wrap(values: Vec<Self>) -> Data;

    fn of(data: &Data) -> Option<&Vec<Self>>;
}

macro_rules! element {
    ($($type:ty => $variant:ident),*) => {
        $(impl Element for $type {
            fn wrap(values: Vec<Self>) -> Data {
                Data::$variant(Arc::new(values))
            }

            fn of(data: &Data) -> Option<&Vec<Self>> {
                match data {
                    Data::$variant(values) => Some(values),
                    _ => None,
                }
            }
        })*
    };
}

element!(f32 => F32, f64 => F64, i8 => I8, u8 => U8, i16 => I16, u16 => U16, i32 => I32, u32 => U32, i64 => I64,
    u64 => U64, bool => Bool, String => Str);

/// Values in row-major order.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

/// What a name in a graph stands for.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Tensor(Tensor),
    /// A sequence of maps with the same keys, row after row: what `ZipMap` gives. Keys, then a value per row and key.
    Maps(Tensor, Tensor),
    Sequence(Vec<Value>),
}

impl Kind {
    /// The type by ONNX's number.
    pub(super) fn of_number(number: i64) -> Option<Self> {
        Some(match number {
            1 => Kind::F32,
            2 => Kind::U8,
            3 => Kind::I8,
            4 => Kind::U16,
            5 => Kind::I16,
            6 => Kind::I32,
            7 => Kind::I64,
            8 => Kind::Str,
            9 => Kind::Bool,
            11 => Kind::F64,
            12 => Kind::U32,
            13 => Kind::U64,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::F32 => "float",
            Kind::F64 => "double",
            Kind::I8 => "int8",
            Kind::U8 => "uint8",
            Kind::I16 => "int16",
            Kind::U16 => "uint16",
            Kind::I32 => "int32",
            Kind::U32 => "uint32",
            Kind::I64 => "int64",
            Kind::U64 => "uint64",
            Kind::Bool => "bool",
            Kind::Str => "string",
        }
    }

    /// Whether the type is of real numbers.
    pub(super) fn is_float(self) -> bool {
        matches!(self, Kind::F32 | Kind::F64)
    }

    /// Bytes an element takes, its own text aside.
    pub(super) fn size(self) -> usize {
        match self {
            Kind::I8 | Kind::U8 | Kind::Bool => 1,
            Kind::I16 | Kind::U16 => 2,
            Kind::F32 | Kind::I32 | Kind::U32 => 4,
            Kind::F64 | Kind::I64 | Kind::U64 => 8,
            Kind::Str => size_of::<String>(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Data {
    pub(super) fn len(&self) -> usize {
        each!(self, values => values.len())
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Data::F32(_) => Kind::F32,
            Data::F64(_) => Kind::F64,
            Data::I8(_) => Kind::I8,
            Data::U8(_) => Kind::U8,
            Data::I16(_) => Kind::I16,
            Data::U16(_) => Kind::U16,
            Data::I32(_) => Kind::I32,
            Data::U32(_) => Kind::U32,
            Data::I64(_) => Kind::I64,
            Data::U64(_) => Kind::U64,
            Data::Bool(_) => Kind::Bool,
            Data::Str(_) => Kind::Str,
        }
    }

    /// The values at these places; `None` for a place outside stands for the type's zero.
    pub(super) fn gathered(&self, places: impl Iterator<Item = Option<usize>>) -> Data {
        fn gather<T: Element>(values: &[T], places: impl Iterator<Item = Option<usize>>) -> Data {
            T::wrap(
                places.map(|place| place.map_or_else(T::default, |place| values[place].clone())).collect(),
            )
        }
        each!(self, values => gather(values, places))
    }
}

/// The number of elements of a shape, if a tensor may have it.
pub(super) fn elements(shape: &[usize]) -> Result<usize, Problem> {
    let product = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    match product {
        _ if shape.len() > MAX_RANK => {
            Err(Problem::shape(format!("makes a tensor of {} dimensions", shape.len())))
        }
        Some(product) if product <= MAX_ELEMENTS => Ok(product),
        _ => Err(Problem::Limit(format!("makes a tensor of shape {shape:?}, which is too large"))),
    }
}

impl Tensor {
    /// A tensor of values; refused when their number is another than the shape's.
    pub(super) fn new<T: Element>(shape: Vec<usize>, values: Vec<T>) -> Result<Self, Problem> {
        Tensor::of_data(shape, T::wrap(values))
    }

    pub(super) fn of_data(shape: Vec<usize>, data: Data) -> Result<Self, Problem> {
        if elements(&shape)? != data.len() {
            return Err(Problem::shape(format!("has {} values for the shape {shape:?}", data.len())));
        }
        Ok(Tensor { shape, data })
    }

    /// A tensor of one dimension.
    pub(super) fn line<T: Element>(values: Vec<T>) -> Self {
        Tensor { shape: vec![values.len()], data: T::wrap(values) }
    }

    /// A tensor without dimensions.
    pub(super) fn scalar<T: Element>(value: T) -> Self {
        Tensor { shape: Vec::new(), data: T::wrap(vec![value]) }
    }

    /// The same values in another shape of as many.
    pub(super) fn reshaped(self, shape: Vec<usize>) -> Result<Self, Problem> {
        Tensor::of_data(shape, self.data)
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(super) fn data(&self) -> &Data {
        &self.data
    }

    pub(super) fn into_parts(self) -> (Vec<usize>, Data) {
        (self.shape, self.data)
    }

    pub(super) fn kind(&self) -> Kind {
        self.data.kind()
    }

    pub(super) fn len(&self) -> usize {
        self.data.len()
    }

    pub(super) fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The values, if they are of this type.
    pub(super) fn values<T: Element>(&self) -> Result<&Vec<T>, Problem> {
        T::of(&self.data).ok_or_else(|| Problem::shape(format!("has an input of type {}", self.kind())))
    }

    /// The values as single precision, whatever numbers they are.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_lossless,
        clippy::unnecessary_cast,
        reason = "as onnxruntime's operators of ai.onnx.ml do with what they are given"
    )]
    pub(super) fn to_f32(&self) -> Result<std::borrow::Cow<'_, [f32]>, Problem> {
        use std::borrow::Cow;
        if let Data::F32(values) = &self.data {
            return Ok(Cow::Borrowed(values));
        }
        numbers!(&self.data, values => Ok(Cow::Owned(values.iter().map(|&value| value as f32).collect())), else {
            match &self.data {
                Data::Bool(values) => Ok(Cow::Owned(values.iter().map(|&value| f32::from(u8::from(value))).collect())),
                _ => Err(Problem::shape("takes numbers, and is given strings")),
            }
        })
    }

    /// The values as double precision, whatever numbers they are.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_lossless,
        clippy::unnecessary_cast,
        reason = "integers beyond 2^53 are no features"
    )]
    pub(super) fn to_f64(&self) -> Result<Vec<f64>, Problem> {
        numbers!(&self.data, values => Ok(values.iter().map(|&value| value as f64).collect()), else {
            match &self.data {
                Data::Bool(values) => Ok(values.iter().map(|&value| f64::from(u8::from(value))).collect()),
                _ => Err(Problem::shape("takes numbers, and is given strings")),
            }
        })
    }

    /// The values as integers: shapes, axes, indices.
    pub(super) fn to_ints(&self) -> Result<Vec<i64>, Problem> {
        match &self.data {
            Data::I64(values) => Ok(values.to_vec()),
            Data::I32(values) => Ok(values.iter().map(|&value| i64::from(value)).collect()),
            _ => Err(Problem::shape(format!("takes integers, and is given {}", self.kind()))),
        }
    }

    /// Rows and what is in each: the first dimension and all others; one row without dimensions.
    pub(super) fn rows(&self) -> (usize, usize) {
        match self.shape.as_slice() {
            [] => (1, 1),
            [count] => (1, *count),
            [rows, rest @ ..] => (*rows, rest.iter().product()),
        }
    }

    /// The memory its values take.
    pub(super) fn bytes(&self) -> usize {
        let texts = match &self.data {
            Data::Str(values) => values.iter().map(String::len).sum(),
            _ => 0,
        };
        self.len() * self.kind().size() + texts
    }
}

impl Value {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Value::Tensor(tensor) => tensor.bytes(),
            Value::Maps(keys, values) => keys.bytes() + values.bytes(),
            Value::Sequence(values) => values.iter().map(Value::bytes).sum(),
        }
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Self {
        Value::Tensor(tensor)
    }
}

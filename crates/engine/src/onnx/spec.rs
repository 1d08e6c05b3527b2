//! What a builder reads a node by: attributes and constant inputs; and what a kernel is called with.

use std::cell::RefCell;
use std::collections::HashMap;

use super::error::Problem;
use super::proto::{Attribute, GraphProto, NodeProto};
use super::run::Limits;
use super::tensor::{Element, Tensor, Value};

/// A node made ready to run.
pub(super) type Kernel = Box<dyn Fn(&mut Call<'_>) -> Outputs + Send + Sync>;

/// What a kernel gives.
pub(super) type Outputs = Result<Vec<Value>, Problem>;

/// Makes a kernel of a node.
pub(super) type Builder = fn(&Spec<'_>) -> Result<Kernel, Problem>;

/// A node as its builder sees it. Attributes nobody asks for are refused: their effect would be lost.
pub(super) struct Spec<'a> {
    pub(super) node: &'a NodeProto<'a>,
    /// The version of the operator set the node belongs to.
    pub(super) version: i64,
    pub(super) opsets: &'a [(&'a str, i64)],
    pub(super) constants: &'a HashMap<&'a str, Tensor>,
    pub(super) asked: RefCell<Vec<&'static str>>,
    pub(super) depth: usize,
}

impl<'a> Spec<'a> {
    fn attribute(&self, name: &'static str) -> Option<&'a Attribute<'a>> {
        self.asked.borrow_mut().push(name);
        self.node.attributes.iter().find(|(found, _)| *found == name).map(|(_, attribute)| attribute)
    }

    /// Attributes that change nothing here.
    pub(super) fn ignore(&self, names: &[&'static str]) {
        self.asked.borrow_mut().extend(names);
    }

    /// The first attribute that no builder asked for.
    pub(super) fn unasked(&self) -> Option<&'a str> {
        let asked = self.asked.borrow();
        self.node.attributes.iter().map(|(name, _)| *name).find(|name| !asked.contains(name))
    }

    pub(super) fn has(&self, name: &'static str) -> bool {
        self.attribute(name).is_some()
    }

    pub(super) fn int(&self, name: &'static str, default: i64) -> Result<i64, Problem> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Attribute::Int(value)) => Ok(*value),
            Some(_) => Err(wrong(name, "an integer")),
        }
    }

    pub(super) fn flag(&self, name: &'static str, default: bool) -> Result<bool, Problem> {
        self.int(name, i64::from(default)).map(|value| value != 0)
    }

    pub(super) fn float(&self, name: &'static str, default: f32) -> Result<f32, Problem> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Attribute::Float(value)) => Ok(*value),
            Some(_) => Err(wrong(name, "a number")),
        }
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<&'a str>, Problem> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Text(text)) => utf8(text).map(Some),
            Some(_) => Err(wrong(name, "a string")),
        }
    }

    pub(super) fn ints(&self, name: &'static str) -> Result<Option<&'a [i64]>, Problem> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Ints(values)) => Ok(Some(values)),
            Some(_) => Err(wrong(name, "a list of integers")),
        }
    }

    pub(super) fn floats(&self, name: &'static str) -> Result<Option<&'a [f32]>, Problem> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Floats(values)) => Ok(Some(values)),
            Some(_) => Err(wrong(name, "a list of numbers")),
        }
    }

    pub(super) fn texts(&self, name: &'static str) -> Result<Option<Vec<&'a str>>, Problem> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Texts(values)) => {
                values.iter().map(|text| utf8(text)).collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(wrong(name, "a list of strings")),
        }
    }

    pub(super) fn tensor(&self, name: &'static str) -> Result<Option<&'a Tensor>, Problem> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Tensor(tensor)) => Ok(Some(tensor)),
            Some(_) => Err(wrong(name, "a tensor")),
        }
    }

    pub(super) fn graph(&self, name: &'static str) -> Result<Option<&'a GraphProto<'a>>, Problem> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Graph(graph)) => Ok(Some(graph)),
            Some(_) => Err(wrong(name, "a graph")),
        }
    }

    /// The constant given as an input, if it is one.
    pub(super) fn constant(&self, input: usize) -> Option<&'a Tensor> {
        self.constants.get(self.node.inputs.get(input)?)
    }

    /// Whether an input is there.
    pub(super) fn has_input(&self, input: usize) -> bool {
        self.node.inputs.get(input).is_some_and(|name| !name.is_empty())
    }

    /// How many outputs somebody may ask for.
    pub(super) fn outputs(&self) -> usize {
        self.node.outputs.len()
    }

    /// Whether an output has a name.
    pub(super) fn has_output(&self, output: usize) -> bool {
        self.node.outputs.get(output).is_some_and(|name| !name.is_empty())
    }
}

fn wrong(name: &str, expected: &str) -> Problem {
    Problem::shape(format!("has an attribute `{name}` that is not {expected}"))
}

fn utf8(bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|_| Problem::shape("has a string that is not UTF-8"))
}

/// One input of a kernel.
#[derive(Debug)]
pub(super) enum Argument<'c> {
    Absent,
    Shared(&'c Value),
    /// Nobody needs it any more.
    Owned(Value),
}

/// What a kernel is called with.
pub(super) struct Call<'c> {
    pub(super) inputs: Vec<Argument<'c>>,
    pub(super) limits: &'c mut Limits,
}

impl Call<'_> {
    pub(super) fn value(&self, position: usize) -> Result<&Value, Problem> {
        match self.inputs.get(position) {
            Some(Argument::Shared(value)) => Ok(value),
            Some(Argument::Owned(value)) => Ok(value),
            Some(Argument::Absent) | None => Err(Problem::shape(format!("has no input {position}"))),
        }
    }

    pub(super) fn tensor(&self, position: usize) -> Result<&Tensor, Problem> {
        match self.value(position)? {
            Value::Tensor(tensor) => Ok(tensor),
            Value::Maps(..) => Err(Problem::shape(format!("has maps as input {position}, not a tensor"))),
            Value::Sequence(_) => {
                Err(Problem::shape(format!("has a sequence as input {position}, not a tensor")))
            }
        }
    }

    pub(super) fn optional(&self, position: usize) -> Result<Option<&Tensor>, Problem> {
        match self.inputs.get(position) {
            Some(Argument::Absent) | None => Ok(None),
            Some(Argument::Shared(_) | Argument::Owned(_)) => self.tensor(position).map(Some),
        }
    }

    /// The input, to be changed in place if nobody else needs it.
    pub(super) fn take(&mut self, position: usize) -> Result<Tensor, Problem> {
        self.tensor(position)?;
        let argument = self.inputs.get_mut(position).map(|input| std::mem::replace(input, Argument::Absent));
        match argument {
            Some(Argument::Owned(Value::Tensor(tensor))) => Ok(tensor),
            Some(Argument::Shared(Value::Tensor(tensor))) => Ok(tensor.clone()),
            _ => Err(Problem::shape(format!("has no input {position}"))),
        }
    }

    /// The integers of an input, if it is there.
    pub(super) fn ints(&self, position: usize) -> Result<Option<Vec<i64>>, Problem> {
        self.optional(position)?.map(Tensor::to_ints).transpose()
    }

    /// The one value of an input.
    pub(super) fn scalar<T: Element + Copy>(&self, position: usize) -> Result<T, Problem> {
        let values = self.tensor(position)?.values::<T>()?;
        match values.as_slice() {
            [value] => Ok(*value),
            values => {
                Err(Problem::shape(format!("has {} values as input {position}, not one", values.len())))
            }
        }
    }
}

/// A kernel's only output.
pub(super) fn one(tensor: Tensor) -> Outputs {
    Ok(vec![Value::Tensor(tensor)])
}

/// A kernel of a function.
pub(super) fn kernel(
    run: impl Fn(&mut Call<'_>) -> Outputs + Send + Sync + 'static,
) -> Result<Kernel, Problem> {
    Ok(Box::new(run))
}

/// The place of an axis, counted from the end when negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, Problem> {
    let counted = if axis < 0 {
        rank.checked_add_signed(isize::try_from(axis).unwrap_or(isize::MIN))
    } else {
        usize::try_from(axis).ok()
    };
    counted
        .filter(|axis| *axis < rank)
        .ok_or_else(|| Problem::shape(format!("has the axis {axis} of a tensor of {rank} dimensions")))
}

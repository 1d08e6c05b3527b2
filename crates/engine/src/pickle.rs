//! Opens Python's pickles (protocols 0 to 5) and joblib files without running them.
//!
//! A pickle is a program for a stack machine; Python's `pickle.load` lets it call anything.
//! [`machine`] runs only its stack: a call becomes an inert [`Node::Call`] that remembers what
//! would have been called. The result is a [`Graph`], read through [`view`]; [`numpy`] turns
//! what would have been arrays into arrays; [`joblib`] finds the raw arrays joblib puts between
//! the opcodes; [`packing`] undoes compression; [`builder`] makes the same graph of other formats.
//!
//! Memory is linear in the input: every opcode adds a bounded number of nodes, arrays stay
//! slices of the input, and nothing here walks the graph, which may be cyclic.

mod builder;
mod calls;
mod cursor;
mod joblib;
mod machine;
pub(crate) mod numpy;
pub(crate) mod packing;
pub(crate) mod view;

use std::ops::Range;

pub(crate) use builder::Builder;
pub(crate) use calls::calls;
pub(crate) use machine::{load, scan};
pub(crate) use numpy::LongInts;
pub(crate) use view::View;

/// The most nodes a graph may have: a quarter of a gigabyte. A vocabulary of a million words makes
/// two million, or four if its columns are numpy's numbers.
const MAX_NODES: usize = 16_000_000;

/// The most pickles inside pickles: joblib nests one per array of objects.
const MAX_DEPTH: usize = 8;

/// Why bytes are not a sound pickle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// The input ends before the pickle does.
    #[error("it breaks off at byte {offset}: the file was not written or copied whole")]
    Truncated {
        /// Where more was expected.
        offset: usize,
    },
    /// A byte is no opcode.
    #[error("byte {offset} (0x{opcode:02x}) is no pickle opcode: the file is damaged")]
    Opcode {
        /// Where.
        offset: usize,
        /// The byte.
        opcode: u8,
    },
    /// An opcode that refers to things outside the file.
    #[error("it refers to {what} outside the file (at byte {offset})")]
    External {
        /// Where.
        offset: usize,
        /// What is referred to.
        what: &'static str,
    },
    /// A protocol from the future.
    #[error("pickle protocol {protocol} is not known, 5 is the newest")]
    Protocol {
        /// The protocol's number.
        protocol: u8,
    },
    /// An opcode found something else on the stack than it needs.
    #[error("the opcode at byte {offset} finds {problem}: the file is damaged")]
    Stack {
        /// Where.
        offset: usize,
        /// What it found.
        problem: &'static str,
    },
    /// The pickle holds more objects than the engine takes in.
    #[error("it holds more than {MAX_NODES} objects")]
    TooManyNodes,
    /// A joblib array contradicts itself.
    #[error("the array at byte {offset} {problem}")]
    Array {
        /// Where.
        offset: usize,
        /// What is wrong.
        problem: &'static str,
    },
}

/// A node of a graph by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(u32);

/// A piece of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// `None` beyond 4 GiB, where no model file reaches.
    fn new(start: usize, length: usize) -> Option<Self> {
        Some(Span { start: u32::try_from(start).ok()?, length: u32::try_from(length).ok()? })
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.length as usize
    }
}

/// What an opcode made. There may be millions: what is larger than two numbers is elsewhere in the
/// graph.
#[derive(Debug)]
pub(crate) enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits: its bytes do not matter to any model.
    BigInt,
    Float(f64),
    Bytes(Span),
    /// UTF-8 if Python wrote it; checked when read.
    Str(Span),
    /// A string of protocol 0, its escapes resolved.
    OwnedStr(Box<str>),
    /// By its number among the lists.
    List(u32),
    /// Where its items are among those of all tuples.
    Tuple(Span),
    /// By its number among the lists.
    Set(u32),
    /// By its number among the dictionaries.
    Dict(u32),
    /// A class or function by module and name.
    Global(Id, Id),
    /// A call of a callable with arguments, and nothing more.
    Call(Id, Id),
    /// A call and what came after it, by its number among the objects.
    Object(u32),
    /// The raw array that stands behind a joblib wrapper.
    Array(Box<RawArray>),
}

/// A call that was not made.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// What would have been called, or the class of the object.
    callable: Id,
    arguments: Id,
    /// What `__setstate__` would have been given.
    state: Option<Id>,
    /// What would have been appended.
    items: Vec<Id>,
    /// What would have been set by key.
    pairs: Vec<(Id, Id)>,
}

/// A joblib array: its description and where its bytes or objects are.
#[derive(Debug)]
pub(crate) struct RawArray {
    /// The attributes of the `NumpyArrayWrapper`.
    state: Id,
    content: RawContent,
}

#[derive(Debug)]
enum RawContent {
    Bytes(Span),
    /// The array as a pickle of its own.
    Pickled(Id),
}

/// What a pickle holds.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    data: &'a [u8],
    nodes: Vec<Node>,
    tuples: Vec<Id>,
    /// Of lists and sets.
    lists: Vec<Vec<Id>>,
    dictionaries: Vec<Vec<(Id, Id)>>,
    objects: Vec<Object>,
    root: Id,
}

impl<'a> Graph<'a> {
    fn new(data: &'a [u8]) -> Self {
        let (nodes, tuples, lists) = (Vec::new(), Vec::new(), Vec::new());
        let (dictionaries, objects) = (Vec::new(), Vec::new());
        Graph { data, nodes, tuples, lists, dictionaries, objects, root: Id(0) }
    }

    fn add(&mut self, node: Node) -> Result<Id, PickleError> {
        if self.nodes.len() >= MAX_NODES {
            return Err(PickleError::TooManyNodes);
        }
        let id = Id(number(self.nodes.len())?);
        self.nodes.push(node);
        Ok(id)
    }

    fn list(&mut self, items: Vec<Id>) -> Result<Node, PickleError> {
        self.lists.push(items);
        Ok(Node::List(number(self.lists.len() - 1)?))
    }

    fn set(&mut self, items: Vec<Id>) -> Result<Node, PickleError> {
        self.lists.push(items);
        Ok(Node::Set(number(self.lists.len() - 1)?))
    }

    fn dictionary(&mut self, pairs: Vec<(Id, Id)>) -> Result<Node, PickleError> {
        self.dictionaries.push(pairs);
        Ok(Node::Dict(number(self.dictionaries.len() - 1)?))
    }

    fn tuple(&mut self, items: &[Id]) -> Result<Node, PickleError> {
        let span = Span::new(self.tuples.len(), items.len()).ok_or(PickleError::TooManyNodes)?;
        self.tuples.extend_from_slice(items);
        Ok(Node::Tuple(span))
    }

    /// What is known of an object, to be added to; `None` of what is no object.
    fn object_mut(&mut self, id: Id) -> Result<Option<&mut Object>, PickleError> {
        let place = match self.nodes[id.0 as usize] {
            Node::Call(callable, arguments) => {
                let (items, pairs) = (Vec::new(), Vec::new());
                self.objects.push(Object { callable, arguments, state: None, items, pairs });
                let place = number(self.objects.len() - 1)?;
                self.nodes[id.0 as usize] = Node::Object(place);
                place
            }
            Node::Object(place) => place,
            _ => return Ok(None),
        };
        Ok(self.objects.get_mut(place as usize))
    }

    /// The items of a list, tuple or set node.
    fn items(&self, node: &Node) -> Option<&[Id]> {
        match node {
            Node::List(place) | Node::Set(place) => Some(&self.lists[*place as usize]),
            Node::Tuple(span) => Some(&self.tuples[span.range()]),
            _ => None,
        }
    }

    /// The callable and the arguments of an object.
    fn call(&self, node: &Node) -> Option<(Id, Id)> {
        match node {
            Node::Call(callable, arguments) => Some((*callable, *arguments)),
            Node::Object(place) => {
                let object = &self.objects[*place as usize];
                Some((object.callable, object.arguments))
            }
            _ => None,
        }
    }

    /// The object the pickle is of.
    pub(crate) fn root(&self) -> View<'_> {
        View::new(self, self.root)
    }

    fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn bytes(&self, span: Span) -> &'a [u8] {
        &self.data[span.range()]
    }
}

/// A place in one of the graph's lists.
fn number(place: usize) -> Result<u32, PickleError> {
    u32::try_from(place).map_err(|_| PickleError::TooManyNodes)
}

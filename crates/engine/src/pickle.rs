//! Opens Python's pickles (protocols 0 to 5) and joblib files without running them.
//!
//! A pickle is a program for a stack machine; Python's `pickle.load` lets it call anything.
//! [`machine`] runs only its stack: a call becomes an inert [`Node::Object`] that remembers what
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
pub(crate) use view::View;

/// The most nodes a graph may have: half a gigabyte. A vocabulary of a million words makes two
/// million.
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
    start: usize,
    length: usize,
}

impl Span {
    fn range(self) -> Range<usize> {
        self.start..self.start + self.length
    }
}

/// What an opcode made.
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
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function by module and name.
    Global(Id, Id),
    Object(Box<Object>),
    /// The raw array that stands behind a joblib wrapper.
    Array(Box<RawArray>),
}

/// A call that was not made.
#[derive(Debug)]
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
    root: Id,
}

impl<'a> Graph<'a> {
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

//! Makes a graph by hand: for formats that describe Python's objects in another way than a pickle.

use std::ops::Range;

use super::{Graph, Id, MAX_NODES, Node, Object, PickleError, Span};

/// A graph in the making.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    graph: Graph<'a>,
}

impl<'a> Builder<'a> {
    /// Begins a graph whose arrays are pieces of `data`.
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Builder { graph: Graph { data, nodes: Vec::new(), root: Id(0) } }
    }

    pub(crate) fn finish(self, root: Id) -> Graph<'a> {
        Graph { root, ..self.graph }
    }

    fn add(&mut self, node: Node) -> Result<Id, PickleError> {
        if self.graph.nodes.len() >= MAX_NODES {
            return Err(PickleError::TooManyNodes);
        }
        let id = Id(u32::try_from(self.graph.nodes.len()).map_err(|_| PickleError::TooManyNodes)?);
        self.graph.nodes.push(node);
        Ok(id)
    }

    pub(crate) fn none(&mut self) -> Result<Id, PickleError> {
        self.add(Node::None)
    }

    pub(crate) fn bool(&mut self, value: bool) -> Result<Id, PickleError> {
        self.add(Node::Bool(value))
    }

    pub(crate) fn int(&mut self, value: i64) -> Result<Id, PickleError> {
        self.add(Node::Int(value))
    }

    /// An integer beyond 64 bits.
    pub(crate) fn big_int(&mut self) -> Result<Id, PickleError> {
        self.add(Node::BigInt)
    }

    pub(crate) fn float(&mut self, value: f64) -> Result<Id, PickleError> {
        self.add(Node::Float(value))
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<Id, PickleError> {
        self.add(Node::OwnedStr(text.into()))
    }

    /// A piece of the data, which it must lie in.
    pub(crate) fn bytes(&mut self, range: Range<usize>) -> Result<Id, PickleError> {
        let length = range.len();
        if range.end > self.graph.data.len() {
            return Err(PickleError::Truncated { offset: self.graph.data.len() });
        }
        self.add(Node::Bytes(Span { start: range.start, length }))
    }

    pub(crate) fn list(&mut self, items: Vec<Id>) -> Result<Id, PickleError> {
        self.add(Node::List(items))
    }

    pub(crate) fn tuple(&mut self, items: Vec<Id>) -> Result<Id, PickleError> {
        self.add(Node::Tuple(items))
    }

    pub(crate) fn set(&mut self, items: Vec<Id>) -> Result<Id, PickleError> {
        self.add(Node::Set(items))
    }

    pub(crate) fn dictionary(&mut self, pairs: Vec<(Id, Id)>) -> Result<Id, PickleError> {
        self.add(Node::Dict(pairs))
    }

    /// A class or function.
    pub(crate) fn global(&mut self, module: &str, name: &str) -> Result<Id, PickleError> {
        let (module, name) = (self.text(module)?, self.text(name)?);
        self.add(Node::Global(module, name))
    }

    /// A call that is not made, with the state the object would have got.
    pub(crate) fn object(
        &mut self,
        callable: (&str, &str),
        arguments: Vec<Id>,
        state: Option<Id>,
    ) -> Result<Id, PickleError> {
        let arguments = self.tuple(arguments)?;
        self.call(callable, arguments, state)
    }

    /// As [`Builder::object`], of a tuple of arguments.
    pub(crate) fn call(
        &mut self,
        callable: (&str, &str),
        arguments: Id,
        state: Option<Id>,
    ) -> Result<Id, PickleError> {
        let callable = self.global(callable.0, callable.1)?;
        let object = Object { callable, arguments, state, items: Vec::new(), pairs: Vec::new() };
        self.add(Node::Object(Box::new(object)))
    }
}

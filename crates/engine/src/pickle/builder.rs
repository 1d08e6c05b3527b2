//! Makes a graph by hand: for formats that describe Python's objects in another way than a pickle.

use std::ops::Range;

use super::{Graph, Id, Node, PickleError, Span};

/// A graph in the making.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    graph: Graph<'a>,
}

impl<'a> Builder<'a> {
    /// Begins a graph whose arrays are pieces of `data`.
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Builder { graph: Graph::new(data) }
    }

    pub(crate) fn finish(self, root: Id) -> Graph<'a> {
        Graph { root, ..self.graph }
    }

    fn add(&mut self, node: Node) -> Result<Id, PickleError> {
        self.graph.add(node)
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
        let truncated = || PickleError::Truncated { offset: self.graph.data.len() };
        if range.end > self.graph.data.len() {
            return Err(truncated());
        }
        let span = Span::new(range.start, range.len()).ok_or_else(truncated)?;
        self.add(Node::Bytes(span))
    }

    pub(crate) fn list(&mut self, items: Vec<Id>) -> Result<Id, PickleError> {
        let list = self.graph.list(items)?;
        self.add(list)
    }

    pub(crate) fn tuple(&mut self, items: &[Id]) -> Result<Id, PickleError> {
        let tuple = self.graph.tuple(items)?;
        self.add(tuple)
    }

    pub(crate) fn set(&mut self, items: Vec<Id>) -> Result<Id, PickleError> {
        let set = self.graph.set(items)?;
        self.add(set)
    }

    pub(crate) fn dictionary(&mut self, pairs: Vec<(Id, Id)>) -> Result<Id, PickleError> {
        let dictionary = self.graph.dictionary(pairs)?;
        self.add(dictionary)
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
        arguments: &[Id],
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
        let id = self.add(Node::Call(callable, arguments))?;
        if let Some(state) = state
            && let Some(object) = self.graph.object_mut(id)?
        {
            object.state = Some(state);
        }
        Ok(id)
    }
}

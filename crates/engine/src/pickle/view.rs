//! Reads a graph: Python's values as Rust's, attributes by name, classes by module and name.

use super::{Graph, Id, Node};

/// A node and the graph it belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'g> {
    pub(super) graph: &'g Graph<'g>,
    pub(super) id: Id,
}

impl<'g> View<'g> {
    pub(super) fn new(graph: &'g Graph<'_>, id: Id) -> Self {
        View { graph, id }
    }

    pub(super) fn node(&self) -> &'g Node {
        self.graph.node(self.id)
    }

    fn at(&self, id: Id) -> Self {
        View { graph: self.graph, id }
    }

    /// The bytes of the pickle.
    pub(crate) fn file_size(&self) -> usize {
        self.graph.data.len()
    }

    /// Tells objects apart: two views are of one object if their ids are equal.
    pub(crate) fn id(&self) -> Id {
        self.id
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self.node(), Node::None)
    }

    /// A string; `None` also for one with surrogates.
    pub(crate) fn str(&self) -> Option<&'g str> {
        match self.node() {
            Node::Str(span) => std::str::from_utf8(self.graph.bytes(*span)).ok(),
            Node::OwnedStr(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes of a string; none of what is no string.
    pub(crate) fn str_length(&self) -> usize {
        match self.node() {
            Node::Str(span) => span.range().len(),
            Node::OwnedStr(text) => text.len(),
            _ => 0,
        }
    }

    /// A truth value, Python's or numpy's.
    pub(crate) fn bool(&self) -> Option<bool> {
        match self.node() {
            Node::Bool(value) => Some(*value),
            _ => self.scalar()?.as_bool(),
        }
    }

    /// An integer, Python's or numpy's.
    pub(crate) fn int(&self) -> Option<i64> {
        match self.node() {
            Node::Int(value) => Some(*value),
            _ => self.scalar()?.as_int(),
        }
    }

    /// A number, Python's or numpy's.
    pub(crate) fn float(&self) -> Option<f64> {
        match self.node() {
            Node::Float(value) => Some(*value),
            #[expect(clippy::cast_precision_loss, reason = "as Python's float() does")]
            Node::Int(value) => Some(*value as f64),
            _ => self.scalar()?.as_float(),
        }
    }

    /// The items of a list, tuple or set.
    pub(crate) fn items(&self) -> Option<impl ExactSizeIterator<Item = View<'g>> + Clone + use<'g>> {
        let view = *self;
        Some(self.item_ids()?.iter().map(move |&id| view.at(id)))
    }

    fn item_ids(&self) -> Option<&'g [Id]> {
        match self.node() {
            node @ (Node::List(_) | Node::Tuple(_) | Node::Set(_)) => self.graph.items(node),
            // set(list) and frozenset(list) of protocols that have no opcode for them, and what the
            // same protocols make of a tuple with names
            Node::Call(..) | Node::Object(_) => match (self.class()?, self.argument(0)?.node()) {
                (("builtins" | "__builtin__", "set" | "frozenset"), list @ Node::List(_)) => {
                    self.graph.items(list)
                }
                _ => self.reconstructed_ids(),
            },
            _ => None,
        }
    }

    /// `_reconstructor(class, tuple, items)`: a tuple of a class of its own.
    fn reconstructed_ids(&self) -> Option<&'g [Id]> {
        let (callable, _) = self.call()?;
        match (self.at(callable).global()?, self.argument(1)?.global()?, self.argument(2)?.node()) {
            (
                ("copyreg" | "copy_reg", "_reconstructor"),
                ("builtins" | "__builtin__", "tuple"),
                items @ Node::Tuple(_),
            ) => self.graph.items(items),
            _ => None,
        }
    }

    /// The item of a list or tuple at a position.
    pub(crate) fn item(&self, position: usize) -> Option<View<'g>> {
        let items = match self.node() {
            node @ (Node::List(_) | Node::Tuple(_)) => self.graph.items(node)?,
            _ => self.reconstructed_ids()?,
        };
        items.get(position).map(|&id| self.at(id))
    }

    /// The keys and values of a dictionary.
    pub(crate) fn pairs(
        &self,
    ) -> Option<impl ExactSizeIterator<Item = (View<'g>, View<'g>)> + Clone + use<'g>> {
        let view = *self;
        let pairs = match self.node() {
            Node::Dict(place) => &self.graph.dictionaries[*place as usize][..],
            Node::Call(..) if is_dictionary(self.class()?) => &[],
            Node::Object(place) if is_dictionary(self.class()?) => &self.graph.objects[*place as usize].pairs,
            _ => return None,
        };
        Some(pairs.iter().map(move |&(key, value)| (view.at(key), view.at(value))))
    }

    /// The value of a dictionary's key; the last one, as Python has it.
    pub(crate) fn get(&self, key: &str) -> Option<View<'g>> {
        self.pairs()?.filter(|(found, _)| found.str() == Some(key)).last().map(|(_, value)| value)
    }

    /// A list or tuple of sizes.
    pub(crate) fn sizes(&self) -> Option<Vec<usize>> {
        self.items()?.map(|item| usize::try_from(item.int()?).ok()).collect()
    }

    /// The module and name of a class or function.
    pub(crate) fn global(&self) -> Option<(&'g str, &'g str)> {
        match self.node() {
            Node::Global(module, name) => Some((self.at(*module).str()?, self.at(*name).str()?)),
            _ => None,
        }
    }

    /// What would have been called, and with what.
    pub(super) fn call(&self) -> Option<(Id, Id)> {
        self.graph.call(self.node())
    }

    /// The module and name of an object's class, or of the function that would have made it.
    pub(crate) fn class(&self) -> Option<(&'g str, &'g str)> {
        let (callable, _) = self.call()?;
        let callable = self.at(callable).global()?;
        match callable {
            ("copyreg" | "copy_reg", "_reconstructor" | "__newobj__") => self.argument(0)?.global(),
            class => Some(class),
        }
    }

    /// What would have been passed at a position.
    pub(crate) fn argument(&self, position: usize) -> Option<View<'g>> {
        self.at(self.call()?.1).item(position)
    }

    /// What `__setstate__` would have been given.
    pub(crate) fn state(&self) -> Option<View<'g>> {
        match self.node() {
            Node::Object(place) => self.graph.objects[*place as usize].state.map(|state| self.at(state)),
            _ => None,
        }
    }

    /// An attribute of an object.
    pub(crate) fn attribute(&self, name: &str) -> Option<View<'g>> {
        self.state()?.get(name)
    }

    /// The kind of thing this is, in words for a message.
    pub(crate) fn describe(&self) -> String {
        match self.node() {
            Node::None => "None".to_owned(),
            Node::Bool(value) => if *value { "True" } else { "False" }.to_owned(),
            Node::Int(value) => value.to_string(),
            Node::BigInt => "a huge integer".to_owned(),
            Node::Float(value) => value.to_string(),
            Node::Bytes(_) => "a bytes object".to_owned(),
            Node::Str(_) | Node::OwnedStr(_) => match self.str() {
                Some(text) => format!("{:?}", text.chars().take(60).collect::<String>()),
                None => "a string that is not Unicode".to_owned(),
            },
            node @ Node::List(_) => format!("a list of {}", self.graph.items(node).map_or(0, <[Id]>::len)),
            node @ Node::Tuple(_) => format!("a tuple of {}", self.graph.items(node).map_or(0, <[Id]>::len)),
            node @ Node::Set(_) => format!("a set of {}", self.graph.items(node).map_or(0, <[Id]>::len)),
            Node::Dict(place) => {
                format!("a dictionary of {}", self.graph.dictionaries[*place as usize].len())
            }
            Node::Global(..) => self.global().map_or_else(|| "a class".to_owned(), dotted),
            Node::Call(..) | Node::Object(_) => match self.class() {
                Some(class) => format!("an object of {}", dotted(class)),
                None => "an object of an unknown class".to_owned(),
            },
            Node::Array(_) => "an array".to_owned(),
        }
    }
}

/// `module.Name`, bounded and without control characters: it may come from a stranger.
pub(crate) fn dotted((module, name): (&str, &str)) -> String {
    let clean = |text: &str| -> String {
        text.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect()
    };
    format!("`{}.{}`", clean(module), clean(name))
}

fn is_dictionary(class: (&str, &str)) -> bool {
    matches!(
        class,
        ("collections", "OrderedDict" | "defaultdict")
            | ("builtins" | "__builtin__", "dict")
            | ("sklearn.utils" | "sklearn.utils._bunch", "Bunch")
    )
}

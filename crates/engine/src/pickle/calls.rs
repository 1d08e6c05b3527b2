//! What loading a pickle in Python would have called, read off the graph of what was not called.

use std::collections::BTreeMap;

use super::view::dotted;
use super::{Graph, Id, Node};

/// How deep a callable may be made by other callables before its name is cut.
const MAX_DEPTH: usize = 3;

/// The most callables made by others that are named, and the most names: a report nobody reads to its end says no
/// more, and a hostile file could fill memory with them.
const MAX_MADE: usize = 1000;
const MAX_NAMES: usize = 10_000;

/// Every callable by name, and how often it would have been called; zero: only imported.
pub(crate) fn calls(graph: &Graph<'_>) -> BTreeMap<(String, String), usize> {
    let mut found = BTreeMap::new();
    let mut made = 0;
    for node in &graph.nodes {
        if found.len() >= MAX_NAMES {
            found.insert((String::new(), "and more than are listed".to_owned()), 0);
            break;
        }
        match node {
            Node::Call(..) | Node::Object(_) => {
                let Some((callable, _)) = graph.call(node) else { continue };
                made += usize::from(!matches!(graph.node(callable), Node::Global(..)));
                let depth = if made > MAX_MADE { MAX_DEPTH } else { 0 };
                *found.entry(named(graph, callable, depth)).or_default() += 1;
            }
            Node::Array(_) => {
                let wrapper = ("joblib.numpy_pickle".to_owned(), "NumpyArrayWrapper".to_owned());
                *found.entry(wrapper).or_default() += 1;
            }
            Node::Global(module, name) => {
                found.entry((text(graph, *module), text(graph, *name))).or_default();
            }
            Node::None
            | Node::Bool(_)
            | Node::Int(_)
            | Node::BigInt
            | Node::Float(_)
            | Node::Bytes(_)
            | Node::Str(_)
            | Node::OwnedStr(_)
            | Node::List(_)
            | Node::Tuple(_)
            | Node::Set(_)
            | Node::Dict(_) => {}
        }
    }
    found
}

/// Module and name of a callable; of one that a call would have made, in words.
fn named(graph: &Graph<'_>, callable: Id, depth: usize) -> (String, String) {
    match graph.node(callable) {
        Node::Global(module, name) => (text(graph, *module), text(graph, *name)),
        node => match graph.call(node).filter(|_| depth < MAX_DEPTH) {
            Some((callable, given)) => {
                let (module, name) = named(graph, callable, depth + 1);
                (module, format!("{name}({})", arguments(graph, given, depth)))
            }
            None => (String::new(), "what another call gives".to_owned()),
        },
    }
}

/// Arguments in words: they tell what `getattr` would have looked for.
fn arguments(graph: &Graph<'_>, arguments: Id, depth: usize) -> String {
    let Node::Tuple(items) = graph.node(arguments) else { return "…".to_owned() };
    let items = &graph.tuples[items.range()];
    let told = items.iter().take(3).map(|&item| match graph.node(item) {
        Node::Global(module, name) => format!("{}.{}", text(graph, *module), text(graph, *name)),
        Node::Str(_) | Node::OwnedStr(_) => format!("{:?}", text(graph, item)),
        // protocol 0 writes strings as Python does, quotes included
        Node::Bytes(span) => {
            let text: String = String::from_utf8_lossy(graph.bytes(*span)).chars().take(80).collect();
            format!("{:?}", text.trim_matches(['\'', '"']))
        }
        Node::Call(..) | Node::Object(_) if depth < MAX_DEPTH => {
            let (module, name) = named(graph, item, depth + 1);
            format!("{module}.{name}")
        }
        _ => "…".to_owned(),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// A text from a stranger, bounded and without control characters.
fn text(graph: &Graph<'_>, id: Id) -> String {
    match super::View::new(graph, id).str() {
        Some(text) => dotted((text, "")).trim_matches('`').trim_end_matches('.').to_owned(),
        None => "?".to_owned(),
    }
}

//! The weight of the training rows that came to each node of packed trees.

use super::super::grown::Tree;

/// A weight for each node, in single precision where that holds all of them exactly.
#[derive(Debug, Clone)]
pub(super) enum Covers {
    /// The file does not tell.
    Unknown,
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Covers {
    /// Empty, for the nodes of trees to be added in the order of packing.
    #[expect(clippy::cast_possible_truncation, reason = "it is checked that nothing is lost")]
    pub(super) fn of(trees: &[Tree]) -> Self {
        let mut covers = trees.iter().flat_map(|tree| &tree.nodes).map(|node| node.cover);
        let nodes = trees.iter().map(|tree| tree.nodes.len()).sum();
        let is_told = trees.iter().all(|tree| tree.nodes.first().is_some_and(|root| root.cover > 0.0));
        match is_told {
            false => Covers::Unknown,
            true if covers.all(|cover| f64::from(cover as f32) == cover) => {
                Covers::Single(Vec::with_capacity(nodes))
            }
            true => Covers::Double(Vec::with_capacity(nodes)),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "checked when they were made")]
    pub(super) fn push(&mut self, cover: f64) {
        match self {
            Covers::Unknown => {}
            Covers::Single(covers) => covers.push(cover as f32),
            Covers::Double(covers) => covers.push(cover),
        }
    }

    /// The weight at a node; zero where the file does not tell.
    pub(super) fn get(&self, node: usize) -> f64 {
        match self {
            Covers::Unknown => 0.0,
            Covers::Single(covers) => f64::from(covers[node]),
            Covers::Double(covers) => covers[node],
        }
    }

    pub(super) fn is_known(&self) -> bool {
        !matches!(self, Covers::Unknown)
    }
}

//! Trees as files hold them, checked once.

/// The children of a node that has none.
const NO_CHILD: u32 = u32::MAX;

/// One node of a tree as it comes from a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Node {
    /// Up to here (inclusive) a value goes left. At a split by category: the number of the set of
    /// categories that go left.
    pub(crate) threshold: f64,
    /// The feature compared, any number at a leaf.
    pub(crate) feature: u32,
    /// The left child, greater than the node's own index; [`Node::leaf`] has none.
    pub(crate) left: u32,
    /// The right child; at a leaf of a [`Tree`] the number of the leaf.
    pub(crate) right: u32,
    /// Whether a missing value goes left.
    pub(crate) missing_left: bool,
    /// Whether the value is a category to be looked up in a set.
    pub(crate) is_categorical: bool,
    /// Whether a zero counts as missing here, and what is as small as LightGBM's zeros are.
    pub(crate) zero_is_missing: bool,
    /// The weight of the training rows that came to the node; zero where the file does not tell.
    pub(crate) cover: f64,
}

impl Node {
    /// A node without children.
    pub(crate) fn leaf() -> Self {
        Node {
            threshold: 0.0,
            feature: 0,
            left: NO_CHILD,
            right: NO_CHILD,
            missing_left: false,
            is_categorical: false,
            zero_is_missing: false,
            cover: 0.0,
        }
    }

    /// The same node, with the weight of the training rows that came to it.
    pub(crate) fn covering(self, cover: f64) -> Self {
        Node { cover: if cover.is_finite() { cover.max(0.0) } else { 0.0 }, ..self }
    }

    pub(crate) fn is_leaf(&self) -> bool {
        self.left == NO_CHILD
    }
}

/// One tree: nodes, for each leaf its values, and the sets its splits by category look into.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// Leaf after leaf, the same number of values each.
    pub(super) values: Vec<f64>,
    pub(super) outputs: usize,
    pub(super) sets: Vec<CategorySet>,
}

/// The categories that go to one side of a split; others, and what is no category, go to the
/// other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CategorySet {
    pub(crate) listed: Bits,
    /// Whether those that are listed go left.
    pub(crate) listed_left: bool,
    /// The categories that training has seen, where others go the way of missing values.
    pub(crate) known: Option<Bits>,
}

/// Small whole numbers as bits: bit `n` of word `n / 32` is number `n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits(pub(crate) Box<[u32]>);

impl Bits {
    pub(crate) fn has(&self, number: u32) -> bool {
        self.0.get((number / 32) as usize).is_some_and(|word| word >> (number % 32) & 1 == 1)
    }
}

/// Why nodes do not make a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TreeError {
    #[error("a tree has no nodes")]
    Empty,
    #[error("a tree has {values} values for {leaves} leaves of {outputs} values each")]
    Values { leaves: usize, outputs: usize, values: usize },
    #[error("node {node} has a child that is not below it")]
    Child { node: usize },
    #[error("node {node} is the child of two nodes")]
    Shared { node: usize },
    #[error("node {node} asks for feature {feature} of {width}")]
    Feature { node: usize, feature: u32, width: usize },
    #[error("node {node} has a threshold that is no number")]
    Threshold { node: usize },
    #[error("node {node} names a set of categories that is not there")]
    Categories { node: usize },
}

impl Tree {
    /// Checks nodes for rows of `width` features; `values` has `outputs` values for each leaf in
    /// the order of the nodes.
    ///
    /// Children must come after their parent, which makes every walk end, and have one parent,
    /// which keeps what is made of a tree as small as the tree.
    pub(crate) fn new(
        nodes: Vec<Node>,
        values: Vec<f64>,
        outputs: usize,
        width: usize,
    ) -> Result<Self, TreeError> {
        Self::with_categories(nodes, values, outputs, width, Vec::new())
    }

    /// As [`Tree::new`], with the sets that splits by category look into.
    pub(crate) fn with_categories(
        mut nodes: Vec<Node>,
        values: Vec<f64>,
        outputs: usize,
        width: usize,
        sets: Vec<CategorySet>,
    ) -> Result<Self, TreeError> {
        if nodes.is_empty() {
            return Err(TreeError::Empty);
        }
        let mut leaves = 0;
        for (node, number) in nodes.iter_mut().filter(|node| node.is_leaf()).zip(0u32..) {
            node.right = number;
            leaves += 1;
        }
        if usize::checked_mul(leaves, outputs) != Some(values.len()) || outputs == 0 {
            return Err(TreeError::Values { leaves, outputs, values: values.len() });
        }
        let mut has_parent = vec![false; nodes.len()];
        for (index, node) in nodes.iter().enumerate().filter(|(_, node)| !node.is_leaf()) {
            for child in [node.left, node.right].map(|child| child as usize) {
                if child <= index || child >= nodes.len() {
                    return Err(TreeError::Child { node: index });
                }
                if std::mem::replace(&mut has_parent[child], true) {
                    return Err(TreeError::Shared { node: child });
                }
            }
            if node.feature as usize >= width {
                return Err(TreeError::Feature { node: index, feature: node.feature, width });
            }
            if node.threshold.is_nan() {
                return Err(TreeError::Threshold { node: index });
            }
            if node.is_categorical && !names_set(node.threshold, sets.len()) {
                return Err(TreeError::Categories { node: index });
            }
        }
        Ok(Tree { nodes, values, outputs, sets })
    }

    /// The values of all leaves, in the order of the nodes.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The longest way to a leaf.
    pub(super) fn depth(&self) -> usize {
        let mut depths = vec![0; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate().filter(|(_, node)| !node.is_leaf()) {
            depths[node.left as usize] = depths[index] + 1;
            depths[node.right as usize] = depths[index] + 1;
        }
        depths.into_iter().max().unwrap_or(0)
    }
}

/// Whether a threshold is the number of one of so many sets.
fn names_set(threshold: f64, sets: usize) -> bool {
    u32::try_from(sets)
        .is_ok_and(|sets| threshold >= 0.0 && threshold < f64::from(sets) && threshold.fract() == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(feature: u32, threshold: f64, left: u32, right: u32) -> Node {
        Node { threshold, feature, left, right, ..Node::leaf() }
    }

    #[test]
    fn nodes_that_lead_nowhere_are_refused() {
        let check = |nodes: Vec<Node>, expected| {
            let leaves = nodes.iter().filter(|node| node.is_leaf()).count();
            let values = vec![0.0; leaves * 2];
            assert_eq!(Tree::new(nodes, values, 2, 3).unwrap_err(), expected);
        };
        let leaf = Node::leaf;
        check(vec![split(0, 0.0, 0, 0)], TreeError::Child { node: 0 });
        check(vec![split(0, 0.0, 1, 2), leaf()], TreeError::Child { node: 0 });
        check(vec![split(0, 0.0, 1, 1), leaf()], TreeError::Shared { node: 1 });
        check(
            vec![split(3, 0.0, 1, 2), leaf(), leaf()],
            TreeError::Feature { node: 0, feature: 3, width: 3 },
        );
        check(vec![split(0, f64::NAN, 1, 2), leaf(), leaf()], TreeError::Threshold { node: 0 });
        let categorical = Node { is_categorical: true, ..split(0, 0.0, 1, 2) };
        check(vec![categorical, leaf(), leaf()], TreeError::Categories { node: 0 });
        check(vec![], TreeError::Empty);
    }
}

//! Brings the nodes of a tree, which files hold in any order, into the order that [`Tree`] checks:
//! children behind their parent.

use super::grown::{CategorySet, Node, Tree, TreeError};

/// What a file has at a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Branch {
    /// The leaf of this number in the file.
    Leaf(usize),
    /// A split; the children are numbers in the file.
    Split { split: Node, left: usize, right: usize },
}

/// Why nodes could not be brought in order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArrangeError {
    #[error("node {node} leads to node {child}, which is not there")]
    Child { node: usize, child: usize },
    #[error("node {0} is reached twice: the nodes are no tree")]
    Cycle(usize),
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// Nodes in order, and the numbers of leaves as the file has them.
#[derive(Debug)]
pub(crate) struct Arranged {
    nodes: Vec<Node>,
    leaves: Vec<usize>,
    /// By node its number in the file.
    numbers: Vec<usize>,
}

impl Arranged {
    /// Goes through the `nodes` of a file from the root, asking for each node once.
    ///
    /// # Errors
    /// When a node is reached twice or not there; memory is that of the nodes reached.
    pub(crate) fn new<E: From<ArrangeError>>(
        nodes: usize,
        root: usize,
        mut read: impl FnMut(usize) -> Result<Branch, E>,
    ) -> Result<Self, E> {
        if root >= nodes {
            return Err(ArrangeError::from(TreeError::Empty).into());
        }
        let mut is_seen = vec![false; nodes];
        is_seen[root] = true;
        let (nodes, leaves, numbers) = (Vec::new(), Vec::new(), Vec::new());
        let (mut order, mut arranged) = (vec![root], Arranged { nodes, leaves, numbers });
        let mut next = 0;
        while let Some(&node) = order.get(next) {
            match read(node)? {
                Branch::Leaf(leaf) => {
                    arranged.nodes.push(Node::leaf());
                    arranged.leaves.push(leaf);
                }
                Branch::Split { split, left, right } => {
                    let mut place = |child: usize| match is_seen.get_mut(child) {
                        None => Err(ArrangeError::Child { node, child }),
                        Some(true) => Err(ArrangeError::Cycle(child)),
                        Some(is_seen) => {
                            *is_seen = true;
                            order.push(child);
                            u32::try_from(order.len() - 1).map_err(|_| ArrangeError::Child { node, child })
                        }
                    };
                    let (left, right) = (place(left)?, place(right)?);
                    arranged.nodes.push(Node { left, right, ..split });
                }
            }
            next += 1;
        }
        arranged.numbers = order;
        Ok(arranged)
    }

    /// The same nodes, each with the weight of the training rows that came to the node of a number in the file.
    pub(crate) fn covered(mut self, cover: impl Fn(usize) -> f64) -> Self {
        for (node, number) in self.nodes.iter_mut().zip(&self.numbers) {
            *node = node.covering(cover(*number));
        }
        self
    }

    /// Checks and joins; `value` gives what a leaf of the file has, `outputs` numbers.
    ///
    /// # Errors
    /// When a split is not sound for rows of `width` features.
    pub(crate) fn into_tree(
        self,
        outputs: usize,
        width: usize,
        sets: Vec<CategorySet>,
        mut value: impl FnMut(usize, &mut Vec<f64>),
    ) -> Result<Tree, ArrangeError> {
        let mut values = Vec::with_capacity(self.leaves.len() * outputs);
        self.leaves.iter().for_each(|&leaf| value(leaf, &mut values));
        Ok(Tree::with_categories(self.nodes, values, outputs, width, sets)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(branches: &[Branch]) -> Result<Tree, ArrangeError> {
        let arranged = Arranged::new(branches.len(), 0, |node| Ok::<_, ArrangeError>(branches[node]))?;
        arranged
            .into_tree(1, 2, Vec::new(), |leaf, values| values.push(f64::from(u8::try_from(leaf).unwrap())))
    }

    fn split(left: usize, right: usize) -> Branch {
        Branch::Split { split: Node::leaf(), left, right }
    }

    #[test]
    fn children_come_behind_their_parent() {
        let tree =
            arranged(&[split(3, 1), Branch::Leaf(7), Branch::Leaf(8), split(4, 2), Branch::Leaf(9)]).unwrap();
        assert_eq!(tree.values, [7.0, 9.0, 8.0]);
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        assert_eq!(arranged(&[split(0, 0)]).unwrap_err(), ArrangeError::Cycle(0));
        assert_eq!(arranged(&[split(1, 1), Branch::Leaf(0)]).unwrap_err(), ArrangeError::Cycle(1));
        assert_eq!(
            arranged(&[split(1, 9), Branch::Leaf(0)]).unwrap_err(),
            ArrangeError::Child { node: 0, child: 9 }
        );
        assert_eq!(arranged(&[]).unwrap_err(), ArrangeError::Tree(TreeError::Empty));
    }
}

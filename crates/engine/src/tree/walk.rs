//! Walks through packed trees.
//!
//! The two children of a node lie beside each other, so a node holds one index: a step is
//! `left + (key > threshold)`. A leaf leads to itself, so several walks can go on side by side
//! until none of them moves; the processor overlaps their waits for memory.

use super::columns::LANES;
use super::grown::CategorySet;
use super::number::Number;

/// One packed node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed<K> {
    pub(super) threshold: K,
    /// The feature's place; [`MISSING_LEFT`] and [`CATEGORICAL`] above it.
    pub(super) feature: u32,
    /// The left child, the right one behind it; a leaf its own index.
    pub(super) left: u32,
}

pub(super) const MISSING_LEFT: u32 = 1 << 31;
pub(super) const CATEGORICAL: u32 = 1 << 30;
pub(super) const FEATURE: u32 = CATEGORICAL - 1;

/// Walks that go side by side: enough to hide a wait for memory, few enough for registers.
const ABREAST: usize = 8;

/// What a walk passes.
pub(super) struct Walk<'p, N: Number> {
    pub(super) nodes: &'p [Packed<N::Key>],
    /// By node, the number of its leaf over all trees.
    pub(super) leaves: &'p [u32],
    pub(super) sets: &'p [CategorySet],
}

impl<N: Number> Walk<'_, N> {
    /// One row through trees without sets, several abreast.
    #[inline(always)]
    pub(super) fn trees(
        &self,
        trees: &[u32],
        root: impl Fn(u32) -> u32,
        keys: &[N::Key],
        mut found: impl FnMut(usize, u32),
    ) {
        if trees.is_empty() {
            return;
        }
        let has_missing = keys.contains(&N::MISSING);
        let (together, rest) = trees.as_chunks::<ABREAST>();
        for trees in together {
            let value_of = |_: usize, place: usize| keys[place];
            let leaves = match has_missing {
                false => self.abreast::<false, ABREAST>(trees.map(&root), value_of),
                true => self.abreast::<true, ABREAST>(trees.map(&root), value_of),
            };
            trees.iter().zip(leaves).for_each(|(&tree, leaf)| found(tree as usize, leaf));
        }
        for &tree in rest {
            found(tree as usize, self.alone(root(tree), |place| keys[place]));
        }
    }

    /// Several rows through one tree without sets.
    #[inline(always)]
    pub(super) fn rows<const MISSING: bool>(&self, root: u32, block: &[[N::Key; LANES]]) -> [u32; LANES] {
        let mut leaves = [0; LANES];
        for (half, leaves) in leaves.as_chunks_mut::<ABREAST>().0.iter_mut().enumerate() {
            let value_of = |lane: usize, place: usize| block[place][half * ABREAST + lane];
            *leaves = self.abreast::<MISSING, ABREAST>([root; ABREAST], value_of);
        }
        leaves
    }

    /// Several walks side by side, through trees without sets.
    #[inline(always)]
    fn abreast<const MISSING: bool, const WALKS: usize>(
        &self,
        mut at: [u32; WALKS],
        value_of: impl Fn(usize, usize) -> N::Key,
    ) -> [u32; WALKS] {
        loop {
            let mut moved = 0;
            for (lane, at) in at.iter_mut().enumerate() {
                let node = self.nodes[*at as usize];
                let value = value_of(lane, (node.feature & FEATURE) as usize);
                let mut goes_right = value > node.threshold;
                if MISSING {
                    goes_right |= (value == N::MISSING) & (node.feature & MISSING_LEFT == 0);
                }
                let next = node.left + u32::from(goes_right);
                moved |= next ^ *at;
                *at = next;
            }
            if moved == 0 {
                return at.map(|at| self.leaves[at as usize]);
            }
        }
    }

    /// One walk, through a tree of any splits.
    pub(super) fn alone(&self, root: u32, value_of: impl Fn(usize) -> N::Key) -> u32 {
        let mut at = root;
        loop {
            let node = self.nodes[at as usize];
            if node.left == at {
                return self.leaves[at as usize];
            }
            let value = value_of((node.feature & FEATURE) as usize);
            at = node.left + u32::from(!self.sends_left(&node, value));
        }
    }

    /// Whether a split of any kind sends a value left.
    #[inline(always)]
    pub(super) fn sends_left(&self, node: &Packed<N::Key>, value: N::Key) -> bool {
        let goes_left = match value == N::MISSING {
            true => None,
            false if node.feature & CATEGORICAL != 0 => {
                self.goes_left(N::count(node.threshold), N::wide(value))
            }
            false => Some(value <= node.threshold),
        };
        goes_left.unwrap_or(node.feature & MISSING_LEFT != 0)
    }

    /// Where a category goes; `None` if it counts as missing. A fraction is cut off.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers are checked")]
    fn goes_left(&self, set: usize, category: f64) -> Option<bool> {
        /// As high as any set reaches.
        const MOST: f64 = 4_294_967_296.0;
        let CategorySet { listed, listed_left, known } = &self.sets[set];
        // what is between -1 and 0 is cut to 0, as in C
        let category = (category > -1.0 && category < MOST).then_some(category as u32);
        match (known, category) {
            (Some(known), Some(category)) if !known.has(category) => None,
            (Some(_), None) => None,
            (_, Some(category)) => Some(listed.has(category) == *listed_left),
            (None, None) => Some(!listed_left),
        }
    }
}

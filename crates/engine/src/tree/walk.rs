//! Walks through packed trees.
//!
//! The two children of a node lie beside each other, so a node holds one index: a step is
//! `left + (key > threshold)`. A leaf leads to itself, so several walks can go on side by side
//! until none of them moves; the processor overlaps their waits for memory. A node of single
//! precision takes eight bytes: what binds a walk is how many nodes the caches hold, then how
//! many instructions a step has.

#![expect(unsafe_code, reason = "the inner loop goes unchecked; each block says why it stays inside")]

use super::columns::{Asked, Columns, LANES};
use super::grown::{CategorySet, Node, Tree};
use super::number::Number;

/// Walks that go side by side: enough to hide a wait for memory, few enough for registers.
const ABREAST: usize = 8;

/// Trees next to each other.
#[derive(Debug, Clone)]
pub(super) struct Grove<K> {
    nodes: Nodes<K>,
    /// By node, the number of its leaf over all trees.
    leaves: Vec<u32>,
    /// By tree.
    roots: Vec<u32>,
}

/// Nodes in the narrowest form that has room for them.
#[derive(Debug, Clone)]
enum Nodes<K> {
    Byte(Vec<Packed<K, Byte>>),
    Short(Vec<Packed<K, u32>>, Ways),
    Long(Vec<Packed<K, u64>>),
}

/// One packed node.
#[derive(Debug, Clone, Copy)]
struct Packed<K, W> {
    threshold: K,
    /// The place of the key compared above the left child (the right one is behind it); a leaf
    /// leads to itself.
    way: W,
}

/// What a node is: threshold, place, left child in the tree, and its leaf if it is one.
type Told<K> = (K, usize, u32, Option<u32>);

/// How ways are put together.
#[derive(Debug, Clone, Copy)]
struct Ways {
    left_bits: u32,
}

/// Of ways that are all put together alike.
const NO_WAYS: Ways = Ways { left_bits: 0 };

/// The width of a [`Byte`]'s place.
const BYTE: u32 = u8::BITS;

/// A way whose place is a byte, the rest of it the left child: the cheapest to take apart.
#[derive(Debug, Clone, Copy)]
struct Byte(u32);

/// A number that holds a way.
trait Way: Copy {
    fn pack(ways: Ways, place: u32, left: u32) -> Self;
    /// The place of the key, and the left child.
    fn split(self, ways: Ways) -> (usize, usize);
}

impl Way for Byte {
    fn pack(_: Ways, place: u32, left: u32) -> Byte {
        Byte(left << BYTE | place)
    }

    #[inline(always)]
    fn split(self, _: Ways) -> (usize, usize) {
        (usize::from(self.0.to_le_bytes()[0]), (self.0 >> BYTE) as usize)
    }
}

impl Way for u32 {
    fn pack(ways: Ways, place: u32, left: u32) -> u32 {
        place << ways.left_bits | left
    }

    #[inline(always)]
    fn split(self, ways: Ways) -> (usize, usize) {
        ((self >> ways.left_bits) as usize, (self & ((1 << ways.left_bits) - 1)) as usize)
    }
}

impl Way for u64 {
    fn pack(_: Ways, place: u32, left: u32) -> u64 {
        u64::from(place) << 32 | u64::from(left)
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    fn split(self, _: Ways) -> (usize, usize) {
        ((self >> 32) as usize, self as u32 as usize)
    }
}

impl<K: Copy + Ord> Grove<K> {
    /// Packs trees, each in breadth: what many rows pass lies together. `sets` and `leaves` count
    /// what other trees have already; `passed` is called with each node in the order of packing.
    ///
    /// Children and places are checked numbers: of a [`Tree`], and of its `columns`.
    pub(super) fn new<N: Number<Key = K>>(
        trees: &[Tree],
        columns: &Columns,
        mut sets: usize,
        mut leaves: usize,
        mut passed: impl FnMut(&Node),
    ) -> Self {
        let count: usize = trees.iter().map(|tree| tree.nodes.len()).sum();
        let left_bits = usize::BITS - count.leading_zeros();
        let ways = Ways { left_bits };
        // with a threshold of eight bytes a short way would leave a hole
        let is_small = size_of::<K>() == size_of::<u32>();
        let is_byte = left_bits <= u32::BITS - BYTE && columns.places() <= 1 << BYTE;
        let is_short = left_bits < u32::BITS && columns.places() <= 1 << (u32::BITS - left_bits);
        let nodes = match (is_small && is_byte, is_small && is_short) {
            (true, _) => Nodes::Byte(Vec::with_capacity(count)),
            (false, true) => Nodes::Short(Vec::with_capacity(count), ways),
            (false, false) => Nodes::Long(Vec::with_capacity(count)),
        };
        let mut grove = Grove { nodes, leaves: Vec::with_capacity(count), roots: Vec::new() };
        for tree in trees {
            grove.add::<N>(tree, columns, (sets, leaves), &mut passed);
            sets += tree.sets.len();
            leaves += tree.values.len() / tree.outputs;
        }
        grove
    }

    fn add<N: Number<Key = K>>(
        &mut self,
        tree: &Tree,
        columns: &Columns,
        (sets, first_leaf): (usize, usize),
        passed: &mut impl FnMut(&Node),
    ) {
        let first = self.leaves.len();
        self.roots.push(index(first));
        let mut order = vec![0usize];
        let mut next = 0;
        while let Some(&original) = order.get(next) {
            let node = &tree.nodes[original];
            passed(node);
            if node.is_leaf() {
                self.push(N::LAST, 0, index(first + next));
                self.leaves.push(index(first_leaf + node.right as usize));
            } else {
                let threshold = match node.is_categorical {
                    true => N::counted(index(sets + set_of(node))),
                    false => N::threshold(node.threshold),
                };
                self.push(threshold, columns.place(node).unwrap_or(0), index(first + order.len()));
                self.leaves.push(0);
                order.extend([node.left as usize, node.right as usize]);
            }
            next += 1;
        }
    }

    fn push(&mut self, threshold: K, place: usize, left: u32) {
        let place = index(place);
        match &mut self.nodes {
            Nodes::Byte(nodes) => nodes.push(Packed { threshold, way: Way::pack(NO_WAYS, place, left) }),
            Nodes::Short(nodes, ways) => nodes.push(Packed { threshold, way: Way::pack(*ways, place, left) }),
            Nodes::Long(nodes) => nodes.push(Packed { threshold, way: Way::pack(NO_WAYS, place, left) }),
        }
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.leaves.len()
    }

    /// The root of each tree, and the end of its nodes.
    pub(super) fn spans(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let ends = self.roots.iter().skip(1).copied().chain([index(self.len())]);
        self.roots.iter().copied().zip(ends)
    }

    /// Each tree's root and its nodes.
    pub(super) fn trees(&self) -> impl Iterator<Item = (u32, Vec<Told<K>>)> + '_ {
        self.spans().map(|(root, end)| {
            let nodes = (root..end).map(|at| {
                let (threshold, (place, left)) = self.node(at as usize);
                let leaf = (left == at as usize).then(|| self.leaves[left]);
                (threshold, place, index(left) - root, leaf)
            });
            (root, nodes.collect())
        })
    }

    /// The leaf that a node is.
    pub(super) fn leaf(&self, at: usize) -> u32 {
        self.leaves[at]
    }

    /// A node's threshold, the place of its key, and its left child, which is itself of a leaf.
    #[inline(always)]
    pub(super) fn node(&self, at: usize) -> (K, (usize, usize)) {
        match &self.nodes {
            Nodes::Byte(nodes) => (nodes[at].threshold, nodes[at].way.split(NO_WAYS)),
            Nodes::Short(nodes, ways) => (nodes[at].threshold, nodes[at].way.split(*ways)),
            Nodes::Long(nodes) => (nodes[at].threshold, nodes[at].way.split(NO_WAYS)),
        }
    }

    /// One row through trees without sets, several abreast.
    #[inline(always)]
    pub(super) fn row(&self, trees: &[u32], keys: &[K], columns: &Columns, found: impl FnMut(usize, u32)) {
        assert!(keys.len() >= columns.places(), "a key for each place");
        match &self.nodes {
            Nodes::Byte(nodes) => self.row_through(nodes, NO_WAYS, trees, keys, found),
            Nodes::Short(nodes, ways) => self.row_through(nodes, *ways, trees, keys, found),
            Nodes::Long(nodes) => self.row_through(nodes, NO_WAYS, trees, keys, found),
        }
    }

    #[inline(always)]
    fn row_through<W: Way>(
        &self,
        nodes: &[Packed<K, W>],
        ways: Ways,
        trees: &[u32],
        keys: &[K],
        mut found: impl FnMut(usize, u32),
    ) {
        // SAFETY: `row` has checked that there is a key for each place.
        let key_of = |_: usize, place: usize| unsafe { *keys.get_unchecked(place) };
        let (together, rest) = trees.as_chunks::<ABREAST>();
        for trees in together {
            let mut at = [0; ABREAST];
            for (at, tree) in at.iter_mut().zip(trees) {
                *at = self.roots[*tree as usize] as usize;
            }
            abreast(nodes, ways, &mut at, key_of);
            trees.iter().zip(at).for_each(|(&tree, at)| found(tree as usize, self.leaves[at]));
        }
        for &tree in rest {
            let mut at = [self.roots[tree as usize] as usize];
            abreast(nodes, ways, &mut at, key_of);
            found(tree as usize, self.leaves[at[0]]);
        }
    }

    /// Several rows through one tree without sets.
    #[inline(always)]
    pub(super) fn rows(&self, tree: u32, block: &[[K; LANES]], columns: &Columns) -> [u32; LANES] {
        assert!(block.len() >= columns.places(), "keys for each place");
        match &self.nodes {
            Nodes::Byte(nodes) => self.rows_through(nodes, NO_WAYS, tree, block),
            Nodes::Short(nodes, ways) => self.rows_through(nodes, *ways, tree, block),
            Nodes::Long(nodes) => self.rows_through(nodes, NO_WAYS, tree, block),
        }
    }

    // not a part of its caller: there AVX-512 would make gathers of the loads, which are slower
    #[inline(never)]
    fn rows_through<W: Way>(
        &self,
        nodes: &[Packed<K, W>],
        ways: Ways,
        tree: u32,
        block: &[[K; LANES]],
    ) -> [u32; LANES] {
        let root = self.roots[tree as usize] as usize;
        let mut leaves = [0; LANES];
        for (half, leaves) in leaves.as_chunks_mut::<ABREAST>().0.iter_mut().enumerate() {
            // SAFETY: `rows` has checked that there are keys for each place; the lane is one of eight.
            let key_of = |lane: usize, place: usize| unsafe {
                *block.get_unchecked(place).get_unchecked(half * ABREAST + lane)
            };
            let mut at = [root; ABREAST];
            abreast(nodes, ways, &mut at, key_of);
            leaves.iter_mut().zip(at).for_each(|(leaf, at)| *leaf = self.leaves[at]);
        }
        leaves
    }

    /// One walk, through a tree of any splits.
    pub(super) fn alone<N: Number<Key = K>>(
        &self,
        tree: u32,
        columns: &Columns,
        sets: &[CategorySet],
        key_of: impl Fn(usize) -> K,
    ) -> u32 {
        let mut at = self.roots[tree as usize] as usize;
        loop {
            let (threshold, (place, left)) = self.node(at);
            if left == at {
                return self.leaves[at];
            }
            at = left + usize::from(!sends_left::<N>(threshold, key_of(place), columns.at(place), sets));
        }
    }
}

/// Several walks side by side, from where they are to their leaves, through nodes of a [`Grove`] and
/// trees without sets.
#[inline(always)]
fn abreast<K: Copy + Ord, W: Way, const WALKS: usize>(
    nodes: &[Packed<K, W>],
    ways: Ways,
    at: &mut [usize; WALKS],
    key_of: impl Fn(usize, usize) -> K,
) {
    let step = |lane: usize, at: usize| {
        // SAFETY: a root, or a child of a node: `Grove::add` gives every child it names a node.
        let node = unsafe { nodes.get_unchecked(at) };
        let (place, left) = node.way.split(ways);
        left + usize::from(key_of(lane, place) > node.threshold)
    };
    loop {
        // to look whether all have arrived costs a quarter of a step
        for (lane, at) in at.iter_mut().enumerate() {
            *at = step(lane, *at);
        }
        let mut moved = 0;
        for (lane, at) in at.iter_mut().enumerate() {
            let next = step(lane, *at);
            moved |= next ^ *at;
            *at = next;
        }
        if moved == 0 {
            return;
        }
    }
}

/// Whether a split of any kind sends a key left.
#[inline(always)]
pub(super) fn sends_left<N: Number>(
    threshold: N::Key,
    key: N::Key,
    asked: Asked,
    sets: &[CategorySet],
) -> bool {
    let goes_left = match key == N::MISSING || key == N::LAST {
        true => None,
        false if asked.is_categorical => goes_left(&sets[N::count(threshold)], N::wide(key)),
        false => Some(key <= threshold),
    };
    goes_left.unwrap_or(asked.missing_left)
}

/// Where a category goes; `None` if it counts as missing. A fraction is cut off.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers are checked")]
fn goes_left(set: &CategorySet, category: f64) -> Option<bool> {
    /// As high as any set reaches.
    const MOST: f64 = 4_294_967_296.0;
    let CategorySet { listed, listed_left, known } = set;
    // what is between -1 and 0 is cut to 0, as in C
    let category = (category > -1.0 && category < MOST).then_some(category as u32);
    match (known, category) {
        (Some(known), Some(category)) if !known.has(category) => None,
        (Some(_), None) => None,
        (_, Some(category)) => Some(listed.has(category) == *listed_left),
        (None, None) => Some(!listed_left),
    }
}

/// The number of the set that a split by category looks into, among its tree's.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a checked tree has a whole number"
)]
fn set_of(node: &Node) -> usize {
    node.threshold as usize
}

pub(super) fn index(length: usize) -> u32 {
    u32::try_from(length).unwrap_or_else(|_| unreachable!("bounded by `PackedTrees`"))
}

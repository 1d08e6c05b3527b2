//! Trees packed for finding leaves fast.
//!
//! Trees come in chunks. The small ones of a chunk are flattened ([`super::flat`]), the others are
//! walked ([`super::walk`]); rows are taken one by one or [`LANES`] abreast. Whatever the way, the
//! leaves of a row are told in the order of trees, so that sums are added in the library's order.

mod covers;
mod kernel;
mod shapley;

use std::ops::Range;
use std::sync::OnceLock;

use super::columns::{Columns, LANES};
use super::flat::{Flat, MOST_TREES};
use super::grown::{CategorySet, Tree};
use super::number::Number;
use super::walk::{CATEGORICAL, FEATURE, MISSING_LEFT, Packed, Walk};
use crate::data::Matrix;
use crate::explain::Unexplained;
use covers::Covers;

/// Trees packed for walking, all of the same number of values a leaf.
#[derive(Debug, Clone)]
pub(crate) struct PackedTrees<N: Number> {
    nodes: Vec<Packed<N::Key>>,
    /// By node, the number of its leaf over all trees.
    leaves: Vec<u32>,
    roots: Vec<u32>,
    chunks: Vec<Chunk<N::Key>>,
    values: Vec<f64>,
    sets: Vec<CategorySet>,
    /// By node the weight of the training rows that came to it.
    covers: Covers,
    outputs: usize,
    width: usize,
    columns: Columns,
    /// Whether the trees can be explained, once somebody asked.
    explainable: OnceLock<Result<(), Unexplained>>,
}

/// Trees next to each other.
#[derive(Debug, Clone)]
struct Chunk<K> {
    trees: Range<usize>,
    flat: Flattened<K>,
    /// For one row: the trees that are walked abreast, shallow ones first.
    walked_by_row: Walked,
    /// For several rows.
    walked_by_block: Walked,
}

/// Trees of a chunk by their number in it.
#[derive(Debug, Clone, Default)]
struct Walked {
    plain: Vec<u32>,
    categorical: Vec<u32>,
}

/// The small trees of a chunk.
#[derive(Debug, Clone)]
enum Flattened<K> {
    None,
    Narrow(Flat<K, u32>),
    Wide(Flat<K, u64>),
}

/// There are more nodes or features than the packing has numbers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the trees have more than 2^31 nodes or 2^30 features")]
pub(crate) struct TooLarge;

impl<N: Number> PackedTrees<N> {
    /// Packs trees of the same number of outputs.
    pub(crate) fn new(trees: &[Tree], outputs: usize, width: usize) -> Result<Self, TooLarge> {
        Self::with_absent(trees, outputs, width, 0.0)
    }

    /// As [`PackedTrees::new`]; `absent` is what a sparse row has where it has nothing.
    pub(crate) fn with_absent(
        trees: &[Tree],
        outputs: usize,
        width: usize,
        absent: f64,
    ) -> Result<Self, TooLarge> {
        if width > FEATURE as usize || trees.iter().map(|tree| tree.nodes.len()).sum::<usize>() >= 1 << 31 {
            return Err(TooLarge);
        }
        let splits = trees.iter().flat_map(|tree| &tree.nodes).filter(|node| !node.is_leaf());
        let mut packed = PackedTrees {
            nodes: Vec::new(),
            leaves: Vec::new(),
            roots: Vec::new(),
            chunks: Vec::new(),
            values: Vec::new(),
            sets: Vec::new(),
            covers: Covers::of(trees),
            outputs,
            width,
            columns: Columns::of(splits, absent),
            explainable: OnceLock::new(),
        };
        for chunk in trees.chunks(MOST_TREES) {
            let first = packed.roots.len();
            let first_leaves: Vec<u32> = chunk.iter().map(|tree| packed.add(tree)).collect();
            packed.chunks.push(packed.chunk(first, chunk, &first_leaves));
        }
        Ok(packed)
    }

    /// Packs a tree in breadth: what many rows pass lies together. Returns its first leaf.
    fn add(&mut self, tree: &Tree) -> u32 {
        let first_leaf = index(self.values.len() / self.outputs);
        self.roots.push(index(self.nodes.len()));
        let first = self.nodes.len();
        let mut order = vec![0usize];
        let mut next = 0;
        while let Some(&original) = order.get(next) {
            let node = &tree.nodes[original];
            self.covers.push(node.cover);
            if node.is_leaf() {
                let (feature, left) = (MISSING_LEFT, index(first + next));
                self.nodes.push(Packed { threshold: N::LAST, feature, left });
                self.leaves.push(first_leaf + node.right);
            } else {
                let missing = if node.missing_left { MISSING_LEFT } else { 0 };
                let (threshold, categorical) = if node.is_categorical {
                    (N::counted(index(self.sets.len() + set_of(node))), CATEGORICAL)
                } else {
                    (N::threshold(node.threshold), 0)
                };
                let left = index(first + order.len());
                let feature = index(self.columns.place(node).unwrap_or(0)) | missing | categorical;
                self.nodes.push(Packed { threshold, feature, left });
                self.leaves.push(0);
                order.extend([node.left as usize, node.right as usize]);
            }
            next += 1;
        }
        self.values.extend_from_slice(&tree.values);
        self.sets.extend(tree.sets.iter().cloned());
        first_leaf
    }

    /// Sorts trees by how their leaves are found.
    fn chunk(&self, first: usize, trees: &[Tree], first_leaves: &[u32]) -> Chunk<N::Key> {
        let small = |tree: &&Tree| Flat::<N::Key, u64>::takes(tree);
        let is_narrow = trees.iter().filter(small).all(Flat::<N::Key, u32>::takes);
        let flat = (trees.iter().zip(first_leaves).zip(0u32..))
            .filter(|((tree, _), _)| small(tree))
            .map(|((tree, &first_leaf), number)| (number, tree, first_leaf));
        let place = |node: &super::Node| self.columns.place(node).unwrap_or(0);
        let flat = match (trees.iter().any(|tree| small(&tree)), is_narrow) {
            (false, _) => Flattened::None,
            (true, true) => Flattened::Narrow(Flat::new::<N>(flat, self.columns.places(), place)),
            (true, false) => Flattened::Wide(Flat::new::<N>(flat, self.columns.places(), place)),
        };
        let is_flat_by_row = matches!(flat, Flattened::Narrow(_));
        let walked = |is_flat: &dyn Fn(&Tree) -> bool| {
            let mut walked = Walked::default();
            for (tree, number) in trees.iter().zip(0u32..).filter(|(tree, _)| !is_flat(tree)) {
                let is_categorical = tree.nodes.iter().any(|node| node.is_categorical);
                if is_categorical { &mut walked.categorical } else { &mut walked.plain }.push(number);
            }
            walked.plain.sort_by_key(|&number| trees[number as usize].depth());
            walked
        };
        Chunk {
            trees: first..first + trees.len(),
            walked_by_row: walked(&|tree| is_flat_by_row && small(&tree)),
            walked_by_block: walked(&|tree| small(&tree)),
            flat,
        }
    }

    pub(crate) fn trees(&self) -> usize {
        self.roots.len()
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// How many leaves all trees have together.
    pub(crate) fn leaves(&self) -> usize {
        self.values.len() / self.outputs
    }

    /// The values of all leaves, leaf after leaf.
    pub(crate) fn all_values(&self) -> &[f64] {
        &self.values
    }

    /// The values of a leaf.
    pub(crate) fn values(&self, leaf: u32) -> &[f64] {
        &self.values[leaf as usize * self.outputs..][..self.outputs]
    }

    /// The trees as they could have come from a file.
    pub(crate) fn grown(&self) -> impl Iterator<Item = (Vec<super::Node>, Vec<f64>)> + '_ {
        let ends =
            self.roots.iter().skip(1).copied().chain([u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)]);
        self.roots.iter().zip(ends).map(|(&root, end)| {
            let mut values = Vec::new();
            let nodes = (root..end).map(|index| {
                let node = &self.nodes[index as usize];
                let cover = self.covers.get(index);
                if node.left == index {
                    values.extend_from_slice(self.values(self.leaves[index as usize]));
                    return super::Node { cover, ..super::Node::leaf() };
                }
                let (feature, zero_is_missing) = self.columns.at((node.feature & FEATURE) as usize);
                super::Node {
                    threshold: N::wide(node.threshold),
                    feature,
                    left: node.left - root,
                    right: node.left + 1 - root,
                    missing_left: node.feature & MISSING_LEFT != 0,
                    is_categorical: node.feature & CATEGORICAL != 0,
                    zero_is_missing,
                    cover,
                }
            });
            let nodes = nodes.collect();
            (nodes, values)
        })
    }

    /// Calls `visit(first row, tree, leaves)` for every tree and some rows at a time, for each row
    /// in the order of trees.
    pub(crate) fn visit(&self, matrix: &Matrix<'_>, mut visit: impl FnMut(usize, usize, &[u32])) {
        #[cfg(target_arch = "x86_64")]
        if matrix.rows() >= ABREAST
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
        {
            // SAFETY: the processor has what the function is compiled for.
            #[expect(unsafe_code, reason = "the features were asked for")]
            return unsafe { self.visit_avx512(matrix, &mut visit) };
        }
        #[cfg(target_arch = "x86_64")]
        if matrix.rows() >= ABREAST && is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            #[expect(unsafe_code, reason = "the feature was asked for")]
            return unsafe { self.visit_avx2(matrix, &mut visit) };
        }
        self.visit_all(matrix, &mut visit);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512cd,bmi1,bmi2,lzcnt,popcnt")]
    fn visit_avx512(&self, matrix: &Matrix<'_>, visit: &mut impl FnMut(usize, usize, &[u32])) {
        self.visit_all(matrix, visit);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn visit_avx2(&self, matrix: &Matrix<'_>, visit: &mut impl FnMut(usize, usize, &[u32])) {
        self.visit_all(matrix, visit);
    }

    #[inline(always)]
    fn visit_all(&self, matrix: &Matrix<'_>, visit: &mut impl FnMut(usize, usize, &[u32])) {
        let mut row = 0;
        if matrix.rows() >= ABREAST {
            let mut block = vec![[N::Key::default(); LANES]; self.columns.places()];
            while matrix.rows() - row >= ABREAST {
                let end = (row + LANES).min(matrix.rows());
                self.columns.block::<N>(matrix, row..end, &mut block);
                self.visit_block(&block, &mut |tree, leaves| visit(row, tree, &leaves[..end - row]));
                row = end;
            }
        }
        if row < matrix.rows() {
            let mut keys = vec![N::Key::default(); self.columns.places()];
            for row in row..matrix.rows() {
                self.columns.row::<N>(matrix, row, &mut keys);
                self.visit_row(&keys, &mut |tree, leaf| visit(row, tree, &[leaf]));
            }
        }
    }

    fn walk(&self) -> Walk<'_, N> {
        Walk { nodes: &self.nodes, leaves: &self.leaves, sets: &self.sets }
    }

    #[inline(always)]
    fn visit_row(&self, keys: &[N::Key], visit: &mut impl FnMut(usize, u32)) {
        let walk = self.walk();
        for chunk in &self.chunks {
            let mut found = [0; MOST_TREES];
            let mut keep = |tree: usize, leaf: u32| found[tree % MOST_TREES] = leaf;
            let root = |tree: u32| self.roots[chunk.trees.start + tree as usize];
            if let Flattened::Narrow(flat) = &chunk.flat {
                flat.row::<N>(keys, &mut keep);
            }
            walk.trees(&chunk.walked_by_row.plain, root, keys, &mut keep);
            for &tree in &chunk.walked_by_row.categorical {
                keep(tree as usize, walk.alone(root(tree), |place| keys[place]));
            }
            chunk.trees.clone().zip(found).for_each(|(tree, leaf)| visit(tree, leaf));
        }
    }

    #[inline(always)]
    fn visit_block(&self, block: &[[N::Key; LANES]], visit: &mut impl FnMut(usize, &[u32; LANES])) {
        let walk = self.walk();
        let has_missing = block.iter().any(|keys| keys.contains(&N::MISSING));
        for chunk in &self.chunks {
            let mut found = [[0; LANES]; MOST_TREES];
            let mut keep = |tree: usize, leaves: [u32; LANES]| found[tree % MOST_TREES] = leaves;
            let root = |tree: u32| self.roots[chunk.trees.start + tree as usize];
            match &chunk.flat {
                Flattened::None => {}
                Flattened::Narrow(flat) => flat.block::<N>(block, &mut keep),
                Flattened::Wide(flat) => flat.block::<N>(block, &mut keep),
            }
            for &tree in &chunk.walked_by_block.plain {
                keep(
                    tree as usize,
                    match has_missing {
                        false => walk.rows::<false>(root(tree), block),
                        true => walk.rows::<true>(root(tree), block),
                    },
                );
            }
            for &tree in &chunk.walked_by_block.categorical {
                keep(
                    tree as usize,
                    std::array::from_fn(|lane| walk.alone(root(tree), |place| block[place][lane])),
                );
            }
            chunk.trees.clone().zip(&found).for_each(|(tree, leaves)| visit(tree, leaves));
        }
    }
}

/// The number of the set that a split by category looks into, among its tree's.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a checked tree has a whole number"
)]
fn set_of(node: &super::Node) -> usize {
    node.threshold as usize
}

/// Fewer rows are taken one by one.
const ABREAST: usize = 4;

fn index(length: usize) -> u32 {
    u32::try_from(length).unwrap_or_else(|_| unreachable!("bounded by `with_absent`"))
}

#[cfg(test)]
mod tests;

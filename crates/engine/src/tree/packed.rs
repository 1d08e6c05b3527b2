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
use super::walk::{Grove, index};
use crate::data::Matrix;
use crate::explain::Unexplained;
use crate::processor::Instructions;
use covers::Covers;

/// Trees packed for walking, all of the same number of values a leaf.
#[derive(Debug, Clone)]
pub(crate) struct PackedTrees<N: Number> {
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
    grove: Grove<K>,
    /// The number of its first node over all chunks.
    first_node: usize,
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

/// What rows may lack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gaps {
    /// What a sparse row has where it has nothing.
    pub(crate) absent: f64,
    /// Whether a row may miss a number (NaN).
    pub(crate) takes_missing: bool,
}

/// There are more nodes or features than the packing has numbers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the trees have more than 2^31 nodes or 2^30 features")]
pub(crate) struct TooLarge;

impl<N: Number> PackedTrees<N> {
    /// Packs trees of the same number of outputs.
    pub(crate) fn new(trees: &[Tree], outputs: usize, width: usize) -> Result<Self, TooLarge> {
        Self::with_gaps(trees, outputs, width, Gaps { absent: 0.0, takes_missing: true })
    }

    /// As [`PackedTrees::new`], with another say about what rows lack.
    pub(crate) fn with_gaps(
        trees: &[Tree],
        outputs: usize,
        width: usize,
        gaps: Gaps,
    ) -> Result<Self, TooLarge> {
        if width > 1 << 30 || trees.iter().map(|tree| tree.nodes.len()).sum::<usize>() >= 1 << 31 {
            return Err(TooLarge);
        }
        let splits = trees.iter().flat_map(|tree| &tree.nodes).filter(|node| !node.is_leaf());
        let columns = Columns::of(splits, gaps.absent, gaps.takes_missing);
        let (chunks, values, sets) = (Vec::new(), Vec::new(), Vec::new());
        let (covers, explainable) = (Covers::of(trees), OnceLock::new());
        let mut packed = PackedTrees { chunks, values, sets, covers, outputs, width, columns, explainable };
        for (number, chunk) in trees.chunks(MOST_TREES).enumerate() {
            packed.add(number * MOST_TREES, chunk);
        }
        Ok(packed)
    }

    /// Packs a chunk of trees, sorted by how their leaves are found.
    fn add(&mut self, first: usize, trees: &[Tree]) {
        let mut leaf = self.values.len() / self.outputs;
        let first_node = self.chunks.last().map_or(0, |chunk| chunk.first_node + chunk.grove.len());
        let covers = &mut self.covers;
        let grove =
            Grove::new::<N>(trees, &self.columns, self.sets.len(), leaf, |node| covers.push(node.cover));
        let mut first_leaves = Vec::with_capacity(trees.len());
        for tree in trees {
            first_leaves.push(index(leaf));
            leaf += tree.values.len() / self.outputs;
            self.values.extend_from_slice(&tree.values);
            self.sets.extend(tree.sets.iter().cloned());
        }
        let small = |tree: &&Tree| Flat::<N::Key, u64>::takes(tree);
        let is_narrow = trees.iter().filter(small).all(Flat::<N::Key, u32>::takes);
        let flat = (trees.iter().zip(&first_leaves).zip(0u32..))
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
        self.chunks.push(Chunk {
            trees: first..first + trees.len(),
            grove,
            first_node,
            walked_by_row: walked(&|tree| is_flat_by_row && small(&tree)),
            walked_by_block: walked(&|tree| small(&tree)),
            flat,
        });
    }

    pub(crate) fn trees(&self) -> usize {
        self.chunks.last().map_or(0, |chunk| chunk.trees.end)
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
        let numbered = |chunk: &Chunk<N::Key>| {
            let first = chunk.first_node;
            chunk.grove.trees().map(move |(root, nodes)| (first + root as usize, nodes)).collect::<Vec<_>>()
        };
        self.chunks.iter().flat_map(numbered).map(|(first, nodes)| {
            let mut values = Vec::new();
            let nodes = nodes.into_iter().zip(first..).map(|((threshold, place, left, leaf), index)| {
                let cover = self.covers.get(index);
                if let Some(leaf) = leaf {
                    values.extend_from_slice(self.values(leaf));
                    return super::Node { cover, ..super::Node::leaf() };
                }
                let asked = self.columns.at(place);
                super::Node {
                    threshold: N::wide(threshold),
                    feature: asked.column,
                    left,
                    right: left + 1,
                    missing_left: asked.missing_left,
                    is_categorical: asked.is_categorical,
                    zero_is_missing: asked.zero_is_missing,
                    cover,
                }
            });
            let nodes = nodes.collect();
            (nodes, values)
        })
    }

    /// Calls `visit(first row, tree, leaves)` for every tree and some rows at a time, for each row
    /// in the order of trees.
    pub(crate) fn visit(&self, matrix: &Matrix<'_>, visit: impl FnMut(usize, usize, &[u32])) {
        self.visit_by(Instructions::usable(), matrix, visit);
    }

    /// As [`PackedTrees::visit`], with instructions that are [usable](Instructions::usable), or fewer.
    fn visit_by(
        &self,
        instructions: Instructions,
        matrix: &Matrix<'_>,
        mut visit: impl FnMut(usize, usize, &[u32]),
    ) {
        match instructions.min(Instructions::usable()) {
            // SAFETY: the processor has what the function is compiled for.
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "the features were asked for")]
            Instructions::Avx512 => unsafe { self.visit_avx512(matrix, &mut visit) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "the feature was asked for")]
            Instructions::Avx2 => unsafe { self.visit_avx2(matrix, &mut visit) },
            _ => self.visit_all::<false>(matrix, &mut visit),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512cd,bmi1,bmi2,lzcnt,popcnt")]
    fn visit_avx512(&self, matrix: &Matrix<'_>, visit: &mut impl FnMut(usize, usize, &[u32])) {
        self.visit_all::<true>(matrix, visit);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn visit_avx2(&self, matrix: &Matrix<'_>, visit: &mut impl FnMut(usize, usize, &[u32])) {
        self.visit_all::<false>(matrix, visit);
    }

    /// `WIDE` where the processor has AVX-512.
    #[inline(always)]
    fn visit_all<const WIDE: bool>(&self, matrix: &Matrix<'_>, visit: &mut impl FnMut(usize, usize, &[u32])) {
        let mut row = 0;
        if matrix.rows() >= ABREAST {
            let mut block = vec![[N::Key::default(); LANES]; self.columns.places()];
            while matrix.rows() - row >= ABREAST {
                let end = (row + LANES).min(matrix.rows());
                self.columns.block::<N>(matrix, row..end, &mut block);
                self.visit_block::<WIDE>(&block, &mut |tree, leaves| visit(row, tree, &leaves[..end - row]));
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

    #[inline(always)]
    fn visit_row(&self, keys: &[N::Key], visit: &mut impl FnMut(usize, u32)) {
        for chunk in &self.chunks {
            let mut found = [0; MOST_TREES];
            let mut keep = |tree: usize, leaf: u32| found[tree % MOST_TREES] = leaf;
            if let Flattened::Narrow(flat) = &chunk.flat {
                flat.row(keys, &mut keep);
            }
            chunk.grove.row(&chunk.walked_by_row.plain, keys, &self.columns, &mut keep);
            for &tree in &chunk.walked_by_row.categorical {
                let leaf = chunk.grove.alone::<N>(tree, &self.columns, &self.sets, |place| keys[place]);
                keep(tree as usize, leaf);
            }
            chunk.trees.clone().zip(found).for_each(|(tree, leaf)| visit(tree, leaf));
        }
    }

    #[inline(always)]
    fn visit_block<const WIDE: bool>(
        &self,
        block: &[[N::Key; LANES]],
        visit: &mut impl FnMut(usize, &[u32; LANES]),
    ) {
        for chunk in &self.chunks {
            let mut found = [[0; LANES]; MOST_TREES];
            let mut keep = |tree: usize, leaves: [u32; LANES]| found[tree % MOST_TREES] = leaves;
            match &chunk.flat {
                Flattened::None => {}
                Flattened::Narrow(flat) => flat.block::<N, WIDE>(block, &mut keep),
                Flattened::Wide(flat) => flat.block::<N, WIDE>(block, &mut keep),
            }
            for &tree in &chunk.walked_by_block.plain {
                keep(tree as usize, chunk.grove.rows(tree, block, &self.columns));
            }
            for &tree in &chunk.walked_by_block.categorical {
                let leaf = |lane: usize| {
                    chunk.grove.alone::<N>(tree, &self.columns, &self.sets, |place| block[place][lane])
                };
                keep(tree as usize, std::array::from_fn(leaf));
            }
            chunk.trees.clone().zip(&found).for_each(|(tree, leaves)| visit(tree, leaves));
        }
    }
}

/// Fewer rows are taken one by one.
const ABREAST: usize = 4;

#[cfg(test)]
mod tests;

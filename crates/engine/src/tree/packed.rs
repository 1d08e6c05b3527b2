//! Trees packed for walking.
//!
//! The two children of a node lie beside each other, so a node holds one index: a step is
//! `left + (value > threshold)`. A leaf leads to itself, so several walks can go on side by side
//! until none of them moves; the processor overlaps their waits for memory. All indices were
//! checked while packing.

use std::ops::Range;

use super::grown::{CategorySet, Tree};
use crate::data::Matrix;

/// The number a threshold is kept as, and a row is compared as.
pub(crate) trait Number: Copy + PartialOrd + Send + Sync + std::fmt::Debug + 'static {
    const INFINITY: Self;

    /// The largest number of this kind that is not above `threshold`: comparing with it is the
    /// same for all values of this kind.
    fn at_most(threshold: f64) -> Self;

    /// A value as it is compared, rounded if need be.
    fn of(value: f64) -> Self;

    fn is_nan(self) -> bool;

    fn wide(self) -> f64;
}

impl Number for f64 {
    const INFINITY: Self = f64::INFINITY;

    fn at_most(threshold: f64) -> Self {
        threshold
    }

    fn of(value: f64) -> Self {
        value
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn wide(self) -> f64 {
        self
    }
}

impl Number for f32 {
    const INFINITY: Self = f32::INFINITY;

    #[expect(clippy::cast_possible_truncation, reason = "the rounding is corrected")]
    fn at_most(threshold: f64) -> Self {
        let nearest = threshold as f32;
        if f64::from(nearest) > threshold { nearest.next_down() } else { nearest }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "scikit-learn rounds every value before a tree compares it"
    )]
    fn of(value: f64) -> Self {
        value as f32
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn wide(self) -> f64 {
        f64::from(self)
    }
}

/// One packed node.
#[derive(Debug, Clone, Copy)]
struct Packed<N> {
    threshold: N,
    /// The feature; [`MISSING_LEFT`] and [`CATEGORICAL`] above it.
    feature: u32,
    /// The left child, the right one behind it; a leaf its own index.
    left: u32,
}

const MISSING_LEFT: u32 = 1 << 31;
const CATEGORICAL: u32 = 1 << 30;
const FEATURE: u32 = CATEGORICAL - 1;

/// Walks that go side by side: enough to hide a wait for memory, few enough for registers.
const ABREAST: usize = 8;

/// Rows that go through one tree before the next tree is taken.
const BLOCK: usize = 64;

/// Trees packed for walking, all of the same number of values a leaf.
#[derive(Debug, Clone)]
pub(crate) struct PackedTrees<N> {
    nodes: Vec<Packed<N>>,
    /// By node, the number of its leaf over all trees.
    leaves: Vec<u32>,
    roots: Vec<u32>,
    /// By tree, whether a split looks into a set.
    is_categorical: Vec<bool>,
    values: Vec<f64>,
    sets: Vec<CategorySet>,
    outputs: usize,
    width: usize,
    /// The columns that splits ask for, ascending: only these are looked at, under their number
    /// here. A text's vocabulary is far larger than what its trees ask for.
    columns: Vec<u32>,
}

/// There are more nodes or features than the packing has numbers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the trees have more than 2^31 nodes or 2^30 features")]
pub(crate) struct TooLarge;

impl<N: Number> PackedTrees<N> {
    /// Packs trees of the same number of outputs.
    pub(crate) fn new(trees: &[Tree], outputs: usize, width: usize) -> Result<Self, TooLarge> {
        if width > FEATURE as usize || trees.iter().map(|tree| tree.nodes.len()).sum::<usize>() >= 1 << 31 {
            return Err(TooLarge);
        }
        let mut packed = PackedTrees {
            nodes: Vec::new(),
            leaves: Vec::new(),
            roots: Vec::new(),
            is_categorical: Vec::new(),
            values: Vec::new(),
            sets: Vec::new(),
            outputs,
            width,
            columns: Vec::new(),
        };
        let splits = trees.iter().flat_map(|tree| &tree.nodes).filter(|node| !node.is_leaf());
        packed.columns.extend(splits.map(|node| node.feature));
        packed.columns.sort_unstable();
        packed.columns.dedup();
        trees.iter().for_each(|tree| packed.add(tree));
        Ok(packed)
    }

    /// The number of a column among those that splits ask for.
    fn place(&self, column: u32) -> Option<usize> {
        self.columns.binary_search(&column).ok()
    }

    /// Packs a tree in breadth: what many rows pass lies together.
    fn add(&mut self, tree: &Tree) {
        let index =
            |length: usize| u32::try_from(length).unwrap_or_else(|_| unreachable!("bounded by `new`"));
        let first_leaf = index(self.values.len() / self.outputs);
        self.roots.push(index(self.nodes.len()));
        self.is_categorical.push(tree.nodes.iter().any(|node| node.is_categorical));
        let first = self.nodes.len();
        let mut order = vec![0usize];
        let mut next = 0;
        while let Some(&original) = order.get(next) {
            let node = &tree.nodes[original];
            if node.is_leaf() {
                let (feature, left) = (MISSING_LEFT, index(first + next));
                self.nodes.push(Packed { threshold: N::INFINITY, feature, left });
                self.leaves.push(first_leaf + node.right);
            } else {
                let missing = if node.missing_left { MISSING_LEFT } else { 0 };
                let (threshold, categorical) = if node.is_categorical {
                    let set = f64::from(index(self.sets.len())) + node.threshold;
                    (N::of(set), CATEGORICAL)
                } else {
                    (N::at_most(node.threshold), 0)
                };
                let left = index(first + order.len());
                let feature = index(self.place(node.feature).unwrap_or(0)) | missing | categorical;
                self.nodes.push(Packed { threshold, feature, left });
                self.leaves.push(0);
                order.extend([node.left as usize, node.right as usize]);
            }
            next += 1;
        }
        self.values.extend_from_slice(&tree.values);
        self.sets.extend(tree.sets.iter().cloned());
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
                if node.left == index {
                    values.extend_from_slice(self.values(self.leaves[index as usize]));
                    return super::Node::leaf();
                }
                super::Node {
                    threshold: node.threshold.wide(),
                    feature: self.columns[(node.feature & FEATURE) as usize],
                    left: node.left - root,
                    right: node.left + 1 - root,
                    missing_left: node.feature & MISSING_LEFT != 0,
                    is_categorical: node.feature & CATEGORICAL != 0,
                }
            });
            let nodes = nodes.collect();
            (nodes, values)
        })
    }

    /// Calls `visit(row, tree, leaf)` for every row and tree, for each row in the order of trees.
    pub(crate) fn walk(&self, matrix: &Matrix<'_>, mut visit: impl FnMut(usize, usize, u32)) {
        /// Numbers gathered at once: they stay in the second cache.
        const MOST: usize = 1 << 16;
        let step = (MOST / self.stride()).clamp(1, 1024);
        for start in (0..matrix.rows()).step_by(step) {
            let rows = self.gathered(matrix, start..(start + step).min(matrix.rows()));
            self.walk_rows(&rows, &mut |row, tree, leaf| visit(start + row, tree, leaf));
        }
    }

    /// The length of a gathered row. A leaf reads column 0 and ignores it, so there is one.
    fn stride(&self) -> usize {
        self.columns.len().max(1)
    }

    /// The columns that splits ask for, row after row.
    fn gathered(&self, matrix: &Matrix<'_>, range: Range<usize>) -> Vec<N> {
        let mut rows = Vec::with_capacity(range.len() * self.stride());
        match matrix {
            Matrix::Dense(dense) => {
                for row in range.map(|row| dense.row(row)) {
                    rows.extend(self.columns.iter().map(|&column| N::of(row[column as usize])));
                    if self.columns.is_empty() {
                        rows.push(N::INFINITY);
                    }
                }
            }
            Matrix::Sparse(sparse) => {
                rows.resize(range.len() * self.stride(), N::of(0.0));
                for (row, values) in range.zip(rows.chunks_mut(self.stride())) {
                    for (column, value) in sparse.row(row).entries() {
                        if let Some(place) = self.place(column) {
                            values[place] = N::of(value);
                        }
                    }
                }
            }
        }
        rows
    }

    fn walk_rows(&self, rows: &[N], mut visit: &mut impl FnMut(usize, usize, u32)) {
        let width = self.stride();
        let has_missing = rows.iter().any(|value| value.is_nan());
        match has_missing {
            false => self.walk_blocks::<false>(rows, width, &mut visit),
            true => self.walk_blocks::<true>(rows, width, &mut visit),
        }
    }

    fn walk_blocks<const MISSING: bool>(
        &self,
        rows: &[N],
        width: usize,
        visit: &mut impl FnMut(usize, usize, u32),
    ) {
        let count = rows.len() / width;
        if count < ABREAST {
            for row in 0..count {
                self.walk_row::<MISSING>(&rows[row * width..][..width], &mut |tree, leaf| {
                    visit(row, tree, leaf)
                });
            }
            return;
        }
        for start in (0..count).step_by(BLOCK) {
            let end = (start + BLOCK).min(count);
            for tree in 0..self.roots.len() {
                let mut row = start;
                if !self.is_categorical[tree] {
                    while row + ABREAST <= end {
                        let leaves = self.abreast::<MISSING>([self.roots[tree]; ABREAST], |lane, feature| {
                            rows[(row + lane) * width + feature]
                        });
                        leaves.into_iter().enumerate().for_each(|(lane, leaf)| visit(row + lane, tree, leaf));
                        row += ABREAST;
                    }
                }
                for row in row..end {
                    visit(row, tree, self.alone(tree, &rows[row * width..][..width]));
                }
            }
        }
    }

    /// One row through all trees, several trees abreast.
    fn walk_row<const MISSING: bool>(&self, row: &[N], visit: &mut impl FnMut(usize, u32)) {
        let mut tree = 0;
        while tree < self.roots.len() {
            let together = self.roots[tree..].first_chunk::<ABREAST>();
            let is_plain =
                self.is_categorical[tree..].iter().take(ABREAST).all(|is_categorical| !is_categorical);
            match together {
                Some(roots) if is_plain => {
                    let leaves = self.abreast::<MISSING>(*roots, |_, feature| row[feature]);
                    leaves.into_iter().zip(tree..).for_each(|(leaf, tree)| visit(tree, leaf));
                    tree += ABREAST;
                }
                _ => {
                    visit(tree, self.alone(tree, row));
                    tree += 1;
                }
            }
        }
    }

    /// Several walks side by side, through trees without sets.
    #[inline(always)]
    fn abreast<const MISSING: bool>(
        &self,
        mut at: [u32; ABREAST],
        value_of: impl Fn(usize, usize) -> N,
    ) -> [u32; ABREAST] {
        loop {
            let mut moved = 0;
            for (lane, at) in at.iter_mut().enumerate() {
                let node = self.nodes[*at as usize];
                let value = value_of(lane, (node.feature & FEATURE) as usize);
                let mut goes_right = value > node.threshold;
                if MISSING {
                    goes_right |= value.is_nan() & (node.feature & MISSING_LEFT == 0);
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
    fn alone(&self, tree: usize, row: &[N]) -> u32 {
        let mut at = self.roots[tree];
        loop {
            let node = self.nodes[at as usize];
            let value = row[(node.feature & FEATURE) as usize];
            let goes_left = match value.is_nan() {
                true => None,
                false if node.feature & CATEGORICAL != 0 => {
                    self.goes_left(node.threshold.wide(), value.wide())
                }
                false => Some(value <= node.threshold),
            };
            let goes_left = goes_left.unwrap_or(node.feature & MISSING_LEFT != 0);
            let next = node.left + u32::from(!goes_left);
            if next == at || node.left == at {
                return self.leaves[at as usize];
            }
            at = next;
        }
    }

    /// Where a category goes; `None` if it counts as missing. A fraction is cut off.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers are checked")]
    fn goes_left(&self, set: f64, category: f64) -> Option<bool> {
        /// As high as any set reaches.
        const MOST: f64 = 4_294_967_296.0;
        let CategorySet { left, known } = &self.sets[set as usize];
        // what is between -1 and 0 is cut to 0, as in C
        let category = (category > -1.0 && category < MOST).then_some(category as u32);
        match (known, category) {
            (Some(known), Some(category)) if !known.has(category) => None,
            (Some(_), None) => None,
            (_, Some(category)) => Some(left.has(category)),
            (None, None) => Some(false),
        }
    }
}

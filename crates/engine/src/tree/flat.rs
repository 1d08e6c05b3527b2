//! Small trees, found without walking: every split that sends a row right strikes out the leaves
//! on its left; of those that are left the first is the row's. Splits are looked through column
//! by column, thresholds ascending, so that a row's work ends where its value lies. This is the
//! idea of QuickScorer (Lucchese and others, SIGIR 2015), here for [`LANES`] rows at once.

#[cfg(target_arch = "x86_64")]
mod abreast;

#[cfg(target_arch = "x86_64")]
pub(super) use abreast::{WideKey, WideMask};
#[cfg(not(target_arch = "x86_64"))]
pub(super) use plain::{WideKey, WideMask};

use super::columns::LANES;
use super::grown::{Node, Tree};
use super::number::Number;

/// A set of a tree's leaves, from the left.
pub(super) trait Mask: WideMask + std::fmt::Debug + Send + Sync {
    /// The most leaves a tree may have.
    const MOST: usize;
    const ALL: Self;

    /// All leaves but those of a range.
    fn without(first: usize, end: usize) -> Self;
    fn and(self, other: Self) -> Self;
    /// The number of the first leaf that is left.
    fn first(self) -> usize;
}

macro_rules! mask {
    ($kind:ty) => {
        impl Mask for $kind {
            const MOST: usize = <$kind>::BITS as usize;
            const ALL: Self = <$kind>::MAX;

            fn without(first: usize, end: usize) -> Self {
                let below = |bit: usize| if bit >= Self::MOST { Self::ALL } else { (1 << bit) - 1 };
                !(below(end) & !below(first))
            }

            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }

            #[inline(always)]
            fn first(self) -> usize {
                self.trailing_zeros() as usize
            }
        }
    };
}

mask!(u32);
mask!(u64);

/// The splits of some trees, column by column.
#[derive(Debug, Clone)]
pub(super) struct Flat<K, M> {
    /// By place the end of its splits.
    ends: Vec<u32>,
    thresholds: Vec<K>,
    splits: Vec<Struck<M>>,
    /// By tree its number among the trees of the chunk, and its first leaf in `leaves`.
    trees: Vec<(u32, u32)>,
    /// Leaves from the left, tree after tree.
    leaves: Vec<u32>,
}

/// What a split strikes out.
#[derive(Debug, Clone, Copy)]
struct Struck<M> {
    left: M,
    tree: u16,
}

/// The most trees of one [`Flat`]: their masks stay in the first cache.
pub(super) const MOST_TREES: usize = 256;

impl<K: WideKey + Ord, M: Mask> Flat<K, M> {
    /// Whether a tree can be flattened.
    pub(super) fn takes(tree: &Tree) -> bool {
        let leaves = tree.nodes.len() / 2 + 1;
        leaves <= M::MOST && tree.nodes.iter().all(|node| !node.is_categorical)
    }

    /// Flattens trees; `place` and `first_leaf` are those of the packing.
    pub(super) fn new<'t, N: Number<Key = K>>(
        trees: impl Iterator<Item = (u32, &'t Tree, u32)>,
        places: usize,
        place: impl Fn(&Node) -> usize,
    ) -> Self {
        let mut flat = Flat {
            ends: Vec::new(),
            thresholds: Vec::new(),
            splits: Vec::new(),
            trees: Vec::new(),
            leaves: Vec::new(),
        };
        let mut found: Vec<(usize, K, Struck<M>)> = Vec::new();
        for (number, tree, first_leaf) in trees {
            let index =
                u16::try_from(flat.trees.len()).unwrap_or_else(|_| unreachable!("at most {MOST_TREES}"));
            let first = flat.leaves.len();
            flat.trees.push((number, u32::try_from(first).unwrap_or_else(|_| unreachable!("bounded"))));
            let ends = leaf_ranges(tree, first_leaf, &mut flat.leaves);
            for (node, &(start, end)) in tree.nodes.iter().zip(&ends).filter(|(node, _)| !node.is_leaf()) {
                let left_end = ends[node.left as usize].1;
                debug_assert!(left_end < end);
                let left = M::without(start - first, left_end - first);
                let struck = Struck { left, tree: index };
                found.push((place(node), N::threshold(node.threshold), struck));
            }
        }
        found.sort_by_key(|&(place, threshold, _)| (place, threshold));
        flat.ends = (0..places)
            .map(|place| {
                u32::try_from(found.partition_point(|found| found.0 <= place))
                    .unwrap_or_else(|_| unreachable!("bounded"))
            })
            .collect();
        flat.thresholds = found.iter().map(|found| found.1).collect();
        flat.splits = found.into_iter().map(|found| found.2).collect();
        flat
    }

    fn of_place(&self, place: usize) -> std::ops::Range<usize> {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        start as usize..self.ends[place] as usize
    }

    /// The leaves of one row: calls with the number of each tree and its leaf.
    #[inline(always)]
    pub(super) fn row(&self, keys: &[K], mut found: impl FnMut(usize, u32)) {
        let mut left = [M::ALL; MOST_TREES];
        for (place, &key) in keys.iter().enumerate() {
            let range = self.of_place(place);
            let (thresholds, splits) = (&self.thresholds[range.clone()], &self.splits[range]);
            for (&threshold, split) in thresholds.iter().zip(splits) {
                if threshold >= key {
                    break;
                }
                let left = &mut left[usize::from(split.tree) % MOST_TREES];
                *left = left.and(split.left);
            }
        }
        for (&(number, first), left) in self.trees.iter().zip(left) {
            found(number as usize, self.leaves[first as usize + left.first()]);
        }
    }

    /// The leaves of [`LANES`] rows, by AVX-512 if `WIDE`: calls with the number of each tree and its leaves.
    #[inline(always)]
    pub(super) fn block<N: Number<Key = K>, const WIDE: bool>(
        &self,
        block: &[[K; LANES]],
        mut found: impl FnMut(usize, [u32; LANES]),
    ) {
        let mut left = [[M::ALL; LANES]; MOST_TREES];
        for (place, keys) in block.iter().enumerate() {
            let range = self.of_place(place);
            let (thresholds, splits) = (&self.thresholds[range.clone()], &self.splits[range]);
            let largest = keys.iter().copied().fold(N::MISSING, Ord::max);
            self::strike::<K, M, WIDE>(keys, largest, thresholds, splits, &mut left);
        }
        for (&(number, first), left) in self.trees.iter().zip(&left) {
            found(number as usize, left.map(|left| self.leaves[first as usize + left.first()]));
        }
    }
}

/// By node its leaves as a range of `leaves`, to which they are added from the left.
fn leaf_ranges(tree: &Tree, first_leaf: u32, leaves: &mut Vec<u32>) -> Vec<(usize, usize)> {
    let mut ranges = vec![(0, 0); tree.nodes.len()];
    // depth first, the left side first; a node is seen again when both sides are done
    let mut open = vec![(0usize, false)];
    while let Some((index, is_done)) = open.pop() {
        let node = &tree.nodes[index];
        if node.is_leaf() {
            ranges[index] = (leaves.len(), leaves.len() + 1);
            leaves.push(first_leaf + node.right);
        } else if is_done {
            ranges[index].1 = leaves.len();
        } else {
            ranges[index].0 = leaves.len();
            open.extend([(index, true), (node.right as usize, false), (node.left as usize, false)]);
        }
    }
    ranges
}

/// Strikes out what splits of one column send away: those below the largest key. `WIDE` where the
/// processor has AVX-512.
#[inline(always)]
fn strike<K: WideKey + Ord, M: Mask, const WIDE: bool>(
    keys: &[K; LANES],
    largest: K,
    thresholds: &[K],
    splits: &[Struck<M>],
    left: &mut [[M; LANES]; MOST_TREES],
) {
    #[cfg(target_arch = "x86_64")]
    if WIDE {
        // SAFETY: the caller says that the processor has AVX-512.
        #[expect(unsafe_code, reason = "the instructions are there")]
        return unsafe { abreast::strike(keys, largest, thresholds, splits, left) };
    }
    for (&threshold, split) in thresholds.iter().zip(splits) {
        if threshold >= largest {
            return;
        }
        let left = &mut left[usize::from(split.tree) % MOST_TREES];
        for (left, &key) in left.iter_mut().zip(keys) {
            *left = left.and(if key > threshold { split.left } else { M::ALL });
        }
    }
}

/// Nothing is known of other processors.
#[cfg(not(target_arch = "x86_64"))]
mod plain {
    pub(crate) trait WideKey: Copy {}
    impl<T: Copy> WideKey for T {}
    pub(crate) trait WideMask: Copy {}
    impl<T: Copy> WideMask for T {}
}

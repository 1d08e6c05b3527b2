//! Whatever the size of trees, the kinds of their splits, the number of rows: the leaves that
//! following nodes one by one finds.

use std::borrow::Cow;

use super::super::grown::{Bits, CategorySet, Node, Tree};
use super::super::number::Number;
use super::{Gaps, PackedTrees};
use crate::data::{Dense, Matrix};
use crate::processor::Instructions;
use crate::sparse::{RowRef, SparseMatrix};

const WIDTH: usize = 6;

/// How trees are grown.
#[derive(Debug, Clone, Copy)]
struct Kind {
    splits: usize,
    is_categorical: bool,
    zero_is_missing: bool,
}

fn grown(random: &mut fastrand::Rng, kind: Kind) -> Tree {
    let (mut nodes, mut sets) = (vec![Node::leaf()], Vec::new());
    let splits = random.usize(0..=kind.splits);
    while nodes.len() < 2 * splits + 1 {
        let node = random.usize(0..nodes.len());
        if !nodes[node].is_leaf() {
            continue;
        }
        let left = u32::try_from(nodes.len()).unwrap();
        let is_categorical = kind.is_categorical && random.bool();
        let threshold = if is_categorical {
            let bits = vec![random.u32(..), random.u32(..)];
            let known = random.bool().then(|| Bits(vec![random.u32(..)].into()));
            sets.push(CategorySet { listed: Bits(bits.into()), listed_left: random.bool(), known });
            f64::from(u32::try_from(sets.len() - 1).unwrap())
        } else {
            let ends = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY];
            ends.get(random.usize(0..20)).copied().unwrap_or_else(|| random.f64() * 4.0 - 2.0)
        };
        let feature = u32::try_from(random.usize(0..WIDTH)).unwrap();
        let (missing_left, zero_is_missing) = (random.bool(), kind.zero_is_missing && random.bool());
        nodes[node] = Node {
            threshold,
            feature,
            left,
            right: left + 1,
            missing_left,
            is_categorical,
            zero_is_missing,
            cover: 0.0,
        };
        nodes.extend([Node::leaf(); 2]);
    }
    let leaves = splits + 1;
    let values = (0..leaves).map(|_| random.f64()).collect();
    Tree::with_categories(nodes, values, 1, WIDTH, sets).unwrap()
}

/// The number of a row's leaf, found by following the nodes one by one.
fn walked<N: Number>(tree: &Tree, row: &[f64]) -> u32 {
    let mut node = &tree.nodes[0];
    while !node.is_leaf() {
        let value = N::wide(N::key(row[node.feature as usize]));
        let is_missing = value.is_nan() || (node.zero_is_missing && value == 0.0);
        let goes_left = if is_missing {
            node.missing_left
        } else if node.is_categorical {
            category_left(&tree.sets[threshold_number(node)], value).unwrap_or(node.missing_left)
        } else {
            value <= node.threshold
        };
        node = &tree.nodes[if goes_left { node.left } else { node.right } as usize];
    }
    node.right
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the test made it of a small number"
)]
fn threshold_number(node: &Node) -> usize {
    node.threshold as usize
}

fn category_left(set: &CategorySet, value: f64) -> Option<bool> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
    let category = (value > -1.0 && value < 1e9).then_some(value as u32);
    let is_known =
        set.known.as_ref().is_none_or(|known| category.is_some_and(|category| known.has(category)));
    let is_listed = category.is_some_and(|category| set.listed.has(category));
    is_known.then_some(is_listed == set.listed_left)
}

fn cell(random: &mut fastrand::Rng) -> f64 {
    match random.u8(0..12) {
        0 => f64::NAN,
        1 => 0.0,
        2 => -0.0,
        3 => f64::from(random.u8(0..70)),
        4 => f64::INFINITY,
        5 => f64::NEG_INFINITY,
        _ => random.f64() * 4.0 - 2.0,
    }
}

fn check<N: Number>(random: &mut fastrand::Rng, kinds: &[Kind], trees: usize) {
    let trees: Vec<Tree> = (0..trees).map(|tree| grown(random, kinds[tree % kinds.len()])).collect();
    let packed = PackedTrees::<N>::new(&trees, 1, WIDTH).unwrap();
    let mut firsts = vec![0u32];
    firsts.extend(trees.iter().scan(0, |sum, tree| {
        *sum += u32::try_from(tree.values.len()).unwrap();
        Some(*sum)
    }));
    for rows in [0, 1, 3, 4, 7, 16, 17, 45] {
        for has_missing in [false, true] {
            let mut cells = || {
                std::iter::repeat_with(|| cell(random)).find(|cell| has_missing || !cell.is_nan()).unwrap()
            };
            let values: Vec<f64> = (0..rows * WIDTH).map(|_| cells()).collect();
            let dense = Dense { values, rows, width: WIDTH };
            let mut found = vec![Vec::new(); rows];
            packed.visit(&Matrix::Dense(Cow::Borrowed(&dense)), |first, tree, leaves| {
                for (row, &leaf) in (first..).zip(leaves) {
                    found[row].push((tree, leaf));
                }
            });
            for fewer in [Instructions::Plain, Instructions::Avx2] {
                let mut again = vec![Vec::new(); rows];
                packed.visit_by(fewer, &Matrix::Dense(Cow::Borrowed(&dense)), |first, tree, leaves| {
                    (first..).zip(leaves).for_each(|(row, &leaf)| again[row].push((tree, leaf)));
                });
                assert_eq!(again, found, "{fewer:?}");
            }
            for (row, found) in found.iter().enumerate() {
                let expected = trees
                    .iter()
                    .enumerate()
                    .map(|(number, tree)| (number, firsts[number] + walked::<N>(tree, dense.row(row))));
                assert!(expected.eq(found.iter().copied()), "row {row} of {rows}");
            }
        }
    }
}

#[test]
fn leaves_are_found_whatever_the_way() {
    let kind = |splits| Kind { splits, is_categorical: false, zero_is_missing: false };
    let categorical = |splits| Kind { is_categorical: true, ..kind(splits) };
    let zeros = |splits| Kind { zero_is_missing: true, ..kind(splits) };
    let mut random = fastrand::Rng::with_seed(12);
    for kinds in [
        &[kind(30)][..],
        &[kind(63)],
        &[kind(300)],
        &[kind(10), kind(200), categorical(20), zeros(40)],
        &[zeros(31), categorical(100)],
    ] {
        for trees in [1, 9, 30] {
            check::<f32>(&mut random, kinds, trees);
            check::<f64>(&mut random, kinds, trees);
        }
    }
    // more than one chunk
    check::<f32>(&mut random, &[kind(5)], 600);
}

#[test]
fn a_sparse_row_is_missing_what_it_does_not_have() {
    let split = Node { threshold: 0.5, feature: 1, left: 1, right: 2, ..Node::leaf() };
    let tree = Tree::new(vec![split, Node::leaf(), Node::leaf()], vec![1.0, 2.0], 1, 3).unwrap();
    let mut matrix = SparseMatrix::new(3);
    matrix.push(RowRef { columns: &[0], values: &[9.0] });
    matrix.push(RowRef { columns: &[1], values: &[0.25] });
    for (absent, expected) in [(0.0, [0, 0]), (f64::NAN, [1, 0])] {
        let packed = PackedTrees::<f32>::with_gaps(
            std::slice::from_ref(&tree),
            1,
            3,
            Gaps { absent, takes_missing: true },
        )
        .unwrap();
        let mut found = Vec::new();
        packed.visit(&Matrix::Sparse(&matrix), |_, _, leaves| found.extend_from_slice(leaves));
        assert_eq!(found, expected);
    }
}

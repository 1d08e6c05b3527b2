use super::*;
use crate::data::{Data, Dense};
use crate::fitted::{Classify, Regress, Verdict};
use crate::sparse::{RowRef, SparseMatrix};
use crate::train::sample::Rows;
use crate::tree::{Forest, ForestRegressor};

fn dense(rows: &[&[f64]]) -> Rows {
    Rows::Dense(Dense { values: rows.concat(), rows: rows.len(), width: rows[0].len() })
}

fn sparse(rows: &[&[f64]]) -> Rows {
    let mut matrix = SparseMatrix::new(rows[0].len());
    for row in rows {
        let kept: Vec<(u32, f64)> =
            (0u32..).zip(row.iter().copied()).filter(|entry| entry.1 != 0.0).collect();
        let (columns, values): (Vec<u32>, Vec<f64>) = kept.into_iter().unzip();
        matrix.push(RowRef { columns: &columns, values: &values });
    }
    Rows::Sparse(matrix)
}

fn grown(rows: Rows, goal: Goal, options: &Options) -> Grown {
    fit(&Sample { rows, goal, weights: None }, options, &mut |_| ()).unwrap()
}

/// Both kinds of rows, and both measures of purity.
fn check(rows: &[&[f64]], targets: &[u32]) {
    for is_entropy in [false, true] {
        for kind in [dense(rows), sparse(rows)] {
            let mut options = Options::new(Algorithm::Tree);
            options.parameters.criterion = is_entropy.then_some(Criterion::Entropy);
            let goal = Goal::Classes { of: targets.to_vec(), count: 2 };
            let grown = grown(kind, goal, &options);
            let forest = Forest::new(&grown.trees, rows[0].len(), false).unwrap();
            let data = Dense { values: rows.concat(), rows: rows.len(), width: rows[0].len() };
            let Verdict { classes, .. } = forest.judge(&Data::Dense(data)).unwrap();
            let expected: Vec<usize> = targets.iter().map(|target| *target as usize).collect();
            assert_eq!(classes, expected);
        }
    }
}

#[test]
fn rows_that_can_be_told_apart_are() {
    check(&[&[1.0, 0.0], &[2.0, 0.0], &[3.0, 0.0]], &[0, 1, 0]);
    check(&[&[-1.0], &[0.0], &[1.0], &[-2.0]], &[1, 0, 1, 1]);
    check(&[&[0.0, -5.0], &[0.0, 5.0], &[7.0, 5.0], &[7.0, -5.0]], &[0, 1, 0, 1]);
}

#[test]
fn limits_are_kept() {
    let rows: Vec<Vec<f64>> = (0..64).map(|row| vec![f64::from(row % 8), f64::from(row / 8)]).collect();
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let goal = || Goal::Numbers((0..64).map(f64::from).collect());
    let mut options = Options::new(Algorithm::Tree);
    options.parameters.max_depth = Some(2);
    assert_eq!(grown(dense(&rows), goal(), &options).trees.len(), 1);
    let count = |options: &Options| {
        let grown = grown(dense(&rows), goal(), options);
        let regressor = ForestRegressor::new(&grown.trees, 2, false).unwrap();
        let data = Dense { values: rows.concat(), rows: 64, width: 2 };
        let mut told = regressor.predict(&Data::Dense(data)).unwrap().values;
        told.sort_unstable_by(f64::total_cmp);
        told.dedup();
        told.len()
    };
    assert_eq!(count(&options), 4);
    options.parameters.max_depth = None;
    assert_eq!(count(&options), 64);
    options.parameters.min_samples_leaf = 32;
    assert_eq!(count(&options), 2);
}

/// Where features divide the rows equally well, none is preferred for coming first.
#[test]
fn equal_features_are_drawn_from() {
    let rows: Vec<Vec<f64>> = (0..20).map(|row| vec![f64::from(row / 10); 4]).collect();
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    for kind in [dense, sparse] {
        let mut chosen = [0; 4];
        for seed in 0..80 {
            let goal = Goal::Classes { of: (0..20).map(|row| row / 10).collect(), count: 2 };
            let grown = grown(kind(&rows), goal, &Options { seed, ..Options::new(Algorithm::Tree) });
            chosen[grown.importances.iter().position(|share| *share > 0.0).unwrap()] += 1;
        }
        assert!(chosen.iter().all(|count| *count > 8), "{chosen:?}");
    }
}

#[test]
fn a_forest_is_the_same_on_any_number_of_cores_and_another_with_another_seed() {
    let mut random = fastrand::Rng::with_seed(5);
    let rows: Vec<Vec<f64>> = (0..200).map(|_| (0..6).map(|_| random.f64()).collect()).collect();
    let targets: Vec<u32> = rows.iter().map(|row| u32::from(row[1] + 0.3 * row[4] > 0.6)).collect();
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let mut options = Options::new(Algorithm::Forest);
    options.parameters.n_estimators = 20;
    let importances = |options: &Options| {
        grown(dense(&rows), Goal::Classes { of: targets.clone(), count: 2 }, options).importances
    };
    let first = importances(&options);
    assert_eq!(importances(&options), first);
    assert!((first.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    // what decides counts most
    assert!(first[1] > 0.4, "{first:?}");
    options.seed = 1;
    assert_ne!(importances(&options), first);
}

#[test]
fn rows_that_count_twice_are_rows_that_stand_twice() {
    let mut random = fastrand::Rng::with_seed(9);
    let rows: Vec<Vec<f64>> = (0..80).map(|_| vec![random.f64(), random.f64()]).collect();
    let numbers: Vec<f64> = rows.iter().map(|row| row[0] * row[1]).collect();
    let slices: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let twice: Vec<&[f64]> = slices.iter().chain(&slices[..40]).copied().collect();
    let mut options = Options::new(Algorithm::Tree);
    options.parameters.max_depth = Some(3);
    let weights = (0..80).map(|row| if row < 40 { 2.0 } else { 1.0 }).collect();
    let sample =
        Sample { rows: dense(&slices), goal: Goal::Numbers(numbers.clone()), weights: Some(weights) };
    let weighed = fit(&sample, &options, &mut |_| ()).unwrap().importances;
    let goal = Goal::Numbers(numbers.iter().chain(&numbers[..40]).copied().collect());
    let repeated = grown(dense(&twice), goal, &options).importances;
    for (a, b) in weighed.iter().zip(&repeated) {
        assert!((a - b).abs() < 1e-9, "{weighed:?} {repeated:?}");
    }
}

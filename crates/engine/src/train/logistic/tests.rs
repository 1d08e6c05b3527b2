use serde_json::Value;

use super::*;
use crate::data::{Data, Dense};
use crate::fitted::{Chain, Classify};
use crate::sparse::{SparseMatrix, SparseRow};
use crate::train::{Algorithm, Dataset, computed, features, goal};

/// Both solvers stop at a gradient of 1e-9 or below.
const TOLERANCE: f64 = 1e-7;

fn sample(dataset: &Dataset, options: &Options) -> (Sample, Chain) {
    let rows: Vec<usize> = (0..dataset.rows()).collect();
    let fitted = features::fit(dataset, &rows, options, &mut |_| ()).unwrap();
    let (matrix, steps) = computed(dataset, &rows, fitted.steps).unwrap();
    let sample = Sample { rows: matrix, goal: goal(dataset, &rows), weights: None };
    (sample, Chain::new(steps, None).unwrap())
}

#[test]
fn a_converged_fit_predicts_as_scikit_learns_converged_fit() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/");
    let json = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(format!("{data}{name}")).unwrap()).unwrap()
    };
    let (expected, inputs) = (json("1.6/expected.json"), json("inputs.json"));
    let strings = |value: &Value| -> Vec<String> {
        let words = value.as_array().unwrap().iter();
        words.map(|v| v.as_str().map_or(v.to_string(), str::to_owned)).collect()
    };
    for case in ["multinomial", "binary"] {
        let fit_of = &expected["fit"];
        let dataset = Dataset::from_texts(strings(&fit_of["docs"]), &strings(&fit_of[case]["labels"]));
        let mut options = Options::new(Algorithm::Logistic);
        (options.parameters.tol, options.parameters.max_iter) = (1e-10, 10_000);
        let (sample, chain) = sample(&dataset, &options);
        let linear = fit(&sample, &options, &mut |_| ()).unwrap();
        let probabilities = fit_of[case]["probabilities"].as_array().unwrap();
        for (text, expected) in strings(&inputs["texts"]).iter().zip(probabilities) {
            let row = chain.apply(Data::Texts(vec![text])).unwrap();
            let said = linear.judge(&row).unwrap().probabilities.unwrap();
            for (said, expected) in said.values.iter().zip(expected.as_array().unwrap()) {
                let difference = (said - expected.as_f64().unwrap()).abs();
                assert!(difference < TOLERANCE, "{case} {text:?}: off by {difference:e}");
            }
        }
    }
}

fn problem<'a>(targets: &'a [u32], weights: Option<&'a [f64]>, width: usize, threads: usize) -> Problem<'a> {
    let total = weights.map_or(crate::train::float(targets.len()), |weights| weights.iter().sum());
    let penalty = 1.0 / total;
    Problem { targets, weights, outputs: 3, width, total, penalty, has_intercept: true, threads }
}

#[test]
fn neither_threads_nor_zeros_change_the_objective() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut matrix = SparseMatrix::new(40);
    let mut row = SparseRow::default();
    for _ in 0..3000 {
        row.columns = (0..40).filter(|_| random.u8(0..4) == 0).collect();
        row.values = row.columns.iter().map(|_| random.f64()).collect();
        matrix.push(row.as_ref());
    }
    let dense: Dense = matrix.to_dense();
    let targets: Vec<u32> = (0..3000).map(|row| row % 3).collect();
    let weights: Vec<f64> = (0..3000).map(|row| f64::from(row % 5) + 0.5).collect();
    let point: Vec<f64> = (0..41 * 3).map(|_| random.f64() - 0.5).collect();
    let evaluated = |threads, is_dense| {
        let problem = problem(&targets, Some(&weights), 40, threads);
        let mut gradient = vec![0.0; point.len()];
        let loss = if is_dense {
            dense::LogLoss { problem: &problem, rows: &dense }.evaluate(&point, &mut gradient)
        } else {
            sparse::LogLoss::new(&problem, &matrix).evaluate(&point, &mut gradient)
        };
        (loss, gradient)
    };
    for is_dense in [false, true] {
        let alone = evaluated(1, is_dense);
        assert_eq!(evaluated(2, is_dense), alone);
        assert_eq!(evaluated(7, is_dense), alone);
    }
    let (sparse, dense) = (evaluated(1, false), evaluated(1, true));
    assert!((sparse.0 - dense.0).abs() < 1e-12);
    for (a, b) in sparse.1.iter().zip(&dense.1) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
}

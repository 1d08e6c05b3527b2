//! What two models told, measured and set against each other.

use std::collections::BTreeSet;

use engine::Model;
use engine::metrics::{self, Metrics};
use serde_json::{Value, json};

use super::ask::{Asked, Timing};

/// Two models, side by side.
pub(super) struct Comparison {
    pub(super) names: [String; 2],
    pub(super) kinds: [String; 2],
    pub(super) rows: usize,
    pub(super) metrics: [Metrics; 2],
    pub(super) timings: [Timing; 2],
    pub(super) difference: Difference,
    pub(super) examples: Vec<Example>,
    pub(super) bad: (Vec<(u64, String)>, usize),
    /// Labels of the table that neither model knows.
    pub(super) unknown: Vec<String>,
    /// The classes that measures are of, in their order.
    pub(super) classes: Vec<String>,
    /// What to know before believing the measures.
    pub(super) warnings: Vec<String>,
}

/// Where they differ.
pub(super) enum Difference {
    Classes {
        both_right: usize,
        only_first: usize,
        only_second: usize,
        /// Both wrong: with the same answer, or with two.
        both_wrong: usize,
        disagreements: usize,
        /// How probable so unequal a number of rows that only one has right is by chance.
        chance: f64,
    },
    Numbers {
        /// The mean and the largest distance of the two answers.
        mean: f64,
        largest: f64,
        /// On how many rows the first, or the second, is nearer to what is true.
        nearer: [usize; 2],
    },
}

/// A row they disagree about.
pub(super) struct Example {
    pub(super) line: u64,
    pub(super) truth: String,
    pub(super) told: [(String, f64); 2],
    pub(super) excerpt: String,
}

impl Comparison {
    pub(super) fn new(models: [&Model; 2], names: [String; 2], asked: Asked, examples: usize) -> Self {
        let is_classes = !models[0].classes().is_empty();
        let Measured { metrics, difference, order, unknown, classes } =
            if is_classes { classes(models, &asked) } else { numbers(&asked) };
        let example = |row: usize| Example {
            line: asked.rows[row].line,
            truth: asked.rows[row].truth.clone(),
            told: [0, 1].map(|model| {
                let told = &asked.told[model][row];
                (told.label.clone(), told.score)
            }),
            excerpt: asked.rows[row].excerpt.clone(),
        };
        let examples = order.into_iter().take(examples).map(example).collect();
        let kinds = models.map(|model| model.kind().to_owned());
        let rows = asked.rows.len();
        let (timings, bad) = (asked.timings, asked.bad);
        let warnings = Vec::new();
        Comparison {
            names,
            kinds,
            rows,
            metrics,
            timings,
            difference,
            examples,
            bad,
            unknown,
            classes,
            warnings,
        }
    }

    pub(super) fn json(&self) -> Value {
        let model = |place: usize| {
            json!({
                "name": self.names[place],
                "kind": self.kinds[place],
                "metrics": self.metrics[place],
                "latency_us": { "median": micros(self.timings[place].median), "p99": micros(self.timings[place].slow) },
                "rows_per_second": self.timings[place].rate,
            })
        };
        let difference = match &self.difference {
            Difference::Classes {
                both_right,
                only_first,
                only_second,
                both_wrong,
                disagreements,
                chance,
            } => json!({
                "disagreements": disagreements,
                "both_right": both_right,
                "only_first_right": only_first,
                "only_second_right": only_second,
                "both_wrong": both_wrong,
                "chance": chance,
            }),
            Difference::Numbers { mean, largest, nearer } => json!({
                "mean_distance": mean,
                "largest_distance": largest,
                "first_nearer": nearer[0],
                "second_nearer": nearer[1],
            }),
        };
        let examples: Vec<Value> = self
            .examples
            .iter()
            .map(|example| {
                json!({
                    "line": example.line,
                    "true": example.truth,
                    "first": { "label": example.told[0].0, "score": example.told[0].1 },
                    "second": { "label": example.told[1].0, "score": example.told[1].1 },
                    "row": example.excerpt,
                })
            })
            .collect();
        json!({
            "rows": self.rows,
            "rows_left_out": self.bad.1,
            "unknown_labels": self.unknown,
            "models": [model(0), model(1)],
            "difference": difference,
            "examples": examples,
            "warnings": self.warnings,
        })
    }
}

pub(super) fn micros(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// What there is to know of all rows.
struct Measured {
    metrics: [Metrics; 2],
    difference: Difference,
    /// The rows they disagree about, those that tell most first.
    order: Vec<usize>,
    unknown: Vec<String>,
    classes: Vec<String>,
}

fn classes(models: [&Model; 2], asked: &Asked) -> Measured {
    let known = models.map(|model| model.classes().iter().map(ToString::to_string).collect::<Vec<String>>());
    // in the first model's order; what only the second or the table knows comes after
    let mut all: Vec<String> = known[0].clone();
    let mut add = |name: &String| {
        if !all.contains(name) {
            all.push(name.clone());
        }
    };
    known[1].iter().for_each(&mut add);
    let truths: BTreeSet<&String> = asked.rows.iter().map(|row| &row.truth).collect();
    let unknown: Vec<String> = truths
        .iter()
        .filter(|truth| known.iter().all(|known| !known.contains(truth)))
        .map(|truth| (*truth).clone())
        .collect();
    unknown.iter().for_each(&mut add);
    let places: std::collections::HashMap<&str, usize> =
        all.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
    let place = |name: &str| places.get(name).copied().unwrap_or(0);
    let truth: Vec<usize> = asked.rows.iter().map(|row| place(&row.truth)).collect();
    let told =
        [0, 1].map(|model| asked.told[model].iter().map(|told| place(&told.label)).collect::<Vec<usize>>());
    let measured = [0, 1].map(|model| {
        let spread = |told: &super::ask::Told| {
            let mut row = vec![0.0; all.len()];
            known[model].iter().zip(&told.probabilities).for_each(|(name, value)| row[place(name)] = *value);
            row
        };
        let has_all = asked.told[model].iter().all(|told| !told.probabilities.is_empty());
        let probabilities: Vec<Vec<f64>> =
            if has_all { asked.told[model].iter().map(spread).collect() } else { Vec::new() };
        Metrics::Classification(metrics::classification(&truth, &told[model], &probabilities, all.len()))
    });
    let mut counts = [[0_usize; 2]; 2];
    let mut disagreements: Vec<usize> = Vec::new();
    for (row, truth) in truth.iter().enumerate() {
        let right = [0, 1].map(|model| usize::from(told[model][row] == *truth));
        counts[right[0]][right[1]] += 1;
        if told[0][row] != told[1][row] {
            disagreements.push(row);
        }
    }
    let (only_first, only_second) = (counts[1][0], counts[0][1]);
    let difference = Difference::Classes {
        both_right: counts[1][1],
        only_first,
        only_second,
        both_wrong: counts[0][0],
        disagreements: disagreements.len(),
        chance: sign_test(only_first, only_second),
    };
    // where the first is right and the second would not be comes first: that is what a rollout costs
    disagreements.sort_by_key(|row| told[0][*row] != truth[*row]);
    Measured { metrics: measured, difference, order: disagreements, unknown, classes: all }
}

fn numbers(asked: &Asked) -> Measured {
    let truth: Vec<f64> = asked.rows.iter().map(|row| row.truth.parse().unwrap_or(f64::NAN)).collect();
    let known: Vec<usize> = (0..truth.len()).filter(|row| truth[*row].is_finite()).collect();
    let kept: Vec<f64> = known.iter().map(|row| truth[*row]).collect();
    let measured = [0, 1].map(|model| {
        let told: Vec<f64> = known.iter().map(|row| asked.told[model][*row].score).collect();
        Metrics::Regression(metrics::regression(&kept, &told))
    });
    let distance = |row: usize| (asked.told[0][row].score - asked.told[1][row].score).abs();
    let all = 0..truth.len();
    let sum: f64 = all.clone().map(distance).sum();
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
    let mean = sum / truth.len().max(1) as f64;
    let error = |model: usize, row: usize| (asked.told[model][row].score - truth[row]).abs();
    let nearer = [
        known.iter().filter(|row| error(0, **row) < error(1, **row)).count(),
        known.iter().filter(|row| error(1, **row) < error(0, **row)).count(),
    ];
    let largest = all.clone().map(distance).fold(0.0, f64::max);
    let mut order: Vec<usize> = all.filter(|row| distance(*row) > 0.0).collect();
    order.sort_by(|a, b| distance(*b).total_cmp(&distance(*a)));
    let unknown = asked
        .rows
        .iter()
        .zip(&truth)
        .filter(|(_, truth)| !truth.is_finite())
        .map(|(row, _)| row.truth.clone())
        .collect::<BTreeSet<_>>();
    let unknown = unknown.into_iter().take(20).collect();
    let difference = Difference::Numbers { mean, largest, nearer };
    Measured { metrics: measured, difference, order, unknown, classes: Vec::new() }
}

/// The sign test, two-sided: how probable a split at least as unequal is of rows that only one of
/// two equal models has right (McNemar's exact test).
fn sign_test(first: usize, second: usize) -> f64 {
    let (few, all) = (first.min(second), first + second);
    // in logarithms: binomial coefficients of thousands of rows are beyond any number
    let mut coefficient = 0.0;
    let mut sum = 0.0;
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
    for place in 0..=few {
        if place > 0 {
            coefficient += ((all - place + 1) as f64).ln() - (place as f64).ln();
        }
        sum += (coefficient - all as f64 * std::f64::consts::LN_2).exp();
    }
    (2.0 * sum).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    // expected values summed up in whole numbers
    #[test]
    fn chance_is_that_of_a_fair_coin() {
        let check = |first, second, expected: f64| {
            let chance = sign_test(first, second);
            assert!((chance - expected).abs() < 1e-12, "{first} {second}: {chance}");
        };
        check(0, 0, 1.0);
        check(1, 9, 0.021_484_375);
        check(5, 5, 1.0);
        check(20, 8, 0.035_698_138_177_394_87);
    }
}

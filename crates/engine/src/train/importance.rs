//! Which features count.

use crate::Label;
use crate::linear::{Coefficients, Weights};

/// More than anyone looks at: a vocabulary is larger.
const MOST: usize = 200;

/// How much a feature counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// The feature: a column, a word, a column and its category.
    pub feature: String,
    /// For which class it speaks; `None` where it is a number's, or nobody's in particular.
    pub class: Option<Label>,
    /// Its weight in a linear model, where features are of one scale; in trees its share of what
    /// all splits gained.
    pub weight: f64,
}

/// The largest shares.
pub(super) fn of_shares(shares: &[f64], features: &[String]) -> Vec<Importance> {
    let all = shares.iter().zip(features).filter(|(share, _)| **share > 0.0);
    let all =
        all.map(|(share, feature)| Importance { feature: feature.clone(), class: None, weight: *share });
    largest(all.collect(), MOST)
}

/// The weights farthest from zero; of several classes for each class those that speak for it.
pub(super) fn of_weights(weights: &Weights, features: &[String], classes: &[Label]) -> Vec<Importance> {
    let (coefficients, intercepts) = weights.parts();
    let outputs = intercepts.len();
    let weight = |place: usize| match coefficients {
        Coefficients::F32(weights) => f64::from(weights[place]),
        Coefficients::F64(weights) => weights[place],
    };
    let of_output = |output: usize, class: Option<&Label>| {
        // the places first: names are copied of the largest only
        let mut places: Vec<(usize, f64)> = (0..features.len())
            .map(|feature| (feature, weight(feature * outputs + output)))
            .filter(|(_, weight)| *weight != 0.0)
            .collect();
        places.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        places.truncate(if outputs == 1 { MOST } else { MOST / outputs.clamp(1, 20) });
        let named = places.into_iter().map(|(feature, weight)| Importance {
            feature: features[feature].clone(),
            class: class.cloned(),
            weight,
        });
        named.collect::<Vec<_>>()
    };
    match outputs {
        1 => of_output(0, classes.get(1)),
        _ => (0..outputs).flat_map(|output| of_output(output, classes.get(output))).collect(),
    }
}

fn largest(mut all: Vec<Importance>, most: usize) -> Vec<Importance> {
    all.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
    all.truncate(most);
    all
}

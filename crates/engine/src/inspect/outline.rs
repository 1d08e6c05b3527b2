//! A model as a tree of its parts.

use std::collections::HashSet;

use serde::Serialize;

use crate::model::Parts;
use crate::pickle::View;

/// A part of a model: an estimator, an operator, a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What the parts around it call it; empty if nothing.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// Its parameters, in words.
    pub parameters: Vec<(String, String)>,
    /// What it is made of.
    pub parts: Vec<Part>,
}

impl Part {
    pub(crate) fn new(name: &str, kind: &str) -> Self {
        Part { name: name.to_owned(), kind: kind.to_owned(), parameters: Vec::new(), parts: Vec::new() }
    }
}

/// The most parts of one outline, and the deepest.
const MOST: usize = 200;

/// The most values looked at: lists in lists could hold each other a billion times.
const VISITS: usize = 20_000;

/// The most attributes of one estimator.
const ATTRIBUTES: usize = 1000;

const DEEPEST: usize = 10;

/// The most members of an ensemble that are listed.
const MEMBERS: usize = 3;

/// The steps of a model, as the engine holds them.
pub(super) fn of_parts(parts: &Parts) -> Vec<Part> {
    let steps = parts.chain.steps().iter().map(|step| Part::new("", step.name()));
    steps.chain(parts.head.iter().map(|head| Part::new("", head.name()))).collect()
}

/// The estimators of a pickle.
pub(super) fn of_pickle(root: View<'_>) -> Vec<Part> {
    let mut outline = Outline { seen: HashSet::new(), left: MOST, visits: VISITS };
    outline.found("", root, 0)
}

struct Outline {
    seen: HashSet<crate::pickle::Id>,
    left: usize,
    visits: usize,
}

impl Outline {
    /// The estimators a value is or holds.
    fn found(&mut self, name: &str, value: View<'_>, depth: usize) -> Vec<Part> {
        if depth > DEEPEST || self.left == 0 || self.visits == 0 {
            return Vec::new();
        }
        self.visits -= 1;
        if is_estimator(value) {
            return self.estimator(name, value, depth).into_iter().collect();
        }
        let Some(items) = value.items() else { return Vec::new() };
        let items: Vec<View<'_>> = items.take(MOST).collect();
        let total = items.len();
        // a name and its estimator: a step
        if let [first, second, ..] = items.as_slice()
            && let Some(own) = first.str()
        {
            return self.found(own, *second, depth + 1);
        }
        let are_named = items.first().is_some_and(|item| item.items().is_some());
        let mut parts = Vec::new();
        for item in items.into_iter().take(if are_named { MOST } else { MEMBERS }) {
            parts.extend(self.found("", item, depth + 1));
        }
        if !are_named && total > MEMBERS && !parts.is_empty() {
            parts.push(Part::new("", &format!("… and {} more", total - MEMBERS)));
        }
        parts
    }

    fn estimator(&mut self, name: &str, value: View<'_>, depth: usize) -> Option<Part> {
        let (_, class) = value.class()?;
        if !self.seen.insert(value.id()) {
            return None;
        }
        self.left = self.left.saturating_sub(1);
        let clean = |text: &str| {
            text.chars()
                .take(60)
                .map(|letter| if letter.is_control() { '?' } else { letter })
                .collect::<String>()
        };
        let mut part = Part::new(&clean(name), &clean(class));
        let attributes = value.state().and_then(|state| state.pairs()).into_iter().flatten().take(ATTRIBUTES);
        let attributes: Vec<(&str, View<'_>)> =
            attributes.filter_map(|(key, own)| Some((key.str()?, own))).collect();
        let names: HashSet<&str> = attributes.iter().map(|(name, _)| *name).collect();
        for (key, own) in attributes {
            let is_learnt = key.ends_with('_');
            if key.starts_with('_') || (is_learnt && !MEMBERSHIPS.contains(&key)) || is_replaced(key, &names)
            {
                continue;
            }
            let parts = self.found(if is_learnt { "" } else { key }, own, depth + 1);
            if !parts.is_empty() {
                part.parts.extend(parts);
            } else if !is_learnt {
                part.parameters.push((clean(key), own.describe()));
            }
        }
        Some(part)
    }
}

/// What fitting leaves behind that holds estimators.
const MEMBERSHIPS: [&str; 5] =
    ["best_estimator_", "estimator_", "estimators_", "transformers_", "calibrated_classifiers_"];

/// Whether what was fitted stands for what was asked for.
fn is_replaced(key: &str, names: &HashSet<&str>) -> bool {
    match key {
        "estimators" => names.contains("estimators_"),
        "transformers" => names.contains("transformers_"),
        "estimator" | "base_estimator" => MEMBERSHIPS.iter().any(|fitted| names.contains(fitted)),
        _ => false,
    }
}

/// Whether a value is an object with a state that a library of models made.
fn is_estimator(value: View<'_>) -> bool {
    let libraries = ["sklearn", "xgboost", "lightgbm", "catboost", "imblearn", "category_encoders"];
    let Some((module, name)) = value.class() else { return false };
    let package = module.split('.').next().unwrap_or_default();
    libraries.contains(&package)
        && name.starts_with(char::is_uppercase)
        && value.state().is_some_and(|state| state.pairs().is_some())
        && !["Tree", "Bunch", "Booster"].contains(&name)
}

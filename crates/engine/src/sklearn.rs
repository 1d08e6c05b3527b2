//! Turns the objects of a scikit-learn pickle into a model.
//!
//! A class has one row in its family's table (`CLASSES` of each file) and one function that reads
//! it; a class without a row, a parameter that scikit-learn does not have (`parameters.txt` lists
//! those of all versions), a value that is not expected are refused by name. Nothing is guessed.
//!
//! [`estimator`] checks parameters and reads attributes. Families: [`pipeline`] and [`columns`]
//! join steps; [`text`], [`scaling`], [`encoding`], [`imputing`], [`selection`], [`shaping`] make
//! features; [`linear`], [`trees`], [`boosting`] with [`histogram`], [`machines`], [`likelihoods`],
//! [`neighbours`], [`kernels`], [`mixtures`], [`clusters`] and [`dummy`] answer; [`committees`], [`multiclass`], [`importance`] and
//! [`targets`] are made of others; [`boosters`] are other libraries' estimators. [`rows`] reads matrices that models keep.

mod boosters;
mod boosting;
mod clusters;
mod columns;
mod committees;
mod dummy;
mod encoding;
mod error;
mod estimator;
mod histogram;
mod importance;
mod imputing;
mod kernels;
mod labels;
mod likelihoods;
mod linear;
mod machines;
mod mixtures;
mod multiclass;
mod neighbours;
mod parameters;
mod pipeline;
mod rows;
mod scaling;
mod selection;
mod shaping;
mod targets;
mod text;
mod trees;

pub use error::ExtractError;

use crate::fitted::Fitted;
use crate::model::Parts;
use crate::pickle::View;
use estimator::{Context, Estimator};

/// A class the engine knows.
struct Class {
    /// The package the class lives in; the modules below it moved between versions.
    package: &'static str,
    name: &'static str,
    read: fn(&Estimator<'_>) -> Result<Fitted, ExtractError>,
}

impl Class {
    /// Whether the class is another library's, with parameters and versions of its own.
    fn is_foreign(&self) -> bool {
        !is_in(self.package, "sklearn")
    }
}

/// A row of a family's table.
const fn class(
    package: &'static str,
    name: &'static str,
    read: fn(&Estimator<'_>) -> Result<Fitted, ExtractError>,
) -> Class {
    Class { package, name, read }
}

/// All classes, family by family.
const FAMILIES: &[&[Class]] = &[
    pipeline::CLASSES,
    columns::CLASSES,
    text::CLASSES,
    scaling::CLASSES,
    encoding::CLASSES,
    imputing::CLASSES,
    selection::CLASSES,
    shaping::CLASSES,
    linear::CLASSES,
    trees::CLASSES,
    boosting::CLASSES,
    dummy::CLASSES,
    machines::CLASSES,
    likelihoods::CLASSES,
    committees::CLASSES,
    multiclass::CLASSES,
    neighbours::CLASSES,
    importance::CLASSES,
    targets::CLASSES,
    kernels::CLASSES,
    mixtures::CLASSES,
    clusters::CLASSES,
    boosters::CLASSES,
];

/// The row of a class, told by package and name.
fn find(found: (&str, &str)) -> Option<&'static Class> {
    let mut classes = FAMILIES.iter().copied().flatten();
    classes.find(|class| is_in(found.0, class.package) && found.1 == class.name)
}

/// Whether a module is a package or below it.
fn is_in(module: &str, package: &str) -> bool {
    module.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Makes a model of what a pickle holds.
pub(crate) fn extract(root: View<'_>) -> Result<Parts, ExtractError> {
    let estimator = Estimator::new(root, &Context::new(root))?;
    let mut names = labels::names_of(&estimator)?;
    let fitted = (estimator.class.read)(&estimator)?;
    if names.is_empty() {
        names = fitted.names;
    }
    let own = format!("scikit-learn {}", estimator.version_text);
    let origin = fitted.origin.filter(|_| estimator.class.is_foreign()).unwrap_or(own);
    let mut steps = fitted.steps;
    if fitted.head.is_none() {
        steps.extend(fitted.transform);
    }
    let mismatch =
        |error: crate::fitted::MismatchError| ExtractError::Mismatch { problem: error.to_string() };
    Parts::new(origin, names, steps, fitted.head).map_err(mismatch)
}

#[cfg(test)]
pub(crate) mod tests;

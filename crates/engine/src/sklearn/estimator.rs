//! One estimator: its class, its parameters checked, its attributes read.

use super::{ExtractError, Row, row};
use crate::pickle::View;
use crate::pickle::numpy::Array;
use crate::pickle::view::dotted;

/// An object whose class has a row and whose parameters are all known.
pub(super) struct Estimator<'g> {
    pub(super) view: View<'g>,
    pub(super) row: &'static Row,
    /// The version of scikit-learn that saved it: major, minor.
    pub(super) version: (u32, u32),
}

/// The oldest scikit-learn whose models were compared with ours.
const OLDEST: (u32, u32) = (1, 2);

impl<'g> Estimator<'g> {
    /// Takes an object for an estimator, or says why not.
    pub(super) fn new(view: View<'g>) -> Result<Self, ExtractError> {
        let class = view.class().ok_or_else(|| ExtractError::NotAModel { what: view.describe() })?;
        let Some(row) = row(class) else {
            return Err(ExtractError::Class { class: dotted(class) });
        };
        if view.state().is_none() {
            return Err(ExtractError::NotAModel { what: view.describe() });
        }
        let estimator = Estimator { view, row, version: version(view)?.1 };
        estimator.check_parameters()?;
        Ok(estimator)
    }

    /// By scikit-learn's convention an attribute that neither starts nor ends with an underscore
    /// is a parameter.
    fn check_parameters(&self) -> Result<(), ExtractError> {
        let pairs = self.view.state().and_then(|state| state.pairs()).into_iter().flatten();
        for (name, _) in pairs {
            let name = name.str().unwrap_or("?");
            let is_parameter = !name.starts_with('_') && !name.ends_with('_');
            if is_parameter && !self.row.parameters.contains(&name) {
                let parameter = name.chars().take(60).collect();
                return Err(ExtractError::UnknownParameter { class: self.name(), parameter });
            }
        }
        Ok(())
    }

    pub(super) fn name(&self) -> String {
        self.row.name.to_owned()
    }

    /// An attribute if it is there.
    pub(super) fn find(&self, attribute: &str) -> Option<View<'g>> {
        self.view.attribute(attribute)
    }

    /// An attribute that must be there.
    pub(super) fn get(&self, attribute: &'static str) -> Result<View<'g>, ExtractError> {
        self.find(attribute).ok_or_else(|| ExtractError::Missing { class: self.name(), attribute })
    }

    /// A parameter that must be True or False.
    pub(super) fn flag(&self, parameter: &'static str) -> Result<bool, ExtractError> {
        let value = self.get(parameter)?;
        value.bool().ok_or_else(|| self.refuse(parameter, value, "it is neither True nor False"))
    }

    /// An attribute that must be an array.
    pub(super) fn array(&self, attribute: &'static str) -> Result<Array<'g>, ExtractError> {
        Array::read(self.get(attribute)?).map_err(|error| self.problem(attribute, error.to_string()))
    }

    /// An attribute that must be a one-dimensional array of numbers.
    pub(super) fn vector(&self, attribute: &'static str) -> Result<Vec<f64>, ExtractError> {
        let array = self.array(attribute)?;
        if array.shape.len() != 1 {
            return Err(self.problem(attribute, "has not one dimension".to_owned()));
        }
        self.floats(attribute, &array)
    }

    pub(super) fn floats(
        &self,
        attribute: &'static str,
        array: &Array<'_>,
    ) -> Result<Vec<f64>, ExtractError> {
        let floats = array.floats().map_err(|error| self.problem(attribute, error.to_string()))?;
        if floats.iter().any(|value| !value.is_finite()) {
            return Err(self.problem(attribute, "has a value that is not finite".to_owned()));
        }
        Ok(floats)
    }

    pub(super) fn refuse(&self, parameter: &'static str, value: View<'_>, reason: &str) -> ExtractError {
        let (class, value) = (self.name(), value.describe());
        ExtractError::Parameter { class, parameter, value, reason: reason.to_owned() }
    }

    pub(super) fn problem(&self, attribute: &'static str, problem: String) -> ExtractError {
        ExtractError::Attribute { class: self.name(), attribute, problem }
    }
}

/// The version of scikit-learn an object was saved by, as text and as numbers.
pub(super) fn version(view: View<'_>) -> Result<(String, (u32, u32)), ExtractError> {
    let text = view.attribute("_sklearn_version").and_then(|version| version.str()).unwrap_or("");
    let mut numbers = text.split('.').map(|part| part.parse::<u32>().ok());
    let parsed = numbers.next().flatten().zip(numbers.next().flatten());
    match parsed {
        Some(numbers) if numbers >= OLDEST => Ok((text.chars().take(20).collect(), numbers)),
        _ => {
            let version = if text.is_empty() { "of an unknown version" } else { text };
            Err(ExtractError::Version { version: version.chars().take(20).collect() })
        }
    }
}

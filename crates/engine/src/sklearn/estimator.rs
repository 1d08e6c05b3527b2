//! One estimator: its class, its parameters checked, its attributes read.

use std::cell::Cell;
use std::rc::Rc;

use super::{Class, ExtractError, find, parameters};
use crate::fitted::Fitted;
use crate::pickle::View;
use crate::pickle::numpy::{Array, Scalar};
use crate::pickle::view::dotted;

/// Estimators inside estimators; more is no model but a trap.
const MAX_DEPTH: usize = 16;

/// An object whose class has a row and whose parameters are all known.
pub(super) struct Estimator<'g> {
    pub(super) view: View<'g>,
    pub(super) class: &'static Class,
    /// The version of scikit-learn that saved it: major, minor.
    pub(super) version: (u32, u32),
    pub(super) version_text: String,
    context: Context,
}

/// What reading one file may still cost.
///
/// A few bytes of pickle can name one large object any number of times; each time would be a copy
/// in memory.
#[derive(Debug, Clone)]
pub(super) struct Context {
    depth: usize,
    numbers_left: Rc<Cell<usize>>,
}

impl Context {
    /// What reading a whole file may cost: sixteen times what could honestly be in it.
    pub(super) fn new(root: View<'_>) -> Self {
        const BASE: usize = 1 << 20;
        let numbers = root.file_size().saturating_mul(16).saturating_add(BASE);
        Context { depth: 0, numbers_left: Rc::new(Cell::new(numbers)) }
    }

    fn spend(&self, numbers: usize) -> Option<()> {
        let left = self.numbers_left.get().checked_sub(numbers)?;
        self.numbers_left.set(left);
        Some(())
    }
}

/// The oldest scikit-learn whose models were compared with ours.
const OLDEST: (u32, u32) = (1, 0);

/// A matrix as it was saved: rows, columns, values row after row.
pub(super) struct Stored {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) values: Vec<f64>,
}

impl<'g> Estimator<'g> {
    /// Takes an object for an estimator, or says why not.
    pub(super) fn new(view: View<'g>, context: &Context) -> Result<Self, ExtractError> {
        let class = view.class().ok_or_else(|| ExtractError::NotAModel { what: view.describe() })?;
        let Some(known) = find(class) else {
            return Err(ExtractError::Class { class: dotted(class) });
        };
        if view.state().is_none() {
            return Err(ExtractError::NotAModel { what: view.describe() });
        }
        let (version_text, version) =
            if known.is_foreign() { (String::new(), OLDEST) } else { version(view)? };
        let context = Context { depth: context.depth + 1, ..context.clone() };
        let estimator = Estimator { view, class: known, version, version_text, context };
        if estimator.context.depth > MAX_DEPTH || estimator.context.spend(100).is_none() {
            return Err(ExtractError::Mismatch {
                problem: "estimators are nested too deep or too often".to_owned(),
            });
        }
        if !known.is_foreign() {
            estimator.check_parameters()?;
        }
        Ok(estimator)
    }

    /// By scikit-learn's convention an attribute that neither starts nor ends with an underscore
    /// is a parameter.
    fn check_parameters(&self) -> Result<(), ExtractError> {
        let known = parameters::of(self.class.name);
        let pairs = self.view.state().and_then(|state| state.pairs()).into_iter().flatten();
        for (name, _) in pairs {
            let name = name.str().unwrap_or("?");
            let is_parameter = !name.starts_with('_') && !name.ends_with('_');
            if is_parameter && !known.contains(&name) {
                let parameter = name.chars().take(60).collect();
                return Err(ExtractError::UnknownParameter { class: self.name(), parameter });
            }
        }
        Ok(())
    }

    pub(super) fn name(&self) -> String {
        self.class.name.to_owned()
    }

    /// Reads another estimator that is part of this one.
    pub(super) fn read(&self, view: View<'g>) -> Result<Fitted, ExtractError> {
        let estimator = self.member(view)?;
        (estimator.class.read)(&estimator)
    }

    /// Takes another object for an estimator that is part of this one.
    pub(super) fn member(&self, view: View<'g>) -> Result<Estimator<'g>, ExtractError> {
        Estimator::new(view, &self.context)
    }

    /// An attribute if it is there.
    pub(super) fn find(&self, attribute: &str) -> Option<View<'g>> {
        self.view.attribute(attribute)
    }

    /// An attribute that must be there.
    pub(super) fn get(&self, attribute: &'static str) -> Result<View<'g>, ExtractError> {
        self.find(attribute).ok_or_else(|| ExtractError::Missing { class: self.name(), attribute })
    }

    /// An attribute that is there and not None.
    pub(super) fn some(&self, attribute: &str) -> Option<View<'g>> {
        self.find(attribute).filter(|value| !value.is_none())
    }

    /// The items of an attribute that must be a list or tuple, or an array of objects.
    pub(super) fn items(&self, attribute: &'static str) -> Result<Vec<View<'g>>, ExtractError> {
        let value = self.get(attribute)?;
        if let Some(items) = value.items() {
            return Ok(items.collect());
        }
        let objects = Array::read(value).ok().and_then(|array| array.objects());
        objects.ok_or_else(|| self.problem(attribute, "is not a list".to_owned()))
    }

    /// A parameter that must be True or False.
    pub(super) fn flag(&self, parameter: &'static str) -> Result<bool, ExtractError> {
        let value = self.get(parameter)?;
        let number = value.int().and_then(|number| u8::try_from(number).ok()).filter(|number| *number < 2);
        let flag = value.bool().or_else(|| number.map(|number| number == 1));
        flag.ok_or_else(|| self.refuse(parameter, value, "it is neither True nor False"))
    }

    /// An attribute that must be a text.
    pub(super) fn text(&self, attribute: &'static str) -> Result<&'g str, ExtractError> {
        let value = self.get(attribute)?;
        value.str().ok_or_else(|| self.refuse(attribute, value, "a text is expected"))
    }

    /// An attribute that must be a number; it may be infinite or NaN.
    pub(super) fn number(&self, attribute: &'static str) -> Result<f64, ExtractError> {
        let value = self.get(attribute)?;
        value.float().ok_or_else(|| self.refuse(attribute, value, "a number is expected"))
    }

    /// An attribute that must be a count.
    pub(super) fn count(&self, attribute: &'static str) -> Result<usize, ExtractError> {
        let value = self.get(attribute)?;
        let count = value.int().and_then(|count| u32::try_from(count).ok());
        count.map(|count| count as usize).ok_or_else(|| self.problem(attribute, "is not a count".to_owned()))
    }

    /// The number of columns the estimator was fitted to.
    pub(super) fn width(&self) -> Result<usize, ExtractError> {
        /// More is no table but a trap: a model of a million words has a million columns.
        const MOST: usize = 1 << 26;
        match self.count("n_features_in_")? {
            width if width <= MOST => Ok(width),
            _ => Err(self.problem("n_features_in_", "is beyond any table".to_owned())),
        }
    }

    /// An attribute that must be an array.
    pub(super) fn array(&self, attribute: &'static str) -> Result<Array<'g>, ExtractError> {
        self.array_of(attribute, self.get(attribute)?)
    }

    /// A part of an attribute that must be an array.
    pub(super) fn array_of(
        &self,
        attribute: &'static str,
        value: View<'g>,
    ) -> Result<Array<'g>, ExtractError> {
        let array = Array::read(value).map_err(|error| self.problem(attribute, error.to_string()))?;
        let spent = self.context.spend(array.len());
        spent.ok_or_else(|| self.problem(attribute, "is named too often".to_owned()))?;
        Ok(array)
    }

    /// Accounts for a matrix that is larger in memory than in the file.
    pub(super) fn spend(
        &self,
        attribute: &'static str,
        rows: usize,
        columns: usize,
    ) -> Result<(), ExtractError> {
        let numbers = rows.checked_mul(columns).and_then(|numbers| self.context.spend(numbers));
        numbers.ok_or_else(|| self.problem(attribute, "is larger than the file tells".to_owned()))
    }

    /// An attribute that must be a one-dimensional array of finite numbers.
    pub(super) fn vector(&self, attribute: &'static str) -> Result<Vec<f64>, ExtractError> {
        self.vector_of(attribute, self.get(attribute)?)
    }

    /// A part of an attribute that must be a one-dimensional array of finite numbers.
    pub(super) fn vector_of(
        &self,
        attribute: &'static str,
        value: View<'g>,
    ) -> Result<Vec<f64>, ExtractError> {
        let array = self.array_of(attribute, value)?;
        if array.shape.len() != 1 {
            return Err(self.problem(attribute, "has not one dimension".to_owned()));
        }
        self.floats(attribute, &array)
    }

    /// An attribute that must be a one-dimensional array of numbers, infinite and missing ones too.
    pub(super) fn any_vector(&self, attribute: &'static str) -> Result<Vec<f64>, ExtractError> {
        let array = self.array(attribute)?;
        if array.shape.len() != 1 {
            return Err(self.problem(attribute, "has not one dimension".to_owned()));
        }
        array.floats().map_err(|error| self.problem(attribute, error.to_string()))
    }

    /// An attribute that must be a one-dimensional array of truth values.
    pub(super) fn mask(&self, attribute: &'static str) -> Result<Vec<bool>, ExtractError> {
        let refuse = || self.problem(attribute, "is not a list of truth values".to_owned());
        let scalars = self.array(attribute)?.scalars().map_err(|_| refuse())?;
        scalars.iter().map(Scalar::as_bool).collect::<Option<_>>().ok_or_else(refuse)
    }

    /// An attribute that must be a one-dimensional array of positions below a bound.
    pub(super) fn positions(
        &self,
        attribute: &'static str,
        bound: usize,
    ) -> Result<Vec<usize>, ExtractError> {
        let refuse = || self.problem(attribute, "is not a list of positions".to_owned());
        let scalars = self.array(attribute)?.scalars().map_err(|_| refuse())?;
        let position =
            |scalar: &Scalar| usize::try_from(scalar.as_int()?).ok().filter(|position| *position < bound);
        scalars.iter().map(position).collect::<Option<_>>().ok_or_else(refuse)
    }

    /// An attribute that must be a two-dimensional array of finite numbers.
    pub(super) fn matrix(&self, attribute: &'static str) -> Result<Stored, ExtractError> {
        self.matrix_of(attribute, self.get(attribute)?)
    }

    /// A part of an attribute that must be a two-dimensional array of finite numbers.
    pub(super) fn matrix_of(&self, attribute: &'static str, value: View<'g>) -> Result<Stored, ExtractError> {
        let array = self.array_of(attribute, value)?;
        let [rows, columns] = *array.shape else {
            return Err(self.problem(attribute, "has not two dimensions".to_owned()));
        };
        Ok(Stored { rows, columns, values: self.floats(attribute, &array)? })
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

    /// Refuses a parameter's value.
    pub(super) fn refuse(&self, parameter: &'static str, value: View<'_>, reason: &str) -> ExtractError {
        let (class, value) = (self.name(), value.describe());
        ExtractError::Parameter { class, parameter, value, reason: reason.to_owned() }
    }

    /// Refuses an attribute.
    pub(super) fn problem(&self, attribute: &'static str, problem: String) -> ExtractError {
        ExtractError::Attribute { class: self.name(), attribute, problem }
    }

    /// Refuses an attribute that does not fit the others.
    pub(super) fn misfit(&self, attribute: &'static str) -> ExtractError {
        self.problem(attribute, "does not fit the other attributes".to_owned())
    }
}

/// The version of scikit-learn an object was saved by, as text and as numbers.
fn version(view: View<'_>) -> Result<(String, (u32, u32)), ExtractError> {
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

//! `OneHotEncoder`, `OrdinalEncoder`, `KBinsDiscretizer`, and what encodes labels.

use std::collections::HashMap;

use super::estimator::Estimator;
use super::{Class, ExtractError, class, labels};
use crate::fitted::{Fitted, Transform};
use crate::pickle::View;
use crate::pickle::numpy::Array;
use crate::preprocess::encode::{Categories, ColumnCodes, OneHot, Ordinal, Unknown};
use crate::preprocess::reshape::Bins;

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.preprocessing", "OneHotEncoder", one_hot),
    class("sklearn.preprocessing", "OrdinalEncoder", ordinal),
    class("sklearn.preprocessing", "TargetEncoder", target),
    class("sklearn.preprocessing", "KBinsDiscretizer", bins),
    class("sklearn.preprocessing", "LabelEncoder", label_encoder),
    class("sklearn.preprocessing", "LabelBinarizer", label_binarizer),
];

/// The categories of every column.
fn categories(estimator: &Estimator<'_>) -> Result<Vec<Categories>, ExtractError> {
    const ATTRIBUTE: &str = "categories_";
    let columns = estimator.items(ATTRIBUTE)?;
    let columns =
        columns.into_iter().map(|view| Ok(Categories::new(labels::categories(estimator, ATTRIBUTE, view)?)));
    columns.collect()
}

/// What rare categories of a column are grouped to.
struct Groups {
    /// By category its number after grouping; `None` where nothing is grouped.
    mapping: Option<Vec<usize>>,
    /// The number of the group of rare ones.
    rare: Option<usize>,
    /// How many numbers there are.
    count: usize,
}

fn groups(estimator: &Estimator<'_>, categories: &[Categories]) -> Result<Vec<Groups>, ExtractError> {
    const ATTRIBUTE: &str = "_default_to_infrequent_mappings";
    let is_enabled = estimator.find("_infrequent_enabled").and_then(|enabled| enabled.bool()) == Some(true);
    if !is_enabled {
        let plain = categories.iter().map(|column| Groups { mapping: None, rare: None, count: column.len() });
        return Ok(plain.collect());
    }
    let mappings = estimator.items(ATTRIBUTE)?;
    let rare = estimator.items("_infrequent_indices")?;
    if mappings.len() != categories.len() || rare.len() != categories.len() {
        return Err(estimator.misfit(ATTRIBUTE));
    }
    let columns = categories.iter().zip(mappings).zip(rare).map(|((column, mapping), rare)| {
        if mapping.is_none() {
            return Ok(Groups { mapping: None, rare: None, count: column.len() });
        }
        let mapping = positions(estimator, ATTRIBUTE, mapping, column.len())?;
        let rare = positions(estimator, ATTRIBUTE, rare, column.len())?;
        let rare = rare.first().and_then(|first| mapping.get(*first)).copied();
        let count = mapping.iter().max().map_or(0, |most| most + 1);
        if mapping.len() != column.len() || rare.is_none() {
            return Err(estimator.misfit(ATTRIBUTE));
        }
        Ok(Groups { mapping: Some(mapping), rare, count })
    });
    columns.collect()
}

fn positions<'g>(
    estimator: &Estimator<'g>,
    attribute: &'static str,
    view: View<'g>,
    bound: usize,
) -> Result<Vec<usize>, ExtractError> {
    let scalars = estimator.array_of(attribute, view)?.scalars();
    let scalars = scalars.map_err(|error| estimator.problem(attribute, error.to_string()))?;
    let position = |scalar: &crate::pickle::numpy::Scalar| {
        usize::try_from(scalar.as_int()?).ok().filter(|position| *position < bound)
    };
    scalars.iter().map(position).collect::<Option<_>>().ok_or_else(|| estimator.misfit(attribute))
}

fn one_hot(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let categories = categories(estimator)?;
    let groups = groups(estimator, &categories)?;
    let dropped = dropped(estimator, categories.len())?;
    let handling = estimator.text("handle_unknown")?;
    let mut outputs = Vec::with_capacity(categories.len());
    let mut columns = Vec::with_capacity(categories.len());
    for ((categories, groups), dropped) in categories.into_iter().zip(groups).zip(dropped) {
        // a category behind the one that is left out moves up by one
        let output = |number: usize| match dropped {
            Some(dropped) if number == dropped => None,
            Some(dropped) => u32::try_from(number - usize::from(number > dropped)).ok(),
            None => u32::try_from(number).ok(),
        };
        let number = |category: usize| groups.mapping.as_ref().map_or(category, |mapping| mapping[category]);
        let codes = (0..categories.len()).map(|category| output(number(category))).collect();
        let unknown = match (handling, groups.rare) {
            ("error", _) => Unknown::Refused,
            ("infrequent_if_exist" | "warn", Some(rare)) => Unknown::Becomes(output(rare)),
            ("ignore" | "infrequent_if_exist" | "warn", _) => Unknown::Becomes(None),
            _ => {
                return Err(estimator.refuse(
                    "handle_unknown",
                    estimator.get("handle_unknown")?,
                    "it is not known",
                ));
            }
        };
        outputs.push(groups.count.saturating_sub(usize::from(dropped.is_some())));
        columns.push(
            ColumnCodes::new(categories, codes, unknown).ok_or_else(|| estimator.misfit("categories_"))?,
        );
    }
    OneHot::new(columns, &outputs).map(Fitted::transformer).ok_or_else(|| estimator.misfit("categories_"))
}

/// By column the number, after grouping, of the category that gets no column.
fn dropped(estimator: &Estimator<'_>, columns: usize) -> Result<Vec<Option<usize>>, ExtractError> {
    const ATTRIBUTE: &str = "drop_idx_";
    // before 1.2 nothing was grouped
    let numbers = estimator.some("_drop_idx_after_grouping").or_else(|| estimator.some(ATTRIBUTE));
    let Some(numbers) = numbers else { return Ok(vec![None; columns]) };
    let array = Array::read(numbers).map_err(|error| estimator.problem(ATTRIBUTE, error.to_string()))?;
    let number = |number: Option<i64>| number.and_then(|number| usize::try_from(number).ok());
    let numbers: Vec<Option<usize>> = match array.objects() {
        Some(objects) => objects.into_iter().map(|object| number(object.int())).collect(),
        None => {
            let scalars = array.scalars().map_err(|error| estimator.problem(ATTRIBUTE, error.to_string()))?;
            scalars.iter().map(|scalar| number(scalar.as_int())).collect()
        }
    };
    if numbers.len() == columns { Ok(numbers) } else { Err(estimator.misfit(ATTRIBUTE)) }
}

#[expect(clippy::cast_precision_loss, reason = "there are few categories")]
fn ordinal(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let categories = categories(estimator)?;
    let groups = groups(estimator, &categories)?;
    let missing = missing_numbers(estimator);
    let missing_code = match estimator.find("encoded_missing_value") {
        Some(value) => value.float(),
        None => Some(f64::NAN),
    };
    let unknown = match estimator.text("handle_unknown")? {
        "error" => Unknown::Refused,
        "use_encoded_value" => Unknown::Becomes(estimator.number("unknown_value")?),
        _ => {
            return Err(estimator.refuse(
                "handle_unknown",
                estimator.get("handle_unknown")?,
                "it is not known",
            ));
        }
    };
    let mut columns = Vec::with_capacity(categories.len());
    for (position, (categories, groups)) in categories.into_iter().zip(groups).enumerate() {
        let code = |category: usize| {
            let number = groups.mapping.as_ref().map_or(category, |mapping| mapping[category]);
            match missing.get(&position) {
                Some(missing) if *missing == number => missing_code,
                _ => Some(number as f64),
            }
        };
        let codes = (0..categories.len()).map(code).collect::<Option<_>>();
        let codes = codes.ok_or_else(|| estimator.misfit("encoded_missing_value"))?;
        columns.push(
            ColumnCodes::new(categories, codes, unknown).ok_or_else(|| estimator.misfit("categories_"))?,
        );
    }
    Ok(Fitted::transformer(Ordinal { columns, each: 1 }))
}

/// By category what the target was like; of several classes once for each.
fn target(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "encodings_";
    let categories = categories(estimator)?;
    let encodings = estimator.items(ATTRIBUTE)?;
    let means = match estimator.text("target_type_")? {
        "multiclass" => estimator.vector("target_mean_")?,
        _ => vec![estimator.number("target_mean_")?],
    };
    let each = means.len();
    if each == 0 || categories.len().checked_mul(each) != Some(encodings.len()) {
        return Err(estimator.misfit(ATTRIBUTE));
    }
    let columns = encodings.into_iter().enumerate().map(|(place, encoding)| {
        let codes = estimator.vector_of(ATTRIBUTE, encoding)?;
        let unknown = Unknown::Becomes(means[place % each]);
        let column = ColumnCodes::new(categories[place / each].clone(), codes, unknown);
        column.ok_or_else(|| estimator.misfit(ATTRIBUTE))
    });
    Ok(Fitted::transformer(Ordinal { columns: columns.collect::<Result<_, ExtractError>>()?, each }))
}

/// By column the number of the category that stands for what is missing.
fn missing_numbers(estimator: &Estimator<'_>) -> HashMap<usize, usize> {
    let pairs = estimator.find("_missing_indices").and_then(|missing| missing.pairs());
    let count = |view: View<'_>| usize::try_from(view.int()?).ok();
    pairs
        .into_iter()
        .flatten()
        .filter_map(|(column, number)| Some((count(column)?, count(number)?)))
        .collect()
}

fn bins(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "bin_edges_";
    let mut edges = Vec::new();
    for column in estimator.items(ATTRIBUTE)? {
        let column = estimator.vector_of(ATTRIBUTE, column)?;
        let inner = column.len().checked_sub(1).and_then(|last| column.get(1..last));
        edges.push(inner.unwrap_or(&[]).to_vec());
    }
    if edges.len() != estimator.width()? || edges.iter().any(|edges| !edges.is_sorted()) {
        return Err(estimator.misfit(ATTRIBUTE));
    }
    let bins = Bins { edges, raises: estimator.version < (1, 2) };
    if estimator.text("encode")? == "ordinal" {
        return Ok(Fitted::transformer(bins));
    }
    let encoder = estimator.read(estimator.get("_encoder")?)?;
    let steps: Vec<Box<dyn Transform>> = vec![Box::new(bins)];
    Ok(Fitted { steps, ..encoder })
}

#[expect(clippy::cast_precision_loss, reason = "there are few classes")]
fn label_encoder(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let classes = labels::classes(estimator)?;
    let codes = (0..classes.len()).map(|class| class as f64).collect();
    let codes = ColumnCodes::new(Categories::new(classes.into_iter().map(Some)), codes, Unknown::Refused);
    let codes = codes.ok_or_else(|| estimator.misfit("classes_"))?;
    Ok(Fitted::transformer(Ordinal { columns: vec![codes], each: 1 }))
}

fn label_binarizer(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    for (parameter, usual) in [("neg_label", 0.0), ("pos_label", 1.0)] {
        if estimator.number(parameter)? != usual {
            return Err(estimator.refuse(
                parameter,
                estimator.get(parameter)?,
                "only 0 and 1 are reproduced",
            ));
        }
    }
    let classes = labels::classes(estimator)?;
    let count = classes.len();
    let codes = match count {
        // two classes share a column
        1 | 2 => (0..count).map(|class| (class == 1).then_some(0)).collect(),
        _ => (0..count).map(|class| u32::try_from(class).ok()).collect(),
    };
    let codes =
        ColumnCodes::new(Categories::new(classes.into_iter().map(Some)), codes, Unknown::Becomes(None));
    let width = if count <= 2 { 1 } else { count };
    let one_hot = codes.and_then(|codes| OneHot::new(vec![codes], &[width]));
    one_hot.map(Fitted::transformer).ok_or_else(|| estimator.misfit("classes_"))
}

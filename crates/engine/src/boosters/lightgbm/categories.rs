//! pandas' categories, which LightGBM's Python package adds to the end of a model's text.

use super::super::BoosterError;
use super::super::codes::{Category, Codes};
use super::super::document::{Value, json};
use super::Section;

/// The numbering of categories, where the model was trained on a table that had them.
pub(super) fn read(text: &str, header: &Section<'_>, width: usize) -> Result<Option<Codes>, BoosterError> {
    const KEY: &str = "pandas_categorical";
    let line = text.lines().rev().find_map(|line| line.strip_prefix("pandas_categorical:"));
    let lists = match line.map(|line| json::read(line.trim().as_bytes())).transpose() {
        Ok(None | Some(Value::Null)) => return Ok(None),
        Ok(Some(lists)) => lists,
        Err(error) => {
            return Err(BoosterError::Field {
                name: KEY.to_owned(),
                problem: format!("is damaged: {error}"),
            });
        }
    };
    let wrong = || BoosterError::field(KEY, "is not a list of lists");
    let lists = lists.items().ok_or_else(wrong)?.iter().map(|list| categories(list).ok_or_else(wrong));
    let lists = lists.collect::<Result<Vec<_>, _>>()?;
    if lists.is_empty() {
        return Ok(None);
    }
    let places = places(text, header, width, lists.len()).ok_or_else(|| BoosterError::Unsupported {
        what: "a model that does not tell which columns its `pandas_categorical` are".to_owned(),
        hint: "train it on numbered categories",
    })?;
    let mut columns = vec![None; width];
    for (place, list) in places.into_iter().zip(lists) {
        columns[place] = Some(list);
    }
    Ok(Some(Codes { columns, refuses_unknown: false }))
}

fn categories(list: &Value) -> Option<Vec<Category>> {
    if let Some(numbers) = list.as_numbers().filter(|_| list.texts().is_none_or(|texts| texts.is_empty())) {
        return Some(numbers.iter().map(|number| Category::Number(*number)).collect());
    }
    let category = |item: &Value| match item {
        Value::Text(text) => Some(Category::Text(text.clone())),
        item => item.as_number().map(Category::Number),
    };
    list.items()?.iter().map(category).collect()
}

/// The columns that have categories: the parameters name them, or the values listed do.
fn places(text: &str, header: &Section<'_>, width: usize, count: usize) -> Option<Vec<usize>> {
    let named = text.lines().find_map(|line| line.strip_prefix("[categorical_feature: ")?.strip_suffix(']'));
    let named = named
        .map(|list| list.split(',').map(|place| place.trim().parse().ok()).collect::<Option<Vec<usize>>>());
    let listed = || -> Vec<usize> {
        let all = header.find("feature_infos").unwrap_or("").split(' ').enumerate();
        all.filter(|(_, info)| !info.starts_with('[') && *info != "none").map(|(place, _)| place).collect()
    };
    let fits = |places: &Vec<usize>| {
        places.len() == count
            && places.windows(2).all(|pair| pair[0] < pair[1])
            && places.iter().all(|place| *place < width)
    };
    named.flatten().filter(fits).or_else(|| Some(listed()).filter(fits))
}

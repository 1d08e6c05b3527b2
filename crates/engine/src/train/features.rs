//! The steps of a model, fitted to a table: TF-IDF of texts, standard scores of numbers, a column
//! for each category, what is missing filled in.
//!
//! What training sees is what the fitted steps make of the rows: the same kernels that predict.

mod text;

use super::dataset::{Column, ColumnKind, Values};
use super::{Algorithm, Dataset, Options, Progress, Stage, TrainError};
use crate::Label;
use crate::fitted::{Chain, Transform};
use crate::preprocess::encode::OneHot;
use crate::preprocess::impute::{Fill, Impute, Missing};
use crate::preprocess::scale::{Scale, Scaling};
use crate::preprocess::select::{Part, Pass, SideBySide};

/// The most weights a linear model may have: its fit keeps about 17 vectors of that many `f64`,
/// 270 MB. Rarer words are left out first; on 27,766 texts of 137 classes twice as many weights
/// took twice as long and made accuracy no better.
const MAX_WEIGHTS: usize = 2_000_000;

/// The most words that boosting looks at by default: it keeps a byte for each row and word.
const MAX_BOOSTED_TERMS: usize = 1000;

/// Steps fitted to some rows of a table.
pub(super) struct Fitted {
    pub(super) steps: Vec<Box<dyn Transform>>,
    /// The names of the table's columns.
    pub(super) names: Vec<String>,
    /// The names of the features that come out.
    pub(super) features: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// Everything that fitting a step looks at.
struct Fitting<'a, 'p> {
    rows: &'a [usize],
    options: &'a Options,
    /// At most so many words become features.
    most_terms: usize,
    progress: &'p mut dyn FnMut(Progress),
    features: Vec<String>,
    notes: Vec<String>,
}

/// A step with what it is called in the list of steps.
type Step = Box<dyn Transform>;

pub(super) fn fit(
    dataset: &Dataset,
    rows: &[usize],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Fitted, TrainError> {
    let classes = dataset.classes().len();
    let most_terms = match options.algorithm {
        Algorithm::Logistic => MAX_WEIGHTS / if classes <= 2 { 1 } else { classes },
        Algorithm::Linear | Algorithm::Ridge => MAX_WEIGHTS,
        Algorithm::Boosting => MAX_BOOSTED_TERMS,
        Algorithm::Tree | Algorithm::Forest => usize::MAX,
    };
    let (features, notes) = (Vec::new(), Vec::new());
    let mut fitting = Fitting { rows, options, most_terms, progress, features, notes };
    let steps = fitting.steps(dataset)?;
    (fitting.progress)(Progress { stage: Stage::Features, fraction: 1.0 });
    let names = dataset.columns().map(|(name, _)| name.to_owned()).collect();
    Ok(Fitted { steps, names, features: fitting.features, notes: fitting.notes })
}

impl Fitting<'_, '_> {
    fn steps(&mut self, dataset: &Dataset) -> Result<Vec<Step>, TrainError> {
        if let Some(texts) = dataset.only_text() {
            let texts: Vec<&str> = self.rows.iter().map(|row| texts.get(*row)).collect();
            return Ok(vec![Box::new(self.text(None, &texts)?)]);
        }
        if dataset.has_numbers_only() {
            return self.numbers(&dataset.columns.iter().collect::<Vec<_>>());
        }
        let of_kind = |kind: ColumnKind| -> Vec<usize> {
            (0..dataset.columns.len()).filter(|place| dataset.columns[*place].kind == kind).collect()
        };
        let columns =
            |places: &[usize]| places.iter().map(|place| &dataset.columns[*place]).collect::<Vec<_>>();
        let mut parts = Vec::new();
        let numbers = of_kind(ColumnKind::Number);
        if !numbers.is_empty() {
            let steps = self.numbers(&columns(&numbers))?;
            let transform: Step = match steps.is_empty() {
                true => Box::new(Pass),
                false => Box::new(Chain::new(steps, None).map_err(|_| TrainError::NoFeatures)?),
            };
            parts.push(Part { columns: Some(numbers), is_text: false, transform, weight: None });
        }
        let categories = of_kind(ColumnKind::Category);
        if !categories.is_empty() {
            let transform: Step = Box::new(self.categories(&columns(&categories))?);
            parts.push(Part { columns: Some(categories), is_text: false, transform, weight: None });
        }
        for place in of_kind(ColumnKind::Text) {
            let column = &dataset.columns[place];
            let Values::Words(words) = &column.values else { continue };
            let texts: Vec<&str> = self.rows.iter().map(|row| words.get(*row)).collect();
            let transform: Step = Box::new(self.text(Some(&column.name), &texts)?);
            parts.push(Part { columns: Some(vec![place]), is_text: true, transform, weight: None });
        }
        let joined = SideBySide::new(parts, Some(dataset.columns.len())).ok_or(TrainError::NoFeatures)?;
        Ok(vec![Box::new(joined)])
    }

    /// Fills in what is missing, and scales for linear models; boosting takes numbers as they are.
    fn numbers(&mut self, columns: &[&Column]) -> Result<Vec<Step>, TrainError> {
        let mut means = vec![0.0; columns.len()];
        let mut steps: Vec<Step> = Vec::new();
        let mut fills = Vec::with_capacity(columns.len());
        let mut deviations = vec![1.0; columns.len()];
        let mut has_missing = false;
        for (position, column) in columns.iter().enumerate() {
            let Values::Numbers(numbers) = &column.values else { continue };
            let present = || self.rows.iter().map(|row| numbers[*row]).filter(|number| !number.is_nan());
            let count = present().count();
            has_missing |= count < self.rows.len();
            let mean = mean(present(), count);
            fills.push(Fill::Number(mean));
            means[position] = mean;
            // what is filled in is no further from the mean
            let deviation = (present().map(|value| (value - mean) * (value - mean)).sum::<f64>()
                / float(self.rows.len()))
            .sqrt();
            // a column of one value may seem to vary by what its mean was rounded
            let noise = 10.0 * f64::EPSILON * mean.abs();
            if !deviation.is_finite() && self.options.algorithm.is_linear() {
                return Err(TrainError::NotFinite);
            }
            if deviation > noise {
                deviations[position] = deviation;
            }
        }
        self.features.extend(columns.iter().map(|column| column.name.clone()));
        if has_missing && self.options.algorithm != Algorithm::Boosting {
            if fills.iter().zip(&means).any(|(_, mean)| !mean.is_finite()) {
                return Err(TrainError::NotFinite);
            }
            let impute = Impute { missing: Missing::Nothing, fills, has_words: false, indicated: Vec::new() };
            steps.push(Box::new(impute));
            self.notes.push("missing numbers are filled in by their column's mean".to_owned());
        }
        if self.options.algorithm.is_linear() {
            let scaling = Scaling::Standard { mean: Some(means), scale: Some(deviations) };
            steps.push(Box::new(Scale::new(columns.len(), scaling).ok_or(TrainError::NoFeatures)?));
        }
        Ok(steps)
    }

    /// A column for each category that the rows have; others are all zeros.
    fn categories(&mut self, columns: &[&Column]) -> Result<OneHot, TrainError> {
        let mut all = Vec::with_capacity(columns.len());
        for column in columns {
            let found = found(column, self.rows);
            let shown =
                |label: &Option<Label>| label.as_ref().map_or("(missing)".to_owned(), Label::to_string);
            self.features.extend(found.iter().map(|label| format!("{} = {}", column.name, shown(label))));
            all.push(found);
        }
        OneHot::plain(all).ok_or(TrainError::NoFeatures)
    }
}

/// The categories of some rows, sorted; that of missing cells last.
fn found(column: &Column, rows: &[usize]) -> Vec<Option<Label>> {
    let (mut labels, has_missing): (Vec<Option<Label>>, bool) = match &column.values {
        Values::Words(words) => {
            let mut found: Vec<&str> = rows.iter().map(|row| words.get(*row)).collect();
            found.sort_unstable();
            found.dedup();
            let has_missing = found.first() == Some(&"");
            let labels = found.into_iter().filter(|word| !word.is_empty());
            (labels.map(|word| Some(Label::Text(word.to_owned()))).collect(), has_missing)
        }
        Values::Numbers(numbers) => {
            let mut found: Vec<f64> = rows.iter().map(|row| numbers[*row]).collect();
            found.sort_unstable_by(f64::total_cmp);
            found.dedup();
            let has_missing = found.iter().any(|number| number.is_nan());
            let labels = found.into_iter().filter(|number| !number.is_nan());
            (labels.map(|number| Some(Label::Float(number))).collect(), has_missing)
        }
    };
    if has_missing {
        labels.push(None);
    }
    labels
}

fn mean(values: impl Iterator<Item = f64> + Clone, count: usize) -> f64 {
    if count == 0 {
        return 0.0;
    }
    let first = values.clone().sum::<f64>() / float(count);
    // a second pass takes back what the first lost to rounding
    first + values.map(|value| value - first).sum::<f64>() / float(count)
}

#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

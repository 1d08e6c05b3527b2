//! How far what comes in is from what the model was trained on: the population stability index (PSI)
//! of each column, values that are missing, values that training never saw.
//!
//! The model's file carries the training data's shape; models of other libraries have none, and
//! no drift. Not every row is looked at: so many a second are enough for any share, and looking at
//! all would cost as much as predicting. Shares are those of a window that slides: what came in the
//! last five to ten minutes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::summary::{Shape, TrainingData};
use engine::{Cell, Model};

use crate::reply::Reply;
use crate::repository::Served;
use crate::rows::Rows;

/// Columns that have series of their own.
const MOST_COLUMNS: usize = 100;

/// Rows that one thread looks at in a second, and of one request.
const ROWS_A_SECOND: u32 = 500;
const ROWS_OF_A_REQUEST: usize = 20;

/// Half of the window.
const HALF_WINDOW: Duration = Duration::from_secs(300);

/// With fewer rows chance alone looks like drift.
const LEAST_ROWS: u64 = 200;

/// A share of nothing is taken for this much, or the index would be infinite.
const LEAST_SHARE: f64 = 1e-4;

/// What is counted of the columns of one version of a model.
#[derive(Debug, Clone)]
pub(super) struct Drift {
    training: Arc<TrainingData>,
    model: Model,
    pub(super) columns: Vec<ColumnCells>,
    /// What was predicted, in the parts of what was to be predicted in training.
    pub(super) predictions: Window,
    half_began: Instant,
    second_began: Instant,
    left: u32,
}

/// What is counted of one column.
#[derive(Debug, Clone)]
pub(super) struct ColumnCells {
    pub(super) name: Box<str>,
    /// One, but of a text three: its characters, its terms, the share of unknown ones.
    pub(super) measures: Vec<(&'static str, Window)>,
    pub(super) values: u64,
    pub(super) missing: u64,
    pub(super) unseen: u64,
}

/// Counts by part, of the half of the window that runs and the one before.
#[derive(Debug, Clone)]
pub(super) struct Window {
    expected: Vec<f64>,
    now: Vec<u64>,
    before: Vec<u64>,
}

impl Window {
    fn new(expected: Vec<f64>) -> Self {
        let empty = vec![0; expected.len()];
        Window { expected, now: empty.clone(), before: empty }
    }

    fn count(&mut self, part: Option<usize>) {
        if let Some(count) = part.and_then(|part| self.now.get_mut(part)) {
            *count += 1;
        }
    }

    fn slide(&mut self) {
        self.before = std::mem::replace(&mut self.now, vec![0; self.expected.len()]);
    }

    fn add(&mut self, other: &Window) {
        self.now.iter_mut().zip(&other.now).for_each(|(count, more)| *count += more);
        self.before.iter_mut().zip(&other.before).for_each(|(count, more)| *count += more);
    }

    pub(super) fn rows(&self) -> u64 {
        self.now.iter().chain(&self.before).sum()
    }

    /// The population stability index; `None` before enough rows were seen.
    pub(super) fn psi(&self) -> Option<f64> {
        let rows = self.rows();
        if rows < LEAST_ROWS || self.expected.is_empty() {
            return None;
        }
        let shares = self.now.iter().zip(&self.before).map(|(now, before)| float(now + before) / float(rows));
        let terms = shares.zip(&self.expected).map(|(share, expected)| {
            let (share, expected) = (share.max(LEAST_SHARE), expected.max(LEAST_SHARE));
            (share - expected) * (share / expected).ln()
        });
        Some(terms.sum())
    }
}

impl Drift {
    /// Of a version whose file tells what it was trained on.
    pub(super) fn of(served: &Served) -> Option<Self> {
        let training = served.model.training_data()?;
        let columns = training.columns.iter().take(MOST_COLUMNS).map(|column| {
            let measures = match &column.shape {
                Shape::Number(bins) => vec![("value", Window::new(bins.shares.clone()))],
                Shape::Category { .. } => vec![("value", Window::new(column.shape.shares()))],
                Shape::Text { characters, terms, unknown } => vec![
                    ("characters", Window::new(characters.shares.clone())),
                    ("terms", Window::new(terms.shares.clone())),
                    ("unknown_terms", Window::new(unknown.shares.clone())),
                ],
            };
            let name = column.name.as_str().into();
            ColumnCells { name, measures, values: 0, missing: 0, unseen: 0 }
        });
        let now = Instant::now();
        Some(Drift {
            columns: columns.collect(),
            predictions: Window::new(training.target.shares()),
            training: Arc::new(training),
            model: served.model.clone(),
            half_began: now,
            second_began: now,
            left: ROWS_A_SECOND,
        })
    }

    /// Looks at some of a request's rows.
    pub(super) fn look(&mut self, rows: &Rows, reply: &Reply) {
        let now = Instant::now();
        if now.duration_since(self.second_began) >= Duration::from_secs(1) {
            (self.second_began, self.left) = (now, ROWS_A_SECOND);
        }
        if now.duration_since(self.half_began) >= HALF_WINDOW {
            self.half_began = now;
            self.slide();
        }
        let room = usize::try_from(self.left).unwrap_or(0).min(ROWS_OF_A_REQUEST);
        if room == 0 || rows.is_empty() {
            return;
        }
        let step = rows.len().div_ceil(room);
        let training = Arc::clone(&self.training);
        for row in (0..rows.len()).step_by(step) {
            self.left = self.left.saturating_sub(1);
            for (place, column) in training.columns.iter().take(self.columns.len()).enumerate() {
                match rows {
                    Rows::Texts(texts) => self.text(place, &column.shape, &texts[row]),
                    Rows::Numbers(matrix) => {
                        let number = matrix.values[row * matrix.width + place.min(matrix.width - 1)];
                        self.cell(place, &column.shape, &Cell::Number(number));
                    }
                    Rows::Cells(columns) => {
                        columns
                            .get(place)
                            .into_iter()
                            .for_each(|cells| self.cell(place, &column.shape, &cells[row]));
                    }
                }
            }
            let said = match reply.label(0, row) {
                Some(label) => Cell::Text(label.to_string()),
                None => Cell::Number(reply.number(0, row)),
            };
            self.predictions.count(training.target.part(&said));
        }
    }

    fn cell(&mut self, place: usize, shape: &Shape, cell: &Cell) {
        let is_missing = match cell {
            Cell::Missing => true,
            Cell::Number(number) => number.is_nan(),
            Cell::Text(text) => text.is_empty(),
            Cell::Bool(_) => false,
        };
        if let (Shape::Text { .. }, Cell::Text(text), false) = (shape, cell, is_missing) {
            return self.text(place, shape, text);
        }
        let cells = &mut self.columns[place];
        cells.values += 1;
        cells.missing += u64::from(is_missing);
        let part = shape.part(cell);
        let is_unseen = match (shape, cell) {
            _ if is_missing => false,
            (Shape::Number(bins), Cell::Number(number)) => *number < bins.least || *number > bins.largest,
            // the last part is of categories that training saw but that are not listed; of none if its share is none
            (Shape::Category { top, others }, _) => part == Some(top.len()) && *others == 0.0,
            _ => part.is_none(),
        };
        cells.unseen += u64::from(is_unseen);
        cells.measures.iter_mut().for_each(|(_, window)| window.count(part));
    }

    fn text(&mut self, place: usize, shape: &Shape, text: &str) {
        let Shape::Text { characters, terms, unknown } = shape else { return };
        let is_missing = text.trim().is_empty();
        let counted = if is_missing { None } else { self.model.count_terms(place, text) };
        let counted = counted.filter(|counted| counted.terms > 0);
        let cells = &mut self.columns[place];
        cells.values += 1;
        cells.missing += u64::from(is_missing);
        if is_missing {
            return;
        }
        let length = float(text.chars().count() as u64);
        let parts = [
            characters.part(length),
            counted.and_then(|counted| terms.part(float(counted.terms as u64))),
            counted.and_then(|counted| {
                unknown.part(float(counted.unknown as u64) / float(counted.terms as u64))
            }),
        ];
        // a text of nothing but words that training never saw
        cells.unseen += u64::from(counted.is_some_and(|counted| counted.unknown == counted.terms));
        cells.measures.iter_mut().zip(parts).for_each(|((_, window), part)| window.count(part));
    }

    fn slide(&mut self) {
        self.predictions.slide();
        for (_, window) in self.columns.iter_mut().flat_map(|column| &mut column.measures) {
            window.slide();
        }
    }

    pub(super) fn add(&mut self, other: &Drift) {
        self.predictions.add(&other.predictions);
        for (column, more) in self.columns.iter_mut().zip(&other.columns) {
            column.values += more.values;
            column.missing += more.missing;
            column.unseen += more.unseen;
            for ((_, window), (_, more)) in column.measures.iter_mut().zip(&more.measures) {
                window.add(more);
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_zero_of_the_same_shares_and_grows_with_distance() {
        let window = |counts: [u64; 2]| Window { now: counts.to_vec(), ..Window::new(vec![0.5, 0.5]) };
        assert_eq!(window([1, 1]).psi(), None, "too few rows");
        assert_eq!(window([500, 500]).psi(), Some(0.0));
        // (0.7 - 0.5) ln(0.7 / 0.5) + (0.3 - 0.5) ln(0.3 / 0.5)
        let moved = window([700, 300]).psi().unwrap();
        assert!((moved - 0.169_459_572_077_544_1).abs() < 1e-12, "{moved}");
        let gone = window([1000, 0]).psi().unwrap();
        assert!(gone.is_finite() && gone > 4.0, "{gone}");
        let mut slid = window([700, 300]);
        slid.slide();
        assert_eq!((slid.rows(), slid.psi().map(|psi| psi > 0.1)), (1000, Some(true)));
        slid.slide();
        assert_eq!((slid.rows(), slid.psi()), (0, None));
    }
}

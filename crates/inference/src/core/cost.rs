//! What a prediction costs: measured when a model is opened, learned while it serves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use engine::{Answers, Cell, Matrix, Model};

use crate::rows::Rows;
use crate::signature::{ColumnKind, Signature};

/// Rows of the batch that is measured.
const BATCH: usize = 32;

/// The cost of predictions of one model.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    /// Picoseconds for each unit of bulk: a byte of text, a value of a table.
    per_unit: AtomicU64,
    /// Nanoseconds for a row alone, and for one of a batch.
    lone: u64,
    batched: u64,
}

/// What a model that was just opened is like; it is warm afterwards.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) cost: Cost,
    /// Whether it knows probabilities.
    pub(crate) has_probabilities: bool,
    /// Whether it takes a row without any value.
    pub(crate) takes_missing: bool,
    /// Whether it takes numbers that single precision does not hold.
    pub(crate) takes_large: bool,
}

impl Trial {
    /// Predicts for made-up rows and takes the time.
    pub(crate) fn of(model: &Model, signature: &Signature) -> Self {
        let lone = example(signature, 1, &Cell::Number(0.5));
        let batch = example(signature, BATCH, &Cell::Number(0.5));
        let time = |rows: &Rows| {
            let begun = Instant::now();
            // a model may refuse what is made up: that costs something, too
            let _ = model.answer(rows.frame());
            u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
        };
        // the first answer warms caches
        let first = model.answer(lone.frame());
        let alone = (0..3).map(|_| time(&lone)).min().unwrap_or(0);
        let together = (0..2).map(|_| time(&batch)).min().unwrap_or(0);
        let per_unit = alone.saturating_mul(1000) / (lone.bulk().max(1) as u64);
        let takes = |cell: &Cell| model.answer(example(signature, 1, cell).frame()).is_ok();
        Trial {
            cost: Cost { per_unit: AtomicU64::new(per_unit), lone: alone, batched: together / BATCH as u64 },
            has_probabilities: matches!(first, Ok(Answers::Classes(judged))
                if judged.first().is_some_and(|judged| judged.probabilities.is_some())),
            takes_missing: takes(&Cell::Missing),
            takes_large: takes(&Cell::Number(1e300)),
        }
    }
}

impl Cost {
    /// How long rows are likely to take.
    pub(crate) fn of(&self, rows: &Rows) -> Duration {
        let per_unit = self.per_unit.load(Ordering::Relaxed);
        Duration::from_nanos(per_unit.saturating_mul(rows.bulk() as u64) / 1000)
    }

    /// Whether rows of several requests are answered faster together: by a fifth at least.
    pub(crate) fn batches(&self) -> bool {
        self.batched * 5 < self.lone * 4
    }

    /// Moves the estimate an eighth of the way towards what was seen.
    pub(crate) fn learn(&self, rows: &Rows, took: Duration) {
        let bulk = rows.bulk() as u64;
        if bulk == 0 {
            return;
        }
        let seen = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).saturating_mul(1000) / bulk;
        let known = self.per_unit.load(Ordering::Relaxed);
        // a thread that was put to sleep says nothing about the model
        let seen = seen.min(known.saturating_mul(8).max(1000));
        self.per_unit.store(known - known / 8 + seen / 8, Ordering::Relaxed);
    }
}

/// Rows of the right form whose numbers are all this one; what they mean does not matter.
fn example(signature: &Signature, rows: usize, number: &Cell) -> Rows {
    const TEXT: &str =
        "Ходит дурачок по лесу, ищет дурачок глупее себя; why did the pod restart again and again";
    if signature.is_text() {
        return Rows::Texts(vec![TEXT.to_owned(); rows]);
    }
    if signature.is_numeric {
        let width = signature.width();
        let value = if let Cell::Number(value) = number { *value } else { f64::NAN };
        return Rows::Numbers(Matrix { values: vec![value; rows * width], rows, width });
    }
    let cell = |kind| match kind {
        ColumnKind::Number => number.clone(),
        ColumnKind::Text => Cell::from(TEXT),
        ColumnKind::Word | ColumnKind::Either => Cell::Missing,
    };
    Rows::Cells(signature.columns.iter().map(|column| vec![cell(column.kind); rows]).collect())
}

//! What members say becomes the features of a last one.

use crate::data::{Accepts, Data, Dense, Matrix};
use crate::fitted::{Classify, Gives, Regress, Takes, Transform};
use crate::model::PredictError;

/// What of a member is looked at.
#[derive(Debug)]
pub(crate) enum Said {
    /// Probabilities; of two classes only the second one's.
    Probabilities(Box<dyn Classify>),
    /// Decisions.
    Decisions(Box<dyn Classify>),
    /// The number of the class.
    Class(Box<dyn Classify>),
    /// The prediction.
    Number(Box<dyn Regress>),
}

impl Said {
    fn takes(&self) -> Takes {
        match self {
            Said::Probabilities(member) | Said::Decisions(member) | Said::Class(member) => member.takes(),
            Said::Number(member) => member.takes(),
        }
    }

    fn width(&self) -> usize {
        match self {
            Said::Probabilities(member) | Said::Decisions(member) if member.classes() > 2 => member.classes(),
            Said::Probabilities(_) | Said::Decisions(_) | Said::Class(_) => 1,
            Said::Number(member) => member.outputs(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "there are few classes")]
    fn of(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let silent =
            || PredictError::Undefined { step: "stacking", problem: "a member does not say what it should" };
        let said = match self {
            Said::Probabilities(member) => match member.judge(data)?.probabilities.ok_or_else(silent)? {
                both if both.width == 2 => {
                    Dense { values: both.iter().map(|row| row[1]).collect(), rows: both.rows, width: 1 }
                }
                all => all,
            },
            Said::Decisions(member) => member.judge(data)?.decisions.ok_or_else(silent)?,
            Said::Class(member) => {
                let classes = member.judge(data)?.classes;
                let rows = classes.len();
                Dense { values: classes.into_iter().map(|class| class as f64).collect(), rows, width: 1 }
            }
            Said::Number(member) => member.predict(data)?,
        };
        if said.width == self.width() { Ok(said) } else { Err(silent()) }
    }
}

/// What all members say, side by side.
#[derive(Debug)]
pub(crate) struct Sayings {
    members: Vec<Said>,
    /// So many columns of the input, behind what members say.
    passed: Option<usize>,
    width: usize,
}

impl Sayings {
    /// Joins members; with `passes` the input's numbers come behind. `None` without any, or when
    /// the input is passed and is not numbers.
    pub(crate) fn new(members: Vec<Said>, passes: bool) -> Option<Self> {
        let passed = match (passes, members.first()?.takes()) {
            (false, _) => None,
            (true, Takes::Numbers(width)) => Some(width),
            (true, Takes::Text | Takes::Cells(_) | Takes::Anything) => return None,
        };
        let said = members.iter().map(Said::width).try_fold(0usize, usize::checked_add)?;
        let width = said.checked_add(passed.unwrap_or(0))?;
        Some(Sayings { members, passed, width })
    }
}

impl Transform for Sayings {
    fn takes(&self) -> Takes {
        self.members.first().map_or(Takes::Anything, Said::takes)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.width)
    }

    fn name(&self) -> &'static str {
        "what members say"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let said = self.members.iter().map(|member| member.of(&data)).collect::<Result<Vec<_>, _>>()?;
        let passed: Option<Matrix<'_>> = match self.passed {
            Some(width) => Some(data.matrix(width, Accepts::Anything)?),
            None => None,
        };
        Ok(Data::Dense(Dense::from_rows(data.rows(), self.width, |row, places| {
            let mut first = 0;
            for columns in &said {
                places[first..first + columns.width].copy_from_slice(columns.row(row));
                first += columns.width;
            }
            if let Some(passed) = &passed {
                passed.row(row).for_each(|column, value| places[first + column] = value);
            }
        })))
    }
}

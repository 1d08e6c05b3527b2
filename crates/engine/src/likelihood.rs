//! Classifiers that compare how likely each class makes a row: naive Bayes, discriminants, nearest
//! centres.

use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Classify, Gives, Takes, Transform, Verdict};
use crate::linear::{Weights, decided, first_largest, softmax};
use crate::model::PredictError;

/// Makes probabilities of the logarithms of joint likelihoods, each class's up to the same term.
pub(crate) fn probabilities(joint: &Dense) -> Dense {
    let mut shares = joint.clone();
    for row in 0..shares.rows {
        softmax(shares.row_mut(row));
    }
    shares
}

fn verdict(joint: &Dense) -> Verdict {
    let classes = joint.iter().map(first_largest).collect();
    Verdict { classes, probabilities: Some(probabilities(joint)), decisions: None }
}

/// Likelihoods that are linear in the row: multinomial, complement and Bernoulli naive Bayes.
#[derive(Debug, Clone)]
pub(crate) struct LinearLikelihood(pub(crate) Weights);

impl Classify for LinearLikelihood {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.0.width())
    }

    fn classes(&self) -> usize {
        self.0.outputs()
    }

    fn name(&self) -> &'static str {
        "naive Bayes"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        Ok(verdict(&self.0.scores(data)?))
    }
}

/// A normal distribution for each class and column.
#[derive(Debug, Clone)]
pub(crate) struct NormalLikelihood {
    means: Dense,
    variances: Dense,
    /// By class the logarithm of what does not depend on the row.
    constants: Vec<f64>,
}

impl NormalLikelihood {
    /// Joins the parts; `None` when their sizes contradict each other.
    pub(crate) fn new(means: Dense, variances: Dense, priors: &[f64]) -> Option<Self> {
        let fits =
            means.rows == priors.len() && (means.rows, means.width) == (variances.rows, variances.width);
        let constants = variances.iter().zip(priors).map(|(variances, prior)| {
            let volume: f64 = variances.iter().map(|variance| (std::f64::consts::TAU * variance).ln()).sum();
            prior.ln() - 0.5 * volume
        });
        let constants = constants.collect();
        fits.then_some(NormalLikelihood { means, variances, constants })
    }
}

impl Classify for NormalLikelihood {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.means.width)
    }

    fn classes(&self) -> usize {
        self.means.rows
    }

    fn name(&self) -> &'static str {
        "naive Bayes"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let matrix = data.matrix(self.means.width, Accepts::Finite)?;
        let joint = matrix.map_rows(self.classes(), |row, places| {
            for (class, place) in places.iter_mut().enumerate() {
                let columns = row.iter().zip(self.means.row(class)).zip(self.variances.row(class));
                let distance: f64 =
                    columns.map(|((value, mean), variance)| (value - mean) * (value - mean) / variance).sum();
                *place = self.constants[class] - 0.5 * distance;
            }
        });
        Ok(verdict(&joint))
    }
}

/// A share for each category of each column.
#[derive(Debug, Clone)]
pub(crate) struct CategoryLikelihood {
    /// By column a row of logarithms for each class.
    pub(crate) tables: Vec<Dense>,
    pub(crate) priors: Vec<f64>,
}

impl Classify for CategoryLikelihood {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.tables.len())
    }

    fn classes(&self) -> usize {
        self.priors.len()
    }

    fn name(&self) -> &'static str {
        "naive Bayes"
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number is checked")]
    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let matrix = data.matrix(self.tables.len(), Accepts::Finite)?;
        let mut unknown = None;
        let joint = matrix.map_rows(self.priors.len(), |row, places| {
            places.copy_from_slice(&self.priors);
            for (position, (value, table)) in row.iter().zip(&self.tables).enumerate() {
                let category = value.trunc();
                if category < 0.0 || category >= f64::from(u32::MAX) || category as usize >= table.width {
                    unknown
                        .get_or_insert(PredictError::UnknownCategory { position, value: value.to_string() });
                    continue;
                }
                for (class, place) in places.iter_mut().enumerate() {
                    *place += table.row(class)[category as usize];
                }
            }
        });
        unknown.map_or_else(|| Ok(verdict(&joint)), Err)
    }
}

/// A normal distribution of any shape for each class: quadratic discriminant analysis.
#[derive(Debug, Clone)]
pub(crate) struct Quadratic {
    pub(crate) classes: Vec<Shape>,
    pub(crate) width: usize,
}

/// One class of [`Quadratic`].
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) mean: Vec<f64>,
    /// A direction a row, divided by the deviation along it.
    pub(crate) directions: Dense,
    /// The logarithm of what does not depend on the row.
    pub(crate) constant: f64,
}

impl Classify for Quadratic {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.width)
    }

    fn classes(&self) -> usize {
        self.classes.len()
    }

    fn name(&self) -> &'static str {
        "quadratic discriminant analysis"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let matrix = data.matrix(self.width, Accepts::Finite)?;
        let joint = matrix.map_rows(self.classes.len(), |row, places| {
            for (place, shape) in places.iter_mut().zip(&self.classes) {
                let moved: Vec<f64> = row.iter().zip(&shape.mean).map(|(value, mean)| value - mean).collect();
                let along = shape.directions.iter().map(|direction| {
                    let product: f64 =
                        moved.iter().zip(direction).map(|(value, weight)| value * weight).sum();
                    product * product
                });
                *place = shape.constant - 0.5 * along.sum::<f64>();
            }
        });
        let shares = probabilities(&joint);
        let decisions = match joint.width {
            2 => Dense::from_rows(joint.rows, 1, |row, one| one[0] = joint.row(row)[1] - joint.row(row)[0]),
            _ => joint,
        };
        let classes = decisions.iter().map(decided).collect();
        Ok(Verdict { classes, probabilities: Some(shares), decisions: Some(decisions) })
    }
}

/// The nearest of some centres: k-means.
#[derive(Debug, Clone)]
pub(crate) struct Centres(pub(crate) Dense);

impl Centres {
    fn distances(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let matrix = data.matrix(self.0.width, Accepts::Finite)?;
        Ok(matrix.map_rows(self.0.rows, |row, distances| {
            for (distance, centre) in distances.iter_mut().zip(self.0.iter()) {
                let columns = row.iter().zip(centre);
                *distance =
                    columns.map(|(value, centre)| (value - centre) * (value - centre)).sum::<f64>().sqrt();
            }
        }))
    }
}

impl Classify for Centres {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.0.width)
    }

    fn classes(&self) -> usize {
        self.0.rows
    }

    fn name(&self) -> &'static str {
        "clustering"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let distances = self.distances(data)?;
        let nearest = |row: &[f64]| first_largest(&row.iter().map(|distance| -distance).collect::<Vec<_>>());
        Ok(Verdict { classes: distances.iter().map(nearest).collect(), probabilities: None, decisions: None })
    }
}

impl Transform for Centres {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.0.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.0.rows)
    }

    fn name(&self) -> &'static str {
        "distances to centres"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        self.distances(&data).map(Data::Dense)
    }
}

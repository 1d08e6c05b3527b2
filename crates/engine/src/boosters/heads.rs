//! Boosted models as their own libraries answer: margins, and what is made of them.

use std::sync::Arc;

use super::xgboost::linear::LinearMargins;
use crate::data::{Data, Dense};
use crate::explain::{Attributed, Unexplained};
use crate::fitted::{Classify, Fitted, Head, Regress, Takes, Verdict};
use crate::linear::{sigmoid, softmax};
use crate::model::{Label, PredictError};
use crate::tree::boosted::Sums;

/// What a model adds up.
#[derive(Debug, Clone)]
pub(crate) enum Margins {
    /// Trees that compare in single precision: XGBoost, CatBoost.
    Single(Sums<f32>),
    /// Trees that compare in double precision: LightGBM.
    Double(Sums<f64>),
    /// XGBoost's `gblinear`.
    Linear(LinearMargins),
}

impl Margins {
    fn width(&self) -> usize {
        match self {
            Margins::Single(sums) => sums.width(),
            Margins::Double(sums) => sums.width(),
            Margins::Linear(linear) => linear.width(),
        }
    }

    fn outputs(&self) -> usize {
        match self {
            Margins::Single(sums) => sums.outputs(),
            Margins::Double(sums) => sums.outputs(),
            Margins::Linear(linear) => linear.outputs(),
        }
    }

    fn kernel(&self) -> Option<String> {
        match self {
            Margins::Single(sums) => Some(sums.kernel()),
            Margins::Double(sums) => Some(sums.kernel()),
            Margins::Linear(_) => None,
        }
    }

    fn of_data(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        match self {
            Margins::Single(sums) => sums.of_data(data),
            Margins::Double(sums) => sums.of_data(data),
            Margins::Linear(linear) => linear.of_data(data),
        }
    }

    fn attribute(&self, rows: &Data<'_>) -> Result<Attributed, Unexplained> {
        match self {
            Margins::Single(sums) => sums.attribute(rows),
            Margins::Double(sums) => sums.attribute(rows),
            Margins::Linear(linear) => linear.attribute(rows),
        }
    }
}

/// What is made of the margins of a row. The names with `Single` compute in single precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Link {
    Identity,
    SigmoidSingle,
    ExponentialSingle,
    SoftmaxSingle,
    /// One where the margin is above zero.
    Step,
    /// The logistic function of so many times the margin.
    Sigmoid(f64),
    Exponential,
    Softmax,
    /// `ln(1 + exp(margin))`.
    SoftPlus,
    /// The square, with the margin's sign.
    SignedSquare,
}

impl Link {
    fn apply(self, margins: &mut [f64]) {
        let each = |margins: &mut [f64], link: &dyn Fn(f64) -> f64| {
            margins.iter_mut().for_each(|margin| *margin = link(*margin));
        };
        match self {
            Link::Identity => {}
            Link::SigmoidSingle => each(margins, &|margin| f64::from(sigmoid_single(single(margin)))),
            Link::ExponentialSingle => each(margins, &|margin| f64::from(single(margin).exp())),
            Link::SoftmaxSingle => softmax_single(margins),
            Link::Step => each(margins, &|margin| f64::from(u8::from(margin > 0.0))),
            Link::Sigmoid(scale) => each(margins, &|margin| sigmoid(scale * margin)),
            Link::Exponential => each(margins, &f64::exp),
            Link::Softmax => softmax(margins),
            Link::SoftPlus => each(margins, &|margin| margin.exp().ln_1p()),
            Link::SignedSquare => each(margins, &|margin| margin.signum() * margin * margin),
        }
    }

    /// Whether what it makes of one margin is computed in single precision.
    fn is_single(self) -> bool {
        matches!(self, Link::SigmoidSingle | Link::ExponentialSingle | Link::SoftmaxSingle | Link::Step)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the rounding is the purpose")]
pub(super) fn single(value: f64) -> f32 {
    value as f32
}

/// As XGBoost computes it, which keeps the exponential from overflowing.
fn sigmoid_single(margin: f32) -> f32 {
    1.0 / ((-margin).min(88.7).exp() + 1.0 + 1e-16)
}

/// As XGBoost computes it: exponentials in single precision, their sum in double.
fn softmax_single(margins: &mut [f64]) {
    let largest = margins.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for margin in margins.iter_mut() {
        *margin = f64::from((single(*margin) - single(largest)).exp());
        sum += *margin;
    }
    margins.iter_mut().for_each(|margin| *margin = f64::from(single(*margin) / single(sum)));
}

/// A boosted model: margins and the link to what they mean.
#[derive(Debug, Clone)]
pub(crate) struct Booster {
    pub(crate) margins: Margins,
    /// What margins are divided by before the link: the trees of each of LightGBM's random forests.
    pub(crate) divisor: f64,
    pub(crate) link: Link,
    /// What the model is, in two or three words.
    pub(crate) name: &'static str,
}

impl Booster {
    pub(crate) fn outputs(&self) -> usize {
        self.margins.outputs()
    }

    /// The margins of each row.
    pub(crate) fn margins(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        self.margins.of_data(data)
    }

    /// What the margins of each row mean.
    fn linked(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let mut linked = self.margins(data)?;
        let outputs = linked.width;
        if self.divisor != 1.0 {
            linked.values.iter_mut().for_each(|margin| *margin /= self.divisor);
        }
        linked.values.chunks_mut(outputs).for_each(|row| self.link.apply(row));
        Ok(linked)
    }

    /// What each feature adds to each margin, before it is divided: so do LightGBM's contributions and
    /// raw scores of a random forest.
    fn attributed(&self, rows: &Data<'_>) -> Result<Attributed, Unexplained> {
        self.margins.attribute(rows)
    }

    /// A classifier of the classes `labels`, or of several outputs of two classes each. `None` when
    /// there are more or fewer of them than the margins tell apart.
    pub(crate) fn into_classifier(self, labels: Vec<Label>) -> Option<Fitted> {
        let outputs = self.outputs();
        let fits = if outputs == 1 { labels.len() == 2 } else { labels.len() == outputs };
        fits.then(|| Fitted::classifier(BoosterClassifier(self), labels))
    }

    /// A classifier for each output, all of the classes 0 and 1.
    pub(crate) fn into_labels(self) -> Fitted {
        let shared = Arc::new(self);
        let output = |place| {
            let output: Box<dyn Classify> = Box::new(LabelOf { booster: Arc::clone(&shared), place });
            (output, vec![Label::Int(0), Label::Int(1)])
        };
        let outputs = (0..shared.outputs()).map(output).collect();
        Fitted { head: Some(Head::Many(outputs)), ..Fitted::default() }
    }

    pub(crate) fn into_regressor(self) -> Fitted {
        Fitted::regressor(self)
    }
}

impl Regress for Booster {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.margins.width())
    }

    fn outputs(&self) -> usize {
        self.margins.outputs()
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn kernel(&self) -> Option<String> {
        self.margins.kernel()
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        self.linked(data)
    }

    fn attribute(&self, rows: &Data<'_>, _: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        self.attributed(rows)
    }
}

/// One margin is about the second of two classes; several are one for each class.
#[derive(Debug, Clone)]
pub(crate) struct BoosterClassifier(pub(crate) Booster);

impl Classify for BoosterClassifier {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.0.margins.width())
    }

    fn classes(&self) -> usize {
        self.0.outputs().max(2)
    }

    fn name(&self) -> &'static str {
        self.0.name
    }

    fn kernel(&self) -> Option<String> {
        self.0.margins.kernel()
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let linked = self.0.linked(data)?;
        if linked.width > 1 {
            return Ok(Verdict::of_probabilities(linked));
        }
        Ok(of_positive(&linked.values, self.0.link.is_single()))
    }

    fn attribute(&self, rows: &Data<'_>, _: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        self.0.attributed(rows)
    }
}

/// The verdict of two classes by the probability of the second.
fn of_positive(positive: &[f64], is_single: bool) -> Verdict {
    let classes = positive.iter().map(|positive| usize::from(*positive > 0.5)).collect();
    let probabilities = Dense::from_rows(positive.len(), 2, |row, probabilities| {
        let positive = positive[row];
        let negative = if is_single { f64::from(1.0 - single(positive)) } else { 1.0 - positive };
        probabilities.copy_from_slice(&[negative, positive]);
    });
    Verdict { classes, probabilities: Some(probabilities), decisions: None }
}

/// One output of a model that gives several truth values.
#[derive(Debug, Clone)]
struct LabelOf {
    booster: Arc<Booster>,
    place: usize,
}

impl Classify for LabelOf {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.booster.margins.width())
    }

    fn classes(&self) -> usize {
        2
    }

    fn name(&self) -> &'static str {
        self.booster.name
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let linked = self.booster.linked(data)?;
        let positive: Vec<f64> = linked.iter().map(|row| row[self.place]).collect();
        Ok(of_positive(&positive, self.booster.link.is_single()))
    }

    fn attribute(&self, rows: &Data<'_>, _: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        Ok(self.booster.attributed(rows)?.only(self.place))
    }
}

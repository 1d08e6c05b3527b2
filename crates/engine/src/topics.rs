//! Topics of texts: how much of each there is in a row of counts.
//!
//! M. Hoffman, D. Blei and F. Bach, "Online learning for latent Dirichlet allocation", NIPS 2010;
//! the steps and where they stop are scikit-learn's.

use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Gives, Takes, Transform};
use crate::model::PredictError;

/// Shares of topics, found by going back and forth between topics and words.
#[derive(Debug, Clone)]
pub(crate) struct Topics {
    /// By topic how much it favours each word.
    pub(crate) words: Dense,
    pub(crate) prior: f64,
    pub(crate) rounds: usize,
    /// A mean change below this ends the rounds.
    pub(crate) enough: f64,
}

impl Topics {
    #[expect(clippy::cast_precision_loss, reason = "there are few topics")]
    fn shares(&self, counts: &[f64], shares: &mut [f64]) {
        let topics = shares.len() as f64;
        let present: Vec<(usize, f64)> =
            counts.iter().copied().enumerate().filter(|(_, count)| *count != 0.0).collect();
        shares.fill(1.0);
        let mut favours = vec![(digamma(1.0) - digamma(topics)).exp(); shares.len()];
        let mut found = vec![0.0; shares.len()];
        for _ in 0..self.rounds {
            found.fill(0.0);
            for (word, count) in &present {
                let column = || (0..favours.len()).map(|topic| self.words.row(topic)[*word]);
                let whole: f64 = column().zip(&favours).map(|(weight, favour)| weight * favour).sum();
                let part = count / (whole + f64::EPSILON);
                found.iter_mut().zip(column()).for_each(|(found, weight)| *found += weight * part);
            }
            let mut change = 0.0;
            for ((share, found), favour) in shares.iter_mut().zip(&found).zip(&favours) {
                let next = found * favour + self.prior;
                change += (*share - next).abs();
                *share = next;
            }
            let whole = digamma(shares.iter().sum());
            favours
                .iter_mut()
                .zip(&*shares)
                .for_each(|(favour, share)| *favour = (digamma(*share) - whole).exp());
            if change / topics < self.enough {
                break;
            }
        }
        crate::linear::normalize(shares);
    }
}

/// The derivative of the logarithm of the gamma function, by recurrence and its series.
fn digamma(mut x: f64) -> f64 {
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    if x <= 1e-6 {
        return -EULER_GAMMA - 1.0 / x;
    }
    let mut sum = 0.0;
    while x < 6.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = square * (1.0 / 12.0 - square * (1.0 / 120.0 - square * (1.0 / 252.0)));
    sum + (x.ln() - 0.5 * inverse) - series
}

impl Transform for Topics {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.words.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.words.rows)
    }

    fn name(&self) -> &'static str {
        "topics"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let matrix = data.matrix(self.words.width, Accepts::Finite)?;
        let mut is_negative = false;
        let shares = matrix.map_rows(self.words.rows, |counts, shares| {
            is_negative |= counts.iter().any(|count| *count < 0.0);
            self.shares(counts, shares);
        });
        match is_negative {
            true => Err(PredictError::Undefined { step: "topics", problem: "a count is below zero" }),
            false => Ok(Data::Dense(shares)),
        }
    }
}

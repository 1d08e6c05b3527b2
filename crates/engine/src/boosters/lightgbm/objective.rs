//! What an objective makes of sums.

use super::super::BoosterError;
use super::super::error::shown;
use super::super::heads::Link;

/// An objective as the header names it: `binary sigmoid:1`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Objective {
    pub(super) link: Link,
    pub(super) answer: Answer,
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Numbers,
    Classes,
}

impl Objective {
    /// Reads the header's line; a model without one, trained to an objective of the user's own,
    /// gives its sums.
    pub(super) fn read(line: Option<&str>, sums: usize) -> Result<Self, BoosterError> {
        let mut words = line.unwrap_or("custom").split_ascii_whitespace();
        let name = words.next().unwrap_or("custom");
        let words: Vec<&str> = words.collect();
        let sigmoid = words.iter().find_map(|word| word.strip_prefix("sigmoid:"));
        let sigmoid = match sigmoid.map(str::parse::<f64>) {
            None => 1.0,
            Some(Ok(sigmoid)) if sigmoid > 0.0 => sigmoid,
            Some(_) => {
                return Err(BoosterError::field("objective", "has a `sigmoid` that is not above zero"));
            }
        };
        let (link, answer) = match name {
            "regression" | "regression_l1" | "regression_l2" | "huber" | "fair" | "quantile" | "mape"
                if words.contains(&"sqrt") =>
            {
                (Link::SignedSquare, Answer::Numbers)
            }
            "regression" | "regression_l1" | "regression_l2" | "huber" | "fair" | "quantile" | "mape"
            | "lambdarank" | "rank_xendcg" | "custom" => (Link::Identity, Answer::Numbers),
            "poisson" | "gamma" | "tweedie" => (Link::Exponential, Answer::Numbers),
            "cross_entropy" => (Link::Sigmoid(1.0), Answer::Numbers),
            "cross_entropy_lambda" => (Link::SoftPlus, Answer::Numbers),
            "binary" => (Link::Sigmoid(sigmoid), Answer::Classes),
            "multiclass" if sums > 1 => (Link::Softmax, Answer::Classes),
            "multiclassova" if sums > 1 => (Link::Sigmoid(sigmoid), Answer::Classes),
            other => {
                return Err(BoosterError::Unsupported {
                    what: format!("the objective `{}`", shown(other)),
                    hint: "`docs/models.md` lists the objectives that are",
                });
            }
        };
        Ok(Objective { link, answer })
    }
}

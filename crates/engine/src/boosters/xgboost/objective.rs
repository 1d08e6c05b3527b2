//! What an objective makes of margins, and of the base score a margin.

use super::super::heads::Link;

/// A family of objectives that answer alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Objective {
    Identity,
    /// A probability as a number: `reg:logistic`.
    Logistic,
    /// Two classes by a probability.
    BinaryLogistic,
    /// Two classes by the sign.
    Hinge,
    /// A class each.
    Softmax,
    /// The logarithm is what is added up.
    Exponential,
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Numbers,
    Classes,
}

impl Objective {
    pub(super) fn by_name(name: &str, outputs: usize) -> Option<Self> {
        Some(match name {
            "reg:squarederror"
            | "reg:linear"
            | "reg:squaredlogerror"
            | "reg:pseudohubererror"
            | "reg:absoluteerror"
            | "reg:quantileerror"
            | "reg:expectileerror"
            | "binary:logitraw"
            | "rank:pairwise"
            | "rank:ndcg"
            | "rank:map" => Objective::Identity,
            "reg:logistic" => Objective::Logistic,
            "binary:logistic" => Objective::BinaryLogistic,
            "binary:hinge" => Objective::Hinge,
            "multi:softprob" | "multi:softmax" if outputs > 1 => Objective::Softmax,
            "reg:gamma" | "reg:tweedie" | "count:poisson" | "survival:cox" | "survival:aft" => {
                Objective::Exponential
            }
            _ => return None,
        })
    }

    /// The margin of a base score.
    pub(super) fn margin(self, base: f32) -> f32 {
        match self {
            Objective::Logistic | Objective::BinaryLogistic => -(1.0 / base - 1.0).ln(),
            Objective::Exponential => base.ln(),
            Objective::Identity | Objective::Hinge | Objective::Softmax => base,
        }
    }

    pub(super) fn link(self) -> Link {
        match self {
            Objective::Identity => Link::Identity,
            Objective::Logistic | Objective::BinaryLogistic => Link::SigmoidSingle,
            Objective::Hinge => Link::Step,
            Objective::Softmax => Link::SoftmaxSingle,
            Objective::Exponential => Link::ExponentialSingle,
        }
    }

    pub(super) fn answer(self) -> Answer {
        match self {
            Objective::Identity | Objective::Logistic | Objective::Exponential => Answer::Numbers,
            Objective::BinaryLogistic | Objective::Hinge | Objective::Softmax => Answer::Classes,
        }
    }
}

//! Estimators made of others: bagging, AdaBoost, voting, stacking, calibration.

use super::estimator::Estimator;
use super::{Class, ExtractError, class, labels};
use crate::committee::adaptive::{AdaBoost, Algorithm, WeightedMedian};
use crate::committee::calibrated::{Calibrated, CalibratedMean, Calibration};
use crate::committee::stacked::{Said, Sayings};
use crate::committee::vote::{Ballot, Committee, Mean};
use crate::committee::{Member, Voter};
use crate::data::Accepts;
use crate::fitted::{Chain, Chained, Classify, Fitted, Head, Regress, Transform};
use crate::model::Label;
use crate::pickle::View;
use crate::preprocess::select::Select;

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.ensemble", "BaggingClassifier", bagging_classifier),
    class("sklearn.ensemble", "BaggingRegressor", bagging_regressor),
    class("sklearn.ensemble", "AdaBoostClassifier", ada_boost_classifier),
    class("sklearn.ensemble", "AdaBoostRegressor", ada_boost_regressor),
    class("sklearn.ensemble", "VotingClassifier", voting_classifier),
    class("sklearn.ensemble", "VotingRegressor", voting_regressor),
    class("sklearn.ensemble", "StackingClassifier", stacking_classifier),
    class("sklearn.ensemble", "StackingRegressor", stacking_regressor),
    class("sklearn.calibration", "CalibratedClassifierCV", calibrated),
];

const MEMBERS: &str = "estimators_";

/// A part that must be a classifier of one output, its own steps before it.
pub(super) fn classifier_of<'g>(
    estimator: &Estimator<'g>,
    view: View<'g>,
) -> Result<(Box<dyn Classify>, Vec<Label>), ExtractError> {
    match head_of(estimator, view)? {
        Head::Classifier(classifier, labels) if classifier.classes() == labels.len() => {
            Ok((classifier, labels))
        }
        _ => Err(estimator.problem(MEMBERS, "has a member that is no classifier of one output".to_owned())),
    }
}

/// A part that must be a regressor, its own steps before it.
pub(super) fn regressor_of<'g>(
    estimator: &Estimator<'g>,
    view: View<'g>,
) -> Result<Box<dyn Regress>, ExtractError> {
    match head_of(estimator, view)? {
        Head::Regressor(regressor) => Ok(regressor),
        _ => Err(estimator.problem(MEMBERS, "has a member that is no regressor".to_owned())),
    }
}

fn head_of<'g>(estimator: &Estimator<'g>, view: View<'g>) -> Result<Head, ExtractError> {
    let head = estimator.read(view)?.into_head();
    let head = head.map_err(|error| ExtractError::Mismatch { problem: error.to_string() })?;
    head.ok_or_else(|| estimator.problem(MEMBERS, "has a member that predicts nothing".to_owned()))
}

/// Members that were fitted to the numbers of classes instead of their names.
pub(super) fn numbered(estimator: &Estimator<'_>, labels: &[Label]) -> Result<Vec<usize>, ExtractError> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number is checked")]
    let number = |label: &Label| match label {
        Label::Int(number) => usize::try_from(*number).ok(),
        Label::Bool(value) => Some(usize::from(*value)),
        Label::Float(value) if *value >= 0.0 && *value < 1e9 && value.fract() == 0.0 => Some(*value as usize),
        Label::Float(_) | Label::Text(_) => None,
    };
    labels.iter().map(number).collect::<Option<_>>().ok_or_else(|| estimator.misfit(MEMBERS))
}

/// Members that were fitted to the names of classes.
fn named(estimator: &Estimator<'_>, labels: &[Label], classes: &[Label]) -> Result<Vec<usize>, ExtractError> {
    let position = |label: &Label| classes.iter().position(|class| class == label);
    labels.iter().map(position).collect::<Option<_>>().ok_or_else(|| estimator.misfit(MEMBERS))
}

/// The member's part of the columns, if it does not see all.
fn subset<'g>(
    estimator: &Estimator<'g>,
    columns: View<'g>,
    width: usize,
) -> Result<Option<Chain>, ExtractError> {
    const ATTRIBUTE: &str = "estimators_features_";
    let array = estimator.array_of(ATTRIBUTE, columns)?;
    let scalars = array.scalars().map_err(|error| estimator.problem(ATTRIBUTE, error.to_string()))?;
    let place = |scalar: &crate::pickle::numpy::Scalar| {
        usize::try_from(scalar.as_int()?).ok().filter(|place| *place < width)
    };
    let places: Vec<usize> =
        scalars.iter().map(place).collect::<Option<_>>().ok_or_else(|| estimator.misfit(ATTRIBUTE))?;
    if places.iter().copied().eq(0..width) {
        return Ok(None);
    }
    let pick: Box<dyn Transform> = Box::new(Select::of(places, width, Accepts::Anything));
    Chain::new(vec![pick], None).map(Some).map_err(|_| estimator.misfit(ATTRIBUTE))
}

fn bagging_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let classes = labels::classes(estimator)?;
    let width = estimator.width()?;
    let (members, columns) = (estimator.items(MEMBERS)?, estimator.items("estimators_features_")?);
    if members.len() != columns.len() {
        return Err(estimator.misfit(MEMBERS));
    }
    let voters = members.into_iter().zip(columns).map(|(member, columns)| {
        let (last, labels) = classifier_of(estimator, member)?;
        let classifier: Box<dyn Classify> = match subset(estimator, columns, width)? {
            Some(chain) => Box::new(Chained { chain, last }),
            None => last,
        };
        Ok(Voter { classifier, positions: numbered(estimator, &labels)?, weight: 1.0 })
    });
    let voters = voters.collect::<Result<Vec<_>, ExtractError>>()?;
    let committee = Committee::new(voters, classes.len(), Ballot::ProbabilitiesAndDecisions);
    Ok(Fitted::classifier(committee.ok_or_else(|| estimator.misfit(MEMBERS))?, classes))
}

fn bagging_regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let width = estimator.width()?;
    let (members, columns) = (estimator.items(MEMBERS)?, estimator.items("estimators_features_")?);
    if members.len() != columns.len() {
        return Err(estimator.misfit(MEMBERS));
    }
    let members = members.into_iter().zip(columns).map(|(member, columns)| {
        let last = regressor_of(estimator, member)?;
        let model: Box<dyn Regress> = match subset(estimator, columns, width)? {
            Some(chain) => Box::new(Chained { chain, last }),
            None => last,
        };
        Ok(Member { model, weight: 1.0 })
    });
    let mean = Mean::new(members.collect::<Result<Vec<_>, ExtractError>>()?);
    mean.map(Fitted::regressor).ok_or_else(|| estimator.misfit(MEMBERS))
}

/// The members of AdaBoost have weights, of which there may be more than members.
fn weights(estimator: &Estimator<'_>, members: usize) -> Result<Vec<f64>, ExtractError> {
    let mut weights = estimator.vector("estimator_weights_")?;
    weights.truncate(members);
    if weights.len() == members { Ok(weights) } else { Err(estimator.misfit("estimator_weights_")) }
}

fn ada_boost_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let classes = labels::classes(estimator)?;
    let members = estimator.items(MEMBERS)?;
    let weights = weights(estimator, members.len())?;
    let algorithm = match estimator.find("algorithm").and_then(|algorithm| algorithm.str()) {
        Some("SAMME.R") => Algorithm::SammeReal,
        // until 1.3 the others got nothing instead of less
        Some("SAMME") if estimator.version < (1, 4) => Algorithm::Samme,
        Some("SAMME" | "deprecated") | None => Algorithm::SammeCentred,
        _ => return Err(estimator.refuse("algorithm", estimator.get("algorithm")?, "it is not known")),
    };
    let whole = estimator.vector("estimator_weights_")?.iter().sum();
    let voters = members.into_iter().zip(weights).map(|(member, weight)| {
        let (classifier, labels) = classifier_of(estimator, member)?;
        Ok(Voter { classifier, positions: named(estimator, &labels, &classes)?, weight })
    });
    let voters = voters.collect::<Result<Vec<_>, ExtractError>>()?;
    let boosted = AdaBoost::new(voters, classes.len(), algorithm, whole);
    Ok(Fitted::classifier(boosted.ok_or_else(|| estimator.misfit(MEMBERS))?, classes))
}

fn ada_boost_regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let members = estimator.items(MEMBERS)?;
    let weights = weights(estimator, members.len())?;
    let members = members
        .into_iter()
        .zip(weights)
        .map(|(member, weight)| Ok(Member { model: regressor_of(estimator, member)?, weight }));
    let median = WeightedMedian::new(members.collect::<Result<Vec<_>, ExtractError>>()?);
    median.map(Fitted::regressor).ok_or_else(|| estimator.misfit(MEMBERS))
}

/// By member that was not dropped its weight.
fn voices(estimator: &Estimator<'_>, members: usize) -> Result<Vec<f64>, ExtractError> {
    let Some(weights) = estimator.some("weights") else { return Ok(vec![1.0; members]) };
    let all: Vec<f64> = match weights.items() {
        Some(items) => items
            .map(|item| item.float())
            .collect::<Option<_>>()
            .ok_or_else(|| estimator.misfit("weights"))?,
        None => estimator.vector("weights")?,
    };
    let given = estimator.items("estimators")?;
    let kept = given
        .iter()
        .zip(&all)
        .filter(|(entry, _)| entry.item(1).and_then(|member| member.str()) != Some("drop"));
    let kept: Vec<f64> = kept.map(|(_, weight)| *weight).collect();
    if kept.len() == members && given.len() == all.len() {
        Ok(kept)
    } else {
        Err(estimator.misfit("weights"))
    }
}

fn voting_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let classes = labels::classes(estimator)?;
    let members = estimator.items(MEMBERS)?;
    let weights = voices(estimator, members.len())?;
    let ballot = match estimator.text("voting")? {
        "soft" => Ballot::Probabilities,
        "hard" => Ballot::ClassesOnly,
        _ => return Err(estimator.refuse("voting", estimator.get("voting")?, "it is not known")),
    };
    let voters = members.into_iter().zip(weights).map(|(member, weight)| {
        let (classifier, labels) = classifier_of(estimator, member)?;
        Ok(Voter { classifier, positions: numbered(estimator, &labels)?, weight })
    });
    let committee = Committee::new(voters.collect::<Result<Vec<_>, ExtractError>>()?, classes.len(), ballot);
    Ok(Fitted::classifier(committee.ok_or_else(|| estimator.misfit(MEMBERS))?, classes))
}

fn voting_regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let members = estimator.items(MEMBERS)?;
    let weights = voices(estimator, members.len())?;
    let members = members
        .into_iter()
        .zip(weights)
        .map(|(member, weight)| Ok(Member { model: regressor_of(estimator, member)?, weight }));
    let mean = Mean::new(members.collect::<Result<Vec<_>, ExtractError>>()?);
    mean.map(Fitted::regressor).ok_or_else(|| estimator.misfit(MEMBERS))
}

/// What members say, as the features of the last estimator.
fn sayings(estimator: &Estimator<'_>) -> Result<Box<dyn Transform>, ExtractError> {
    let members = estimator.items(MEMBERS)?;
    let methods = estimator.items("stack_method_")?;
    if members.len() != methods.len() {
        return Err(estimator.misfit("stack_method_"));
    }
    let said = members.into_iter().zip(methods).map(|(member, method)| {
        Ok(match (head_of(estimator, member)?, method.str()) {
            (Head::Classifier(member, _), Some("predict_proba")) => Said::Probabilities(member),
            (Head::Classifier(member, _), Some("decision_function")) => Said::Decisions(member),
            (Head::Classifier(member, labels), Some("predict")) => {
                let positions = numbered(estimator, &labels)?;
                if !positions.into_iter().eq(0..labels.len()) {
                    return Err(estimator.misfit(MEMBERS));
                }
                Said::Class(member)
            }
            (Head::Regressor(member), Some("predict")) => Said::Number(member),
            _ => return Err(estimator.misfit("stack_method_")),
        })
    });
    let sayings =
        Sayings::new(said.collect::<Result<Vec<_>, ExtractError>>()?, estimator.flag("passthrough")?);
    sayings.map(|sayings| Box::new(sayings) as Box<dyn Transform>).ok_or_else(|| estimator.misfit(MEMBERS))
}

fn stacking_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let classes = labels::classes(estimator)?;
    let sayings = sayings(estimator)?;
    let (last, labels) = classifier_of(estimator, estimator.get("final_estimator_")?)?;
    if !numbered(estimator, &labels)?.into_iter().eq(0..classes.len()) {
        return Err(estimator.misfit("final_estimator_"));
    }
    let head = Some(Head::Classifier(last, classes));
    Ok(Fitted { steps: vec![sayings], head, ..Fitted::default() })
}

fn stacking_regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let sayings = sayings(estimator)?;
    let last = regressor_of(estimator, estimator.get("final_estimator_")?)?;
    Ok(Fitted { steps: vec![sayings], head: Some(Head::Regressor(last)), ..Fitted::default() })
}

fn calibrated(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "calibrated_classifiers_";
    let classes = labels::classes(estimator)?;
    let mut members = Vec::new();
    for member in estimator.items(ATTRIBUTE)? {
        // it has no parameters of its own, and its name changed nothing since 1.0
        if member.class().is_none_or(|(_, name)| name != "_CalibratedClassifier") {
            return Err(estimator.misfit(ATTRIBUTE));
        }
        let inner = member.attribute("estimator").or_else(|| member.attribute("base_estimator"));
        let (classifier, labels) =
            classifier_of(estimator, inner.ok_or_else(|| estimator.misfit(ATTRIBUTE))?)?;
        if labels != classes {
            return Err(estimator
                .problem(ATTRIBUTE, "has a member of other classes, which is not supported".to_owned()));
        }
        let calibrators = member.attribute("calibrators").and_then(|calibrators| calibrators.items());
        let calibrators = calibrators.ok_or_else(|| estimator.misfit(ATTRIBUTE))?;
        let calibrations = calibrators.map(|view| calibration(estimator, view)).collect::<Result<_, _>>()?;
        members.push(Calibrated { classifier, calibrations });
    }
    let mean = CalibratedMean::new(members, classes.len());
    Ok(Fitted::classifier(mean.ok_or_else(|| estimator.misfit(ATTRIBUTE))?, classes))
}

fn calibration<'g>(estimator: &Estimator<'g>, view: View<'g>) -> Result<Calibration, ExtractError> {
    const ATTRIBUTE: &str = "calibrators";
    match view.class() {
        Some(("sklearn.calibration", "_SigmoidCalibration")) => {
            let number = |name: &str| view.attribute(name).and_then(|number| number.float());
            let (slope, shift) = number("a_").zip(number("b_")).ok_or_else(|| estimator.misfit(ATTRIBUTE))?;
            Ok(Calibration::Sigmoid { slope, shift })
        }
        Some(("sklearn.isotonic", "IsotonicRegression")) => {
            let vector = |name: &str| {
                let values = view.attribute(name).ok_or_else(|| estimator.misfit(ATTRIBUTE))?;
                estimator.vector_of(ATTRIBUTE, values)
            };
            let (scores, values) = (vector("X_thresholds_")?, vector("y_thresholds_")?);
            if scores.len() != values.len() || scores.is_empty() || !scores.is_sorted() {
                return Err(estimator.misfit(ATTRIBUTE));
            }
            Ok(Calibration::Isotonic(scores.into_iter().zip(values).collect()))
        }
        _ => Err(estimator.problem(ATTRIBUTE, format!("has {}, which is not supported", view.describe()))),
    }
}

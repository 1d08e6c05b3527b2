//! Estimators that repeat another: by class, by pair of classes, by output, one after the other.

use std::sync::Arc;

use super::committees::{classifier_of, numbered, regressor_of};
use super::estimator::Estimator;
use super::{Class, ExtractError, class, labels};
use crate::committee::chain::{Link, Passes, RegressorRow, Row};
use crate::committee::versus::{HasLabel, OneVersusOne, OneVersusRest};
use crate::committee::vote::Abreast;
use crate::fitted::{Classify, Fitted, Head};
use crate::model::Label;

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.multiclass", "OneVsRestClassifier", one_versus_rest),
    class("sklearn.multiclass", "OneVsOneClassifier", one_versus_one),
    class("sklearn.multioutput", "MultiOutputClassifier", outputs_classifier),
    class("sklearn.multioutput", "MultiOutputRegressor", outputs_regressor),
    class("sklearn.multioutput", "ClassifierChain", chain),
    class("sklearn.multioutput", "RegressorChain", regressor_chain),
];

const MEMBERS: &str = "estimators_";

/// The members, each of two classes.
fn pairs(estimator: &Estimator<'_>) -> Result<Vec<Box<dyn Classify>>, ExtractError> {
    let members = estimator.items(MEMBERS)?.into_iter().map(|view| {
        let (classifier, labels) = classifier_of(estimator, view)?;
        match numbered(estimator, &labels)?[..] {
            [0, 1] => Ok(classifier),
            _ => Err(estimator.problem(MEMBERS, "has a member of other classes than 0 and 1".to_owned())),
        }
    });
    members.collect()
}

fn one_versus_rest(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let binarizer = estimator.member(estimator.get("label_binarizer_")?)?;
    let classes = labels::classes(&binarizer)?;
    let members = pairs(estimator)?;
    let is_many = binarizer.text("y_type_")?.starts_with("multilabel");
    if is_many {
        let heads = members.into_iter().map(|member| {
            let head: Box<dyn Classify> = Box::new(HasLabel { member });
            (head, vec![Label::Int(0), Label::Int(1)])
        });
        return Ok(Fitted { head: Some(Head::Many(heads.collect())), ..Fitted::default() });
    }
    let mut members = members;
    if members.len() == 1 && classes.len() == 2 {
        // two classes need one member, which decides as for one label of many
        return Ok(Fitted::classifier(HasLabel { member: members.remove(0) }, classes));
    }
    let versus = OneVersusRest::new(members).filter(|versus| versus.classes() == classes.len());
    Ok(Fitted::classifier(versus.ok_or_else(|| estimator.misfit(MEMBERS))?, classes))
}

fn one_versus_one(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    if let Some(indices) = estimator.some("pairwise_indices_") {
        return Err(estimator.refuse("pairwise_indices_", indices, "a precomputed kernel is not reproduced"));
    }
    let classes = labels::classes(estimator)?;
    let versus = OneVersusOne::new(pairs(estimator)?, classes.len());
    Ok(Fitted::classifier(versus.ok_or_else(|| estimator.misfit(MEMBERS))?, classes))
}

fn outputs_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let members = estimator.items(MEMBERS)?.into_iter().map(|view| classifier_of(estimator, view));
    Ok(Fitted { head: Some(Head::Many(members.collect::<Result<_, _>>()?)), ..Fitted::default() })
}

fn outputs_regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let members = estimator.items(MEMBERS)?.into_iter().map(|view| regressor_of(estimator, view));
    let members = members.collect::<Result<Vec<_>, _>>()?;
    if members.is_empty() || members.iter().any(|member| member.outputs() != 1) {
        return Err(estimator.misfit(MEMBERS));
    }
    Ok(Fitted::regressor(Abreast(members)))
}

/// By member of a chain the output it is for: a list, or an array.
fn order(estimator: &Estimator<'_>, members: usize) -> Result<Vec<usize>, ExtractError> {
    const ATTRIBUTE: &str = "order_";
    let order = match estimator.get(ATTRIBUTE)?.sizes() {
        Some(order) => order,
        None => estimator.positions(ATTRIBUTE, members)?,
    };
    let mut places = order.clone();
    places.sort_unstable();
    if places.into_iter().eq(0..members) { Ok(order) } else { Err(estimator.misfit(ATTRIBUTE)) }
}

fn chain(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let passes = match estimator.find("chain_method_").or_else(|| estimator.find("chain_method")) {
        None => Passes::Label,
        Some(method) => match method.str() {
            Some("predict") => Passes::Label,
            Some("predict_proba") => Passes::Probability,
            Some("decision_function") => Passes::Decision,
            _ => return Err(estimator.refuse("chain_method", method, "it is not reproduced")),
        },
    };
    let members = estimator.items(MEMBERS)?.into_iter().map(|view| classifier_of(estimator, view));
    let members = members.collect::<Result<Vec<_>, _>>()?;
    let labels: Vec<Vec<Label>> = members.iter().map(|(_, labels)| labels.clone()).collect();
    let order = order(estimator, members.len())?;
    let row = Row::new(members, passes, estimator.width()?).ok_or_else(|| estimator.misfit(MEMBERS))?;
    let row = Arc::new(row);
    let mut places: Vec<usize> = (0..order.len()).collect();
    places.sort_by_key(|place| order[*place]);
    let outputs = places.into_iter().map(|place| {
        let link: Box<dyn Classify> = Box::new(Link { row: Arc::clone(&row), place });
        (link, labels[place].clone())
    });
    Ok(Fitted { head: Some(Head::Many(outputs.collect())), ..Fitted::default() })
}

fn regressor_chain(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let members = estimator.items(MEMBERS)?.into_iter().map(|view| regressor_of(estimator, view));
    let members = members.collect::<Result<Vec<_>, _>>()?;
    let order = order(estimator, members.len())?;
    let row = RegressorRow::new(members, order, estimator.width()?);
    row.map(Fitted::regressor).ok_or_else(|| estimator.misfit(MEMBERS))
}

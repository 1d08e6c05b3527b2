//! Estimators that repeat another: by class, by pair of classes, by output.

use super::committees::{classifier_of, numbered, regressor_of};
use super::estimator::Estimator;
use super::{Class, ExtractError, class, labels};
use crate::committee::versus::{HasLabel, OneVersusOne, OneVersusRest};
use crate::committee::vote::Abreast;
use crate::fitted::{Classify, Fitted, Head};
use crate::model::Label;

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.multiclass", "OneVsRestClassifier", one_versus_rest),
    class("sklearn.multiclass", "OneVsOneClassifier", one_versus_one),
    class("sklearn.multioutput", "MultiOutputClassifier", outputs_classifier),
    class("sklearn.multioutput", "MultiOutputRegressor", outputs_regressor),
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

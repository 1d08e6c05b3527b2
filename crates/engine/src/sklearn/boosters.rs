//! The estimators of XGBoost, LightGBM and CatBoost, alone or inside scikit-learn's: their pickles
//! hold the library's own file.

use std::borrow::Cow;

use super::estimator::Estimator;
use super::labels;
use super::{Class, ExtractError, class};
use crate::boosters::{BoosterError, CatBoost, LightGbm, XgBoost, lightgbm, xgboost};
use crate::fitted::Fitted;
use crate::model::Label;
use crate::pickle::View;

pub(super) const CLASSES: &[Class] = &[
    class("xgboost", "Booster", xgboost_booster),
    class("xgboost", "XGBClassifier", xgboost_classifier),
    class("xgboost", "XGBRFClassifier", xgboost_classifier),
    class("xgboost", "XGBRegressor", xgboost_regressor),
    class("xgboost", "XGBRFRegressor", xgboost_regressor),
    class("xgboost", "XGBRanker", xgboost_regressor),
    class("lightgbm", "Booster", lightgbm_booster),
    class("lightgbm", "LGBMClassifier", lightgbm_classifier),
    class("lightgbm", "LGBMRegressor", lightgbm_regressor),
    class("lightgbm", "LGBMRanker", lightgbm_regressor),
    class("catboost", "CatBoost", catboost_model),
    class("catboost", "CatBoostClassifier", catboost_model),
    class("catboost", "CatBoostRegressor", catboost_model),
    class("catboost", "CatBoostRanker", catboost_model),
];

/// Puts the name of the class before what is wrong with its file.
fn told(estimator: &Estimator<'_>, source: BoosterError) -> ExtractError {
    ExtractError::Booster { class: estimator.name(), source }
}

/// The bytes of a library's file.
fn file<'g>(
    estimator: &Estimator<'g>,
    attribute: &'static str,
    view: View<'g>,
) -> Result<Cow<'g, [u8]>, ExtractError> {
    let bytes = view.bytes().or_else(|| view.str().map(|text| Cow::Borrowed(text.as_bytes())));
    let bytes =
        bytes.ok_or_else(|| estimator.problem(attribute, "is not the bytes of a model".to_owned()))?;
    // a few bytes of pickle can name the same file any number of times
    estimator.spend(attribute, bytes.len(), 1)?;
    Ok(bytes)
}

/// The model inside a `Booster`.
fn xgboost_model<'g>(estimator: &Estimator<'g>, booster: View<'g>) -> Result<XgBoost, ExtractError> {
    const ATTRIBUTE: &str = "handle";
    let missing = || ExtractError::Missing { class: estimator.name(), attribute: ATTRIBUTE };
    let handle = booster.attribute(ATTRIBUTE).filter(|handle| !handle.is_none()).ok_or_else(missing)?;
    let bytes = file(estimator, ATTRIBUTE, handle)?;
    let model = XgBoost::read(&bytes).map_err(|error| told(estimator, error))?;
    // before names were part of the file, they stood beside it
    let names = booster.attribute("feature_names").and_then(|names| names.items());
    let names =
        names.and_then(|names| names.map(|name| name.str().map(str::to_owned)).collect::<Option<Vec<_>>>());
    Ok(model.with_names(names.unwrap_or_default()))
}

fn fitted_xgboost(
    estimator: &Estimator<'_>,
    model: XgBoost,
    asked: xgboost::Asked,
) -> Result<Fitted, ExtractError> {
    let (origin, names) = (Some(model.origin()), model.names().to_vec());
    let fitted = model.into_fitted(asked).map_err(|error| told(estimator, error))?;
    Ok(Fitted { origin, names, ..fitted })
}

fn xgboost_booster(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let model = xgboost_model(estimator, estimator.view)?;
    fitted_xgboost(estimator, model, xgboost::Asked::default())
}

fn xgboost_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    // until 1.5 it numbered classes itself; since then they are numbers already
    let encoder = estimator.some("_le").and_then(|encoder| encoder.attribute("classes_"));
    let classes = encoder.or_else(|| estimator.some("classes_"));
    let classes = match classes {
        Some(view) => Some(xgboost_classes(estimator, view)?),
        None => None,
    };
    xgboost_estimator(estimator, xgboost::Estimator::Classifier(classes))
}

/// A list or an array of names.
fn xgboost_classes<'g>(estimator: &Estimator<'g>, view: View<'g>) -> Result<Vec<Label>, ExtractError> {
    const ATTRIBUTE: &str = "classes_";
    let Some(items) = view.items() else { return labels::labels(estimator, ATTRIBUTE, view) };
    let classes = items.map(labels::constant).collect::<Option<Vec<_>>>();
    classes.ok_or_else(|| estimator.problem(ATTRIBUTE, "has items of another kind than expected".to_owned()))
}

fn xgboost_regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    xgboost_estimator(estimator, xgboost::Estimator::Regressor)
}

fn xgboost_estimator(estimator: &Estimator<'_>, answers: xgboost::Estimator) -> Result<Fitted, ExtractError> {
    let model = xgboost_model(estimator, estimator.get("_Booster")?)?;
    #[expect(clippy::cast_possible_truncation, reason = "XGBoost compares in single precision")]
    let missing = match estimator.some("missing") {
        None => None,
        Some(missing) => {
            let number = missing
                .float()
                .ok_or_else(|| estimator.refuse("missing", missing, "a number is expected"))?;
            (!number.is_nan()).then_some(number as f32)
        }
    };
    let iterations = model.best_iterations();
    fitted_xgboost(estimator, model, xgboost::Asked { iterations, missing, estimator: answers })
}

/// The model inside a `Booster`, and how many iterations early stopping found best.
fn lightgbm_model<'g>(
    estimator: &Estimator<'g>,
    booster: View<'g>,
) -> Result<(LightGbm, Option<usize>), ExtractError> {
    const ATTRIBUTE: &str = "handle";
    let missing = || ExtractError::Missing { class: estimator.name(), attribute: ATTRIBUTE };
    let handle = booster.attribute(ATTRIBUTE).or_else(|| booster.attribute("_handle"));
    let handle = handle.filter(|handle| !handle.is_none()).ok_or_else(missing)?;
    let text = file(estimator, ATTRIBUTE, handle)?;
    let model = LightGbm::read(&text).map_err(|error| told(estimator, error))?;
    let best = booster.attribute("best_iteration").and_then(|best| usize::try_from(best.int()?).ok());
    Ok((model, best.filter(|best| *best > 0)))
}

fn fitted_lightgbm<'g>(
    estimator: &Estimator<'g>,
    booster: View<'g>,
    answers: lightgbm::Estimator,
) -> Result<Fitted, ExtractError> {
    let (model, iterations) = lightgbm_model(estimator, booster)?;
    let (origin, names) = (Some(model.origin()), model.names().to_vec());
    let fitted = model.into_fitted(iterations, answers).map_err(|error| told(estimator, error))?;
    Ok(Fitted { origin, names, ..fitted })
}

fn lightgbm_booster(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    fitted_lightgbm(estimator, estimator.view, lightgbm::Estimator::Booster)
}

fn lightgbm_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let classes = labels::labels(estimator, "_classes", estimator.get("_classes")?)?;
    fitted_lightgbm(estimator, estimator.get("_Booster")?, lightgbm::Estimator::Classifier(classes))
}

fn lightgbm_regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    fitted_lightgbm(estimator, estimator.get("_Booster")?, lightgbm::Estimator::Regressor)
}

fn catboost_model(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "__model";
    let bytes = file(estimator, ATTRIBUTE, estimator.get(ATTRIBUTE)?)?;
    let model = CatBoost::read(&bytes).map_err(|error| told(estimator, error))?;
    let (origin, names) = (Some(model.origin()), model.names());
    let fitted = model.into_fitted().map_err(|error| told(estimator, error))?;
    Ok(Fitted { origin, names, ..fitted })
}

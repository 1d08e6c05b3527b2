//! The files of gradient boosting libraries: XGBoost, LightGBM, CatBoost.
//!
//! A reader makes of a file's bytes what the library knows of its model; `crate::sklearn` finds the
//! same bytes inside pickles. [`heads`] answer as the library does, [`codes`] number categories,
//! [`document`] reads JSON and UBJSON.
//!
//! Everything is checked while it is read: memory stays within a small multiple of the file's size.

mod catboost;
mod codes;
mod document;
mod error;
mod heads;
pub(crate) mod lightgbm;
pub(crate) mod xgboost;

pub(crate) use catboost::Model as CatBoost;
pub use error::BoosterError;
pub(crate) use lightgbm::Model as LightGbm;
pub(crate) use xgboost::Model as XgBoost;

use crate::fitted::Fitted;
use crate::model::Parts;

/// What a library's reader made of a file.
pub(crate) struct Opened {
    /// The library and its version.
    pub(crate) origin: String,
    /// The names of columns; empty when the file has none.
    pub(crate) names: Vec<String>,
    pub(crate) fitted: Fitted,
}

/// The formats that are told by their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    XgBoost,
    LightGbm,
    CatBoost,
}

/// Tells a format by how a file begins; `None` for all else.
pub(crate) fn sniff(bytes: &[u8]) -> Option<Format> {
    if lightgbm::is_model(bytes) {
        Some(Format::LightGbm)
    } else if catboost::is_model(bytes) {
        Some(Format::CatBoost)
    } else if xgboost::is_model(bytes) {
        Some(Format::XgBoost)
    } else {
        None
    }
}

/// Makes a model of a file of one of the libraries.
///
/// # Errors
/// Says what in the file is damaged or not supported.
pub(crate) fn open(format: Format, bytes: &[u8]) -> Result<Parts, BoosterError> {
    let opened = match format {
        Format::XgBoost => XgBoost::read(bytes)?.into_booster()?,
        Format::LightGbm => LightGbm::read(bytes)?.into_booster()?,
        Format::CatBoost => CatBoost::read(bytes)?.into_opened()?,
    };
    let Opened { origin, names, fitted } = opened;
    Parts::new(origin, names, fitted.steps, fitted.head)
        .map_err(|error| BoosterError::Mismatch { problem: error.to_string() })
}

#[cfg(test)]
mod tests;

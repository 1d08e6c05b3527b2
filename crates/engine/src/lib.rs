//! The model engine: reads trained models, computes their features, predicts, trains.
//!
//! In reading order: [`model`] is what a user holds; `text` and `sparse` compute features;
//! `linear` and `tree` are the classifiers; `pickle` opens Python's files without running
//! them, `sklearn` turns what they hold into models; `file` is the engine's own format;
//! [`train`] makes new models from CSV tables.
//!
//! It never runs code found in a file, never guesses at a class or parameter it does not know,
//! never prints, spawns no runtime. It writes one file: the model given to [`Model::save`].

pub mod model;
pub mod train;

pub use model::{Input, InputKind, Label, Model, OpenError, PredictError, Prediction, SaveError};

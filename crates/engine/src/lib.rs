//! The model engine: reads trained models, computes their features, predicts, trains.
//!
//! In reading order: [`model`] is what a user holds; `text`, `numbers` and `sparse` compute
//! features; `linear` and `tree` are the classifiers; `file` is the engine's own format;
//! `pickle` opens Python's files without running them, `sklearn` turns what they hold into
//! models; [`train`] makes new models from CSV tables.
//!
//! It never runs code found in a file, never guesses at a class or parameter it does not know,
//! never prints, spawns no runtime. It writes one file: the model given to [`Model::save`].

pub mod model;
pub mod train;

mod file;
mod linear;
mod numbers;
mod pickle;
mod sklearn;
mod sparse;
mod text;
mod tree;

pub use file::DecodeError;
pub use model::{Input, InputKind, Label, Model, OpenError, PredictError, Prediction, SaveError};
pub use pickle::PickleError;
pub use sklearn::ExtractError;

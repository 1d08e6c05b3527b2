//! The model engine: reads trained models, computes their features, predicts, trains.
//!
//! In reading order: [`model`] is what a user holds; `fitted` says what every model is made of,
//! whatever library made it: steps that transform rows (`data`, `sparse`), heads that answer. Steps:
//! `text`, `preprocess`. Heads: `linear`, `tree`, `machine`, `network`, `likelihood`, `constant`,
//! and `committee`, which are made of others. [`rows`] reads tables of any length for a model,
//! [`metrics`] tells how good predictions are. `file` is the engine's own format; `pickle` opens
//! Python's files without running them, `sklearn` turns what they hold into steps and heads;
//! `boosters` reads the files of gradient boosting libraries; `onnx` runs graphs; [`mlflow`] finds
//! the model in its folders; [`explain`] tells what features add to a prediction; [`inspect`] tells
//! what a file is; [`train`] makes new models from tables, whose look [`summary`] keeps.
//!
//! Kernels use what instructions `processor` finds; results do not depend on them.
//!
//! `docs/models.md` lists what is opened, and says how sameness with the libraries is tested.
//!
//! It never runs code found in a file, never guesses at a class or parameter it does not know,
//! never prints, spawns no runtime. It writes one file: the model given to [`Model::save`].

pub mod explain;
pub mod inspect;
pub mod metrics;
pub mod mlflow;
pub mod model;
pub mod rows;
pub mod summary;
pub mod train;

mod boosters;
mod centroids;
mod committee;
mod constant;
mod data;
mod expansion;
mod factors;
mod file;
mod fitted;
mod gaussian;
mod isotonic;
mod likelihood;
mod linear;
mod machine;
mod mixture;
mod neighbours;
mod network;
mod onnx;
#[cfg(test)]
mod parity;
mod pickle;
mod preprocess;
mod processor;
mod sklearn;
mod skops;
mod sparse;
mod splines;
mod text;
mod topics;
mod tree;

pub use boosters::BoosterError;
pub use file::DecodeError;
pub use model::{Answers, Cell, Frame, Input, InputKind, Judged, Label, Matrix, Model};
pub use model::{OpenError, PredictError, Prediction, Reads, SaveError};
pub use onnx::OnnxError;
pub use pickle::PickleError;
pub use processor::Instructions;
pub use sklearn::ExtractError;
pub use skops::SkopsError;

//! Why a model could not be opened, saved or asked.

use std::path::PathBuf;

use crate::boosters::BoosterError;
use crate::file::DecodeError;
use crate::mlflow::MlflowError;
use crate::onnx::OnnxError;
use crate::pickle::PickleError;
use crate::sklearn::ExtractError;
use crate::skops::SkopsError;

/// Why a model could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be read.
    #[error("failed to read model `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The path is a folder.
    #[error("`{path}` is a directory, not a model file")]
    Directory {
        /// The folder.
        path: PathBuf,
    },
    /// The file has no bytes.
    #[error("`{path}` is empty, not a model file")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file, or what it unpacks to, is beyond what the engine takes in.
    #[error("`{path}` holds more than {limit_mib} MiB, the most a model may have")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in MiB.
        limit_mib: u64,
    },
    /// The file is of a kind the engine does not open.
    #[error(
        "`{path}` is {what}, not a model the engine opens (`.model`, ONNX, or a scikit-learn pickle, joblib or skops file)"
    )]
    NotAModel {
        /// The file.
        path: PathBuf,
        /// What it is, in words.
        what: &'static str,
    },
    /// The file is compressed in a way the engine does not unpack.
    #[error(
        "`{path}` is compressed by {compression}, which the engine does not unpack: save it with one of joblib's compressions, or uncompressed"
    )]
    Compression {
        /// The file.
        path: PathBuf,
        /// The compression's name.
        compression: &'static str,
    },
    /// The compressed data is damaged.
    #[error("failed to decompress `{path}`")]
    Decompress {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A model of the engine's own format is damaged or from a newer version.
    #[error("failed to decode model `{path}`")]
    Decode {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: DecodeError,
    },
    /// A model of a gradient boosting library is damaged or not supported.
    #[error("failed to read the boosted trees of `{path}`")]
    Booster {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: BoosterError,
    },
    /// The pickle is damaged.
    #[error("failed to read pickle `{path}`")]
    Pickle {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: PickleError,
    },
    /// The skops file is damaged.
    #[error("failed to read skops file `{path}`")]
    Skops {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: SkopsError,
    },
    /// The file is sound, but holds something else than a model the engine knows.
    #[error("failed to make a model of `{path}`")]
    Extract {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: ExtractError,
    },
    /// A folder that is no MLflow model the engine opens.
    #[error("failed to open `{path}` as an MLflow model")]
    Mlflow {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: MlflowError,
    },
    /// An ONNX file that is damaged, or holds what the engine does not run.
    #[error("failed to make a model of ONNX file `{path}`")]
    Onnx {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: OnnxError,
    },
}

/// Why a model could not be saved.
#[derive(Debug, thiserror::Error)]
#[error("failed to write model `{path}`")]
pub struct SaveError {
    /// The file that was to be written; nothing is left of it.
    pub path: PathBuf,
    /// The cause.
    #[source]
    pub source: std::io::Error,
}

/// Why an input could not be predicted for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PredictError {
    /// The model takes numbers, a text was given.
    #[error("the model takes {count} numbers, not a text")]
    TextForNumbers {
        /// How many numbers it takes.
        count: usize,
    },
    /// The model takes a text, numbers were given.
    #[error("the model takes a text, not numbers")]
    NumbersForText,
    /// The row has another length than the model's.
    #[error("the model takes {expected} numbers, {given} were given")]
    WrongCount {
        /// How many it takes.
        expected: usize,
        /// How many were given.
        given: usize,
    },
    /// A feature is not there.
    #[error("the feature `{name}` is missing")]
    MissingFeature {
        /// The feature's name.
        name: String,
    },
    /// The model has no such feature.
    #[error("the model has no feature `{name}`")]
    UnknownFeature {
        /// The name given.
        name: String,
    },
    /// The model file does not name its features.
    #[error("the model does not name its features: give {count} numbers in order")]
    Unnamed {
        /// How many numbers it takes.
        count: usize,
    },
    /// A number is missing, infinite, or too large for a classifier that cannot take that.
    #[error("the value of feature {position} (counted from 0) is missing, infinite or too large")]
    NotFinite {
        /// The position in the row.
        position: usize,
    },
    /// A column that must be a number holds a word.
    #[error("the value in column {position} (counted from 0) is not a number")]
    NotANumber {
        /// The position in the row.
        position: usize,
    },
    /// A column that must be a word holds something else.
    #[error("the value in column {position} (counted from 0) is not a text")]
    NotAText {
        /// The position in the row.
        position: usize,
    },
    /// A category that training has not seen, in a model that takes no others.
    #[error(
        "the value `{value}` in column {position} (counted from 0) is none the model has seen in training"
    )]
    UnknownCategory {
        /// The position in the row.
        position: usize,
        /// The value, shortened.
        value: String,
    },
    /// A value for which a step of the model is not defined.
    #[error("the step `{step}` is not defined for this input: {problem}")]
    Undefined {
        /// The step.
        step: &'static str,
        /// Why.
        problem: &'static str,
    },
    /// The model has no classifier or regressor at its end.
    #[error("the model only transforms its input: it has no classifier or regressor at its end")]
    NoHead,
    /// A node of the model's graph could not compute its outputs.
    #[error("{node} {problem}")]
    Graph {
        /// The node, in words: its name and place.
        node: String,
        /// What stopped it.
        problem: String,
    },
    /// The model's token pattern backtracks without end on this text.
    #[error("the model's token pattern takes too long on this text")]
    PatternTooSlow,
}

//! From bytes to a model, believing nothing.

mod steps;

use super::layout::{self, Layout};
use super::tensors::{Content, TensorsError};
use super::{FORMAT, VERSION};
use crate::data::Accepts;
use crate::fitted::{Classify, Head, Regress};
use crate::linear::{self, Coefficients, Inverse, Linear, LinearRegressor, Link};
use crate::model::{Label, Parts};
use crate::tree::boosted::{BoostedClassifier, BoostedLink, BoostedRegressor, Sums};
use crate::tree::{Forest, ForestRegressor, Node, Tree};

/// Why a `.model` file could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct DecodeError(#[from] Reason);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("it is no sound safetensors file: {0}")]
    Tensors(#[from] TensorsError),
    #[error(
        "it is a safetensors file of another program{0}: the engine opens those that `pinnace train` \
         wrote (a network becomes a model here by exporting it to ONNX)"
    )]
    Foreign(String),
    #[error("the format has version {0}, this program knows version {VERSION}: {advice}", advice = advice(.0))]
    Version(String),
    #[error("the checksum does not match: the file is damaged, or was changed by another program")]
    Checksum,
    #[error("the metadata `{name}` is {problem}")]
    Metadata { name: &'static str, problem: String },
    #[error("`{0}` is missing, or contradicts what the metadata tells of it")]
    Part(String),
    #[error("its parts do not fit each other")]
    Misfit,
}

fn advice(version: &str) -> &'static str {
    match version.parse::<u32>() {
        Ok(version) if version < VERSION => "train the model again",
        _ => "use a newer program",
    }
}

/// The start of files of versions 1 and 2, which were no safetensors.
const OLD_MAGIC: &[u8] = b"\x93PNCE\r\n\x1a";

/// Refuses a file of the versions before safetensors.
pub(crate) fn refuse_version_2(bytes: &[u8]) -> Result<(), DecodeError> {
    let Some(rest) = bytes.strip_prefix(OLD_MAGIC) else { return Ok(()) };
    let version = rest.first_chunk().map_or(0, |version| u32::from_le_bytes(*version));
    Err(Reason::Version(version.to_string()).into())
}

/// Makes a model of a safetensors file.
pub(crate) fn decode(file: &[u8]) -> Result<Parts, DecodeError> {
    Ok(parts(&Content::read(file).map_err(Reason::from)?)?)
}

#[allow(unexpected_cfgs, reason = "cargo-fuzz sets `fuzzing`")]
fn parts(file: &Content<'_>) -> Result<Parts, Reason> {
    let told = |name: &'static str| {
        let missing = || Reason::Metadata { name, problem: "missing".to_owned() };
        file.metadata.get(name).map(String::as_str).ok_or_else(missing)
    };
    match file.metadata.get("format") {
        Some(format) if format == FORMAT => {}
        Some(other) => return Err(Reason::Foreign(format!(" (`{}`)", shortened(other)))),
        None => return Err(Reason::Foreign(String::new())),
    }
    let version = told("version")?;
    if version != VERSION.to_string() {
        return Err(Reason::Version(shortened(version)));
    }
    // a fuzzer would hardly ever get past it
    if !cfg!(fuzzing) && !file.is_whole() {
        return Err(Reason::Checksum);
    }
    let names: Vec<String> = parsed("columns", told("columns")?)?;
    let classes: Vec<Label> = parsed("classes", told("classes")?)?;
    let layout: Layout = parsed("model", told("model")?)?;
    let steps = steps::decode_all(file, "", layout.steps, 0)?;
    let head = decode_head(file, layout.head, classes)?;
    let origin = told("origin")?.to_owned();
    let mut parts = Parts::new(origin, names, steps, Some(head)).map_err(|_| Reason::Misfit)?;
    if let Some(record) = file.metadata.get("training") {
        let _: serde_json::Map<String, serde_json::Value> = parsed("training", record)?;
        parts.record = Some(record.clone());
    }
    Ok(parts)
}

fn shortened(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(40).collect()
}

fn parsed<T: serde::de::DeserializeOwned>(name: &'static str, text: &str) -> Result<T, Reason> {
    serde_json::from_str(text).map_err(|error| Reason::Metadata { name, problem: shortened_error(&error) })
}

/// Where JSON breaks, without repeating what stands there.
fn shortened_error(error: &serde_json::Error) -> String {
    format!("not as the format has it: {}", error.to_string().chars().take(200).collect::<String>())
}

/// A tensor that must be there.
fn there<T>(value: Option<T>, name: &str) -> Result<T, Reason> {
    value.ok_or_else(|| Reason::Part(name.to_owned()))
}

fn decode_head(file: &Content<'_>, head: layout::Head, classes: Vec<Label>) -> Result<Head, Reason> {
    let fits = |made| there(made, "head");
    let classifier: Box<dyn Classify> = match head {
        layout::Head::LinearClassifier { link } => {
            let link = match link {
                layout::Link::Sigmoid => Link::Sigmoid,
                layout::Link::SigmoidOfTwice => Link::SigmoidOfTwice,
                layout::Link::Softmax => Link::Softmax,
                layout::Link::OneVersusRest => Link::OneVersusRest,
            };
            Box::new(there(Linear::new(decode_weights(file)?, link), "head.coefficients")?)
        }
        layout::Head::ForestClassifier { width, takes_missing } => {
            Box::new(there(Forest::new(&decode_trees(file, width)?, width, takes_missing), "head")?)
        }
        layout::Head::BoostedClassifier { width, link, ties_are_positive } => {
            let link = match link {
                layout::BoostedLink::Sigmoid => BoostedLink::Sigmoid,
                layout::BoostedLink::SigmoidOfTwice => BoostedLink::SigmoidOfTwice,
                layout::BoostedLink::Softmax => BoostedLink::Softmax,
            };
            let sums = decode_sums(file, width)?;
            Box::new(there(BoostedClassifier::new(sums, link, ties_are_positive), "head")?)
        }
        layout::Head::LinearRegressor => {
            return fits(Some(regressor(LinearRegressor {
                weights: decode_weights(file)?,
                inverse: Inverse::Identity,
            })));
        }
        layout::Head::ForestRegressor { width, takes_missing } => {
            let trees = decode_trees(file, width)?;
            return fits(ForestRegressor::new(&trees, width, takes_missing).map(regressor));
        }
        layout::Head::BoostedRegressor { width } => {
            let sums = decode_sums(file, width)?;
            return fits(Some(regressor(BoostedRegressor { sums, is_exponential: false })));
        }
    };
    Ok(Head::Classifier(classifier, classes))
}

fn regressor(regressor: impl Regress + 'static) -> Head {
    Head::Regressor(Box::new(regressor))
}

fn decode_weights(file: &Content<'_>) -> Result<linear::Weights, Reason> {
    let name = "head.coefficients";
    let (width, outputs) = there(file.table(name), name)?;
    let single = file.f32s(name).map(Coefficients::F32);
    let coefficients = single.or_else(|| file.f64s(name).map(Coefficients::F64));
    let intercepts = there(file.f64s("head.intercepts"), "head.intercepts")?;
    let fits = intercepts.len() == outputs;
    let weights = coefficients.and_then(|own| linear::Weights::new(own, intercepts, width));
    there(weights.filter(|_| fits), name)
}

fn decode_sums(file: &Content<'_>, width: usize) -> Result<Sums<f64>, Reason> {
    let start = there(file.f64s("head.start"), "head.start")?;
    let trees = decode_trees(file, width)?;
    there(Sums::new(&trees, start, width, Accepts::Anything), "head")
}

fn decode_trees(file: &Content<'_>, width: usize) -> Result<Vec<Tree>, Reason> {
    let u32s = |name: &str| there(file.u32s(name), name);
    let counts = u32s("head.nodes")?;
    let (features, left, right) = (u32s("head.features")?, u32s("head.left")?, u32s("head.right")?);
    let thresholds = there(file.f64s("head.thresholds"), "head.thresholds")?;
    let missing_left = there(file.u8s("head.missing_left"), "head.missing_left")?;
    let (_, outputs) = there(file.table("head.values"), "head.values")?;
    let values = there(file.f64s("head.values"), "head.values")?;
    let count = features.len();
    let covers = file.f64s("head.covers").unwrap_or_else(|| vec![0.0; count]);
    let all_have = [left.len(), right.len(), thresholds.len(), missing_left.len(), covers.len()]
        .iter()
        .all(|len| *len == count);
    let told: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    if !all_have || told != count as u64 || outputs == 0 {
        return Err(Reason::Part("head.nodes".to_owned()));
    }
    let (mut next, mut value) = (0, 0);
    let mut trees = Vec::with_capacity(counts.len());
    for count in counts {
        let end = next + count as usize;
        let nodes: Vec<Node> = (next..end)
            .map(|at| {
                let node = Node {
                    threshold: thresholds[at],
                    feature: features[at],
                    left: left[at],
                    right: right[at],
                    missing_left: missing_left[at] != 0,
                    ..Node::leaf()
                };
                node.covering(covers[at])
            })
            .collect();
        next = end;
        let leaves = nodes.iter().filter(|node| node.is_leaf()).count();
        let own = leaves.checked_mul(outputs).and_then(|length| values.get(value..value + length));
        let own = there(own, "head.values")?;
        value += own.len();
        let tree = Tree::new(nodes, own.to_vec(), outputs, width);
        trees.push(tree.map_err(|error| Reason::Part(format!("head.nodes: {error}")))?);
    }
    if value == values.len() { Ok(trees) } else { Err(Reason::Part("head.values".to_owned())) }
}

//! A graph as a model: rows go in as the inputs it declares, labels and numbers come out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{OnnxError, Problem};
use super::feed::{Feed, from_table, numbered, texted};
use super::graph::{Graph, compile};
use super::outside::Outside;
use super::proto::{Attribute, GraphProto, ModelProto, Port, clean};
use super::roles::{self, Role};
use super::run::{Failure, Limits};
use super::tensor::{Kind, Tensor, Value};
use crate::data::{Data, Dense};
use crate::fitted::{Classify, Head, Regress, Takes, Verdict};
use crate::inspect::Part;
use crate::model::{Label, Parts, PredictError};

/// A graph, and how rows become its inputs.
#[derive(Debug)]
pub(crate) struct Network {
    pub(super) graph: Graph,
    pub(super) inputs: Vec<Feed>,
    /// Whether the graph takes any number of rows at once.
    takes_batches: bool,
}

impl Network {
    /// How it is computed, in words.
    fn kernel(&self) -> String {
        let nodes = self.graph.steps.len();
        let rows = if self.takes_batches { "all rows at once" } else { "row by row" };
        format!(
            "{nodes} nodes one after the other, {rows}; products of matrices {}",
            super::product::instructions()
        )
    }

    /// What the model takes.
    pub(super) fn takes(&self) -> Takes {
        let width = self.inputs.iter().map(Feed::width).sum();
        match self.inputs.as_slice() {
            [feed] if feed.kind == Kind::Str && width == 1 => Takes::Text,
            feeds if feeds.iter().any(|feed| feed.kind == Kind::Str) => Takes::Cells(width),
            _ => Takes::Numbers(width),
        }
    }

    /// The names of columns; none where one input holds them all.
    fn names(&self) -> Vec<String> {
        match self.inputs.as_slice() {
            [feed] if feed.width() != 1 || feed.kind == Kind::Str => Vec::new(),
            feeds => feeds
                .iter()
                .flat_map(|feed| {
                    let width = feed.width();
                    (0..width).map(move |place| {
                        if width == 1 { feed.name.clone() } else { format!("{}[{place}]", feed.name) }
                    })
                })
                .collect(),
        }
    }

    /// Runs the graph for a batch: once, or row by row where it takes one row at a time.
    pub(super) fn run(&self, data: &Data<'_>) -> Result<Vec<Vec<Value>>, PredictError> {
        let rows = data.rows();
        let table;
        let data = match data {
            Data::Sparse(sparse) => {
                table = Data::Dense(sparse.to_dense());
                &table
            }
            data => data,
        };
        let ranges: Vec<(usize, usize)> =
            if self.takes_batches { vec![(0, rows)] } else { (0..rows).map(|row| (row, 1)).collect() };
        let run = |(start, count): (usize, usize)| {
            let inputs = self.fed(data, start, count)?;
            self.graph.run(inputs, &mut Limits::for_rows(count)).map_err(refused)
        };
        ranges.into_iter().filter(|(_, count)| *count > 0).map(run).collect()
    }

    fn fed(&self, data: &Data<'_>, start: usize, count: usize) -> Result<Vec<Value>, PredictError> {
        let width: usize = self.inputs.iter().map(Feed::width).sum();
        let given = match data {
            Data::Texts(_) => 1,
            Data::Dense(dense) => dense.width,
            Data::Table(table) => table.columns.len(),
            Data::Sparse(sparse) => sparse.width(),
        };
        if given != width {
            return Err(PredictError::WrongCount { expected: width, given });
        }
        let mut first = 0;
        let mut values = Vec::with_capacity(self.inputs.len());
        for feed in &self.inputs {
            let tensor = match data {
                Data::Texts(texts) if feed.kind == Kind::Str => {
                    texted(feed, count, |row, _| Ok(texts[start + row].to_owned()))?
                }
                Data::Texts(_) => return Err(PredictError::TextForNumbers { count: width }),
                Data::Dense(dense) => {
                    numbered(feed, count, |row, column| dense.row(start + row)[first + column])?
                }
                Data::Table(table) => from_table(feed, table, (start, count), first)?,
                Data::Sparse(_) => return Err(PredictError::NumbersForText),
            };
            values.push(tensor.into());
            first += feed.width();
        }
        Ok(values)
    }
}

pub(super) fn refused(failure: Failure) -> PredictError {
    PredictError::Graph { node: failure.node, problem: failure.problem.text().to_owned() }
}

/// Makes a model of a file.
pub(crate) fn open(bytes: &[u8], folder: Option<&Path>) -> Result<Parts, OnnxError> {
    let outside = folder.map(Outside::new);
    let model = ModelProto::read(bytes, outside.as_ref())?;
    let proto = model.graph.as_ref().ok_or_else(|| OnnxError::Model("the file holds no graph".to_owned()))?;
    if model.functions > 0 {
        return Err(OnnxError::Model(
            "the file defines functions of its own, which is not supported: export it with them inlined"
                .to_owned(),
        ));
    }
    let network = Arc::new(network(proto, &model.opsets)?);
    let trial = trial(&network)?;
    let names = network.names();
    let head = match roles::find(proto, trial.as_deref())? {
        Role::Classifier { label, scores, labels, is_named } => {
            let classifier = Classifier {
                network,
                label,
                scores,
                labels: labels.clone(),
                is_named,
                name: roles::in_words(proto),
            };
            Head::Classifier(Box::new(classifier), labels)
        }
        Role::Regressor { outputs, width } => {
            Head::Regressor(Box::new(Regressor { network, outputs, width, name: roles::in_words(proto) }))
        }
    };
    let producer = match (model.producer, model.producer_version) {
        ("", _) => "ONNX".to_owned(),
        (name, "") => format!("ONNX by {}", clean(name)),
        (name, version) => format!("ONNX by {} {}", clean(name), clean(version)),
    };
    let parts = Parts::new(producer, names, Vec::new(), Some(head));
    let mut parts = parts.map_err(|mismatch| OnnxError::Model(mismatch.to_string()))?;
    parts.warnings = warnings(proto);
    Ok(parts)
}

/// The files beside it that opening a file reads, relative to its folder.
pub(crate) fn files_beside(bytes: &[u8], folder: &Path) -> Result<Vec<PathBuf>, OnnxError> {
    let outside = Outside::new(folder);
    ModelProto::read(bytes, Some(&outside))?;
    Ok(outside.files())
}

/// What a file tells of itself: its producer, its operator sets, its nodes in the order of the file.
pub(crate) fn outline(bytes: &[u8], folder: Option<&Path>) -> Option<(String, String, Vec<Part>)> {
    let outside = folder.map(Outside::new);
    let model = ModelProto::read(bytes, outside.as_ref()).ok()?;
    let graph = model.graph.filter(|graph| !graph.nodes.is_empty())?;
    let producer = if model.producer.is_empty() {
        String::new()
    } else {
        format!(" by {} {}", clean(model.producer), clean(model.producer_version))
    };
    let opsets = model.opsets.iter().map(|(domain, version)| {
        if domain.is_empty() { version.to_string() } else { format!("{} {version}", clean(domain)) }
    });
    let opsets = opsets.collect::<Vec<_>>().join(", ");
    let part = |node: &super::proto::NodeProto<'_>| Part {
        parameters: node
            .attributes
            .iter()
            .map(|(name, attribute)| (clean(name), attribute.in_words()))
            .collect(),
        ..Part::new(&clean(node.name), &clean(node.operator))
    };
    Some((producer.trim_end().to_owned(), opsets, graph.nodes.iter().take(200).map(part).collect()))
}

/// skl2onnx knows no letters but English ones where scikit-learn's usual pattern is to be replaced.
fn warnings(proto: &GraphProto<'_>) -> Vec<String> {
    let is_narrow = |node: &&super::proto::NodeProto<'_>| {
        node.operator == "Tokenizer"
            && node.attributes.iter().any(|(name, attribute)| {
                *name == "tokenexp" && matches!(attribute, Attribute::Text(b"[a-zA-Z0-9_]+"))
            })
    };
    let warning = "skl2onnx replaced the pattern of words by `[a-zA-Z0-9_]+`: letters other than English ones are lost, and single letters are words. \
                   scikit-learn answers such texts otherwise: open its own pickle or joblib file instead";
    proto.nodes.iter().find(is_narrow).map(|_| warning.to_owned()).into_iter().collect()
}

/// The graph of a file, ready to run, and the names of its inputs.
#[cfg(test)]
pub(super) fn bare<'p>(model: &'p ModelProto<'p>) -> Result<(Graph, Vec<&'p str>), OnnxError> {
    let proto = model.graph.as_ref().ok_or_else(|| OnnxError::Model("the file holds no graph".to_owned()))?;
    let names: Vec<&str> = ports(proto).into_iter().map(|port| port.name).collect();
    Ok((compile(proto, &names, &model.opsets, 0)?, names))
}

/// The inputs that are not constants.
fn ports<'p>(proto: &'p GraphProto<'p>) -> Vec<&'p Port<'p>> {
    let is_constant = |name: &str| proto.initializers.iter().any(|(found, _)| *found == name);
    proto.inputs.iter().filter(|port| !is_constant(port.name)).collect()
}

fn network<'p>(proto: &'p GraphProto<'p>, opsets: &'p [(&'p str, i64)]) -> Result<Network, OnnxError> {
    let ports = ports(proto);
    if ports.is_empty() {
        return Err(OnnxError::Model("the graph has no inputs".to_owned()));
    }
    let names: Vec<&str> = ports.iter().map(|port| port.name).collect();
    let graph = compile(proto, &names, opsets, 0)?;
    let mut takes_batches = true;
    let mut inputs = Vec::with_capacity(ports.len());
    for port in &ports {
        // converters leave the width of a column of a table open
        let width = roles::width_of(proto, port.name).or((ports.len() > 1).then_some(1));
        let (feed, batched) = Feed::of(port, width)?;
        takes_batches &= batched;
        inputs.push(feed);
    }
    Ok(Network { graph, inputs, takes_batches })
}

/// Runs the graph once, so that what cannot fit is refused when the file is opened. What it gave, unless a value
/// of this trial was refused, which another row's may not be.
fn trial(network: &Network) -> Result<Option<Vec<Value>>, OnnxError> {
    let fed = network.inputs.iter().map(|feed| match feed.kind {
        Kind::Str => Tensor::new(feed.shape(1), vec![String::new(); feed.width()]),
        _ => feed.numbers(1, |_, _| 0.0),
    });
    let fed = fed.map(|tensor| tensor.map(Value::from)).collect::<Result<Vec<_>, _>>();
    let fed = fed.map_err(|problem| OnnxError::Model(problem.text().to_owned()))?;
    match network.graph.run(fed, &mut Limits::for_trial()) {
        Ok(values) => Ok(Some(values)),
        Err(Failure { problem: Problem::Value(_), .. }) => Ok(None),
        Err(Failure { node, problem }) => Err(OnnxError::Node { node, problem: problem.text().to_owned() }),
    }
}

/// A graph that names a class.
#[derive(Debug)]
struct Classifier {
    network: Arc<Network>,
    /// The output with the label; without it the largest score decides.
    label: Option<usize>,
    /// The output with scores, and whether they are probabilities.
    scores: Option<(usize, bool)>,
    labels: Vec<Label>,
    /// Whether the graph names its classes: then a label of another name is an oddity of numbered classes, and the
    /// scores decide.
    is_named: bool,
    name: &'static str,
}

impl Classify for Classifier {
    fn takes(&self) -> Takes {
        self.network.takes()
    }

    fn classes(&self) -> usize {
        self.labels.len()
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn kernel(&self) -> Option<String> {
        Some(self.network.kernel())
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let rows = data.rows();
        let odd = |problem: String| PredictError::Graph { node: "the graph".to_owned(), problem };
        let mut scores = Dense { values: Vec::new(), rows, width: 0 };
        let mut named: Vec<Option<usize>> = Vec::with_capacity(rows);
        for outputs in self.network.run(data)? {
            if let Some((place, _)) = self.scores {
                let (Value::Tensor(table) | Value::Maps(_, table)) = &outputs[place] else {
                    return Err(odd("gives a sequence where scores should be".to_owned()));
                };
                scores.values.extend(table.to_f64().map_err(|problem| odd(problem.text().to_owned()))?);
            }
            if let Some(place) = self.label {
                let Value::Tensor(labels) = &outputs[place] else {
                    return Err(odd("gives no tensor of labels".to_owned()));
                };
                named.extend(
                    roles::labels_of(labels)
                        .iter()
                        .map(|label| self.labels.iter().position(|own| own == label)),
                );
            }
        }
        let count = self.labels.len();
        if self.scores.is_some() {
            scores.width = scores.values.len().checked_div(rows).unwrap_or(count);
            if scores.values.len() != scores.width * rows
                || (rows > 0
                    && scores.width != count
                    && scores.width != 1
                    && self.scores.is_some_and(|(_, are)| are))
            {
                return Err(odd(format!(
                    "gives {} scores for {rows} rows of {count} classes",
                    scores.values.len()
                )));
            }
        }
        if self.label.is_some() && named.len() != rows {
            return Err(odd(format!("gives {} labels for {rows} rows", named.len())));
        }
        let by_score = |row: usize| match scores.row(row) {
            [decision] => usize::from(*decision > 0.0),
            row => crate::linear::first_largest(row),
        };
        let classes = (0..rows).map(|row| match named.get(row) {
            Some(Some(class)) => Ok(*class),
            _ if self.scores.is_some() && (self.is_named || self.label.is_none()) => {
                Ok(by_score(row).min(count.saturating_sub(1)))
            }
            _ => Err(odd("gives a label that is none of its classes".to_owned())),
        });
        let classes = classes.collect::<Result<Vec<_>, _>>()?;
        Ok(match self.scores {
            Some((_, true)) => Verdict { classes, probabilities: Some(scores), decisions: None },
            Some((_, false)) => Verdict { classes, probabilities: None, decisions: Some(scores) },
            None => Verdict { classes, probabilities: None, decisions: None },
        })
    }
}

/// A graph that gives numbers.
#[derive(Debug)]
struct Regressor {
    network: Arc<Network>,
    outputs: Vec<usize>,
    width: usize,
    name: &'static str,
}

impl Regress for Regressor {
    fn takes(&self) -> Takes {
        self.network.takes()
    }

    fn outputs(&self) -> usize {
        self.width
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn kernel(&self) -> Option<String> {
        Some(self.network.kernel())
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let rows = data.rows();
        let odd = |problem: String| PredictError::Graph { node: "the graph".to_owned(), problem };
        let mut all = Vec::with_capacity(rows * self.width);
        for outputs in self.network.run(data)? {
            let mut tables = Vec::with_capacity(self.outputs.len());
            for &place in &self.outputs {
                let Value::Tensor(table) = &outputs[place] else {
                    return Err(odd("gives no tensor".to_owned()));
                };
                tables.push(table.to_f64().map_err(|problem| odd(problem.text().to_owned()))?);
            }
            let count = if self.network.takes_batches { rows } else { 1 };
            for row in 0..count {
                for table in &tables {
                    let width = table.len() / count;
                    all.extend_from_slice(&table[row * width..(row + 1) * width]);
                }
            }
        }
        if all.len() != rows * self.width {
            return Err(odd(format!("gives {} numbers for {rows} rows of {}", all.len(), self.width)));
        }
        Ok(Dense { values: all, rows, width: self.width })
    }
}

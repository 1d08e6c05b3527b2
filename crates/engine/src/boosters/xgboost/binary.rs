//! The binary format of XGBoost before JSON: structures as C++ laid them out, little-endian.

use super::super::BoosterError;
use super::super::error::shown;
use super::written::below;
use super::{Ensemble, Learned, Model};
use crate::tree::arranged::{ArrangeError, Arranged, Branch};
use crate::tree::{Node, Tree};

/// What a pickle of 1.0 to 1.2 begins with; then where its configuration begins.
const SNAPSHOT: &[u8] = b"CONFIG-offset:";

/// The sizes of the structures.
const LEARNER: usize = 136;
const TREES: usize = 160;
const TREE: usize = 148;
const NODE: usize = 20;
const STATISTICS: usize = 16;
const LINEAR: usize = 136;

/// Objectives begin with one of these.
const OBJECTIVES: [&[u8]; 7] = [b"reg:", b"binary:", b"multi:", b"count:", b"rank:", b"survival:", b"gpu:"];

/// Whether the name of an objective stands where it must.
pub(super) fn is_model(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"binf").unwrap_or(bytes);
    let name = bytes.get(LEARNER + 8..).unwrap_or_default();
    let length =
        bytes.get(LEARNER..LEARNER + 8).and_then(|length| length.try_into().ok()).map(u64::from_le_bytes);
    length.is_some_and(|length| (4..64).contains(&length))
        && OBJECTIVES.iter().any(|start| name.starts_with(start))
}

pub(super) fn read(bytes: &[u8]) -> Result<Model, BoosterError> {
    let mut reader = Reader { bytes, at: 0 };
    if bytes.starts_with(SNAPSHOT) {
        reader.take(SNAPSHOT.len() + 8)?;
    }
    if reader.rest().starts_with(b"binf") {
        reader.take(4)?;
    }
    let mut learner = reader.structure(LEARNER)?;
    let base = learner.f32()?;
    let width = learner.count()?;
    let classes = learner.count()?;
    let has_attributes = learner.i32()? != 0;
    learner.i32()?;
    let (major, minor) = (learner.count()?, learner.count()?);
    let targets = learner.count()?;
    let outputs = classes.max(targets).max(1);
    let objective = reader.text()?;
    let booster = reader.text()?;
    let learned = match booster.as_str() {
        "gbtree" => Learned::Trees(ensemble(&mut reader, width, false)?),
        "dart" => Learned::Trees(ensemble(&mut reader, width, true)?),
        "gblinear" => {
            reader.structure(LINEAR)?;
            Learned::Linear(reader.floats()?)
        }
        other => {
            return Err(BoosterError::Unsupported {
                what: format!("the booster `{}`", shown(other)),
                hint: "gbtree, dart and gblinear are",
            });
        }
    };
    let attributes = if has_attributes { attributes(&mut reader)? } else { Vec::new() };
    Ok(Model {
        version: (major > 0).then_some([major, minor, 0]),
        width,
        outputs,
        classes,
        base_scores: vec![base],
        base_is_margin: major == 0,
        objective,
        names: Vec::new(),
        learned,
        attributes,
        categories: Vec::new(),
    })
}

fn attributes(reader: &mut Reader<'_>) -> Result<Vec<(String, String)>, BoosterError> {
    // each has the lengths of two texts at least
    let count = reader.length(16)?;
    (0..count).map(|_| Ok((reader.text()?, reader.text()?))).collect()
}

fn ensemble(reader: &mut Reader<'_>, width: usize, is_dart: bool) -> Result<Ensemble, BoosterError> {
    let mut parameters = reader.structure(TREES)?;
    let count = parameters.count()?;
    // the number of parallel trees stands where the number of roots stood, which was always one
    let parallel = parameters.count()?.max(1);
    if count > reader.rest().len() / TREE {
        return Err(BoosterError::Truncated { offset: reader.bytes.len() });
    }
    let mut raw = Vec::with_capacity(count);
    for number in 0..count {
        raw.push(raw_tree(reader, number)?);
    }
    let places = (0..count).map(|_| {
        u32::try_from(reader.i32()?).map_err(|_| BoosterError::field("tree_info", "has a negative number"))
    });
    let places = places.collect::<Result<_, _>>()?;
    let weights = if is_dart && count > 0 { reader.floats()? } else { vec![1.0; count] };
    if weights.len() != count {
        return Err(BoosterError::field("weight_drop", "has another length than there are trees"));
    }
    let trees = raw
        .iter()
        .zip(weights)
        .enumerate()
        .map(|(number, (nodes, weight))| tree(*nodes, number, width, weight));
    Ok(Ensemble { trees: trees.collect::<Result<_, _>>()?, places, parallel, iterations: Vec::new() })
}

/// The bytes of a tree's nodes, and of what training knew of them.
#[derive(Debug, Clone, Copy)]
struct RawTree<'b> {
    nodes: &'b [u8],
    statistics: &'b [u8],
}

fn raw_tree<'b>(reader: &mut Reader<'b>, number: usize) -> Result<RawTree<'b>, BoosterError> {
    let mut parameters = reader.structure(TREE)?;
    parameters.i32()?;
    let nodes = parameters.count()?;
    parameters.take(12)?;
    let vector = parameters.i32()?;
    let length =
        nodes.checked_mul(NODE).ok_or_else(|| BoosterError::tree(number, "is larger than any memory"))?;
    let bytes = reader.take(length)?;
    let statistics = reader.take(nodes * STATISTICS)?;
    match vector {
        0 | 1 => Ok(RawTree { nodes: bytes, statistics }),
        _ => Err(BoosterError::Unsupported {
            what: "a tree with several numbers a leaf in the binary format".to_owned(),
            hint: "save the model as JSON",
        }),
    }
}

fn tree(raw: RawTree<'_>, number: usize, width: usize, weight: f32) -> Result<Tree, BoosterError> {
    let (nodes, _) = raw.nodes.as_chunks::<NODE>();
    let (statistics, _) = raw.statistics.as_chunks::<STATISTICS>();
    let field =
        |node: usize, place: usize| -> [u8; 4] { std::array::from_fn(|byte| nodes[node][place * 4 + byte]) };
    let value = |node: usize| f32::from_le_bytes(field(node, 4));
    let arranged = Arranged::new(nodes.len(), 0, |node| {
        let (left, right) = (i32::from_le_bytes(field(node, 1)), i32::from_le_bytes(field(node, 2)));
        if left == -1 {
            return Ok::<_, ArrangeError>(Branch::Leaf(node));
        }
        // the highest bit says where missing values go
        let feature = u32::from_le_bytes(field(node, 3));
        let split = Node {
            threshold: below(f64::from(value(node))).unwrap_or(f64::NAN),
            feature: feature & (u32::MAX >> 1),
            missing_left: feature >> 31 == 1,
            ..Node::leaf()
        };
        let child = |child: i32| usize::try_from(child).unwrap_or(usize::MAX);
        Ok(Branch::Split { split, left: child(left), right: child(right) })
    });
    let arranged = arranged.map_err(|error| BoosterError::tree(number, error))?;
    // the second of a node's statistics is the sum of its rows' Hessians
    let cover = |node: usize| f32::from_le_bytes(std::array::from_fn(|byte| statistics[node][4 + byte]));
    let arranged = arranged.covered(|node| f64::from(cover(node)));
    let mut is_sound = true;
    let tree = arranged.into_tree(1, width, Vec::new(), |leaf, values| {
        is_sound &= value(leaf).is_finite();
        values.push(f64::from(value(leaf) * weight));
    });
    let tree = tree.map_err(|error| BoosterError::tree(number, error))?;
    if is_sound { Ok(tree) } else { Err(BoosterError::tree(number, "a leaf is no number")) }
}

/// Reads little-endian numbers one after another.
struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn rest(&self) -> &'b [u8] {
        &self.bytes[self.at..]
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], BoosterError> {
        let taken = self.rest().get(..length).ok_or(BoosterError::Truncated { offset: self.bytes.len() })?;
        self.at += length;
        Ok(taken)
    }

    /// A structure of so many bytes, to be read from its start.
    fn structure(&mut self, length: usize) -> Result<Reader<'b>, BoosterError> {
        self.take(length)?;
        Ok(Reader { bytes: &self.bytes[..self.at], at: self.at - length })
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], BoosterError> {
        self.take(LENGTH)?.try_into().map_err(|_| BoosterError::Truncated { offset: self.bytes.len() })
    }

    fn i32(&mut self) -> Result<i32, BoosterError> {
        self.array().map(i32::from_le_bytes)
    }

    fn f32(&mut self) -> Result<f32, BoosterError> {
        self.array().map(f32::from_le_bytes)
    }

    /// A number of four bytes that must not be negative.
    fn count(&mut self) -> Result<usize, BoosterError> {
        let offset = self.at;
        usize::try_from(self.i32()?)
            .map_err(|_| BoosterError::Syntax { offset, problem: "a count is negative" })
    }

    /// A length of eight bytes, of things of `size` bytes at least.
    fn length(&mut self, size: usize) -> Result<usize, BoosterError> {
        let length = self.array().map(u64::from_le_bytes)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= self.rest().len() / size);
        length.ok_or(BoosterError::Truncated { offset: self.bytes.len() })
    }

    fn text(&mut self) -> Result<String, BoosterError> {
        let offset = self.at;
        let length = self.length(1)?;
        let text = std::str::from_utf8(self.take(length)?);
        text.map(str::to_owned).map_err(|_| BoosterError::Syntax { offset, problem: "a text is not Unicode" })
    }

    fn floats(&mut self) -> Result<Vec<f32>, BoosterError> {
        let length = self.length(4)?;
        (0..length).map(|_| self.f32()).collect()
    }
}

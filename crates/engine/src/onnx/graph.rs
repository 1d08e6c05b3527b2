//! Makes a graph ready to run: names become places, nodes are put in order, everything is checked.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::fmt;

use super::error::OnnxError;
use super::ops;
use super::proto::{Attribute, GraphProto, NodeProto, clean};
use super::spec::{Kernel, Spec};
use super::tensor::{Tensor, Value};

/// The most nodes of one graph: large exported networks have some thousands.
const MAX_NODES: usize = 100_000;

/// A graph ready to run.
pub(crate) struct Graph {
    pub(super) steps: Vec<Step>,
    pub(super) constants: Vec<Value>,
    pub(super) slots: usize,
    pub(super) outputs: Vec<Operand>,
}

/// One node.
pub(super) struct Step {
    /// Its name and place, in words.
    pub(super) place: String,
    pub(super) kernel: Kernel,
    pub(super) inputs: Vec<Operand>,
    pub(super) outputs: Vec<Option<usize>>,
    /// Slots that nobody reads any more.
    pub(super) frees: Vec<usize>,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand {
    Absent,
    Constant(usize),
    Slot(usize),
    /// A slot nobody reads after this.
    Last(usize),
}

impl fmt::Debug for Graph {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.steps.iter().map(|step| &step.place)).finish()
    }
}

/// A graph's scope: what its names stand for.
struct Scope<'p> {
    places: HashMap<&'p str, Operand>,
    constants: HashMap<&'p str, Tensor>,
    values: Vec<Value>,
    slots: usize,
}

impl<'p> Scope<'p> {
    fn define(&mut self, name: &'p str, operand: Operand) -> Result<(), OnnxError> {
        match self.places.insert(name, operand) {
            None => Ok(()),
            Some(_) => Err(OnnxError::Model(format!("the name `{}` is given to two values", clean(name)))),
        }
    }

    fn slot(&mut self, name: &'p str) -> Result<usize, OnnxError> {
        let slot = self.slots;
        self.slots += 1;
        self.define(name, Operand::Slot(slot))?;
        Ok(slot)
    }

    fn constant(&mut self, name: &'p str, tensor: Tensor) -> Result<(), OnnxError> {
        self.define(name, Operand::Constant(self.values.len()))?;
        self.values.push(tensor.clone().into());
        self.constants.insert(name, tensor);
        Ok(())
    }
}

/// Makes a graph ready. `inputs` are its inputs by name, in order; for a graph inside a node the names it captures
/// come after them.
pub(super) fn compile<'p>(
    proto: &'p GraphProto<'p>,
    inputs: &[&'p str],
    opsets: &'p [(&'p str, i64)],
    depth: usize,
) -> Result<Graph, OnnxError> {
    if proto.nodes.len() > MAX_NODES {
        return Err(OnnxError::Model(format!(
            "the graph has {} nodes, {MAX_NODES} is the most",
            proto.nodes.len()
        )));
    }
    let mut scope = Scope { places: HashMap::new(), constants: HashMap::new(), values: Vec::new(), slots: 0 };
    for input in inputs {
        scope.slot(input)?;
    }
    for (name, tensor) in &proto.initializers {
        scope.constant(name, tensor.clone())?;
    }
    for node in proto.nodes.iter().filter(|node| is_constant(node)) {
        if let (Some(name), Some(tensor)) = (node.outputs.first(), ops::constant_of(node)) {
            scope.constant(name, tensor)?;
        }
    }
    let order = order(proto)?;
    let mut steps = Vec::new();
    for &number in &order {
        let node = &proto.nodes[number];
        if node.outputs.first().is_some_and(|name| scope.constants.contains_key(name)) {
            continue;
        }
        let place = place(node, number, proto);
        steps.push(step(node, place, &mut scope, opsets, depth)?);
    }
    let mut outputs = Vec::new();
    for output in &proto.outputs {
        let operand = scope.places.get(output.name).copied();
        outputs.push(operand.ok_or_else(|| nothing_gives("the graph", output.name))?);
    }
    free(&mut steps, &outputs, scope.slots);
    Ok(Graph { steps, constants: scope.values, slots: scope.slots, outputs })
}

/// A node in words: its name and place.
fn place(node: &NodeProto<'_>, number: usize, proto: &GraphProto<'_>) -> String {
    let name = if node.name.is_empty() { String::new() } else { format!(" `{}`", clean(node.name)) };
    format!(
        "node{name} ({}, {} of {} in the graph `{}`)",
        clean(node.operator),
        number + 1,
        proto.nodes.len(),
        clean(proto.name)
    )
}

fn nothing_gives(who: &str, name: &str) -> OnnxError {
    OnnxError::Model(format!("{who} takes `{}`, which nothing gives", clean(name)))
}

fn is_constant(node: &NodeProto<'_>) -> bool {
    node.operator == "Constant" && node.domain.is_empty()
}

fn step<'p>(
    node: &'p NodeProto<'p>,
    place: String,
    scope: &mut Scope<'p>,
    opsets: &'p [(&'p str, i64)],
    depth: usize,
) -> Result<Step, OnnxError> {
    let domain = node.domain;
    let Some(version) = opsets.iter().find(|(found, _)| *found == domain).map(|(_, version)| *version) else {
        return Err(OnnxError::Node {
            node: place,
            problem: format!("is of the operator set `{}`, which the file does not import", clean(domain)),
        });
    };
    let spec = Spec { node, version, opsets, constants: &scope.constants, asked: RefCell::default(), depth };
    let problem = |problem: String| OnnxError::Node { node: place.clone(), problem };
    let Some(builder) = ops::builder(domain, node.operator) else {
        let operator = clean(node.operator);
        let operator = if domain.is_empty() { operator } else { format!("{}.{operator}", clean(domain)) };
        return Err(OnnxError::Operator { node: place, operator, version });
    };
    let kernel = builder(&spec).map_err(|found| problem(found.text().to_owned()))?;
    if let Some(name) = spec.unasked() {
        return Err(problem(format!("has the attribute `{}`, which the engine does not know", clean(name))));
    }
    let captured = captured(node);
    let resolve = |name: &&str| match scope.places.get(name) {
        _ if name.is_empty() => Ok(Operand::Absent),
        Some(operand) => Ok(*operand),
        None => Err(nothing_gives(&place, name)),
    };
    let inputs = node.inputs.iter().chain(&captured).map(resolve).collect::<Result<Vec<_>, _>>()?;
    let mut outputs = Vec::new();
    for name in &node.outputs {
        outputs.push(if name.is_empty() { None } else { Some(scope.slot(name)?) });
    }
    Ok(Step { place, kernel, inputs, outputs, frees: Vec::new() })
}

/// Marks where each slot is read last, so that memory is given back and values are changed in place.
fn free(steps: &mut [Step], outputs: &[Operand], slots: usize) {
    let mut is_needed = vec![false; slots];
    for operand in outputs {
        if let Operand::Slot(slot) = operand {
            is_needed[*slot] = true;
        }
    }
    for step in steps.iter_mut().rev() {
        let reads: Vec<Operand> = step.inputs.clone();
        for operand in &mut step.inputs {
            let Operand::Slot(slot) = *operand else { continue };
            if is_needed[slot] {
                continue;
            }
            match reads.iter().filter(|read| **read == Operand::Slot(slot)).count() {
                1 => *operand = Operand::Last(slot),
                _ if !step.frees.contains(&slot) => step.frees.push(slot),
                _ => {}
            }
        }
        for operand in reads {
            if let Operand::Slot(slot) = operand {
                is_needed[slot] = true;
            }
        }
        let unread = step.outputs.iter().flatten().filter(|slot| !is_needed[**slot]);
        step.frees.extend(unread.copied().collect::<Vec<_>>());
    }
}

/// The order in which every node comes after those it needs; ties as in the file.
fn order(proto: &GraphProto<'_>) -> Result<Vec<usize>, OnnxError> {
    let mut producers: HashMap<&str, usize> = HashMap::new();
    for (number, node) in proto.nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            producers.insert(name, number);
        }
    }
    let mut waits = vec![0usize; proto.nodes.len()];
    let mut wakes: Vec<Vec<usize>> = vec![Vec::new(); proto.nodes.len()];
    for (number, node) in proto.nodes.iter().enumerate() {
        for name in node.inputs.iter().copied().chain(captured(node)) {
            if let Some(&producer) = producers.get(name) {
                waits[number] += 1;
                wakes[producer].push(number);
            }
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..waits.len()).filter(|&number| waits[number] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(waits.len());
    while let Some(Reverse(number)) = ready.pop() {
        order.push(number);
        for &woken in &wakes[number] {
            waits[woken] -= 1;
            if waits[woken] == 0 {
                ready.push(Reverse(woken));
            }
        }
    }
    match waits.iter().position(|&waits| waits > 0) {
        Some(number) => Err(OnnxError::Node {
            node: place(&proto.nodes[number], number, proto),
            problem: "is part of a cycle: it takes what is made of what it gives".to_owned(),
        }),
        None => Ok(order),
    }
}

/// The names that the graphs inside a node take from outside, each once, in order.
pub(super) fn captured<'p>(node: &NodeProto<'p>) -> Vec<&'p str> {
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    for (_, attribute) in &node.attributes {
        if let Attribute::Graph(graph) = attribute {
            names.extend(taken_from_outside(graph).into_iter().filter(|name| seen.insert(*name)));
        }
    }
    names
}

/// The names a graph does not give itself.
pub(super) fn taken_from_outside<'p>(graph: &GraphProto<'p>) -> Vec<&'p str> {
    let mut own: HashSet<&str> = graph.inputs.iter().map(|port| port.name).collect();
    own.extend(graph.initializers.iter().map(|(name, _)| *name));
    own.extend(graph.nodes.iter().flat_map(|node| node.outputs.iter().copied()));
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    let nodes = graph.nodes.iter().flat_map(|node| node.inputs.iter().copied().chain(captured(node)));
    for name in nodes.chain(graph.outputs.iter().map(|port| port.name)) {
        if !name.is_empty() && !own.contains(name) && seen.insert(name) {
            names.push(name);
        }
    }
    names
}

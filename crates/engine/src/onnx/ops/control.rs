//! Operators that hold graphs: branches and loops.

use super::super::error::Problem;
use super::super::graph::{Graph, compile, taken_from_outside};
use super::super::proto::GraphProto;
use super::super::run::Limits;
use super::super::spec::{Argument, Call, Kernel, Outputs, Spec, axis, kernel};
use super::super::tensor::{Tensor, Value};
use super::arrange::{concatenated, int, window, with_axes};
use super::{Operator, op};

pub(super) const OPERATORS: &[Operator] = &[op("If", branch), op("Loop", repeat), op("Scan", scan)];

/// A graph inside a node.
struct Inner {
    graph: Graph,
    inputs: usize,
    /// The positions, behind the node's own inputs, of what the graph captures.
    captured: Vec<usize>,
}

impl Inner {
    fn new(spec: &Spec<'_>, proto: &GraphProto<'_>) -> Result<Self, Problem> {
        let all = super::super::graph::captured(spec.node);
        let own = taken_from_outside(proto);
        let place = |name: &&str| {
            all.iter().position(|other| other == name).map(|place| spec.node.inputs.len() + place)
        };
        let captured = own.iter().filter_map(place).collect();
        let constants: Vec<&str> = proto.initializers.iter().map(|(name, _)| *name).collect();
        let formal: Vec<&str> =
            proto.inputs.iter().map(|port| port.name).filter(|name| !constants.contains(name)).collect();
        let names: Vec<&str> = formal.iter().chain(&own).copied().collect();
        let graph = compile(proto, &names, spec.opsets, spec.depth + 1);
        let graph = graph.map_err(|error| Problem::shape(format!("holds a graph in which {error}")))?;
        Ok(Inner { graph, inputs: formal.len(), captured })
    }

    fn run(&self, inputs: Vec<Value>, call: &mut Call<'_>) -> Outputs {
        let mut all = inputs;
        if all.len() != self.inputs {
            return Err(Problem::shape(format!(
                "holds a graph of {} inputs and gives it {}",
                self.inputs,
                all.len()
            )));
        }
        for &position in &self.captured {
            all.push(call.value(position)?.clone());
        }
        let limits: &mut Limits = call.limits;
        self.graph.run(all, limits).map_err(|failure| {
            let told = |text: &str| format!("holds a graph in which {} {text}", failure.node);
            match &failure.problem {
                Problem::Shape(text) => Problem::Shape(told(text)),
                Problem::Value(text) => Problem::Value(told(text)),
                Problem::Limit(text) => Problem::Limit(told(text)),
            }
        })
    }
}

fn inner(spec: &Spec<'_>, name: &'static str) -> Result<Inner, Problem> {
    let proto = spec.graph(name)?.ok_or_else(|| Problem::shape(format!("has no `{name}`")))?;
    Inner::new(spec, proto)
}

fn branch(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let (yes, no) = (inner(spec, "then_branch")?, inner(spec, "else_branch")?);
    kernel(move |call| {
        let is = call.tensor(0)?.values::<bool>()?.first().copied();
        let is = is.ok_or_else(|| Problem::shape("has an empty condition"))?;
        if is { yes.run(Vec::new(), call) } else { no.run(Vec::new(), call) }
    })
}

fn truth(value: &Value) -> Result<bool, Problem> {
    match value {
        Value::Tensor(tensor) => {
            tensor.values::<bool>()?.first().copied().ok_or_else(|| Problem::shape("has an empty condition"))
        }
        Value::Maps(..) | Value::Sequence(_) => Err(Problem::shape("has a condition that is no tensor")),
    }
}

fn repeat(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let body = inner(spec, "body")?;
    let states = spec.node.inputs.len().saturating_sub(2);
    let outputs = spec.outputs();
    if body.inputs != states + 2 {
        return Err(Problem::shape("has a body of another number of inputs than it has states"));
    }
    let collected = outputs.saturating_sub(states);
    kernel(move |call| {
        let most = call.ints(0)?.and_then(|most| most.first().copied()).unwrap_or(i64::MAX);
        let mut goes_on = match call.inputs.get(1) {
            Some(Argument::Absent) | None => true,
            Some(_) => truth(call.value(1)?)?,
        };
        let mut state =
            (0..states).map(|place| call.value(place + 2).cloned()).collect::<Result<Vec<_>, _>>()?;
        let mut gathered: Vec<Vec<Tensor>> = vec![Vec::new(); collected];
        let mut round = 0;
        while goes_on && round < most {
            let mut inputs = vec![Tensor::scalar(round).into(), Tensor::scalar(true).into()];
            inputs.append(&mut state);
            let mut given = body.run(inputs, call)?.into_iter();
            goes_on = truth(&given.next().ok_or_else(|| Problem::shape("has a body that gives nothing"))?)?;
            state = given.by_ref().take(states).collect();
            collect(&mut gathered, given)?;
            call.limits.work(4096)?;
            round += 1;
        }
        for slices in gathered {
            state.push(stacked(slices, 0)?.into());
        }
        Ok(state)
    })
}

fn collect(gathered: &mut [Vec<Tensor>], given: impl Iterator<Item = Value>) -> Result<(), Problem> {
    for (slices, value) in gathered.iter_mut().zip(given) {
        let Value::Tensor(tensor) = value else { return Err(Problem::shape("gathers what is no tensor")) };
        slices.push(tensor);
    }
    Ok(())
}

/// Joins the slices of a loop along a new axis.
fn stacked(slices: Vec<Tensor>, at: i64) -> Result<Tensor, Problem> {
    if slices.is_empty() {
        return Ok(Tensor::line::<f32>(Vec::new()));
    }
    let parts = slices.into_iter().map(|slice| with_axes(slice, &[at])).collect::<Result<Vec<_>, _>>()?;
    concatenated(&parts.iter().collect::<Vec<_>>(), at)
}

fn scan(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    if spec.version < 9 {
        return Err(Problem::shape(
            "is of version 8, which scans batches: convert the model to a newer version",
        ));
    }
    let body = inner(spec, "body")?;
    let scanned = usize::try_from(spec.int("num_scan_inputs", 0)?).unwrap_or(0);
    let states = spec
        .node
        .inputs
        .len()
        .checked_sub(scanned)
        .ok_or_else(|| Problem::shape("scans more inputs than it has"))?;
    let collected = spec.outputs().saturating_sub(states);
    let list = |name, count: usize| -> Result<Vec<i64>, Problem> {
        let list = spec.ints(name)?.map_or_else(|| vec![0; count], <[i64]>::to_vec);
        if list.len() == count {
            Ok(list)
        } else {
            Err(Problem::shape(format!("has `{name}` of another length")))
        }
    };
    let (in_axes, in_ways) = (list("scan_input_axes", scanned)?, list("scan_input_directions", scanned)?);
    let (out_axes, out_ways) =
        (list("scan_output_axes", collected)?, list("scan_output_directions", collected)?);
    kernel(move |call| {
        let mut state = (0..states).map(|place| call.value(place).cloned()).collect::<Result<Vec<_>, _>>()?;
        let mut sources = Vec::with_capacity(scanned);
        for (place, &at) in in_axes.iter().enumerate() {
            let source = call.tensor(states + place)?.clone();
            let at = axis(at, source.rank())?;
            sources.push((source, at));
        }
        let rounds = sources.first().map_or(0, |(source, at)| source.shape()[*at]);
        if sources.iter().any(|(source, at)| source.shape()[*at] != rounds) {
            return Err(Problem::shape("scans inputs of different lengths"));
        }
        let mut gathered: Vec<Vec<Tensor>> = vec![Vec::new(); collected];
        for round in 0..rounds {
            let mut inputs = std::mem::take(&mut state);
            for ((source, at), way) in sources.iter().zip(&in_ways) {
                let round = if *way == 0 { round } else { rounds - 1 - round };
                let slice = window(source, *at, round, 1)?;
                let mut shape = slice.shape().to_vec();
                shape.remove(*at);
                inputs.push(slice.reshaped(shape)?.into());
            }
            let mut given = body.run(inputs, call)?.into_iter();
            state = given.by_ref().take(states).collect();
            collect(&mut gathered, given)?;
        }
        for ((mut slices, at), way) in gathered.into_iter().zip(&out_axes).zip(&out_ways) {
            if *way != 0 {
                slices.reverse();
            }
            state.push(stacked(slices, *at)?.into());
        }
        call.limits.work(int(rounds).unsigned_abs())?;
        Ok(state)
    })
}

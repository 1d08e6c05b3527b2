//! Recurrent layers.

use super::super::error::Problem;
use super::super::product::Panels;
use super::super::spec::{Call, Kernel, Outputs, Spec, kernel};
use super::super::tensor::{Tensor, elements};
use super::unary::sigmoid;
use super::{Operator, op};

pub(super) const OPERATORS: &[Operator] = &[
    op("LSTM", |spec| recurrent(spec, Cell::Lstm)),
    op("GRU", |spec| recurrent(spec, Cell::Gru)),
    op("RNN", |spec| recurrent(spec, Cell::Plain)),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Lstm,
    Gru,
    Plain,
}

impl Cell {
    fn gates(self) -> usize {
        match self {
            Cell::Lstm => 4,
            Cell::Gru => 3,
            Cell::Plain => 1,
        }
    }

    /// The usual functions of one direction; others are refused.
    fn activations(self) -> &'static [&'static str] {
        match self {
            Cell::Lstm => &["Sigmoid", "Tanh", "Tanh"],
            Cell::Gru => &["Sigmoid", "Tanh"],
            Cell::Plain => &["Tanh"],
        }
    }
}

/// Which ways a layer reads.
fn directions(spec: &Spec<'_>) -> Result<Vec<bool>, Problem> {
    match spec.text("direction")?.unwrap_or("forward") {
        "forward" => Ok(vec![false]),
        "reverse" => Ok(vec![true]),
        "bidirectional" => Ok(vec![false, true]),
        other => Err(Problem::shape(format!("reads `{other}`, which is not known"))),
    }
}

fn recurrent(spec: &Spec<'_>, cell: Cell) -> Result<Kernel, Problem> {
    let ways = directions(spec)?;
    let hidden = usize::try_from(spec.int("hidden_size", 0)?).unwrap_or(0);
    let is_linear_first = spec.flag("linear_before_reset", false)?;
    spec.ignore(&["activation_alpha", "activation_beta", "output_sequence"]);
    let functions = spec.texts("activations")?;
    let is_usual = functions.is_none_or(|functions| {
        functions.chunks(cell.activations().len()).all(|names| names == cell.activations())
    });
    if !is_usual
        || spec.has("clip")
        || spec.int("input_forget", 0)? != 0
        || spec.int("layout", 0)? != 0
        || spec.has_input(7)
    {
        return Err(Problem::shape("has activations, clips, peepholes or a layout that are not supported"));
    }
    if hidden == 0 || hidden > 1 << 16 {
        return Err(Problem::shape("has no sensible `hidden_size`"));
    }
    let layer = Layer { cell, ways, hidden, is_linear_first };
    kernel(move |call| layer.run(call))
}

struct Layer {
    cell: Cell,
    ways: Vec<bool>,
    hidden: usize,
    is_linear_first: bool,
}

/// What one direction reads.
struct Parameters<'p> {
    input: Panels,
    state: Panels,
    bias: &'p [f32],
}

impl Layer {
    fn run(&self, call: &mut Call<'_>) -> Outputs {
        let [length, batch, width] = *call.tensor(0)?.shape() else {
            return Err(Problem::shape("takes a sequence of batches"));
        };
        let (ways, gates) = (self.ways.len(), self.cell.gates() * self.hidden);
        let expect = |position: usize, shape: &[usize]| match call.optional(position)? {
            Some(tensor) if tensor.shape() == shape => Ok(Some(tensor.values::<f32>()?)),
            Some(tensor) => Err(Problem::shape(format!(
                "has an input of shape {:?} where it takes {shape:?}",
                tensor.shape()
            ))),
            None => Ok(None),
        };
        let missing = || Problem::shape("has no weights");
        let input_weights = expect(1, &[ways, gates, width])?.ok_or_else(missing)?;
        let state_weights = expect(2, &[ways, gates, self.hidden])?.ok_or_else(missing)?;
        let bias = expect(3, &[ways, gates * 2])?;
        let starts = [expect(5, &[ways, batch, self.hidden])?, expect(6, &[ways, batch, self.hidden])?];
        let lengths = match call.ints(4)? {
            Some(lengths) => super::arrange::sizes(&lengths)?,
            None => vec![length; batch],
        };
        if lengths.len() != batch || lengths.iter().any(|own| *own > length) {
            return Err(Problem::shape("has lengths that do not fit its sequences"));
        }
        let values = call.tensor(0)?.values::<f32>()?;
        let total = elements(&[length, ways, batch, self.hidden])?;
        let work = (total as u64).saturating_mul((self.cell.gates() * (width + self.hidden)) as u64);
        let mut all = vec![0f32; total];
        let (mut last, mut last_cell) = (Vec::new(), Vec::new());
        let none = vec![0f32; gates * 2];
        for (way, &is_reverse) in self.ways.iter().enumerate() {
            let (own_input, own_state) =
                (&input_weights[way * gates * width..], &state_weights[way * gates * self.hidden..]);
            let parameters = Parameters {
                input: Panels::new(width, gates, |place, gate| own_input[gate * width + place]),
                state: Panels::new(self.hidden, gates, |place, gate| own_state[gate * self.hidden + place]),
                bias: bias.map_or(&none[..], |bias| &bias[way * gates * 2..][..gates * 2]),
            };
            for row in 0..batch {
                let start = |of: Option<&Vec<f32>>| {
                    of.map_or_else(
                        || vec![0.0; self.hidden],
                        |values| values[(way * batch + row) * self.hidden..][..self.hidden].to_vec(),
                    )
                };
                let (mut state, mut memory) = (start(starts[0]), start(starts[1]));
                for step in 0..lengths[row] {
                    let step = if is_reverse { lengths[row] - 1 - step } else { step };
                    self.step(
                        &values[(step * batch + row) * width..][..width],
                        &parameters,
                        &mut state,
                        &mut memory,
                    )?;
                    all[((step * ways + way) * batch + row) * self.hidden..][..self.hidden]
                        .copy_from_slice(&state);
                }
                last.extend(state);
                last_cell.extend(memory);
            }
        }
        call.limits.work(work)?;
        let shape = vec![ways, batch, self.hidden];
        let mut outputs = vec![
            Tensor::new(vec![length, ways, batch, self.hidden], all)?.into(),
            Tensor::new(shape.clone(), last)?.into(),
        ];
        if self.cell == Cell::Lstm {
            outputs.push(Tensor::new(shape, last_cell)?.into());
        }
        Ok(outputs)
    }

    /// Reads one entry: changes the state, and a memory where there is one.
    fn step(
        &self,
        entry: &[f32],
        parameters: &Parameters<'_>,
        state: &mut [f32],
        memory: &mut [f32],
    ) -> Result<(), Problem> {
        let (hidden, gates) = (self.hidden, self.cell.gates() * self.hidden);
        let from_input = if entry.is_empty() { vec![0.0; gates] } else { parameters.input.times(entry)? };
        let from_state = parameters.state.times(state)?;
        let (input_bias, state_bias) = parameters.bias.split_at(gates);
        let given = |gate: usize| from_input[gate] + input_bias[gate];
        let kept = |gate: usize| from_state[gate] + state_bias[gate];
        let sum = |gate: usize| given(gate) + kept(gate);
        match self.cell {
            Cell::Plain => (0..hidden).for_each(|unit| state[unit] = sum(unit).tanh()),
            Cell::Lstm => {
                for unit in 0..hidden {
                    let (input, output, forget) =
                        (sigmoid(sum(unit)), sigmoid(sum(hidden + unit)), sigmoid(sum(2 * hidden + unit)));
                    memory[unit] = forget * memory[unit] + input * sum(3 * hidden + unit).tanh();
                    state[unit] = output * memory[unit].tanh();
                }
            }
            Cell::Gru => {
                let update: Vec<f32> = (0..hidden).map(|unit| sigmoid(sum(unit))).collect();
                let reset: Vec<f32> = (0..hidden).map(|unit| sigmoid(sum(hidden + unit))).collect();
                let proposed: Vec<f32> = if self.is_linear_first {
                    (0..hidden)
                        .map(|unit| (given(2 * hidden + unit) + reset[unit] * kept(2 * hidden + unit)).tanh())
                        .collect()
                } else {
                    let part: Vec<f32> =
                        state.iter().zip(&reset).map(|(state, reset)| state * reset).collect();
                    let from_part = parameters.state.times(&part)?;
                    (0..hidden)
                        .map(|unit| {
                            (given(2 * hidden + unit)
                                + from_part[2 * hidden + unit]
                                + state_bias[2 * hidden + unit])
                                .tanh()
                        })
                        .collect()
                };
                (0..hidden).for_each(|unit| {
                    state[unit] = (1.0 - update[unit]) * proposed[unit] + update[unit] * state[unit]
                });
            }
        }
        Ok(())
    }
}

//! Runs a graph: node after node, within bounds of memory and work.

use super::error::Problem;
use super::graph::{Graph, Operand};
use super::spec::{Argument, Call};
use super::tensor::Value;

/// What one run may take.
#[derive(Debug)]
pub(super) struct Limits {
    /// Multiplications and the like that may still be done.
    work: u64,
    /// Bytes of tensors alive.
    live: usize,
}

/// The most bytes of tensors alive at a time.
const MAX_LIVE: usize = 1 << 30;

/// The most work for one row: some seconds.
const MAX_WORK: u64 = 1 << 34;

/// What calling a kernel costs, whatever it does: a loop of empty nodes ends, too.
const CALL: u64 = 128;

impl Limits {
    pub(super) fn for_rows(rows: usize) -> Self {
        Limits { work: MAX_WORK.saturating_mul((rows as u64).clamp(1, 1 << 20)), live: 0 }
    }

    /// Limits for looking at a stranger's file.
    pub(super) fn for_trial() -> Self {
        Limits { work: 1 << 31, live: 0 }
    }

    /// Asks for so much work.
    pub(super) fn work(&mut self, amount: u64) -> Result<(), Problem> {
        match self.work.checked_sub(amount) {
            Some(left) => {
                self.work = left;
                Ok(())
            }
            None => Err(Problem::Limit("takes more work than the engine gives one prediction".to_owned())),
        }
    }

    fn claim(&mut self, bytes: usize) -> Result<(), Problem> {
        self.live = self.live.saturating_add(bytes);
        if self.live > MAX_LIVE {
            return Err(Problem::Limit(format!("needs more than {} MiB of memory", MAX_LIVE >> 20)));
        }
        self.work(bytes as u64)
    }

    fn release(&mut self, bytes: usize) {
        self.live = self.live.saturating_sub(bytes);
    }
}

/// Where and why a run ended early.
#[derive(Debug)]
pub(super) struct Failure {
    /// The node, in words.
    pub(super) node: String,
    pub(super) problem: Problem,
}

impl Graph {
    /// Runs all nodes; `inputs` in the order of [`Graph::inputs`], then what the graph captures.
    pub(super) fn run(&self, inputs: Vec<Value>, limits: &mut Limits) -> Result<Vec<Value>, Failure> {
        let mut slots: Vec<Option<Value>> = Vec::with_capacity(self.slots);
        slots.extend(inputs.into_iter().map(Some));
        slots.resize_with(self.slots, || None);
        for step in &self.steps {
            let fail = |problem| Failure { node: step.place.clone(), problem };
            limits.work(CALL).map_err(fail)?;
            // what nobody needs any more is given away first: the others are borrowed
            let mut owned: Vec<Option<Value>> = Vec::with_capacity(step.inputs.len());
            for operand in &step.inputs {
                owned.push(match operand {
                    Operand::Last(slot) => slots[*slot].take(),
                    Operand::Absent | Operand::Constant(_) | Operand::Slot(_) => None,
                });
            }
            let released: usize = owned.iter().flatten().map(Value::bytes).sum();
            let arguments = step.inputs.iter().zip(owned).map(|(operand, owned)| match (operand, owned) {
                (_, Some(value)) => Argument::Owned(value),
                (Operand::Constant(place), None) => Argument::Shared(&self.constants[*place]),
                (Operand::Slot(slot), None) => {
                    slots[*slot].as_ref().map_or(Argument::Absent, Argument::Shared)
                }
                (Operand::Absent | Operand::Last(_), None) => Argument::Absent,
            });
            let mut call = Call { inputs: arguments.collect(), limits };
            let given = (step.kernel)(&mut call).map_err(fail)?;
            drop(call);
            limits.release(released);
            if given.len() < step.outputs.len() {
                return Err(fail(Problem::shape("has more outputs than its operator gives")));
            }
            for (slot, value) in step.outputs.iter().zip(given) {
                if let Some(slot) = slot {
                    limits.claim(value.bytes()).map_err(fail)?;
                    slots[*slot] = Some(value);
                }
            }
            for slot in &step.frees {
                limits.release(slots[*slot].take().map_or(0, |value| value.bytes()));
            }
        }
        let outputs = self.outputs.iter().map(|operand| match operand {
            Operand::Constant(place) => Some(self.constants[*place].clone()),
            Operand::Slot(slot) | Operand::Last(slot) => slots[*slot].clone(),
            Operand::Absent => None,
        });
        let missing =
            || Failure { node: "the graph".to_owned(), problem: Problem::shape("does not give an output") };
        outputs.map(|output| output.ok_or_else(missing)).collect()
    }
}

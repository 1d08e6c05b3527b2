//! Sums of products by an equation of letters: `bij,bjk->bik`.

use super::super::broadcast::steps;
use super::super::error::Problem;
use super::super::spec::{Call, Kernel, Outputs, Spec, kernel, one};
use super::super::tensor::{MAX_RANK, Tensor, elements};
use super::unary::converted;
use super::{Operator, op};

pub(super) const OPERATORS: &[Operator] = &[op("Einsum", einsum)];

/// One dimension of an equation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Letter {
    /// One that `...` stands for, counted from the last.
    Further(usize),
    Named(char),
}

/// The letters of one side, and where `...` stands among them.
#[derive(Debug, Clone)]
struct Term {
    letters: Vec<char>,
    further: Option<usize>,
}

impl Term {
    fn of(text: &str) -> Result<Self, Problem> {
        let compact: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
        let (before, after) = match compact.split_once("...") {
            Some((before, after)) => (before, Some(after)),
            None => (compact.as_str(), None),
        };
        let letters: Vec<char> = before.chars().chain(after.unwrap_or_default().chars()).collect();
        if letters.len() > MAX_RANK || !letters.iter().all(char::is_ascii_alphabetic) {
            return Err(Problem::shape("has an equation of other signs than letters"));
        }
        Ok(Term { further: after.map(|_| before.chars().count()), letters })
    }

    /// The letters of a tensor of so many dimensions.
    fn over(&self, rank: usize) -> Result<Vec<Letter>, Problem> {
        let further = rank.checked_sub(self.letters.len());
        let further = further.filter(|count| *count == 0 || self.further.is_some());
        let further =
            further.ok_or_else(|| Problem::shape("has an equation for another number of dimensions"))?;
        let mut all: Vec<Letter> = self.letters.iter().copied().map(Letter::Named).collect();
        let at = self.further.unwrap_or(0);
        all.splice(at..at, (0..further).rev().map(Letter::Further));
        Ok(all)
    }
}

fn einsum(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let equation = spec.text("equation")?.ok_or_else(|| Problem::shape("has no `equation`"))?;
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs, Some(Term::of(output)?)),
        None => (equation, None),
    };
    let inputs = inputs.split(',').map(Term::of).collect::<Result<Vec<_>, _>>()?;
    kernel(move |call| sums(call, &inputs, output.as_ref()))
}

fn sums(call: &mut Call<'_>, terms: &[Term], output: Option<&Term>) -> Outputs {
    let mut letters = Vec::new();
    let mut sizes: Vec<(Letter, usize)> = Vec::new();
    for (number, term) in terms.iter().enumerate() {
        let own = term.over(call.tensor(number)?.rank())?;
        for (letter, &size) in own.iter().zip(call.tensor(number)?.shape()) {
            match sizes.iter_mut().find(|(found, _)| found == letter) {
                None => sizes.push((*letter, size)),
                Some((_, known)) if *known == 1 => *known = size,
                Some((_, known)) if *known == size || size == 1 => {}
                Some(_) => return Err(Problem::shape("gives one letter to dimensions of different sizes")),
            }
        }
        letters.push(own);
    }
    let kept = kept(&letters, &sizes, output)?;
    let size_of = |letter: &Letter| sizes.iter().find(|(found, _)| found == letter).map(|(_, size)| *size);
    let shape = kept.iter().map(size_of).collect::<Option<Vec<_>>>();
    let shape = shape.ok_or_else(|| Problem::shape("names a letter in its output that no input has"))?;
    let summed: Vec<(Letter, usize)> =
        sizes.iter().filter(|(letter, _)| !kept.contains(letter)).copied().collect();
    let count = elements(&shape)?;
    let inner = elements(&summed.iter().map(|(_, size)| *size).collect::<Vec<_>>())?;
    call.limits.work((count as u64).saturating_mul(inner as u64).saturating_mul(4))?;
    // by input how far a step along each letter of the output, and of the sum, leads
    let strides = |own: &[Letter], shape: &[usize], along: &[Letter]| -> Vec<usize> {
        let inner = steps(shape);
        let stride = |letter: &Letter| {
            let places =
                own.iter().enumerate().filter(|(place, found)| *found == letter && shape[*place] != 1);
            places.map(|(place, _)| inner[place]).sum()
        };
        along.iter().map(stride).collect()
    };
    let over: Vec<Letter> = summed.iter().map(|(letter, _)| *letter).collect();
    let over_sizes: Vec<usize> = summed.iter().map(|(_, size)| *size).collect();
    let mut tables = Vec::new();
    for (number, own) in letters.iter().enumerate() {
        let tensor = call.tensor(number)?;
        let inner = offsets(&over_sizes, &strides(own, tensor.shape(), &over));
        tables.push((tensor.to_f64()?, offsets(&shape, &strides(own, tensor.shape(), &kept)), inner));
    }
    let sum = |place: usize| -> f64 {
        let product = |step: usize| {
            tables.iter().map(|(values, outer, inner)| values[outer[place] + inner[step]]).product::<f64>()
        };
        (0..inner).map(product).sum()
    };
    let made = Tensor::new(shape, (0..count).map(sum).collect::<Vec<f64>>())?;
    one(converted(&made, call.tensor(0)?.kind())?)
}

/// The letters of the output: those named, or those that stand once, in order.
fn kept(
    letters: &[Vec<Letter>],
    sizes: &[(Letter, usize)],
    output: Option<&Term>,
) -> Result<Vec<Letter>, Problem> {
    let further = sizes.iter().filter(|(letter, _)| matches!(letter, Letter::Further(_))).count();
    if let Some(term) = output {
        let own = term.over(term.letters.len() + if term.further.is_some() { further } else { 0 })?;
        let mut sorted = own.clone();
        sorted.sort_unstable();
        sorted.dedup();
        return match sorted.len() == own.len() {
            true => Ok(own),
            false => Err(Problem::shape("names a letter twice in its output")),
        };
    }
    let times = |letter: &Letter| letters.iter().flatten().filter(|found| *found == letter).count();
    let mut once: Vec<Letter> = sizes.iter().map(|(letter, _)| *letter).collect();
    once.retain(|letter| matches!(letter, Letter::Named(_)) && times(letter) == 1);
    once.sort_unstable();
    Ok((0..further).rev().map(Letter::Further).chain(once).collect())
}

/// Where each place of a shape leads by strides.
fn offsets(shape: &[usize], strides: &[usize]) -> Vec<usize> {
    let mut all = vec![0];
    for (size, stride) in shape.iter().zip(strides) {
        all = all.iter().flat_map(|offset| (0..*size).map(move |step| offset + step * stride)).collect();
    }
    all
}

//! Support vector machines.

use super::super::super::error::Problem;
use super::super::super::spec::{Call, Kernel, Outputs, Spec, kernel, one};
use super::super::super::tensor::Tensor;
use super::super::Operator;
use super::ml;
use super::scores::{Labels, Second, Transform, first_largest, line, logistic};

pub(super) const OPERATORS: &[Operator] = &[ml("SVMClassifier", classifier), ml("SVMRegressor", regressor)];

/// How alike two rows are.
#[derive(Debug, Clone, Copy)]
enum Likeness {
    Linear,
    Polynomial { gamma: f32, offset: f32, degree: f32 },
    Radial { gamma: f32 },
    Sigmoid { gamma: f32, offset: f32 },
}

impl Likeness {
    fn of(spec: &Spec<'_>) -> Result<Self, Problem> {
        let (gamma, offset, degree) = match spec.floats("kernel_params")?.unwrap_or_default() {
            [] => (0.0, 0.0, 3.0),
            [gamma, offset, degree] => (*gamma, *offset, *degree),
            other => {
                return Err(Problem::shape(format!("has {} parameters of its kernel, not 3", other.len())));
            }
        };
        Ok(match spec.text("kernel_type")?.unwrap_or("LINEAR") {
            "LINEAR" => Likeness::Linear,
            "POLY" => Likeness::Polynomial { gamma, offset, degree },
            "RBF" => Likeness::Radial { gamma },
            "SIGMOID" => Likeness::Sigmoid { gamma, offset },
            other => return Err(Problem::shape(format!("has the kernel `{other}`, which is not known"))),
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "the operator is of single precision")]
    fn between(self, a: &[f32], b: &[f32]) -> f32 {
        let product = || a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32;
        match self {
            Likeness::Linear => product(),
            Likeness::Polynomial { gamma, offset, degree } => (gamma * product() + offset).powf(degree),
            Likeness::Radial { gamma } => {
                let distance: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum();
                (-f64::from(gamma) * distance).exp() as f32
            }
            Likeness::Sigmoid { gamma, offset } => (gamma * product() + offset).tanh(),
        }
    }
}

/// Rows to compare with.
struct Vectors {
    likeness: Likeness,
    values: Vec<f32>,
    width: usize,
}

impl Vectors {
    fn new(likeness: Likeness, values: &[f32], count: usize) -> Result<Self, Problem> {
        if count == 0 || values.is_empty() || !values.len().is_multiple_of(count) {
            return Err(Problem::shape(format!("has {} numbers for {count} support vectors", values.len())));
        }
        Ok(Vectors { likeness, values: values.to_vec(), width: values.len() / count })
    }

    fn likenesses(&self, row: &[f32]) -> Vec<f32> {
        self.values.chunks(self.width).map(|vector| self.likeness.between(row, vector)).collect()
    }

    /// The rows of the input, of the width of the vectors.
    fn rows(&self, call: &mut Call<'_>) -> Result<Vec<Vec<f32>>, Problem> {
        let input = call.tensor(0)?;
        let width = input.shape().last().copied().unwrap_or(0);
        if width != self.width || input.rank() > 2 {
            return Err(Problem::shape(format!(
                "takes rows of {} numbers, and is given the shape {:?}",
                self.width,
                input.shape()
            )));
        }
        let rows: Vec<Vec<f32>> = input.to_f32()?.chunks(width).map(<[f32]>::to_vec).collect();
        call.limits.work((rows.len() * self.values.len()) as u64)?;
        Ok(rows)
    }
}

fn regressor(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let coefficients = spec.floats("coefficients")?.unwrap_or_default().to_vec();
    let rho = spec.floats("rho")?.and_then(|rho| rho.first().copied()).unwrap_or(0.0);
    let count = usize::try_from(spec.int("n_supports", 0)?).unwrap_or(0);
    let is_one_class = spec.flag("one_class", false)?;
    let transform = Transform::of(spec)?;
    let likeness = Likeness::of(spec)?;
    let vectors = spec.floats("support_vectors")?.unwrap_or_default();
    // without vectors the coefficients are a plane
    let is_plane = count == 0;
    let vectors = if is_plane {
        Vectors::new(Likeness::Linear, &coefficients, 1)?
    } else {
        Vectors::new(likeness, vectors, count)?
    };
    if !is_plane && coefficients.len() != count {
        return Err(Problem::shape(format!(
            "has {} coefficients for {count} support vectors",
            coefficients.len()
        )));
    }
    kernel(move |call| {
        let mut scores = Vec::new();
        for row in vectors.rows(call)? {
            let likenesses = vectors.likenesses(&row);
            let sum = if is_plane { f64::from(likenesses[0]) } else { weighted(&coefficients, &likenesses) };
            #[expect(clippy::cast_possible_truncation, reason = "the operator is of single precision")]
            let sum = (sum + f64::from(rho)) as f32;
            if is_one_class {
                scores.push(if sum > 0.0 { 1.0 } else { -1.0 });
            } else {
                transform.write(&mut [sum], Second::No, &mut scores);
            }
        }
        one(Tensor::new(vec![scores.len(), 1], scores)?)
    })
}

fn weighted(weights: &[f32], values: &[f32]) -> f64 {
    weights.iter().zip(values).map(|(weight, value)| f64::from(weight * value)).sum()
}

/// A classifier of pairs of classes, or of planes.
struct Classifier {
    vectors: Vectors,
    coefficients: Vec<f32>,
    /// For each class where its vectors start, and the end of all.
    starts: Vec<usize>,
    rho: Vec<f32>,
    probabilities: Option<(Vec<f32>, Vec<f32>)>,
    labels: Labels,
    transform: Transform,
}

fn classifier(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let labels = Labels::of(spec, "classlabels_strings", "classlabels_ints")?;
    let classes = labels.len();
    let coefficients = spec.floats("coefficients")?.unwrap_or_default().to_vec();
    let rho = spec.floats("rho")?.unwrap_or_default().to_vec();
    let list = |name| spec.floats(name).map(|list| list.unwrap_or_default().to_vec());
    let (first, second) = (list("prob_a")?, list("prob_b")?);
    let support = spec.floats("support_vectors")?.unwrap_or_default();
    let likeness = Likeness::of(spec)?;
    let mut starts = vec![0usize];
    for &count in spec.ints("vectors_per_class")?.unwrap_or_default() {
        let count = usize::try_from(count).ok().filter(|count| *count <= support.len());
        let count = count.ok_or_else(|| Problem::shape("has a number of vectors that is not there"))?;
        starts.push(starts[starts.len() - 1] + count);
    }
    let total = starts[starts.len() - 1];
    let pairs = classes * (classes - 1) / 2;
    let is_plane = total == 0;
    let vectors = if is_plane {
        Vectors::new(Likeness::Linear, &coefficients, classes)?
    } else {
        Vectors::new(likeness, support, total)?
    };
    let fits = if is_plane {
        !rho.is_empty()
    } else {
        classes >= 2
            && starts.len() == classes + 1
            && coefficients.len() >= (classes - 1) * total
            && rho.len() >= pairs
    };
    if !fits || first.len() != second.len() || (!first.is_empty() && first.len() < pairs) {
        return Err(Problem::shape(format!(
            "has coefficients, vectors or offsets that do not fit {classes} classes"
        )));
    }
    let probabilities = (!first.is_empty() && !is_plane).then_some((first, second));
    let machine = Classifier {
        vectors,
        coefficients,
        starts,
        rho,
        probabilities,
        labels,
        transform: Transform::of(spec)?,
    };
    kernel(move |call| if is_plane { machine.by_planes(call) } else { machine.by_pairs(call) })
}

impl Classifier {
    fn by_planes(&self, call: &mut Call<'_>) -> Outputs {
        let are_positive = self.coefficients.iter().all(|weight| *weight >= 0.0);
        let (mut named, mut scores) = (Vec::new(), Vec::new());
        for row in self.vectors.rows(call)? {
            let mut sums = self.vectors.likenesses(&row);
            sums.iter_mut().for_each(|sum| *sum += self.rho[0]);
            let best = first_largest(&sums);
            let limit = if are_positive { sums[best] >= 0.5 } else { sums[best] > 0.0 };
            named.push(self.labels.at(if self.labels.len() == 2 && limit { 1 } else { best }));
            self.transform.write(&mut sums, Second::No, &mut scores);
        }
        self.outputs(named, scores)
    }

    fn outputs(&self, named: Vec<Labels>, scores: Vec<f32>) -> Outputs {
        let rows = named.len();
        let width = scores.len().checked_div(rows).unwrap_or(self.labels.len());
        Ok(vec![line(named).into(), Tensor::new(vec![rows, width], scores)?.into()])
    }

    fn by_pairs(&self, call: &mut Call<'_>) -> Outputs {
        let classes = self.labels.len();
        let (mut named, mut scores) = (Vec::new(), Vec::new());
        for row in self.vectors.rows(call)? {
            let (mut sums, votes) = self.compared(&row);
            // the first of those with the most votes
            let best =
                (1..classes).fold(0, |best, class| if votes[class] > votes[best] { class } else { best });
            named.push(self.labels.at(best));
            match &self.probabilities {
                Some((first, second)) => {
                    let mut shares = probabilities(classes, &sums, first, second);
                    self.transform.write(&mut shares, Second::No, &mut scores);
                }
                None => {
                    let second =
                        if self.transform == Transform::None { Second::Opposite } else { Second::Complement };
                    self.transform.write(
                        &mut sums,
                        if classes == 2 { second } else { Second::No },
                        &mut scores,
                    );
                }
            }
        }
        self.outputs(named, scores)
    }

    /// The sum of each pair of classes, and how often each class wins.
    fn compared(&self, row: &[f32]) -> (Vec<f32>, Vec<u32>) {
        let classes = self.labels.len();
        let likenesses = self.vectors.likenesses(row);
        let total = likenesses.len();
        let mut sums = Vec::new();
        let mut votes = vec![0; classes];
        for one in 0..classes {
            for other in one + 1..classes {
                let part = |class: usize, line: usize| {
                    let range = self.starts[class]..self.starts[class + 1];
                    weighted(&self.coefficients[line * total..][range.clone()], &likenesses[range])
                };
                let sum = part(one, other - 1) + part(other, one) + f64::from(self.rho[sums.len()]);
                votes[if sum > 0.0 { one } else { other }] += 1;
                #[expect(clippy::cast_possible_truncation, reason = "the operator is of single precision")]
                sums.push(sum as f32);
            }
        }
        (sums, votes)
    }
}

/// Couples the probabilities of pairs (Wu, Lin and Weng 2004, the second method).
#[expect(clippy::cast_precision_loss, reason = "a small number of classes")]
fn probabilities(classes: usize, sums: &[f32], first: &[f32], second: &[f32]) -> Vec<f32> {
    let mut pair = vec![0.0f32; classes * classes];
    let mut position = 0;
    for one in 0..classes {
        for other in one + 1..classes {
            let share = 1.0 - logistic(sums[position] * first[position] + second[position]);
            let share = share.clamp(1e-7, 1.0 - 1e-7);
            pair[one * classes + other] = share;
            pair[other * classes + one] = 1.0 - share;
            position += 1;
        }
    }
    let at = |row: usize, column: usize| pair[row * classes + column];
    let mut quadratic = vec![0.0f32; classes * classes];
    for row in 0..classes {
        for column in (0..classes).filter(|column| *column != row) {
            quadratic[row * classes + row] += at(column, row) * at(column, row);
            quadratic[row * classes + column] = -at(column, row) * at(row, column);
        }
    }
    let mut shares = vec![1.0 / classes as f32; classes];
    let mut products = vec![0.0f32; classes];
    for _ in 0..100 {
        let mut all = 0.0;
        for row in 0..classes {
            products[row] =
                (0..classes).map(|column| quadratic[row * classes + column] * shares[column]).sum();
            all += shares[row] * products[row];
        }
        let worst = products.iter().map(|product| (product - all).abs()).fold(0.0, f32::max);
        if worst < 0.005 / classes as f32 {
            break;
        }
        for row in 0..classes {
            let diagonal = quadratic[row * classes + row];
            let step = (all - products[row]) / diagonal;
            shares[row] += step;
            all = (all + step * (step * diagonal + 2.0 * products[row])) / (1.0 + step) / (1.0 + step);
            for column in 0..classes {
                products[column] =
                    (products[column] + step * quadratic[row * classes + column]) / (1.0 + step);
                shares[column] /= 1.0 + step;
            }
        }
    }
    shares
}
